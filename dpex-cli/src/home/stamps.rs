//! The last handshake stamp of each peer (PROTOCOL.md, sections 3.2 and 3.5).
//!
//! A client's stamps strictly increase, whatever its clock does; a server takes none twice. Both hold only if the last
//! one survives a restart, so it is written down before it is used. A stamp belongs to one enrolment: somebody who
//! enrols again starts afresh.

use std::path::PathBuf;

use dpex_core::enrol::Slug;
use dpex_core::types::{EnrolmentId, Timestamp};
use serde::{Deserialize, Serialize};

use super::{record, secret_file};
use crate::error::CliResult;

/// The stamps in one part of the home. Whoever writes holds its lock, or is its only server.
#[derive(Clone, Debug)]
pub(crate) struct Stamps {
    dir: PathBuf,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    enrolment: String,
    secs: i64,
    nanos: u32,
}

impl Stamps {
    /// Stamps kept as one small file a peer in `dir`.
    pub(super) fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// The last stamp recorded under this enrolment.
    pub(crate) fn last(&self, peer: &Slug, enrolment: &EnrolmentId) -> CliResult<Option<Timestamp>> {
        let stored: Option<Stored> = record::load(&self.file(peer))?;
        let ours = stored.filter(|stored| EnrolmentId::from_hex(&stored.enrolment).as_ref() == Some(enrolment));
        Ok(ours.and_then(|stored| Timestamp::new(stored.secs, stored.nanos)))
    }

    /// Records a stamp in place of the last one.
    pub(crate) fn record(&self, peer: &Slug, enrolment: &EnrolmentId, stamp: Timestamp) -> CliResult {
        secret_file::create_folder(&self.dir)?;
        let stored = Stored { enrolment: enrolment.to_string(), secs: stamp.secs(), nanos: stamp.nanos() };
        record::store(&self.file(peer), &stored)
    }

    /// The stamp for a new handshake: the time, or just after the last one if the clock went backwards. Recorded
    /// (HS-3).
    pub(crate) fn next(&self, peer: &Slug, enrolment: &EnrolmentId, now: Timestamp) -> CliResult<Timestamp> {
        let stamp = self.last(peer, enrolment)?.map_or(now, |last| now.max(last.successor()));
        self.record(peer, enrolment, stamp)?;
        Ok(stamp)
    }

    fn file(&self, peer: &Slug) -> PathBuf {
        self.dir.join(format!("{peer}.stamp"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamps() -> (tempfile::TempDir, Stamps, Slug) {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let stamps = Stamps::new(dir.path().join("state"));
        (dir, stamps, Slug::parse("alice").expect("a name"))
    }

    // HS-3.
    #[test]
    fn stamps_increase_also_when_the_clock_stands_still_or_goes_backwards() {
        let (_dir, stamps, alice) = stamps();
        let id = EnrolmentId([1; 16]);
        let mut last = Timestamp::EPOCH;
        for secs in [100, 100, 99, 0, 101] {
            let now = Timestamp::new(secs, 0).expect("valid");
            let stamp = stamps.next(&alice, &id, now).expect("writable");
            assert!(stamp > last && stamp >= now, "{stamp:?} after {last:?}");
            assert_eq!(stamps.last(&alice, &id).expect("readable"), Some(stamp), "written before it is used");
            last = stamp;
        }
    }

    // HS-14.
    #[test]
    fn another_enrolment_of_the_same_person_starts_afresh() {
        let (_dir, stamps, alice) = stamps();
        let far = Timestamp::new(1 << 40, 0).expect("valid");
        stamps.record(&alice, &EnrolmentId([1; 16]), far).expect("writable");
        assert_eq!(stamps.last(&alice, &EnrolmentId([2; 16])).expect("readable"), None);
        assert_eq!(stamps.last(&alice, &EnrolmentId([1; 16])).expect("readable"), Some(far));
    }
}
