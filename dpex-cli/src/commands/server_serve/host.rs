//! What the server's node needs of this program: shelves, a memory for stamps, and somebody to tell.

mod kept;
mod renewed;

use std::collections::HashMap;
use std::mem::Discriminant;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use dpex_core::engine::{Closer, Counters, Rejection};
use dpex_core::enrol::{Endpoint, Slug};
use dpex_core::node::{self, BlockValues, Record, SessionInfo};
use dpex_core::store::{FileStore, Skipped};
use dpex_core::types::{EnrolmentId, Secret, SharePath, Timestamp};
use dpex_core::wire::message::{FailCode, RequestId};
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::budget::Budget;
use super::hook::Hook;
use super::left_out::{LeftOut, News};
use super::metrics::Totals;
use super::nothing::Nothing;
use super::repeats::Repeats;
use super::roster::Enrolled;
use super::scribe::Scribe;
use super::shelf::Shelf;
use crate::home::{Came, Entry, Part, Values};
use crate::ui::{Log, Ui, escape, size};

use renewed::{Renewed, keep_renewed};

/// How often dropped handshakes of one person are told, of each kind.
const REJECTIONS_EVERY: Duration = Duration::from_secs(60);
/// More than there are people and kinds.
const MOST_REJECTIONS: usize = 8 * dpex_core::engine::MAX_PEOPLE;

/// How long the end of the program may wait for the disk.
const LAST_LINES: Duration = Duration::from_secs(2);

/// Dropped handshakes of one person for one reason.
type Kind = (EnrolmentId, Discriminant<Rejection>);

/// A session, or a request of it.
type Undertaking = ([u8; 8], Option<RequestId>);

/// This program, as the node sees it.
pub(super) struct Host {
    ui: Ui,
    log: Log,
    part: Part,
    values: Arc<Values>,
    shelves: RwLock<HashMap<EnrolmentId, Arc<Shelf>>>,
    /// What those were called whose access ended while this server ran: their sessions have a last word to be told.
    former: Mutex<HashMap<EnrolmentId, String>>,
    announced: RwLock<Vec<Endpoint>>,
    scribe: Scribe,
    budget: Mutex<Budget>,
    hook: Option<Hook>,
    /// Nobody is waited for any more who may come with the former gate's secret.
    pub(super) gate_is_shut: Notify,
    /// What has happened since the start.
    pub(super) totals: Totals,
    /// When sessions and the sending of files began, for how long they took.
    begun: Mutex<HashMap<Undertaking, (Instant, SharePath)>>,
    rejections: Mutex<Repeats<Kind, (SocketAddr, String)>>,
    left_out: Mutex<LeftOut>,
}

impl Host {
    pub(super) fn new((ui, log): (Ui, Log), part: Part, scribe: Scribe, hook: Option<Hook>) -> Self {
        Self {
            ui,
            log,
            values: Arc::new(part.values()),
            part,
            shelves: RwLock::default(),
            former: Mutex::default(),
            announced: RwLock::default(),
            scribe,
            budget: Mutex::default(),
            hook,
            gate_is_shut: Notify::new(),
            totals: Totals::default(),
            begun: Mutex::default(),
            rejections: Mutex::new(Repeats::new(REJECTIONS_EVERY, MOST_REJECTIONS)),
            left_out: Mutex::default(),
        }
    }

    /// From now on whoever connects is told to find this server there.
    pub(super) fn announce(&self, endpoints: Vec<Endpoint>) {
        *self.announced.write().unwrap_or_else(PoisonError::into_inner) = endpoints;
    }

    /// Somebody is enrolled, or what they are offered has changed.
    pub(super) fn offer(&self, enrolled: &mut Enrolled) {
        let Some(offer) = enrolled.offer.take() else { return };
        let mut shelves = self.shelves.write().unwrap_or_else(PoisonError::into_inner);
        match shelves.get(&enrolled.enrolment) {
            Some(shelf) => shelf.exchange(offer),
            None => {
                let shelf = Shelf::new(enrolled.name.clone(), offer);
                shelves.insert(enrolled.enrolment, Arc::new(shelf));
            }
        }
    }

    /// Forgets everybody but those who stay. Who was forgotten.
    pub(super) fn keep_only(&self, stays: impl Fn(&Slug, &EnrolmentId) -> bool) -> Vec<EnrolmentId> {
        let mut shelves = self.shelves.write().unwrap_or_else(PoisonError::into_inner);
        let gone: Vec<_> = shelves.extract_if(|id, shelf| !stays(&shelf.name, id)).collect();
        let mut former = locked(&self.former);
        former.extend(gone.iter().map(|(id, shelf)| (*id, shelf.name.to_string())));
        gone.into_iter().map(|(id, _)| id).collect()
    }

    /// How many may come in.
    pub(super) fn people(&self) -> usize {
        self.shelves().len()
    }

    /// Waits a moment until all is written down.
    pub(super) fn finish(&self) {
        self.scribe.finish(LAST_LINES);
    }

