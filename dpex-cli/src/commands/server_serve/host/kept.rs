//! What is written down for the owner of what happens.

use std::time::{Instant, SystemTime};

use dpex_core::node::{Record, SessionInfo};
use dpex_core::types::{SharePath, Timestamp};
use dpex_core::wire::message::RequestId;
use serde_json::{Value, json};

use super::super::budget::Matter;
use super::super::metrics::Totals;
use super::{Host, id, locked, side};
use crate::home::Entry;

/// From this size on, also the beginning of a file's sending is written down.
const LONG: u64 = 1 << 20;

impl Host {
    /// Writes down what somebody did, or what came of it, and tells the owner's command of what they have got.
    fn write_down(&self, kind: &'static str, session: &SessionInfo, fields: Value) {
        let at = Timestamp::from_system(SystemTime::now());
        let Value::Object(mut all) = fields else { unreachable!("the fields are an object") };
        all.insert("session".into(), id(session).into());
        let entry = Entry { at, kind, person: Some(self.name(session.person)), fields: Value::Object(all) };
        if let (Some(hook), "got") = (&self.hook, kind) {
            hook.tell(&entry);
        }
        let has_content = matches!(kind, "got" | "not-got" | "started") && entry.fields["sent"] != 0;
        let matter = if has_content { Matter::Delivery } else { Matter::Else };
        if let Some(refused) = locked(&self.budget).take(Instant::now(), session.person, matter) {
            if refused > 0 {
                let fields = json!({ "lines": refused });
                self.scribe.note(Entry { at, kind: "too-many", person: entry.person.clone(), fields });
            }
            self.scribe.note(entry);
        }
    }

    fn begin(&self, session: &SessionInfo, request: Option<RequestId>, path: SharePath) {
        locked(&self.begun).insert((session.session, request), (Instant::now(), path));
    }

    /// Seconds since it began.
    fn end(&self, session: &SessionInfo, request: Option<RequestId>) -> Option<f64> {
        let (began, _) = locked(&self.begun).remove(&(session.session, request))?;
        // Milliseconds are enough, and read better.
        Some((began.elapsed().as_secs_f64() * 1000.0).round() / 1000.0)
    }

    /// Counts what happened, and writes it down for the owner.
    pub(super) fn keep(&self, record: &Record) {
        match record {
            Record::Noise(c) => Totals::count(&self.totals.noise, c.noise + c.bad_mac1 + c.bad_tag),
            Record::Rejected { .. } => Totals::count(&self.totals.rejected, 1),
            Record::Opened(s) => {
                Totals::count(&self.totals.opened, 1);
                self.begin(s, None, SharePath::ROOT);
                self.write_down("connected", s, json!({ "from": s.peer.to_string() }));
            }
            Record::Moved { session: s, from } => {
                self.write_down("moved", s, json!({ "from": from.to_string(), "to": s.peer.to_string() }));
            }
            Record::Listed { session: s, path, entries, .. } => {
                self.write_down("listed", s, json!({ "path": path.as_str(), "entries": entries }));
            }
            Record::Started { session: s, id, path, size } => {
                self.begin(s, Some(*id), path.clone());
                if *size >= LONG {
                    self.write_down("started", s, json!({ "path": path.as_str(), "size": size }));
                }
            }
            Record::Delivered { session: s, id, path, size, root, sent } => {
                Totals::count(&self.totals.delivered, 1);
                Totals::count(&self.totals.content, *sent);
                self.write_down(
                    "got",
                    s,
                    json!({
                        "path": path.as_str(), "size": size, "sent": sent, "hash": root.to_string(),
                        "seconds": self.end(s, Some(*id)),
                    }),
                );
            }
            Record::Aborted { session: s, id, path, by, code, sent } => {
                Totals::count(&self.totals.aborted, 1);
                Totals::count(&self.totals.content, *sent);
                self.write_down(
                    "not-got",
                    s,
                    json!({
                        "path": path.as_str(), "sent": sent, "why": code.name(), "by": side(*by),
                        "seconds": self.end(s, Some(*id)),
                    }),
                );
            }
            Record::Closed { session: s, reason } => {
                // What was under way in it has no other end.
                let cut: Vec<_> = locked(&self.begun)
                    .extract_if(|(session, request), _| *session == s.session && request.is_some())
                    .map(|(_, (_, path))| path)
                    .collect();
                for path in cut {
                    Totals::count(&self.totals.aborted, 1);
                    let fields = json!({ "path": path.as_str(), "why": "disconnected", "by": side(reason.by) });
                    self.write_down("not-got", s, fields);
                }
                self.write_down(
                    "disconnected",
                    s,
                    json!({
                        "code": reason.code.number(), "by": side(reason.by), "seconds": self.end(s, None),
                    }),
                );
            }
        }
    }
}
