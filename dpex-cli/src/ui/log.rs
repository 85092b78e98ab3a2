//! The log of a running server: lines that are written as fast as somebody reads them, by a thread of their own.
//!
//! Whoever logs never waits. A reader that stalls fills a bounded queue; what does not fit after that is dropped and
//! counted, and the count is a line of its own once there is room again.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Write as _};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tracing_subscriber::fmt::MakeWriter;

use super::{Ui, record_line};

/// Bytes that are written at a time, if that many wait.
const AT_ONCE: usize = 64 * 1024;
/// Bytes that may wait to be read, the bookkeeping of each line included.
const MAX_WAITING: usize = 1 << 20;
/// How long more lines are waited for before the writer sleeps until it is woken, which costs whoever logs more than a line.
const GLANCE: Duration = Duration::from_millis(2);

/// A log. Clones share it.
#[derive(Clone)]
pub(crate) struct Log {
    ui: Ui,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// Where lines go instead of stdout and stderr.
    file: Mutex<Option<Box<dyn io::Write + Send>>>,
    queue: Mutex<Queue>,
    /// There is something to write.
    filled: Condvar,
    /// Everything is written.
    drained: Condvar,
}

#[derive(Default)]
struct Queue {
    lines: VecDeque<Line>,
    bytes: usize,
    /// Lines dropped since there was room last.
    lost: u64,
    has_writer: bool,
    /// The writer sleeps until it is told of a line.
    sleeps: bool,
    /// A line is being written.
    writing: bool,
}

/// A line and where it goes, its end included.
enum Line {
    Out(String),
    Err(String),
}

impl Log {
    /// An empty log. Its thread begins with its first line.
    pub(crate) fn new(ui: Ui) -> Self {
        Self { ui, shared: Arc::default() }
    }

    /// From now on lines go there, each with its time, and not to stdout and stderr.
    pub(crate) fn divert(&self, file: Box<dyn io::Write + Send>) {
        *self.shared.file.lock().unwrap_or_else(PoisonError::into_inner) = Some(file);
    }

    /// A record on stdout; `fields` is an object.
    pub(crate) fn record(&self, kind: &str, fields: &Value) {
        self.push(Line::Out(record_line(kind, fields)));
    }

    /// A line for people on stderr, not with `-q`.
    pub(crate) fn say(&self, text: &str) {
        if !self.ui.quiet {
            self.warn(text);
        }
    }

    /// A line for people on stderr, also with `-q`.
    pub(crate) fn warn(&self, text: &str) {
        self.push(Line::Err(format!("{text}\n")));
    }

