//! A program that runs beside the test: what it prints is waited for, and it never outlives the test.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::Ended;

/// Longer than anything here takes, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);

/// A running program. Dropping it kills it.
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
    stdout: String,
    stderr: Option<JoinHandle<String>>,
    deadline: Instant,
}

impl Running {
    /// Starts a program.
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program runs");
        let (stdout, mut stderr) = (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            let mut stdout = BufReader::new(stdout);
            let mut line = String::new();
            while stdout.read_line(&mut line).is_ok_and(|read| read > 0) {
                if sender.send(std::mem::take(&mut line)).is_err() {
                    return;
                }
            }
        });
        let stderr = std::thread::spawn(move || {
            let mut all = String::new();
            stderr.read_to_string(&mut all).expect("text");
            all
        });
        Self { child, lines, stdout: String::new(), stderr: Some(stderr), deadline: Instant::now() + PATIENCE }
    }

    /// The next line on its standard output; `None` at the end of it.
    pub(crate) fn line(&mut self) -> Option<String> {
        match self.lines.recv_timeout(self.deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                self.stdout.push_str(&line);
                Some(line)
            }
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("nothing for {PATIENCE:?} after: {}", self.stdout),
        }
    }

    /// Reads records until one of this type for which `fits` holds.
    pub(crate) fn wait_for(&mut self, kind: &str, fits: impl Fn(&Value) -> bool) -> Value {
        while let Some(line) = self.line() {
            let record: Value = serde_json::from_str(&line).expect("one object a line");
            if record["type"] == kind && fits(&record) {
                return record;
            }
        }
        let stdout = std::mem::take(&mut self.stdout);
        panic!("it ended without a `{kind}`: {stdout}\n{}", self.stderr());
    }

    /// Does it end by itself within this time?
    pub(crate) fn ends_within(&mut self, time: Duration) -> bool {
        let until = Instant::now() + time;
        loop {
            match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => self.stdout.push_str(&line),
                Err(RecvTimeoutError::Disconnected) => return true,
                Err(RecvTimeoutError::Timeout) => return false,
            }
        }
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("it runs");
    }

    /// A figure of its memory, in KiB: `VmHWM` the most that was ever resident, `VmRSS` what is now.
    pub(crate) fn memory(&self, figure: &str) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix(figure))?;
        line.trim_start_matches(':').trim().trim_end_matches(" kB").parse().ok()
    }

    /// Waits for its end.
    pub(crate) fn ended(mut self) -> Ended {
        while self.line().is_some() {}
        let code = self.child.wait().expect("a child of ours").code();
        Ended { code, stdout: std::mem::take(&mut self.stdout), stderr: self.stderr() }
    }

    fn stderr(&mut self) -> String {
        self.stderr.take().map(|reader| reader.join().expect("text")).unwrap_or_default()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Gone already is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
