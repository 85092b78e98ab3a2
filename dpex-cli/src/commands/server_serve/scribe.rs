//! Writes the log of who got what, on a thread of its own: whoever has something to write down never waits for the disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::sleep;
use std::time::{Duration, Instant};

use dpex_core::types::Timestamp;
use serde_json::json;

use crate::home::{Audit, Entry};
use crate::ui::Log;

/// Entries that may wait for a slow disk; more are dropped, and their number is written down.
const MAX_WAITING: usize = 16 * 1024;
/// Entries that are written at a time.
const MAX_BATCH: usize = 4096;
/// How long an entry waits for others: each write waits for the disk.
const EVERY: Duration = Duration::from_millis(250);
/// How often it looks what has come meanwhile: to be woken for each entry would cost whoever notes it more than the entry.
const GLANCE: Duration = Duration::from_millis(10);

/// Takes entries.
#[derive(Debug)]
pub(super) struct Scribe {
    sender: SyncSender<Note>,
    lost: Arc<AtomicU64>,
}

/// What its thread is told.
#[derive(Debug)]
enum Note {
    Entry(Entry),
    /// Say when all before is written.
    End(SyncSender<()>),
}

impl Scribe {
    /// Begins its thread. What it cannot write it says in `log`.
    pub(super) fn new(audit: Audit, log: Log) -> Self {
        let (sender, notes) = sync_channel(MAX_WAITING);
        let lost = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&lost);
        let thread = std::thread::Builder::new().name("audit".into());
        // Without a thread every entry is refused below, and counted.
        drop(thread.spawn(move || write(&audit, &log, &notes, &counted)));
        Self { sender, lost }
    }

    /// Writes an entry down, soon.
    pub(super) fn note(&self, entry: Entry) {
        if self.sender.try_send(Note::Entry(entry)).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until all that was noted is written, but no longer than `patience`.
    pub(super) fn finish(&self, patience: Duration) {
        let (written, all) = sync_channel(1);
        if self.sender.try_send(Note::End(written)).is_ok() {
            // A disk that hangs keeps nobody.
            let _ = all.recv_timeout(patience);
        }
    }
}

fn write(audit: &Audit, log: &Log, notes: &Receiver<Note>, lost: &AtomicU64) {
    let mut failing = false;
    while let Some((mut batch, asked)) = next_batch(notes) {
        let missed = lost.swap(0, Ordering::Relaxed);
        if missed > 0 {
            let at = batch.last().map_or(Timestamp::EPOCH, |entry| entry.at);
            batch.push(Entry { at, kind: "lost", person: None, fields: json!({ "lines": missed }) });
        }
        let lines = batch.len() as u64;
        let written = audit.append(batch);
        // Said once, until it has worked again: a full disk must not fill the other log, too.
        if let (Err(error), false) = (&written, failing) {
            let (why, hint) = (error.message(), error.hint_text());
            log.warn(&format!("who got what is not written down any more: {why}\nhint: {hint}"));
        }
        failing = written.is_err();
        if failing {
            lost.fetch_add(lines, Ordering::Relaxed);
        }
        if let Some(asked) = asked {
            // Whoever asked may have waited long enough.
            let _ = asked.send(());
        }
    }
}

/// What has come, or comes in the next moment, and who wants to know that it is written; `None` when nothing will come
/// any more.
fn next_batch(notes: &Receiver<Note>) -> Option<(Vec<Entry>, Option<SyncSender<()>>)> {
    let mut batch = Vec::new();
    let mut next = notes.recv().ok();
    next.as_ref()?;
    let until = Instant::now() + EVERY;
    loop {
        match next {
            Some(Note::Entry(entry)) => batch.push(entry),
            Some(Note::End(asked)) => return Some((batch, Some(asked))),
            None => {}
        }
        if batch.len() >= MAX_BATCH {
            break;
        }
        next = match notes.try_recv() {
            Ok(note) => Some(note),
            Err(TryRecvError::Empty) if Instant::now() < until => {
                sleep(GLANCE);
                None
            }
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
        };
    }
    Some((batch, None))
}
