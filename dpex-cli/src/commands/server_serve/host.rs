//! What the server's node needs of this program: shelves, a memory for stamps, and somebody to tell.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use dpex_core::engine::Rejection;
use dpex_core::enrol::Slug;
use dpex_core::node::{self, Record, SessionInfo};
use dpex_core::store::FileStore;
use dpex_core::types::{EnrolmentId, Timestamp};
use serde_json::{Value, json};

use super::nothing::Nothing;
use crate::home::Stamps;
use crate::ui::{Log, Ui, escape, size};

/// What one person is offered.
pub(super) struct Shelf {
    pub(super) name: Slug,
    pub(super) enrolment: EnrolmentId,
    pub(super) files: Arc<dyn FileStore>,
}

/// This program, as the node sees it.
pub(super) struct Host {
    ui: Ui,
    log: Log,
    stamps: Stamps,
    shelves: HashMap<EnrolmentId, Shelf>,
}

impl Host {
    pub(super) fn new(ui: Ui, log: Log, stamps: Stamps, shelves: Vec<Shelf>) -> Self {
        Self { ui, log, stamps, shelves: shelves.into_iter().map(|shelf| (shelf.enrolment, shelf)).collect() }
    }

    fn name(&self, person: EnrolmentId) -> &str {
        self.shelves.get(&person).map_or("?", |shelf| shelf.name.as_str())
    }

    fn tell(&self, person: EnrolmentId, event: &str, words: &str, fields: Value) {
        let name = self.name(person);
        if self.ui.json {
            let Value::Object(mut all) = fields else { return };
            all.insert("person".into(), name.into());
            self.log.record(event, &Value::Object(all));
        } else {
            self.log.say(&format!("{name}: {words}"));
        }
    }
}

#[async_trait]
impl node::Host for Host {
    fn shelf(&self, person: EnrolmentId) -> Arc<dyn FileStore> {
        self.shelves.get(&person).map_or_else(|| Arc::new(Nothing) as _, |shelf| Arc::clone(&shelf.files))
    }

    async fn keep_stamp(&self, person: EnrolmentId, stamp: Timestamp) {
        let Some(shelf) = self.shelves.get(&person) else { return };
        let (stamps, name) = (self.stamps.clone(), shelf.name.clone());
        let kept = tokio::task::spawn_blocking(move || stamps.record(&name, &person, stamp)).await;
        if let Ok(Err(e)) = kept {
            self.log.warn(&format!("the stamp of {} could not be kept: {}", shelf.name, e.message()));
        }
    }

    fn record(&self, record: Record) {
        let id = |session: &SessionInfo| data_encoding::HEXLOWER.encode(&session.session);
        match record {
            Record::Rejected { person, from, why } => {
                let words = rejected(&why);
                self.tell(
                    person,
                    "rejected",
                    &format!("dropped a handshake from {from}: {words}"),
                    json!({
                        "from": from.to_string(), "why": words,
                    }),
                );
            }
            Record::Opened(s) => self.tell(
                s.person,
                "opened",
                &format!("connected from {}", s.peer),
                json!({
                    "session": id(&s), "from": s.peer.to_string(),
                }),
            ),
            Record::Noise(_) => {}
            Record::Listed { session: s, path, entries, .. } => {
                if self.ui.verbose || self.ui.json {
                    self.tell(
                        s.person,
                        "listed",
                        &format!("listed {entries} names"),
                        json!({
                            "session": id(&s), "path": path.as_str(), "entries": entries,
                        }),
                    );
                }
            }
            Record::Started { session: s, id: request, path, size: bytes } => {
                if self.ui.verbose || self.ui.json {
                    let words = format!("began {} ({})", escape(path.as_str()), size(bytes));
                    self.tell(
                        s.person,
                        "started",
                        &words,
                        json!({
                            "session": id(&s), "request": request, "path": path.as_str(), "size": bytes,
                        }),
                    );
                }
            }
            Record::Delivered { session: s, id: request, path, size: bytes, root } => {
                let words = format!("got {} ({})", escape(path.as_str()), size(bytes));
                self.tell(
                    s.person,
                    "delivered",
                    &words,
                    json!({
                        "session": id(&s), "request": request, "path": path.as_str(), "size": bytes,
                        "hash": root.to_string(),
                    }),
                );
            }
            Record::Aborted { session: s, id: request, path, code, .. } => {
                let words = format!("did not get {}: {}", escape(path.as_str()), code.name());
                self.tell(
                    s.person,
                    "aborted",
                    &words,
                    json!({
                        "session": id(&s), "request": request, "path": path.as_str(), "why": code.name(),
                    }),
                );
            }
            Record::Closed { session: s, reason } => {
                let words = format!("disconnected ({:?} by {:?})", reason.code, reason.by).to_lowercase();
                self.tell(s.person, "closed", &words, json!({
                    "session": id(&s), "code": reason.code.number(), "by": format!("{:?}", reason.by).to_lowercase(),
                    "text": reason.text,
                }));
            }
        }
    }
}

fn rejected(why: &Rejection) -> String {
    match why {
        Rejection::Stale { .. } => {
            "its time stamp is not newer than the last one: replayed, or that computer's clock went backwards".into()
        }
        Rejection::BadSignature => {
            "SECURITY: it has this person's secret and not this person's key; the secret may be stolen".into()
        }
        Rejection::Malformed(e) => format!("{e}"),
        Rejection::Expired => "the enrolment was not used in time; enrol them again".into(),
        Rejection::TooMany => "too many at once".into(),
    }
}
