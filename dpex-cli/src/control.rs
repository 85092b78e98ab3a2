//! The control socket: how a command speaks to the server that runs in the same home. One request and one answer, each a
//! line of JSON, over a socket of mode 0600 in a folder of mode 0700; whoever can open it could as well read the keys.
//!
//! Nothing is ever done by a process number: a number may be a stranger's by the time it is used.

mod listener;

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Blame, CliError, CliResult, reason};
use crate::home::Part;

pub(crate) use listener::Listener;

/// How long a server has to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longer than any answer: a status of all sessions that there can be.
const MAX_ANSWER: u64 = 16 << 20;

/// What may be asked of a running server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Request {
    /// How it stands.
    Status,
    /// Who is enrolled, how, and what caps hold has changed on the disk.
    Refresh,
    /// This person's access has ended, and that could not be written to the disk.
    Expel {
        /// What they are called.
        name: String,
    },
    /// End when nothing is being sent any more, or after ten seconds.
    Stop,
}

/// Asks the server that runs in this part of the home; `None` if none runs there.
pub(crate) fn ask(part: &Part, request: &Request) -> CliResult<Option<Value>> {
    let path = part.control_socket();
    let failed = |e: io::Error| {
        CliError::new(Blame::NoAnswer, format!("the server does not answer on {}: {}", path.display(), reason(&e)))
            .hint("it may be very busy; try again, and if it stays so, end it with `kill`")
    };
    let stream = match connect(&path) {
        Ok(stream) => stream,
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => return Ok(None),
        Err(e) => return Err(failed(e)),
    };
    converse(stream, request).map(Some).map_err(failed)
}

fn converse(mut stream: UnixStream, request: &Request) -> io::Result<Value> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = String::new();
    BufReader::new(stream.take(MAX_ANSWER)).read_line(&mut answer)?;
    if answer.is_empty() {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it ended without an answer"));
    }
    Ok(serde_json::from_str(&answer)?)
}

fn connect(path: &Path) -> io::Result<UnixStream> {
    let (_folder, short) = shortened(path)?;
    UnixStream::connect(short)
}

/// The path of a socket by way of its folder's handle: the system takes no more than about 100 bytes, and a home may lie
/// deeper. Where there is no such way, the path as it is.
fn shortened(path: &Path) -> io::Result<(Option<File>, PathBuf)> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return Ok((None, path.to_owned())) };
    if !cfg!(target_os = "linux") {
        return Ok((None, path.to_owned()));
    }
    let folder = File::open(folder)?;
    let short = Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(name);
    Ok((Some(folder), short))
}

/// Tells a running server that something has changed on the disk. Returns whether one runs and has taken it; that it
/// could not is said, and is no failure of the command: what it did is done.
pub(crate) fn refresh(part: &Part, ui: crate::ui::Ui) -> bool {
    match ask(part, &Request::Refresh) {
        Ok(None) => false,
        Ok(Some(answer)) => match answer["error"].as_str() {
            None => true,
            Some(error) => {
                ui.say(&format!("The running server has not taken it: {error}\nIt takes effect at its next start."));
                false
            }
        },
        Err(error) => {
            ui.say(&format!(
                "The running server was not told: {}\nIt takes effect at its next start.",
                error.message()
            ));
            false
        }
    }
}
