//! What a person, or a script, sees: answers on stdout, talk on stderr.
//!
//! Text that came from the other side is escaped here and nowhere else. With `--json` an answer is one JSON object a
//! line, each with `"v":1` and a `"type"`; the talk stays plain text.

mod escape;
mod format;
mod log;
mod progress;
mod table;
mod transfer;

use std::io::{self, IsTerminal as _, Write as _};

use serde_json::{Value, json};

use crate::error::{Blame, CliError, CliResult};

pub(crate) use escape::escape;
pub(crate) use format::{day, minute, size};
pub(crate) use log::Log;
pub(crate) use progress::Waiting;
pub(crate) use table::Table;
pub(crate) use transfer::{End, Transfer, Transfers, not_fetched};

/// How to talk, as the global flags say.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ui {
    /// One JSON object a line on stdout.
    pub(crate) json: bool,
    /// No guidance and no progress, only answers and errors.
    pub(crate) quiet: bool,
    /// Say more of what is done.
    pub(crate) verbose: bool,
}

impl Ui {
    /// Prints an answer of plain text as it is; a missing last newline is added.
    pub(crate) fn answer(self, text: &str) -> CliResult {
        let end = if text.ends_with('\n') || text.is_empty() { "" } else { "\n" };
        write_out(&[text, end])
    }

    /// Prints one JSON object of the given type; `fields` is an object.
    pub(crate) fn record(self, kind: &str, fields: Value) -> CliResult {
        write_out(&[&record_line(kind, &fields)])
    }

    /// Guidance for the person at the keyboard; on stderr, and not with `-q`.
    pub(crate) fn say(self, text: &str) {
        if !self.quiet {
            talk(text);
        }
    }

    /// What only somebody who asked with `-v` wants to know.
    pub(crate) fn detail(self, text: &str) {
        if self.verbose && !self.quiet {
            talk(text);
        }
    }

    /// Reports a failure: `error:` in one line, `hint:` in another, and an `error` record with `--json`.
    pub(crate) fn fail(self, error: &CliError) {
        if error.blame() == Blame::OutputClosed {
            return;
        }
        complain(error.message(), error.hint_text());
        if self.json {
            let record =
                json!({ "code": error.blame().exit_code(), "message": error.message(), "hint": error.hint_text() });
            // The failure itself is what the caller hears of; a closed stdout changes nothing about it.
            let _ = self.record("error", record);
        }
    }

    /// May moving progress be drawn? Only for a person who looks.
    pub(crate) fn draws(self) -> bool {
        !self.quiet && !self.json && io::stderr().is_terminal()
    }
}

/// Prints the two lines of an error.
pub(crate) fn complain(message: &str, hint: &str) {
    let one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut err = anstream::stderr().lock();
    // Nobody is left to tell when stderr itself is gone.
    let _ = writeln!(err, "\x1b[1;31merror:\x1b[0m {}", escape(&one_line(message)));
    let _ = writeln!(err, "\x1b[1;36mhint:\x1b[0m {}", escape(&one_line(hint)));
}

/// One JSON object of the given type, and the end of its line; `fields` is an object.
pub(crate) fn record_line(kind: &str, fields: &Value) -> String {
    let fields = fields.to_string();
    let rest = fields.strip_prefix('{').filter(|rest| *rest != "}").map_or("}".to_owned(), |rest| format!(",{rest}"));
    format!("{{\"v\":1,\"type\":{}{rest}\n", json!(kind))
}

fn talk(text: &str) {
    let mut err = anstream::stderr().lock();
    let _ = writeln!(err, "{text}");
}

fn write_out(parts: &[&str]) -> CliResult {
    let mut out = io::stdout().lock();
    let written = parts.iter().try_for_each(|part| out.write_all(part.as_bytes())).and_then(|()| out.flush());
    written.map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => CliError::new(Blame::OutputClosed, "the output was closed"),
        _ => CliError::new(Blame::Disk, format!("failed to write the answer: {}", crate::error::reason(&error))),
    })
}
