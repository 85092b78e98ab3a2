//! `dpex demo`: the whole way from two mails to a verified file, on this machine, in a temporary home.
//!
//! It runs the very commands that people run, each as a process of its own, and shows them with what they print.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::args::DemoArgs;
use crate::error::{Blame, CliError, CliResult};
use crate::ui::{Ui, escape};

/// The size of the file made for the purpose.
const DEMO_SIZE: usize = 8 * 1024 * 1024;

/// Runs it. Each of its commands gets these flags, which choose the backends.
pub(super) fn run(ui: Ui, args: &DemoArgs, flags: Vec<String>) -> CliResult {
    let dir = tempfile::Builder::new().prefix("dpex-demo-").tempdir();
    let dir = dir.map_err(|e| CliError::disk("make a folder in", &std::env::temp_dir(), &e))?;
    let demo = Demo { ui, home: dir.path().join("home"), dir: dir.path().to_owned(), program: program()?, flags };
    let source = demo.source(args.file.as_deref())?;
    demo.play(&source)
}

fn program() -> CliResult<PathBuf> {
    std::env::current_exe().map_err(|e| CliError::new(Blame::Internal, format!("this program cannot be found: {e}")))
}

struct Demo {
    ui: Ui,
    home: PathBuf,
    dir: PathBuf,
    program: PathBuf,
    flags: Vec<String>,
}

