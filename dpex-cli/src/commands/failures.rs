//! What became of requests, as errors with hints and exit codes.

use std::io::ErrorKind;

use dpex_core::engine::Failure;
use dpex_core::node::{Client, ListError};
use dpex_core::store::StoreError;
use dpex_core::types::SharePath;
use dpex_core::wire::message::FailCode;

use super::connection;
use crate::error::{Blame, CliError, reason};

/// A listing failed.
pub(super) fn listing(error: &ListError, path: &SharePath, client: &Client) -> CliError {
    let what = if path.is_root() { "what is on offer".to_owned() } else { format!("`{path}`") };
    match error {
        ListError::Failed(Failure::Disconnected) => connection::ended(client.ended().as_ref()),
        ListError::Failed(failure) => {
            let (blame, why) = explain(failure);
            CliError::new(blame, format!("failed to list {what}: {why}")).hint(failure_hint(failure))
        }
        ListError::TooLong => CliError::new(Blame::Partial, format!("failed to list {what}: {error}"))
            .hint("list or get one folder of it at a time"),
        ListError::Disordered => CliError::new(Blame::Verification, format!("failed to list {what}: {error}"))
            .hint("the server does not keep to the protocol; update dpex on both sides"),
    }
}

/// Whose fault a failed request is, and why in words.
pub(super) fn explain(failure: &Failure) -> (Blame, String) {
    match failure {
        Failure::Refused { code, .. } => (Blame::Refused, refusal(*code).to_owned()),
        Failure::Store(e) => (store_blame(e), store_reason(e)),
        Failure::TooLarge => (Blame::Partial, failure.to_string()),
        Failure::Mismatch => (Blame::Verification, "what came does not match its hash".to_owned()),
        Failure::Cancelled => (Blame::Interrupted, "given up".to_owned()),
        Failure::Disconnected => (Blame::NoAnswer, "the connection ended".to_owned()),
    }
}

fn refusal(code: FailCode) -> &'static str {
    match code {
        FailCode::NotFound => "no such file on the server",
        FailCode::Changed => "it changed on the server while it was sent",
        FailCode::Busy => "the server is busy",
        FailCode::TooLarge => "the server does not send so much at once",
        FailCode::Io => "the server could not read it",
        FailCode::Refused => "the server does not give it",
        FailCode::Cancelled | FailCode::Mismatch | FailCode::Unknown => "the server did not understand the request",
    }
}

fn store_blame(error: &StoreError) -> Blame {
    match error {
        StoreError::Full | StoreError::Io(_) => Blame::Disk,
        _ => Blame::Partial,
    }
}

/// Why the receiving folder did not take a file.
pub(super) fn store_reason(error: &StoreError) -> String {
    match error {
        StoreError::Exists => "a folder, a link or something new has that name here, and was kept".to_owned(),
        StoreError::Busy => "another dpex is receiving it".to_owned(),
        StoreError::Gone => "what an earlier run had left of it is gone: run the same command again".to_owned(),
        StoreError::Io(e) => reason(e),
        other => other.to_string(),
    }
}

/// What to do about a name that the receiving folder does not take.
pub(super) fn store_hint(error: &StoreError) -> &'static str {
    match error {
        StoreError::Exists => "move away what has the name, or choose another folder with --to DIR",
        StoreError::BadName(_) => {
            "the lines above say why; of names that only other systems cannot hold, --any-names takes all"
        }
        StoreError::Io(e) if matches!(e.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) => {
            "see to it that you may read and write there, or choose another target folder with --to DIR"
        }
        error => hint(store_blame(error)),
    }
}

/// Why a file was not fetched that is here with other content.
pub(super) const DIFFERS: &str = "the file here differs, and was kept";
/// What to do about it.
pub(super) const DIFFERS_HINT: &str = "--overwrite fetches it again in its place, --rename puts it beside";

/// A listing is not everything.
pub(super) fn left_out(count: u64) -> String {
    let names = if count == 1 { "1 name".to_owned() } else { format!("{count} names") };
    format!("the server left out {names} that it cannot offer")
}

/// What to do about it.
pub(super) const LEFT_OUT_HINT: &str = "ask the person who runs the server: its log names them";

/// What to do about a request that failed.
pub(super) fn failure_hint(failure: &Failure) -> &'static str {
    match failure {
        Failure::Refused { code: FailCode::Io | FailCode::Busy | FailCode::Changed, .. } => {
            "run the same command again; if it stays so, ask the person who runs the server"
        }
        other => hint(explain(other).0),
    }
}

/// Adds what to do next.
pub(super) fn with_hint(error: CliError) -> CliError {
    let hint = hint(error.blame());
    error.hint(hint)
}

/// What to do next about a cause.
pub(super) fn hint(cause: Blame) -> &'static str {
    match cause {
        Blame::Refused => "`dpex client ls` lists what is on offer; run the same command again if it has changed",
        Blame::Disk => "make room or check the target folder, then run the same command again",
        Blame::Verification => "run the same command again; if it stays so, ask the person who runs the server",
        Blame::NoAnswer => "run the same command again",
        _ => "the lines above say which and why",
    }
}
