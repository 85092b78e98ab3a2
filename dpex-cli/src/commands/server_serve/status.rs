//! How the server stands, for `dpex server status`.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use data_encoding::HEXLOWER;
use dpex_core::node::{SessionReport, Steward};
use dpex_core::types::Timestamp;
use serde_json::{Value, json};

use super::host::Host;

/// How long a rate is measured.
const MEASURED: Duration = Duration::from_millis(300);
/// Files that are named of a session.
const MAX_FILES: usize = 20;

/// What does not change while it runs.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub(super) since: Timestamp,
    pub(super) address: SocketAddr,
}

/// All that there is to tell.
pub(super) async fn status(facts: &Facts, steward: &Steward, host: &Host) -> Value {
    let mut reports = steward.report().await;
    let rates = rates(steward, &mut reports).await;
    let mut sessions: Vec<Value> =
        reports.iter().zip(rates).map(|(report, rate)| session(report, rate, host)).collect();
    sessions.sort_by_key(|session| (session["person"].to_string(), session["since"].as_i64()));
    json!({
        "running": true,
        "pid": std::process::id(),
        "program": env!("CARGO_PKG_VERSION"),
        "since": facts.since.secs(),
        "address": facts.address.to_string(),
        "people": host.people(),
        "sessions": sessions,
    })
}

/// Bytes a second of each session, if anything is being sent at all.
async fn rates(steward: &Steward, reports: &mut Vec<SessionReport>) -> Vec<u64> {
    if reports.iter().all(|report| report.files.is_empty()) {
        return vec![0; reports.len()];
    }
    let before: HashMap<_, _> = reports.iter().map(|report| (report.info.session, report.sent)).collect();
    let began = Instant::now();
    tokio::time::sleep(MEASURED).await;
    *reports = steward.report().await;
    let millis = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
    let sent = |report: &SessionReport| report.sent - before.get(&report.info.session).unwrap_or(&0).min(&report.sent);
    reports.iter().map(|report| sent(report).saturating_mul(1000) / millis).collect()
}

fn session(report: &SessionReport, rate: u64, host: &Host) -> Value {
    let file = |file: &dpex_core::node::FileReport| json!({ "path": file.path.as_str(), "size": file.size, "begun": file.begun });
    json!({
        "person": host.name(report.info.person),
        "session": HEXLOWER.encode(&report.info.session),
        "from": report.info.peer.to_string(),
        "since": report.since.secs(),
        "sent": report.sent,
        "rate": rate,
        "rtt-ms": u64::try_from(report.rtt.as_millis()).unwrap_or(u64::MAX),
        "files": report.files.len(),
        "sending": report.files.iter().take(MAX_FILES).map(file).collect::<Vec<_>>(),
    })
}