/// A server that ends with the demonstration, however that ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Already gone is as good.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Demo {
    fn play(&self, source: &Path) -> CliResult {
        let name = source.file_name().and_then(|n| n.to_str()).unwrap_or("file").to_owned();
        let port = free_port()?.to_string();
        self.step("1. Alice makes her identity. What it prints is the first mail: her public key, no secret.")?;
        let request = self.run_to(&["client", "init", "--name", "Alice", "--bits", "3072"], Some("alice.json"))?;
        self.show(&request)?;
        self.step("2. The server is set up, once.")?;
        self.run(&["server", "init", "--host", "127.0.0.1", "--port", &port, "--bits", "3072"])?;
        self.step("3. Alice is enrolled. What it prints is the second mail, which only she can open.")?;
        let answer = self.run_to(&["server", "add", "alice.json"], Some("for-alice.json"))?;
        self.show(&answer)?;
        self.step("4. Alice reads the answer. Both sides show the same eight words, to compare by phone.")?;
        self.run(&["client", "update", "for-alice.json"])?;
        self.step("5. A file goes into her folder.")?;
        let shelf = self.run(&["server", "path", "alice"])?;
        self.offer(source, Path::new(shelf.trim_end()), &name)?;
        self.step("6. The server serves. Its one UDP port answers nobody but Alice.")?;
        let server = self.serve()?;
        self.step("7. Alice looks, and fetches.")?;
        self.run(&["client", "ls", "-l"])?;
        self.run(&["client", "get", &name, "--to", "received"])?;
        drop(server);
        self.compare(source, &self.dir.join("received").join(&name))
    }

    fn step(&self, text: &str) -> CliResult {
        if self.ui.json {
            return self.ui.record("step", serde_json::json!({ "text": text }));
        }
        self.ui.answer(&format!("\n{text}"))
    }

    fn show(&self, text: &str) -> CliResult {
        if self.ui.json { Ok(()) } else { self.ui.answer(text) }
    }

    /// Runs a command, shows it and what it says, and returns its answer.
    fn run(&self, words: &[&str]) -> CliResult<String> {
        let answer = self.run_to(words, None)?;
        self.show(&answer)?;
        Ok(answer)
    }

    /// Runs a command whose answer goes into a file.
    fn run_to(&self, words: &[&str], file: Option<&str>) -> CliResult<String> {
        let into = file.map(|f| format!(" > {f}")).unwrap_or_default();
        let shown = format!("$ dpex {}{into}", words.join(" "));
        if self.ui.json {
            self.ui.record("command", serde_json::json!({ "command": shown }))?;
        } else {
            self.ui.answer(&shown)?;
        }
        let output = self.command(words).stderr(Stdio::inherit()).output().map_err(|e| not_run(&e))?;
        if !output.status.success() {
            // Of what is typed only the backends are not the demonstration's own.
            let blame = if output.status.code() == Some(2) { Blame::Usage } else { Blame::Internal };
            return Err(
                CliError::new(blame, format!("`dpex {}` failed", words.join(" "))).hint("its own message is above")
            );
        }
        if let Some(file) = file {
            let path = self.dir.join(file);
            fs::write(&path, &output.stdout).map_err(|e| CliError::disk("write", &path, &e))?;
        }
        String::from_utf8(output.stdout).map_err(|e| CliError::new(Blame::Internal, e.to_string()))
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        // Nobody's own settings have a say in the demonstration.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("DPEX_")) {
            command.env_remove(name);
        }
        command.current_dir(&self.dir).arg("--home").arg(&self.home).args(&self.flags).args(words).stdin(Stdio::null());
        if self.ui.quiet || self.ui.json {
            command.arg("--quiet");
        }
        command
    }

    /// Starts the server and waits until it serves.
    fn serve(&self) -> CliResult<Running> {
        let words = ["server", "serve", "--listen", "127.0.0.1", "--json", "--quiet"];
        self.show("$ dpex server serve")?;
        let child = self.command(&words).stdout(Stdio::piped()).spawn().map_err(|e| not_run(&e))?;
        let mut running = Running(child);
        let mut first = String::new();
        let read = running.0.stdout.take().map(|out| BufReader::new(out).read_line(&mut first));
        let record: Option<Value> = serde_json::from_str(&first).ok();
        match (read, record.as_ref().and_then(|r| r["address"].as_str())) {
            (Some(Ok(_)), Some(address)) => {
                self.show(&format!("serving on {}", escape(address)))?;
                Ok(running)
            }
            _ => Err(CliError::new(Blame::Internal, "the server did not start").hint("its own message is above")),
        }
    }

    /// The file to hand over.
    fn source(&self, asked: Option<&Path>) -> CliResult<PathBuf> {
        if let Some(file) = asked {
            let meta = fs::metadata(file).map_err(|e| CliError::disk("read", file, &e))?;
            if !meta.is_file() {
                return Err(CliError::usage(format!("{} is not a file", file.display())).hint("name a regular file"));
            }
            return fs::canonicalize(file).map_err(|e| CliError::disk("read", file, &e));
        }
        let path = self.dir.join("report.pdf");
        let mut content = vec![0; DEMO_SIZE];
        blake3::Hasher::new().update(b"dpex demo").finalize_xof().fill(&mut content);
        fs::write(&path, content).map_err(|e| CliError::disk("write", &path, &e))?;
        Ok(path)
    }

    fn offer(&self, source: &Path, shelf: &Path, name: &str) -> CliResult {
        self.show(&format!("$ cp {name} \"$(dpex server path alice)\""))?;
        let target = shelf.join(name);
        fs::copy(source, &target).map(drop).map_err(|e| CliError::disk("copy to", &target, &e))
    }

    fn compare(&self, source: &Path, received: &Path) -> CliResult {
        let (sent, got) = (hash(source)?, hash(received)?);
        self.step("8. Both hashes, computed from the two files:")?;
        if self.ui.json {
            self.ui.record("hashes", serde_json::json!({ "sent": sent, "received": got, "equal": sent == got }))?;
        } else {
            self.ui.answer(&format!("sent      {sent}\nreceived  {got}"))?;
        }
        if sent != got {
            return Err(CliError::new(Blame::Verification, "the hashes differ"));
        }
        self.show("The same. The temporary home is removed.")
    }
}

fn hash(path: &Path) -> CliResult<String> {
    let read = || -> std::io::Result<String> {
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(fs::File::open(path)?)?;
        Ok(hasher.finalize().to_hex().to_string())
    };
    read().map_err(|e| CliError::disk("read", path, &e))
}

/// A port that was free a moment ago.
fn free_port() -> CliResult<u16> {
    let bound = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|socket| socket.local_addr());
    bound.map(|a| a.port()).map_err(|e| CliError::new(Blame::Internal, format!("no UDP port is free: {e}")))
}

fn not_run(error: &std::io::Error) -> CliError {
    CliError::new(Blame::Internal, format!("this program could not be run again: {error}"))
}
