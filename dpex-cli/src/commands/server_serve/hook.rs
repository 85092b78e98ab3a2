//! `on-delivered`: a command of the owner's that is run for each file somebody has got, with the event as JSON on its
//! standard input. It cannot hold the server up: a bounded number runs at a time, for a bounded time, and more wait, up
//! to a number.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::sync::{Semaphore, mpsc};

use crate::home::Entry;
use crate::ui::Log;

/// Commands at a time.
const AT_ONCE: usize = 4;
/// Events that wait for one of them to end.
const MAX_WAITING: usize = 1000;
/// How long one may run before it is killed.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs the owner's command.
#[derive(Clone, Debug)]
pub(super) struct Hook {
    events: mpsc::Sender<String>,
    dropped: Arc<AtomicU64>,
}

impl Hook {
    /// Must be called on a runtime. `None` if there is no command.
    pub(super) fn new(command: Vec<String>, log: Log) -> Option<Self> {
        let (program, arguments) = command.split_first().map(|(first, rest)| (first.clone(), rest.to_vec()))?;
        let (events, mut waiting) = mpsc::channel::<String>(MAX_WAITING);
        let dropped = Arc::new(AtomicU64::new(0));
        let missed = Arc::clone(&dropped);
        tokio::spawn(async move {
            let places = Arc::new(Semaphore::new(AT_ONCE));
            let mut failed_before = false;
            let (outcomes, mut ended) = mpsc::unbounded_channel();
            while let Some(event) = waiting.recv().await {
                let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
                let (name, arguments, outcomes) = (program.clone(), arguments.clone(), outcomes.clone());
                tokio::spawn(async move {
                    let outcome = run(&name, &arguments, &event).await;
                    drop(place);
                    let _ = outcomes.send(outcome.map_err(|why| format!("`{name}` {why}")));
                });
                while let Ok(outcome) = ended.try_recv() {
                    // Said when it begins to fail, not each time.
                    if let (Err(why), false) = (&outcome, failed_before) {
                        log.warn(&format!("on-delivered: {why}"));
                    }
                    failed_before = outcome.is_err();
                }
                let missed = missed.swap(0, Ordering::Relaxed);
                if missed > 0 {
                    log.warn(&format!("on-delivered: {missed} events came faster than `{program}` takes them"));
                }
            }
        });
        Some(Self { events, dropped })
    }

    /// Somebody has got a file.
    pub(super) fn tell(&self, Entry { at, kind, person, fields }: &Entry) {
        let mut event = json!({ "v": 1, "type": kind, "at": at.secs(), "person": person });
        if let (Value::Object(event), Value::Object(fields)) = (&mut event, fields) {
            event.extend(fields.clone());
        }
        if self.events.try_send(event.to_string()).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

async fn run(program: &str, arguments: &[String], event: &str) -> Result<(), String> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    // A passphrase is the server's alone.
    command.env_remove(crate::home::PASSPHRASE_VARIABLE);
    let mut child = command.spawn().map_err(|e| format!("could not be run: {}", crate::error::reason(&e)))?;
    let mut input = child.stdin.take();
    let work = async {
        if let Some(input) = &mut input {
            // One that does not care to read is no failure.
            let _ = input.write_all(format!("{event}\n").as_bytes()).await;
        }
        drop(input);
        child.wait().await
    };
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(format!("failed: {status}")),
        Ok(Err(e)) => Err(format!("failed: {e}")),
        Err(_) => Err(format!("was killed after {} s", PATIENCE.as_secs())),
    }
}
