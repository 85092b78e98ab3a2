//! A machine for each test: a home of its own, a clean environment, and the program.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::running::Running;

/// A person's machine.
pub(crate) struct Machine {
    dir: TempDir,
    env: Vec<(String, String)>,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Machine {
    /// One on which dpex was never run.
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("a temporary folder"), env: Vec::new() }
    }

    /// One with a client's identity, made once for all tests: `alice` or `bob`.
    pub(crate) fn client(name: &str) -> Self {
        static ALICE: OnceLock<Machine> = OnceLock::new();
        static BOB: OnceLock<Machine> = OnceLock::new();
        let prepared = match name {
            "alice" => &ALICE,
            _ => &BOB,
        };
        prepared.get_or_init(|| made(&["client", "init", "--bits", "3072", "--name", name])).copy()
    }

    /// One with a server's identity, made once for all tests.
    pub(crate) fn server() -> Self {
        static SERVER: OnceLock<Machine> = OnceLock::new();
        let init = ["server", "init", "--bits", "3072", "--host", "files.example.org", "--name", "Bob's files"];
        SERVER.get_or_init(|| made(&init)).copy()
    }

    pub(crate) fn copy(&self) -> Self {
        let copy = Self::new();
        copy_folder(&self.home(), &copy.home());
        copy
    }

    /// Sets a variable for all commands that follow.
    pub(crate) fn with_env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// The home that commands use.
    pub(crate) fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    /// A file outside of the home.
    pub(crate) fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::write(&path, content).expect("writable");
        path
    }

    /// The program with these words, ready to run.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dpex"));
        command.args(words).env_clear().env("DPEX_HOME", self.home()).env("USER", "tester").env("TZ", "UTC");
        command.envs(self.env.iter().map(|(name, value)| (name, value))).current_dir(self.dir.path());
        command.stdin(Stdio::null());
        command
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, words: &[&str]) -> Ended {
        self.start(words).ended()
    }

    /// Runs it beside the test.
    pub(crate) fn start(&self, words: &[&str]) -> Running {
        Running::start(self.command(words))
    }

    /// A place on this machine outside of the home.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Runs it to its end with something on standard input.
    pub(crate) fn run_with_input(&self, words: &[&str], input: &str) -> Ended {
        let mut command = self.command(words);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program runs");
        // A command that refuses for another reason first has no need to read, and may be gone already.
        match child.stdin.take().expect("piped").write_all(input.as_bytes()) {
            Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => {}
            written => written.expect("it reads"),
        }
        Ended::from(child.wait_with_output().expect("it ends"))
    }

    /// Runs it; it must succeed. What it printed.
    pub(crate) fn ok(&self, words: &[&str]) -> String {
        self.run(words).ok()
    }

    /// Every file and folder below the home with its content, to see that nothing changed. Locks are left out.
    pub(crate) fn snapshot(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut found = BTreeMap::new();
        walk(&self.home(), &mut found);
        found.retain(|path, _| path.file_name().is_none_or(|name| name != "lock"));
        found
    }
}

impl Ended {
    /// It must have succeeded. What it printed.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.stdout
    }

    /// It must have failed with this code, with nothing on stdout, one line of error and one of hint that hold these.
    #[track_caller]
    pub(crate) fn fails(&self, code: i32, error: &str, hint: &str) {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert_eq!(self.stdout, "", "{self:?}");
        let lines: Vec<&str> = self.stderr.lines().collect();
        let [first, second] = lines[..] else { panic!("not two lines: {self:?}") };
        told(first, second, error, hint);
    }

    /// The same for a command about several files: a line of its own for each that failed, with these words, comes first.
    #[track_caller]
    pub(crate) fn fails_after(&self, files: &[&str], code: i32, error: &str, hint: &str) {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert_eq!(self.stdout, "", "{self:?}");
        let lines: Vec<&str> = self.stderr.lines().collect();
        let [failed @ .., first, second] = &lines[..] else { panic!("not two lines: {self:?}") };
        assert_eq!(failed.len(), files.len(), "{self:?}");
        assert!(files.iter().zip(failed).all(|(words, line)| line.contains(words)), "{self:?}");
        told(first, second, error, hint);
    }

    /// The eight words that it asked to compare.
    #[track_caller]
    pub(crate) fn words(&self) -> String {
        let line = self.stderr.lines().find_map(|line| line.strip_prefix("    "));
        let words = line.unwrap_or_else(|| panic!("no words: {self:?}"));
        assert_eq!(words.split(' ').count(), 8, "{words}");
        words.to_owned()
    }
}

/// One line of error and one of hint that hold these.
#[track_caller]
fn told(first: &str, second: &str, error: &str, hint: &str) {
    assert!(first.starts_with("error: ") && first.contains(error), "{first}");
    assert!(second.starts_with("hint: ") && second.contains(hint), "{second}");
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("output is text");
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

fn made(words: &[&str]) -> Machine {
    let machine = Machine::new();
    machine.ok(words);
    machine
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir(to).expect("writable");
    for entry in fs::read_dir(from).expect("readable") {
        let entry = entry.expect("readable");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).expect("writable");
        }
    }
    fs::set_permissions(to, fs::metadata(from).expect("there").permissions()).expect("ours");
}

fn walk(folder: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            found.insert(path.clone(), Vec::new());
            walk(&path, found);
        } else {
            found.insert(path.clone(), fs::read(&path).expect("readable"));
        }
    }
}
