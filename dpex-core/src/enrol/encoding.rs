//! The bytes that are signed and hashed: never the JSON text, so that mail may reflow it (PROTOCOL.md, section 2).

use super::{DisplayName, Uid, stamp};
use crate::suite::CipherSuite;
use crate::types::{Digest, EnrolmentId, Timestamp};

/// What a request signs.
#[derive(Clone, Debug)]
pub(super) struct RequestContent {
    pub(super) uid: Uid,
    pub(super) name: DisplayName,
    pub(super) created: Timestamp,
    pub(super) nonce: [u8; 32],
    pub(super) protocols: Vec<u16>,
    pub(super) suites: Vec<u16>,
    pub(super) spki: Vec<u8>,
}

/// What an answer signs, except for its sealed part.
#[derive(Clone, Debug)]
pub(super) struct AnswerContent {
    pub(super) uid: Uid,
    pub(super) server_name: DisplayName,
    pub(super) created: Timestamp,
    pub(super) first_use_before: Timestamp,
    pub(super) enrolment: EnrolmentId,
    pub(super) request_hash: Digest,
    pub(super) protocols: Vec<u16>,
    pub(super) suites: Vec<u16>,
    pub(super) spki: Vec<u8>,
    pub(super) wrapped_key: Vec<u8>,
}

impl RequestContent {
    /// `S_req`.
    pub(super) fn signed(&self) -> Vec<u8> {
        let mut out = Encoder::new("DPEX/1 enrol-request");
        out.text(self.uid.as_str()).text(self.name.as_str()).moment(self.created).bytes(&self.nonce);
        out.numbers(&self.protocols).numbers(&self.suites).bytes(&self.spki);
        out.0
    }
}

impl AnswerContent {
    /// `S_hdr`: also what the sealed part is bound to.
    pub(super) fn header(&self) -> Vec<u8> {
        let mut out = Encoder::new("DPEX/1 enrol-response");
        out.text(self.uid.as_str()).text(self.server_name.as_str()).moment(self.created).moment(self.first_use_before);
        out.bytes(&self.enrolment.0).bytes(&self.request_hash.0).numbers(&self.protocols).numbers(&self.suites);
        out.bytes(&self.spki).bytes(&self.wrapped_key);
        out.0
    }
}

/// `S_resp`: the header and the sealed part.
pub(super) fn answer_signed(header: Vec<u8>, sealed: &[u8]) -> Vec<u8> {
    let mut out = Encoder(header);
    out.bytes(sealed);
    out.0
}

/// The OAEP label of an answer to the request with this hash.
pub(super) fn wrap_label(request_hash: &Digest) -> Vec<u8> {
    let mut out = Encoder::new("DPEX/1 enrol-wrap");
    out.0.extend_from_slice(&request_hash.0);
    out.0
}

/// Plain SHA-256.
pub(super) fn sha256(suite: &dyn CipherSuite, bytes: &[u8]) -> Digest {
    let mut hash = suite.sha256();
    hash.update(bytes);
    hash.finish()
}

/// `LP(x) = u32(len) || x`, one after the other behind a label.
struct Encoder(Vec<u8>);

impl Encoder {
    fn new(label: &str) -> Self {
        let mut out = label.as_bytes().to_vec();
        out.push(0);
        Self(out)
    }

    fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        let len = u32::try_from(bytes.len()).expect("a document is smaller than 64 KiB");
        self.0.extend_from_slice(&len.to_be_bytes());
        self.0.extend_from_slice(bytes);
        self
    }

    fn text(&mut self, text: &str) -> &mut Self {
        self.bytes(text.as_bytes())
    }

    fn moment(&mut self, moment: Timestamp) -> &mut Self {
        self.text(&stamp::format(moment).expect("moments are checked when they enter a document"))
    }

    fn numbers(&mut self, numbers: &[u16]) -> &mut Self {
        self.bytes(&numbers.iter().flat_map(|n| n.to_be_bytes()).collect::<Vec<u8>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UID: &str = "b9e72d87-ac05-4563-bc32-9c2bf2738f93";

    fn moment(secs: i64) -> Timestamp {
        Timestamp::new(secs, 0).expect("valid")
    }

    #[test]
    fn a_request_signs_these_bytes() {
        let content = RequestContent {
            uid: UID.parse().expect("valid"),
            name: "Zoë".parse().expect("valid"),
            created: moment(1_795_354_908),
            nonce: [0x4e; 32],
            protocols: vec![1],
            suites: vec![2, 1],
            spki: vec![0x30, 0x82, 0xff],
        };
        let mut expected = Vec::new();
        expected.extend_from_slice(b"DPEX/1 enrol-request\0");
        expected.extend_from_slice(b"\0\0\0\x24b9e72d87-ac05-4563-bc32-9c2bf2738f93");
        expected.extend_from_slice(b"\0\0\0\x04Zo\xc3\xab");
        expected.extend_from_slice(b"\0\0\0\x142026-11-22T13:41:48Z");
        expected.extend_from_slice(b"\0\0\0\x20NNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNN");
        expected.extend_from_slice(b"\0\0\0\x02\0\x01");
        expected.extend_from_slice(b"\0\0\0\x04\0\x02\0\x01");
        expected.extend_from_slice(b"\0\0\0\x03\x30\x82\xff");
        assert_eq!(content.signed(), expected);
    }

    #[test]
    fn an_answer_signs_these_bytes() {
        let content = AnswerContent {
            uid: UID.parse().expect("valid"),
            server_name: "Bob's files".parse().expect("valid"),
            created: moment(1_795_354_908),
            first_use_before: moment(1_795_354_908 + 30 * 86_400),
            enrolment: EnrolmentId([0x45; 16]),
            request_hash: Digest([0x48; 32]),
            protocols: vec![1],
            suites: vec![0x0102],
            spki: vec![0x30],
            wrapped_key: vec![0x57; 3],
        };
        let mut expected = Vec::new();
        expected.extend_from_slice(b"DPEX/1 enrol-response\0");
        expected.extend_from_slice(b"\0\0\0\x24b9e72d87-ac05-4563-bc32-9c2bf2738f93");
        expected.extend_from_slice(b"\0\0\0\x0bBob's files");
        expected.extend_from_slice(b"\0\0\0\x142026-11-22T13:41:48Z");
        expected.extend_from_slice(b"\0\0\0\x142026-12-22T13:41:48Z");
        expected.extend_from_slice(b"\0\0\0\x10EEEEEEEEEEEEEEEE");
        expected.extend_from_slice(b"\0\0\0\x20HHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHH");
        expected.extend_from_slice(b"\0\0\0\x02\0\x01");
        expected.extend_from_slice(b"\0\0\0\x02\x01\x02");
        expected.extend_from_slice(b"\0\0\0\x01\x30");
        expected.extend_from_slice(b"\0\0\0\x03WWW");
        assert_eq!(content.header(), expected);
        expected.extend_from_slice(b"\0\0\0\x02\xee\xdd");
        assert_eq!(answer_signed(content.header(), &[0xee, 0xdd]), expected);
    }

    #[test]
    fn the_wrapping_is_bound_to_the_request() {
        assert_eq!(wrap_label(&Digest([0x48; 32])), b"DPEX/1 enrol-wrap\0HHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHH");
    }
}
