//! The server's end of the control socket.

use std::convert::Infallible;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;

use super::{Request, shortened};
use crate::error::{CliError, CliResult};
use crate::home::Part;

/// How long whoever connects has for a request.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longer than any request.
const MAX_REQUEST: u64 = 1024;
/// Commands that are answered at a time.
const AT_ONCE: usize = 16;

/// Listens. Dropping it removes the socket.
#[derive(Debug)]
pub(crate) struct Listener {
    listener: UnixListener,
    path: PathBuf,
}

impl Listener {
    /// Begins to listen. Whoever calls it is the only server of this home, so that a socket that lies there is nobody's.
    pub(crate) fn bind(part: &Part) -> CliResult<Self> {
        let path = part.control_socket();
        let failed = |e: &io::Error| CliError::disk("make the socket", &path, e);
        match fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(failed(&e)),
            _ => {}
        }
        let (_folder, short) = shortened(&path).map_err(|e| failed(&e))?;
        let listener = UnixListener::bind(short).map_err(|e| failed(&e))?;
        Ok(Self { listener, path })
    }

    /// Answers for ever.
    pub(crate) async fn run<F: Future<Output = Value> + Send + 'static>(
        &self,
        answer: impl Fn(Request) -> F + Clone + Send + 'static,
    ) -> Infallible {
        let places = Arc::new(Semaphore::new(AT_ONCE));
        loop {
            let place = Arc::clone(&places).acquire_owned().await;
            let Ok((stream, _)) = self.listener.accept().await else {
                // Out of descriptors, say: it may pass.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let answer = answer.clone();
            tokio::spawn(async move {
                let _place = place;
                // Whoever asked may be gone; nobody else is concerned.
                let _ = serve(stream, answer).await;
            });
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // The next server removes what is left.
        let _ = fs::remove_file(&self.path);
    }
}

async fn serve<F: Future<Output = Value>>(stream: UnixStream, answer: impl Fn(Request) -> F) -> io::Result<()> {
    // The folder keeps others out; should its mode have been loosened since, this does.
    let me = rustix::process::geteuid().as_raw();
    if stream.peer_cred()?.uid() != me {
        return Ok(());
    }
    let (reader, mut writer) = stream.into_split();
    let mut line = String::new();
    let mut reader = BufReader::new(reader.take(MAX_REQUEST));
    tokio::time::timeout(PATIENCE, reader.read_line(&mut line)).await??;
    let reply = match serde_json::from_str(&line) {
        Ok(request) => answer(request).await,
        Err(_) => json!({ "error": "this server does not know that request; it is of another version" }),
    };
    let mut reply = reply.to_string();
    reply.push('\n');
    tokio::time::timeout(PATIENCE, writer.write_all(reply.as_bytes())).await?
}