    /// Writes something down that concerns nobody in particular.
    pub(super) fn note(&self, kind: &'static str, fields: Value) {
        let at = Timestamp::from_system(SystemTime::now());
        self.scribe.note(Entry { at, kind, person: None, fields });
    }

    fn shelves(&self) -> RwLockReadGuard<'_, HashMap<EnrolmentId, Arc<Shelf>>> {
        self.shelves.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn shelf_of(&self, person: EnrolmentId) -> Option<Arc<Shelf>> {
        self.shelves().get(&person).cloned()
    }

    /// Tells, now and then, of what was too much to tell of when it happened.
    pub(super) fn catch_up(&self, now: Instant) {
        let refused = locked(&self.budget).refused();
        for (person, lines) in refused {
            let at = Timestamp::from_system(SystemTime::now());
            let person = Some(self.name(person));
            self.scribe.note(Entry { at, kind: "too-many", person, fields: json!({ "lines": lines }) });
        }
        for ((person, _), (from, words), more) in locked(&self.rejections).due(now) {
            self.tell_rejected(person, *from, words, more);
        }
    }

    fn reject(&self, now: Instant, person: EnrolmentId, from: SocketAddr, why: &Rejection) {
        let (key, words) = ((person, std::mem::discriminant(why)), rejected(why));
        let more = locked(&self.rejections).hear(now, key, (from, words.clone()));
        if let Some(more) = more {
            self.tell_rejected(person, from, &words, more);
        }
    }

    /// `more` were dropped besides, since the last such line.
    fn tell_rejected(&self, person: EnrolmentId, from: SocketAddr, words: &str, more: u64) {
        let besides = if more == 0 { String::new() } else { format!(", and {more} more like it before") };
        let line = format!("dropped a handshake from {from}{besides}: {words}");
        let fields = || json!({ "from": from.to_string(), "why": words, "more": more });
        self.tell(person, "rejected", || line, fields);
    }

    /// Names what the owner put on a shelf and nobody can be given.
    fn leave_out(&self, now: Instant, person: EnrolmentId, skipped: u64, named: Vec<Skipped>) {
        let News { named, more } = locked(&self.left_out).hear(now, person, skipped, named);
        for Skipped { name, why } in named {
            let words = || format!("cannot be offered {}: {why}", escape(&name));
            self.tell(person, "left-out", words, || json!({ "path": name, "why": why }));
        }
        if more {
            let words = || "cannot be offered others either, which are not named".to_owned();
            self.tell(person, "left-out", words, || json!({ "more": true }));
        }
    }

    fn tell_noise(&self, counters: &Counters) {
        let Counters { noise, bad_mac1, bad_tag, limited, cookies, overload } = *counters;
        if self.ui.json {
            let fields = json!({
                "noise": noise, "bad-mac1": bad_mac1, "bad-tag": bad_tag, "limited": limited, "cookies": cookies,
                "overload": overload,
            });
            return self.log.record("noise", &fields);
        }
        let all = [
            (noise, "of no use"),
            (bad_mac1, "of the size of a handshake without the server's secret"),
            (bad_tag, "of somebody who is not enrolled"),
            (limited, "faster than is allowed"),
            (cookies, "asked to prove their address first"),
            (overload, "that there was no time for"),
        ];
        let told = all.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
        self.log.say(&format!("datagrams in the last minute: {}", told.collect::<Vec<_>>().join(", ")));
    }

    /// What somebody is called, or was.
    pub(super) fn name(&self, person: EnrolmentId) -> String {
        match self.shelf_of(person) {
            Some(shelf) => shelf.name.to_string(),
            None => locked(&self.former).get(&person).cloned().unwrap_or_else(|| "?".into()),
        }
    }

    /// Says something of somebody, in words or as fields; only what is said is made.
    fn tell(&self, person: EnrolmentId, event: &str, words: impl FnOnce() -> String, fields: impl FnOnce() -> Value) {
        if self.ui.json {
            let Value::Object(mut all) = fields() else { unreachable!("the fields are an object") };
            all.insert("person".into(), self.name(person).into());
            self.log.record(event, &Value::Object(all));
        } else if !self.ui.quiet {
            self.log.say(&format!("{}: {}", self.name(person), words()));
        }
    }
}

#[async_trait]
impl node::Host for Host {
    fn shelf(&self, person: EnrolmentId) -> Arc<dyn FileStore> {
        self.shelf_of(person).map_or_else(|| Arc::new(Nothing) as _, |shelf| shelf as _)
    }

    fn values(&self) -> Arc<dyn BlockValues> {
        Arc::clone(&self.values) as _
    }

