//! The connection ids that a side sends under: another one on each path, so that somebody who watches several cannot tell
//! that it is one session (REC-12, REC-13).

use crate::seal::{CIDS, Direction, SessionSecrets};
use crate::wire::packet::CID_LEN;

#[derive(Debug)]
pub(super) struct Ids {
    all: Vec<[u8; CID_LEN]>,
    current: usize,
    /// Of what goes to an address that is being challenged.
    candidates: usize,
}

impl Ids {
    pub(super) fn new(secrets: &SessionSecrets, sends: Direction) -> Option<Self> {
        let all = (0..CIDS).map(|index| secrets.cid(sends, index)).collect::<Option<Vec<_>>>()?;
        Some(Self { all, current: 0, candidates: 0 })
    }

    /// Of packets to where the peer is.
    pub(super) fn current(&self) -> &[u8; CID_LEN] {
        &self.all[self.current]
    }

    /// Of packets to where it may be.
    pub(super) fn candidates(&self) -> &[u8; CID_LEN] {
        &self.all[self.candidates]
    }

    /// Takes one that was never used. The last one is used for good.
    pub(super) fn draw(&mut self) {
        self.draw_for_candidate();
        self.take_candidates();
    }

    /// The same, for an address that has to answer first.
    pub(super) fn draw_for_candidate(&mut self) {
        self.candidates = (self.candidates + 1).min(self.all.len() - 1);
    }

    /// The address has answered.
    pub(super) fn take_candidates(&mut self) {
        self.current = self.candidates;
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use super::*;
    use crate::kdf::Prk;
    use crate::testing::NullSuite;
    use crate::types::{Digest, Secret};

    // REC-13.
    #[test]
    fn no_id_is_drawn_twice_but_the_last() {
        let master = Prk::from_secret(NullSuite::leak(1), &Secret::new([1; 32]));
        let secrets = SessionSecrets::derive(&master, &Digest([2; 32]));
        let mut ids = Ids::new(&secrets, Direction::ServerToClient).expect("all of them");
        let mut used = vec![*ids.current()];
        ids.draw_for_candidate();
        assert_eq!(ids.current(), &used[0], "the address has not answered");
        for _ in 1..CIDS {
            ids.take_candidates();
            assert!(!used.contains(ids.current()));
            used.push(*ids.current());
            ids.draw_for_candidate();
        }
        ids.draw();
        assert_eq!(Some(ids.current()), used.last());
    }
}
