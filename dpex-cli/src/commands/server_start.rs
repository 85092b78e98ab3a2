//! `dpex server start`: serves in the background.

use std::fs::read as read_file;
use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use serde_json::json;

use super::Context;
use crate::args::ServeArgs;
use crate::control::{self, Request};
use crate::error::{Blame, CliError, CliResult, reason};
use crate::home::{Part, Role, known_passphrase};

/// How long a server has to get ready.
const STARTING: Duration = Duration::from_secs(60);
/// How long a server that said nothing more has to answer or to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs it.
pub(super) fn run(context: &Context, args: &ServeArgs) -> CliResult {
    let part = context.home.part(Role::Server);
    part.check()?;
    if part.is_serving()? {
        return Err(CliError::usage(format!("a server runs already in {}", context.home.root().display()))
            .hint("`dpex server status` says more; `dpex server restart` starts it again"));
    }
    let mut child = spawn(context, &part, args)?;
    let mut said = String::new();
    if let Some(mut stderr) = child.stderr.take() {
        let (whole, ended) = channel();
        std::thread::spawn(move || {
            let mut said = String::new();
            let _ = stderr.read_to_string(&mut said);
            let _ = whole.send(said);
        });
        // Its end is the sign: it is ready, or it is dead.
        match ended.recv_timeout(STARTING) {
            Ok(all) => said = all,
            Err(_) => {
                // Ours, and not yet anybody's server.
                let _ = child.kill();
                return Err(CliError::new(Blame::Internal, "the server did not get ready within a minute")
                    .hint("`dpex server serve` may show what it waits for"));
            }
        }
    }
    let until = Instant::now() + PATIENCE;
    let status = loop {
        if let Ok(Some(status)) = child.try_wait() {
            return Err(ended(&said, status.code()));
        }
        match control::ask(&part, &Request::Status) {
            Ok(Some(status)) => break status,
            Ok(None) | Err(_) if Instant::now() < until => std::thread::sleep(Duration::from_millis(20)),
            Ok(None) => return Err(CliError::new(Blame::Internal, "the server was started and does not answer")),
            Err(error) => return Err(error),
        }
    };
    let (address, pid) = (status["address"].as_str().unwrap_or("?").to_owned(), status["pid"].clone());
    let log = part.log_folder();
    if context.ui.json {
        context.ui.record("started", json!({ "address": address, "pid": pid, "log": log.display().to_string() }))?;
    }
    // What it warned of, such as a shelf that cannot be served.
    for line in said.lines().filter(|line| !line.starts_with("serving ")) {
        context.ui.say(line);
    }
    context.ui.say(&format!(
        "The server runs in the background, on {address}. Its log is in {}.\n\
         `dpex server status` says how it stands, `dpex server stop` ends it.",
        log.display()
    ));
    Ok(())
}

fn spawn(context: &Context, part: &Part, args: &ServeArgs) -> CliResult<Child> {
    let failed =
        |e: std::io::Error| CliError::new(Blame::Internal, format!("the server could not be started: {}", reason(&e)));
    let passphrase = match read_file(part.identity_file()) {
        Ok(pem) if pem.windows(9).any(|word| word == b"ENCRYPTED") => known_passphrase(&part.identity_file()),
        _ => None,
    };
    let mut command = Command::new(std::env::current_exe().map_err(failed)?);
    command.arg("--home").arg(context.home.root());
    for (flag, path) in [("--config", &context.config), ("--passphrase-file", &context.passphrase_file)] {
        if let Some(path) = path {
            command.arg(flag).arg(std::path::absolute(path).map_err(failed)?);
        }
    }
    command.args(&context.typed_words);
    if context.ui.verbose {
        command.arg("--verbose");
    }
    command.args(["server", "serve", "--background"]);
    if let Some(listen) = args.listen {
        command.args(["--listen", &listen.to_string()]);
    }
    if let Some(port) = args.port {
        command.args(["--port", &port.to_string()]);
    }
    // A folder that is removed must not be held by it.
    command.current_dir("/").stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(failed)?;
    if let (Some(mut stdin), Some(passphrase)) = (child.stdin.take(), passphrase) {
        // One that is dead already says why.
        let _ = stdin.write_all(&passphrase);
    }
    Ok(child)
}

/// What the server said before it ended, as if this command had said it.
fn ended(said: &str, code: Option<i32>) -> CliError {
    let line = |start: &str| said.lines().find_map(|line| line.strip_prefix(start));
    let blame = match code {
        Some(2) => Blame::Usage,
        Some(3) => Blame::NotEnrolled,
        Some(6) => Blame::Disk,
        _ => Blame::Internal,
    };
    let error = CliError::new(blame, line("error: ").unwrap_or("the server ended at once"));
    match line("hint: ") {
        Some(hint) => error.hint(hint),
        None => error.hint("`dpex server serve` shows more"),
    }
}
