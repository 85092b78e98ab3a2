//! A server without a terminal: how it leaves the one it was started from, and what it tells whoever keeps it running.

use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::path::Path;

use sd_notify::NotifyState;
use tracing_appender::rolling::{RollingFileAppender, Rotation};
use zeroize::Zeroizing;

use crate::error::{Blame, CliError, CliResult, reason};
use crate::home::{Part, create_folder, hand_over_passphrase};
use crate::ui::Log;

/// Days of a server's own log that are kept.
const DAYS: usize = 30;
/// Longer than any passphrase.
const MAX_PASSPHRASE: u64 = 4096;

/// Leaves the terminal's session, so that closing it ends nothing, and takes over the passphrase from standard input.
pub(super) fn detach() -> CliResult {
    let failed = |e: io::Error| CliError::new(Blame::Internal, format!("failed to leave the terminal: {}", reason(&e)));
    rustix::process::setsid().map_err(|e| failed(e.into()))?;
    let mut passphrase = Zeroizing::new(Vec::with_capacity(usize::try_from(MAX_PASSPHRASE).unwrap_or(0)));
    io::stdin().lock().take(MAX_PASSPHRASE).read_to_end(&mut passphrase).map_err(failed)?;
    if !passphrase.is_empty() {
        hand_over_passphrase(passphrase);
    }
    Ok(())
}

/// All is ready. One in the background says from now on what it has to say in the home's log; by the end of its standard
/// error, whoever started it sees that it runs.
pub(super) fn ready(background: bool, log: &Log, part: &Part) -> CliResult {
    // Without a service manager nobody listens.
    let _ = sd_notify::notify(&[NotifyState::Ready]);
    if !background {
        return Ok(());
    }
    let folder = part.log_folder();
    create_folder(&folder)?;
    log.divert(Box::new(appender(&folder)?));
    let nothing = OpenOptions::new().read(true).write(true).open("/dev/null");
    let nothing = nothing.map_err(|e| CliError::disk("open", Path::new("/dev/null"), &e))?;
    let detached = rustix::stdio::dup2_stdin(&nothing)
        .and_then(|()| rustix::stdio::dup2_stdout(&nothing))
        .and_then(|()| rustix::stdio::dup2_stderr(&nothing));
    detached.map_err(|e| CliError::new(Blame::Internal, format!("failed to leave the terminal: {e}")))
}

/// A file a day, of which the oldest go.
fn appender(folder: &Path) -> CliResult<RollingFileAppender> {
    let files = RollingFileAppender::builder().rotation(Rotation::DAILY).max_log_files(DAYS);
    files
        .filename_prefix("server")
        .filename_suffix("log")
        .build(folder)
        .map_err(|e| CliError::new(Blame::Disk, format!("failed to write a log in {}: {e}", folder.display())))
}

/// It still turns: a service manager that waits for this restarts one that hangs.
pub(super) fn alive() {
    let _ = sd_notify::notify(&[NotifyState::Watchdog]);
}

/// It ends because it was told to.
pub(super) fn stopping() {
    let _ = sd_notify::notify(&[NotifyState::Stopping]);
}
