//! Sealing without any of the sealer's rules: numbers may repeat, epochs may jump, reserved bits may be set.

use crate::seal::{Direction, SessionSecrets, TrafficSecret};
use crate::suite::{Aead, BlockCipher, CipherSuite};
use crate::types::Secret;
use crate::wire::packet::{CID_LEN, HEADER_LEN, TAG_LEN, apply_mask, sample, split_mut};

/// What a packet's header says.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shape {
    /// The packet number.
    pub pn: u64,
    /// The epoch whose key seals it; its lowest bit is the key phase.
    pub epoch: u64,
    /// Which of the connection ids.
    pub cid: u32,
    /// Bits of the flags byte to be turned over: bit 0 is the key phase, the others are reserved.
    pub flags: u8,
}

pub(super) struct RawSealer {
    suite: &'static dyn CipherSuite,
    cids: Vec<[u8; CID_LEN]>,
    hp: Box<dyn BlockCipher>,
    /// Keys of the epochs so far.
    keys: Vec<(Box<dyn Aead>, Secret<12>)>,
    next: Secret,
}

impl RawSealer {
    pub(super) fn new(suite: &'static dyn CipherSuite, secrets: &SessionSecrets, direction: Direction) -> Self {
        Self {
            suite,
            cids: (0..).map_while(|i| secrets.cid(direction, i)).collect(),
            hp: suite.block(secrets.header_protection(direction)).expect("a key"),
            keys: Vec::new(),
            next: secrets.traffic(direction).clone(),
        }
    }

    /// The epoch after this one has this secret.
    pub(super) fn set_secret_after(&mut self, epoch: u64, secret: Secret) {
        self.derive_up_to(epoch);
        debug_assert_eq!(self.keys.len() as u64, epoch + 1, "later keys were used already");
        self.next = secret;
    }

    fn derive_up_to(&mut self, epoch: u64) {
        while self.keys.len() as u64 <= epoch {
            let traffic = TrafficSecret::new(self.suite, &self.next);
            self.keys.push((self.suite.aead(&traffic.key()).expect("a key"), traffic.iv()));
            self.next = traffic.next();
        }
    }

    pub(super) fn seal(&mut self, shape: &Shape, payload: &[u8]) -> Vec<u8> {
        let epoch = usize::try_from(shape.epoch).expect("a test has few epochs");
        self.derive_up_to(shape.epoch);
        let (aead, iv) = self.keys.get_mut(epoch).expect("made above");
        let cid = self.cids[usize::try_from(shape.cid).expect("an index")];
        let flags = u8::from(shape.epoch % 2 == 1) ^ shape.flags;
        let mut packet = [&cid[..], &[flags], &shape.pn.to_be_bytes(), payload, &[0; TAG_LEN]].concat();
        let mut nonce = *iv.expose();
        nonce.iter_mut().skip(4).zip(shape.pn.to_be_bytes()).for_each(|(byte, pn)| *byte ^= pn);
        let (header, body, tag) = split_mut(&mut packet).expect("long enough");
        debug_assert_eq!(header.len(), HEADER_LEN);
        *tag = aead.seal(&nonce, header, body).expect("seals");
        let mut mask = [sample(&packet).expect("long enough")];
        self.hp.encrypt(&mut mask).expect("encrypts");
        let (header, _, _) = split_mut(&mut packet).expect("long enough");
        apply_mask(header, &mask[0]);
        packet
    }
}
