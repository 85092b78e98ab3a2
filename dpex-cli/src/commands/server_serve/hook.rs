//! `on-delivered`: a command of the owner's that is run for each file somebody has got, with the event as JSON on its
//! standard input. It cannot hold the server up: a bounded number runs at a time, for a bounded time, and more wait, up
//! to a number.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
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
            let failed_before = Arc::new(AtomicBool::new(false));
            while let Some(event) = waiting.recv().await {
                let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
                let (name, arguments, log_of_it) = (program.clone(), arguments.clone(), log.clone());
                let failed_before = Arc::clone(&failed_before);
                tokio::spawn(async move {
                    let outcome = run(&name, &arguments, &event).await;
                    drop(place);
                    let failed_before = failed_before.swap(outcome.is_err(), Ordering::Relaxed);
                    // Said when it begins to fail, not each time.
                    if let (Err(why), false) = (outcome, failed_before) {
                        log_of_it.warn(&format!("on-delivered: `{name}` {why}"));
                    }
                });
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
    // With a group of its own, so that what it has started is killed with it.
    command.process_group(0);
    // A passphrase is the server's alone.
    command.env_remove(crate::home::PASSPHRASE_VARIABLE);
    let mut child = command.spawn().map_err(|e| format!("could not be run: {}", crate::error::reason(&e)))?;
    let mut group = Group(child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)));
    let mut input = child.stdin.take();
    let work = async {
        if let Some(input) = &mut input {
            // One that does not care to read is no failure.
            let _ = input.write_all(format!("{event}\n").as_bytes()).await;
        }
        drop(input);
        child.wait().await
    };
    let ended = tokio::time::timeout(PATIENCE, work).await;
    if matches!(ended, Ok(Ok(_))) {
        // It was waited for: its number may be somebody else's by now.
        group.0 = None;
    }
    match ended {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(format!("failed: {status}")),
        Ok(Err(e)) => Err(format!("failed: {e}")),
        Err(_) => Err(format!("was killed after {} s", PATIENCE.as_secs())),
    }
}

/// A command that has not been waited for, and what it has started: killed when this ends, at a time-out or with the server.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // Gone already is as good.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}
