//! Numbers for Prometheus, as text over HTTP on loopback: only if the owner asks for it.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::config::Settings;
use crate::error::{Blame, CliError, CliResult, reason};

/// How long a scraper has.
const PATIENCE: Duration = Duration::from_secs(5);
/// What is read of a request; nothing in it matters.
const MAX_REQUEST: usize = 8 * 1024;

/// What has happened since the server was started.
#[derive(Debug, Default)]
pub(super) struct Totals {
    pub(super) opened: AtomicU64,
    pub(super) delivered: AtomicU64,
    pub(super) aborted: AtomicU64,
    pub(super) content: AtomicU64,
    pub(super) rejected: AtomicU64,
    pub(super) noise: AtomicU64,
}

impl Totals {
    /// One more.
    pub(super) fn count(counter: &AtomicU64, more: u64) {
        counter.fetch_add(more, Ordering::Relaxed);
    }

    /// In the text format of Prometheus, version 0.0.4.
    fn render(&self, people: usize, sessions: usize, since: i64) -> String {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let since = u64::try_from(since).unwrap_or(0);
        let all = [
            ("dpex_people", "gauge", "People who may come in", people as u64),
            ("dpex_sessions", "gauge", "Sessions that are open", sessions as u64),
            ("dpex_start_time_seconds", "gauge", "When the server was started", since),
            ("dpex_sessions_opened_total", "counter", "Sessions that were opened", get(&self.opened)),
            ("dpex_files_delivered_total", "counter", "Files that were got and verified", get(&self.delivered)),
            ("dpex_files_aborted_total", "counter", "Requests for files that ended otherwise", get(&self.aborted)),
            (
                "dpex_content_bytes_total",
                "counter",
                "Bytes of content sent for requests that ended",
                get(&self.content),
            ),
            (
                "dpex_handshakes_dropped_total",
                "counter",
                "Handshakes under a valid secret that were dropped",
                get(&self.rejected),
            ),
            ("dpex_datagrams_dropped_total", "counter", "Datagrams of strangers", get(&self.noise)),
        ];
        let mut text = String::new();
        for (name, kind, help, value) in all {
            let _ = writeln!(text, "# HELP {name} {help}.\n# TYPE {name} {kind}\n{name} {value}");
        }
        text
    }
}

/// Where to listen, if the owner wants that.
pub(super) fn address(settings: &Settings) -> CliResult<Option<SocketAddr>> {
    let Some(text) = settings.text("metrics")? else { return Ok(None) };
    let wrong = |why: &str| {
        CliError::usage(format!("the setting `metrics` in {} is `{text}`: {why}", settings.source("metrics")))
            .hint("it is an address of this machine for itself, such as \"127.0.0.1:9474\", or empty")
    };
    let address: SocketAddr = text.parse().map_err(|_| wrong("that is no address with a port"))?;
    // Whoever can reach it learns who is there, and that this is a dpex server.
    if address.ip().is_loopback() { Ok(Some(address)) } else { Err(wrong("others could reach it")) }
}

/// Begins to listen.
pub(super) async fn bind(address: SocketAddr) -> CliResult<TcpListener> {
    TcpListener::bind(address).await.map_err(|e| {
        CliError::new(Blame::Usage, format!("metrics on {address}: {}", reason(&e)))
            .hint("choose another port in the setting `metrics`")
    })
}

/// Answers scrapers for ever, four at a time: one that is slow keeps no other waiting.
pub(super) async fn run<F: Future<Output = (usize, usize)>>(
    listener: TcpListener,
    totals: &Totals,
    since: i64,
    now: impl Fn() -> F,
) -> std::convert::Infallible {
    let one = || answer_each(&listener, totals, since, &now);
    let (never, _, _, _) = tokio::join!(one(), one(), one(), one());
    match never {}
}

async fn answer_each<F: Future<Output = (usize, usize)>>(
    listener: &TcpListener,
    totals: &Totals,
    since: i64,
    now: &impl Fn() -> F,
) -> std::convert::Infallible {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let (people, sessions) = now().await;
        let text = totals.render(people, sessions, since);
        // A scraper that is gone, or slow, comes again.
        let _ = tokio::time::timeout(PATIENCE, answer(stream, &text)).await;
    }
}

async fn answer(mut stream: TcpStream, text: &str) -> std::io::Result<()> {
    let (mut request, mut buffer) = (Vec::new(), [0; 1024]);
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        let read = stream.read(&mut buffer).await?;
        request.extend_from_slice(buffer.get(..read).unwrap_or_default());
        if read == 0 || request.len() > MAX_REQUEST {
            return Ok(());
        }
    }
    let is_ours = request.starts_with(b"GET /metrics ") || request.starts_with(b"GET / ");
    let (status, body) = if is_ours { ("200 OK", text) } else { ("404 Not Found", "") };
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.shutdown().await
}