    fn endpoints(&self) -> Vec<Endpoint> {
        self.announced.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn keep_stamp(&self, person: EnrolmentId, stamp: Timestamp) {
        let Some(shelf) = self.shelf_of(person) else { return };
        let (stamps, name) = (self.part.stamps(), shelf.name.clone());
        let kept = tokio::task::spawn_blocking(move || stamps.record(&name, &person, stamp)).await;
        if let Ok(Err(e)) = kept {
            self.log.warn(&format!("the stamp of {} could not be kept: {}", shelf.name, e.message()));
        }
    }

    async fn keep_renewed(&self, person: EnrolmentId, psk: Option<Secret>, knock: Option<Secret>) {
        let Some(shelf) = self.shelf_of(person) else { return };
        let (part, name) = (self.part.clone(), shelf.name.clone());
        let kept = tokio::task::spawn_blocking(move || keep_renewed(&part, &name, person, psk, knock)).await;
        match kept {
            Ok(Ok(Renewed { psk: false, came: Came::Nothing })) => {}
            Ok(Ok(Renewed { psk, came })) => {
                let at = Timestamp::from_system(SystemTime::now());
                let fields = json!({ "psk": psk, "knock": came != Came::Nothing });
                self.scribe.note(Entry {
                    at,
                    kind: "renewed",
                    person: Some(shelf.name.to_string()),
                    fields: fields.clone(),
                });
                self.tell(person, "renewed", || "came with the new secrets".into(), || fields);
                if came == Came::Last {
                    self.gate_is_shut.notify_one();
                }
            }
            Ok(Err(e)) => self.log.warn(&format!(
                "that {} has the new secrets could not be written down; it is tried again: {}",
                shelf.name,
                e.message()
            )),
            Err(_) => {}
        }
    }

    fn record(&self, record: Record) {
        self.keep(&record);
        match record {
            Record::Noise(counters) => self.tell_noise(&counters),
            Record::Rejected { person, from, why } => self.reject(Instant::now(), person, from, &why),
            Record::Opened(s) => {
                let words = || format!("connected from {}", s.peer);
                self.tell(s.person, "opened", words, || json!({ "session": id(&s), "from": s.peer.to_string() }));
            }
            Record::Moved { session: s, from } => {
                let words = || format!("moved from {from} to {}", s.peer);
                let fields = || json!({ "session": id(&s), "from": from.to_string(), "to": s.peer.to_string() });
                self.tell(s.person, "moved", words, fields);
            }
            Record::Listed { session: s, path, entries, skipped, named } => {
                self.leave_out(Instant::now(), s.person, skipped, named);
                if self.ui.verbose || self.ui.json {
                    let fields = || {
                        json!({
                            "session": id(&s), "path": path.as_str(), "entries": entries, "left-out": skipped,
                        })
                    };
                    self.tell(s.person, "listed", || format!("listed {entries} names"), fields);
                }
            }
            Record::Started { session: s, id: request, path, size: bytes } => {
                if self.ui.verbose || self.ui.json {
                    let words = || format!("began {} ({})", escape(path.as_str()), size(bytes));
                    let fields = || {
                        json!({
                            "session": id(&s), "request": request, "path": path.as_str(), "size": bytes,
                        })
                    };
                    self.tell(s.person, "started", words, fields);
                }
            }
            Record::Delivered { session: s, id: request, path, size: bytes, root, .. } => {
                let words = || format!("got {} ({})", escape(path.as_str()), size(bytes));
                let fields = || {
                    json!({
                        "session": id(&s), "request": request, "path": path.as_str(), "size": bytes,
                        "hash": root.to_string(),
                    })
                };
                self.tell(s.person, "delivered", words, fields);
            }
            Record::Aborted { session: s, id: request, path, by, code, .. } => {
                let words = || format!("did not get {}: {}", escape(path.as_str()), aborted(by, code));
                let fields = || {
                    json!({
                        "session": id(&s), "request": request, "path": path.as_str(), "why": code.name(),
                        "by": side(by),
                    })
                };
                self.tell(s.person, "aborted", words, fields);
            }
            Record::Closed { session: s, reason } => {
                let words = || format!("disconnected ({:?} by {:?})", reason.code, reason.by).to_lowercase();
                let fields = || {
                    json!({
                        "session": id(&s), "code": reason.code.number(), "by": side(reason.by), "text": reason.text,
                    })
                };
                self.tell(s.person, "closed", words, fields);
            }
        }
    }
}

/// Who ended something.
fn side(by: Closer) -> &'static str {
    match by {
        Closer::Us => "us",
        Closer::Peer => "peer",
    }
}

fn id(session: &SessionInfo) -> String {
    data_encoding::HEXLOWER.encode(&session.session)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Why a request ended, in words that tell which side it was.
fn aborted(by: Closer, code: FailCode) -> &'static str {
    match (by, code) {
        (Closer::Us, FailCode::NotFound) => "there is no such file",
        (Closer::Us, FailCode::Changed) => "it changed while it was sent",
        (Closer::Us, FailCode::Io) => "it could not be read",
        (Closer::Peer, FailCode::Cancelled) => "it was not wanted any more",
        (Closer::Peer, FailCode::Refused) => "their folder does not take it",
        (Closer::Peer, FailCode::Io) => "their disk is full or failed",
        (Closer::Peer, FailCode::Mismatch) => "what came did not match its hash",
        (Closer::Peer, FailCode::TooLarge) => "it is too large for their side",
        (_, code) => code.name(),
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
        Rejection::Expired => {
            "the enrolment was not used in time, or its last day is over (`dpex server clients`)".into()
        }
        Rejection::TooMany => "too many at once".into(),
    }
}