    /// Waits until everything is written, but no longer than `patience`. False if nobody read it.
    pub(crate) fn finish(&self, patience: Duration) -> bool {
        let queue = self.queue();
        let waits = |queue: &mut Queue| queue.writing || !queue.lines.is_empty();
        let waited = self.shared.drained.wait_timeout_while(queue, patience, waits);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    fn push(&self, line: Line) {
        let mut queue = self.queue();
        if !queue.has_writer {
            let log = self.clone();
            // Without a thread lines wait, and are tried again with the next one.
            queue.has_writer = std::thread::Builder::new().name("log".into()).spawn(move || log.write()).is_ok();
        }
        // Until the loss is told, nothing may overtake that line.
        if queue.lost > 0 || queue.bytes + line.weight() > MAX_WAITING {
            queue.lost += 1;
            return;
        }
        queue.push(line);
        if std::mem::take(&mut queue.sleeps) {
            self.shared.filled.notify_one();
        }
    }

    /// Writes lines for ever.
    fn write(&self) {
        let mut queue = self.queue();
        loop {
            let Some(lines) = queue.pop_all() else {
                queue.writing = false;
                queue.sleeps = true;
                self.shared.drained.notify_all();
                queue = self.shared.filled.wait(queue).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            queue.writing = true;
            // With half of the room free, so that a slow reader is not told of each line.
            if queue.lost > 0 && queue.bytes <= MAX_WAITING / 2 {
                let lost = std::mem::take(&mut queue.lost);
                queue.push(self.loss(lost));
            }
            drop(queue);
            match &mut *self.shared.file.lock().unwrap_or_else(PoisonError::into_inner) {
                Some(file) => lines.write_with_time(file),
                None => lines.write(),
            }
            std::thread::sleep(GLANCE);
            queue = self.queue();
        }
    }

    fn loss(&self, lines: u64) -> Line {
        if self.ui.json {
            return Line::Out(record_line("lost", &json!({ "lines": lines })));
        }
        let what = if lines == 1 { "1 line was lost".to_owned() } else { format!("{lines} lines were lost") };
        Line::Err(format!("{what}: nobody read them\n"))
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("ui", &self.ui).finish_non_exhaustive()
    }
}

impl Queue {
    fn push(&mut self, line: Line) {
        self.bytes += line.weight();
        self.lines.push_back(line);
    }

    fn pop(&mut self) -> Option<Line> {
        let line = self.lines.pop_front()?;
        self.bytes -= line.weight();
        Some(line)
    }

    /// The first line, and those behind it that go the same way, in one piece.
    fn pop_all(&mut self) -> Option<Line> {
        let mut all = self.pop()?;
        loop {
            match (&mut all, self.lines.front()) {
                (Line::Out(text), Some(Line::Out(next))) | (Line::Err(text), Some(Line::Err(next)))
                    if text.len() < AT_ONCE =>
                {
                    text.push_str(next);
                    self.pop();
                }
                _ => return Some(all),
            }
        }
    }
}

impl Line {
    fn weight(&self) -> usize {
        let (Self::Out(text) | Self::Err(text)) = self;
        size_of::<Self>() + text.len()
    }

    /// A full disk is no reason to stop serving either.
    fn write_with_time(&self, file: &mut Box<dyn io::Write + Send>) {
        let (Self::Out(text) | Self::Err(text)) = self;
        let now = jiff::Zoned::now().strftime("%Y-%m-%dT%H:%M:%S%:z");
        let lines: String = text.lines().map(|line| format!("{now} {line}\n")).collect();
        let _ = file.write_all(lines.as_bytes()).and_then(|()| file.flush());
    }

    /// A reader that went away is no reason to stop serving, so failures are nobody's.
    fn write(&self) {
        let _ = match self {
            Self::Out(text) => {
                let mut out = io::stdout().lock();
                out.write_all(text.as_bytes()).and_then(|()| out.flush())
            }
            Self::Err(text) => anstream::stderr().lock().write_all(text.as_bytes()),
        };
    }
}

/// What the parts below have to say goes the same way: they must not wait either.
impl<'a> MakeWriter<'a> for Log {
    type Writer = Report<'a>;

    fn make_writer(&'a self) -> Report<'a> {
        Report(self)
    }
}

/// Takes one report of a part below.
pub(crate) struct Report<'a>(&'a Log);

impl io::Write for Report<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.push(Line::Err(String::from_utf8_lossy(line).into_owned()));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A log whose thread never begins.
    fn unread() -> Log {
        let log = Log::new(Ui::default());
        log.queue().has_writer = true;
        log
    }

    fn texts(log: &Log) -> Vec<String> {
        log.queue().lines.iter().map(|(Line::Out(text) | Line::Err(text))| text.clone()).collect()
    }

    #[test]
    fn what_nobody_reads_is_bounded_and_the_rest_is_counted() {
        let log = unread();
        let line = "x".repeat(1000);
        for _ in 0..5000 {
            log.say(&line);
        }
        let (kept, bytes, lost) = {
            let queue = log.queue();
            (queue.lines.len() as u64, queue.bytes, queue.lost)
        };
        assert_eq!(kept + lost, 5000);
        assert!(bytes <= MAX_WAITING && bytes > MAX_WAITING / 2, "{bytes}");
        log.say("short");
        assert_eq!(log.queue().lost, lost + 1, "no later line overtakes the loss");
        assert!(!log.finish(Duration::from_millis(1)), "nobody reads");
    }

    #[test]
    fn lines_keep_their_order_and_quiet_ones_are_left_out() {
        let log = Log { ui: Ui { quiet: true, ..Ui::default() }, ..unread() };
        log.warn("a");
        log.say("b");
        log.record("c", &json!({ "d": 1 }));
        assert_eq!(texts(&log), ["a\n", "{\"v\":1,\"type\":\"c\",\"d\":1}\n"]);
    }

    #[test]
    fn an_empty_log_is_finished_at_once() {
        assert!(Log::new(Ui::default()).finish(Duration::ZERO));
    }
}
