//! The async runtime of the commands that speak to the other side, and what Ctrl-C means to them.

use dpex_core::node::Client;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

use super::line::Line;
use crate::error::{Blame, CliError, CliResult};

/// Threads for file and RSA work. The node bounds what runs at a time; this bounds the memory of idle threads.
const BLOCKING_THREADS: usize = 24;

/// Files that may be open at a time, if the system lets us: many small ones are received together.
const DESCRIPTORS: u64 = 4096;

/// Runs a command to its end.
pub(super) fn block_on<T>(command: impl Future<Output = CliResult<T>>) -> CliResult<T> {
    allow_descriptors();
    let runtime = Builder::new_multi_thread().enable_all().max_blocking_threads(BLOCKING_THREADS).build();
    let runtime = runtime.map_err(|e| CliError::new(Blame::Internal, format!("no threads could be started: {e}")))?;
    let result = runtime.block_on(command);
    // A disk operation that hangs must not keep an interrupted command from ending.
    runtime.shutdown_background();
    result
}

/// What this process makes in its home is nobody else's business.
pub(super) fn keep_to_itself() {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
}

/// Keys are in this memory: a crash must not write them to a disk, and no other process may look.
pub(super) fn leave_no_core() {
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}

/// Shells give a process few descriptors, for the sake of old programs that can count no further.
fn allow_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.map_or(DESCRIPTORS, |most| most.min(DESCRIPTORS));
    if limit.current.is_some_and(|current| current < most) {
        // Fewer do as well, more slowly.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(most), ..limit });
    }
    make_room_for_descriptors();
}

/// Linux doubles a process's table of descriptors when it is full, and with several threads that takes ten milliseconds and
/// more each time, in which nobody can open anything. Before there are threads it takes none.
fn make_room_for_descriptors() {
    let most = getrlimit(Resource::Nofile).current.map_or(DESCRIPTORS, |most| most.min(DESCRIPTORS));
    if let Some(last) = most.checked_sub(1).and_then(|last| i32::try_from(last).ok()) {
        // The copy is closed at once; the table stays as long as that.
        let _ = rustix::io::fcntl_dupfd_cloexec(std::io::stderr(), last);
    }
}

/// Connects, works, and takes leave of the server. Ctrl-C, or being told to terminate, ends each of them half-way; the
/// server is told then, too.
pub(super) async fn connected<T>(
    connect: impl Future<Output = CliResult<Client>>,
    work: impl AsyncFnOnce(&Client) -> CliResult<T>,
) -> CliResult<T> {
    let mut stop = std::pin::pin!(interrupted());
    let client = tokio::select! {
        connected = connect => connected?,
        () = &mut stop => return Err(stopped()),
    };
    let result = tokio::select! {
        // However long it reads here, the connection is there when it asks again.
        result = client.kept_during(work(&client)) => result,
        () = &mut stop => {
            client.leave().await;
            return Err(stopped());
        }
    };
    tokio::select! {
        () = client.close() => {}
        () = &mut stop => {}
    }
    result
}

/// The same over a connection that is made anew when it fails.
pub(super) async fn lasting<'a, T>(
    connect: impl Future<Output = CliResult<Line<'a>>>,
    work: impl AsyncFnOnce(&mut Line<'a>) -> CliResult<T>,
) -> CliResult<T> {
    let mut stop = std::pin::pin!(interrupted());
    let mut line = tokio::select! {
        connected = connect => connected?,
        () = &mut stop => return Err(stopped()),
    };
    let result = tokio::select! {
        result = work(&mut line) => Some(result),
        () = &mut stop => None,
    };
    let Some(result) = result else {
        line.leave().await;
        return Err(stopped());
    };
    tokio::select! {
        () = line.close() => {}
        () = &mut stop => {}
    }
    result
}

fn stopped() -> CliError {
    CliError::new(Blame::Interrupted, "interrupted")
}

/// Ready when the program is asked to end.
pub(super) async fn interrupted() {
    let signals = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    match signals {
        (Ok(mut interrupt), Ok(mut terminate)) => {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        }
        // Without handlers the signals end the process by themselves.
        _ => std::future::pending().await,
    }
}
