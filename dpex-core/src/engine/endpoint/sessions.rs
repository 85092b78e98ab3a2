//! Which sessions there are, whose they are, and which connection ids lead to them.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use crate::seal::{CIDS, Direction, SessionSecrets};
use crate::types::EnrolmentId;
use crate::wire::packet::{self, CID_LEN};

/// Sessions of one person at once, at most (LIM-4).
pub const MAX_SESSIONS_PER_PERSON: usize = 4;
/// Half-open sessions of one person at once.
const MAX_HALF_OPEN_PER_PERSON: usize = 4;
/// Half-open sessions at once (LIM-3).
const MAX_HALF_OPEN: usize = 256;
/// Sessions at once.
const MAX_SESSIONS: usize = 1024;
/// A session silent for so long gives way to a new one. One with something under way speaks more often, and whoever was
/// killed and comes back must not wait for the ghosts of earlier tries.
const EVICTABLE: Duration = Duration::from_secs(3);

/// Names a session within an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(u64);

#[derive(Debug, Default)]
pub(super) struct Sessions {
    next: u64,
    table: BTreeMap<SessionId, Record>,
    cids: HashMap<[u8; CID_LEN], SessionId>,
}

#[derive(Debug)]
struct Record {
    person: EnrolmentId,
    cids: Vec<[u8; CID_LEN]>,
    open: bool,
    heard: Instant,
}

impl Sessions {
    /// The session a datagram names by its first bytes.
    pub(super) fn route(&mut self, now: Instant, datagram: &[u8]) -> Option<SessionId> {
        let id = *self.cids.get(&packet::cid(datagram)?)?;
        self.table.get_mut(&id)?.heard = now;
        Some(id)
    }

    /// Is there room for one more handshake of this person, besides those being worked on: of all, and of this person?
    pub(super) fn has_room(&self, person: EnrolmentId, coming: (usize, usize)) -> bool {
        let (mut half, mut half_of_person) = coming;
        for r in self.table.values().filter(|r| !r.open) {
            half += 1;
            half_of_person += usize::from(r.person == person);
        }
        half < MAX_HALF_OPEN && half_of_person < MAX_HALF_OPEN_PER_PERSON && self.table.len() + coming.0 < MAX_SESSIONS
    }

    /// Registers a half-open session; `None` if one of its connection ids is taken (REC-2, REC-3).
    pub(super) fn insert(&mut self, now: Instant, person: EnrolmentId, secrets: &SessionSecrets) -> Option<SessionId> {
        let cids: Option<Vec<_>> = (0..CIDS).map(|i| secrets.cid(Direction::ClientToServer, i)).collect();
        let cids = cids?;
        if cids.iter().any(|c| self.cids.contains_key(c)) {
            return None;
        }
        let id = SessionId(self.next);
        self.next += 1;
        self.cids.extend(cids.iter().map(|c| (*c, id)));
        self.table.insert(id, Record { person, cids, open: false, heard: now });
        Some(id)
    }

    /// Whose session it is.
    pub(super) fn person(&self, id: SessionId) -> Option<EnrolmentId> {
        self.table.get(&id).map(|record| record.person)
    }

    /// The client proved its keys. Of more than `most` sessions, one must give way, which may be this one (SES-3).
    pub(super) fn open(&mut self, now: Instant, id: SessionId, most: usize) -> Option<SessionId> {
        let record = self.table.get_mut(&id)?;
        record.open = true;
        let person = record.person;
        let open = self.table.iter().filter(|(_, r)| r.open && r.person == person);
        if open.clone().count() <= most.min(MAX_SESSIONS_PER_PERSON) {
            return None;
        }
        let quietest = open.filter(|(other, _)| **other != id).min_by_key(|(_, r)| r.heard);
        let evictable = quietest.filter(|(_, r)| now.saturating_duration_since(r.heard) > EVICTABLE);
        Some(evictable.map_or(id, |(other, _)| *other))
    }

    pub(super) fn remove(&mut self, id: SessionId) {
        for cid in self.table.remove(&id).map(|r| r.cids).unwrap_or_default() {
            self.cids.remove(&cid);
        }
    }

    pub(super) fn of(&self, person: EnrolmentId) -> Vec<SessionId> {
        self.table.iter().filter(|(_, r)| r.person == person).map(|(id, _)| *id).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.table.len()
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use super::*;
    use crate::testing::NullSuite;
    use crate::testing::scripted::Acquaintance;
    use crate::types::{Digest, Secret};

    // REC-3.
    #[test]
    fn a_session_whose_connection_id_is_taken_is_not_made() {
        let suite = NullSuite::leak(1);
        let keys = Acquaintance::new(suite);
        let secrets = |n: u8| {
            let stage2 =
                keys.pair().stage0(suite, &[0; 32]).stage1(suite, &[0; 32]).stage2(suite, &Secret::new([n; 32]));
            stage2.session(suite, &Digest([0; 32]))
        };
        let (now, person) = (Instant::now(), keys.peering.enrolment);
        let mut sessions = Sessions::default();
        let first = sessions.insert(now, person, &secrets(1)).expect("nobody has its ids");
        assert_eq!(sessions.insert(now, person, &secrets(1)), None);
        assert!(sessions.insert(now, person, &secrets(2)).is_some());
        sessions.remove(first);
        assert!(sessions.insert(now, person, &secrets(1)).is_some(), "its ids are free again");
    }
}
