//! Honest handshakes: both sides end with the same secrets, and nothing on the wire stands out.

use std::sync::Arc;

use dpex_core::seal::{Direction, HandshakeError, Initiator, Knock, PairKeys, ResponseTerms, Verdict, open_init};
use dpex_core::suite::{Aead, BlockCipher, CipherSuite, CryptoError, Hash, IdentityKey, KeyAgreement, Mac, PublicKey};
use dpex_core::types::{Secret, Timestamp};
use dpex_tests::SUITE;

use super::support::*;

#[test]
fn both_sides_end_with_the_same_secrets() {
    let (client, server) = handshake();
    assert_equal(&client, &server);
}

#[test]
fn both_sides_end_with_the_same_secrets_in_simulations_too() {
    let suite = dpex_core::testing::NullSuite::leak(1);
    let pair = Arc::new(PairKeys::new(suite, &Secret::new([5; 32]), &peering()));
    let knock = Knock::new(suite, &Secret::new([6; 32]));
    let unsigned = Initiator::start(suite, &pair, stamp(1), &offer()).expect("started");
    let (init, mut pending) = unsigned.finish(&CLIENT_SIGNATURE, &knock, None).expect("finished");
    assert!(knock.admits(init.as_ref()));
    let unsigned = open_init(suite, &pair, init.as_ref()).expect("authentic").respond(suite, &TERMS).expect("a share");
    let (resp, server) = unsigned.finish(&SERVER_SIGNATURE).expect("finished");
    let client = pending.open_resp(resp.as_ref()).expect("authentic").into_secrets();
    assert_equal(&client.expect("accepted"), &server.expect("accepted"));
}

#[test]
fn the_two_directions_share_nothing() {
    use dpex_core::seal::Direction::{ClientToServer, ServerToClient};
    let (secrets, _) = handshake();
    assert_ne!(secrets.traffic(ClientToServer), secrets.traffic(ServerToClient));
    assert_ne!(secrets.header_protection(ClientToServer), secrets.header_protection(ServerToClient));
    let mut cids: Vec<_> = [ClientToServer, ServerToClient]
        .into_iter()
        .flat_map(|d| (0..dpex_core::seal::CIDS).filter_map(|i| secrets.cid(d, i)).collect::<Vec<_>>())
        .collect();
    cids.sort_unstable();
    cids.dedup();
    assert_eq!(cids.len(), 128);
    assert_eq!(secrets.cid(ClientToServer, dpex_core::seal::CIDS), None);
    assert_eq!(secrets.cid(ClientToServer, u32::MAX), None);
}

#[test]
fn two_handshakes_give_different_secrets() {
    let ((a, _), (b, _)) = (handshake(), handshake());
    assert_ne!(a.transcript(), b.transcript());
    assert_ne!(a.exporter(), b.exporter());
}

#[test]
fn what_each_side_says_reaches_the_other() {
    let (init, mut pending) = init();
    let opened = opened(init.as_ref());
    assert_eq!(opened.stamp, stamp(1_800_000_000));
    assert_eq!((opened.versions, opened.suites), (offer().versions, offer().suites));
    assert_eq!((opened.max_udp_payload, opened.idle_timeout), (1472, 30));
    assert_eq!(opened.signature(), CLIENT_SIGNATURE);
    let server_time = Timestamp::new(1_800_000_123, 999).expect("valid");
    let terms = ResponseTerms { server_time, ..TERMS };
    let unsigned = opened.respond(&SUITE, &terms).expect("a good share");
    let message = unsigned.message();
    let (resp, _) = unsigned.finish(&SERVER_SIGNATURE).expect("finished");
    let proof = pending.open_resp(resp.as_ref()).expect("authentic");
    assert_eq!((proof.params.version, proof.params.suite, proof.params.refusal), (1, 1, None));
    assert_eq!((proof.params.max_udp_payload, proof.params.idle_timeout), (9000, 31));
    assert_eq!(proof.params.server_time, Timestamp::new(1_800_000_123, 0).expect("valid"), "whole seconds");
    assert_eq!(proof.signature(), SERVER_SIGNATURE);
    assert_eq!(proof.message(), message);
}

#[test]
fn both_sides_agree_with_the_document_on_what_the_client_signs() {
    let unsigned = Initiator::start(&SUITE, &pair(), stamp(7), &offer()).expect("started");
    let message = unsigned.message();
    let (init, _) = unsigned.finish(&CLIENT_SIGNATURE, &knock(), None).expect("finished");
    assert_eq!(opened(init.as_ref()).message(), message);
    assert_eq!(client_message(init.as_ref()), message);
}

#[test]
fn a_server_written_from_the_document_is_understood() {
    let (init, mut pending) = init();
    let (resp, message, th3) = Handmade::honest().answer(init.as_ref());
    let proof = pending.open_resp(&resp).expect("authentic");
    assert_eq!(proof.message(), message);
    assert_eq!(proof.into_secrets().expect("accepted").transcript(), &th3);
}

#[test]
fn a_refusal_brings_its_code_and_no_session() {
    let (init, mut pending) = init();
    let terms = ResponseTerms { verdict: Verdict::Refuse(0x1234), ..TERMS };
    let unsigned = opened(init.as_ref()).respond(&SUITE, &terms).expect("a good share");
    let (resp, secrets) = unsigned.finish(&SERVER_SIGNATURE).expect("finished");
    assert!(secrets.is_none());
    let proof = pending.open_resp(resp.as_ref()).expect("authentic");
    assert_eq!((proof.params.version, proof.params.suite, proof.params.refusal), (0, 0, Some(0x1234)));
    assert!(proof.into_secrets().is_none());
}

// HS-16.
#[test]
fn a_server_cannot_choose_what_was_not_offered() {
    for (version, suite) in [(2, 1), (1, 3), (0, 1), (1, 0)] {
        let (init, _) = init();
        let terms = ResponseTerms { verdict: Verdict::Accept { version, suite }, ..TERMS };
        let refused = opened(init.as_ref()).respond(&SUITE, &terms).map(|_| ());
        assert_eq!(refused, Err(CryptoError::BadLength), "{version} {suite}");
    }
}

#[test]
fn both_signature_lengths_fit_and_no_other_is_taken() {
    for (len, fits) in [(384, true), (512, true), (0, false), (383, false), (385, false), (511, false), (513, false)] {
        let signature = vec![9; len];
        let unsigned = Initiator::start(&SUITE, &pair(), stamp(7), &offer()).expect("started");
        let done = unsigned.finish(&signature, &knock(), None);
        assert_eq!(done.is_ok(), fits, "{len}");
        let Ok((init, _)) = done else { continue };
        let opened = opened(init.as_ref());
        assert_eq!(opened.signature(), signature);
        assert!(opened.respond(&SUITE, &TERMS).expect("a good share").finish(&signature).is_ok());
    }
    let (init, _) = init();
    let unsigned = opened(init.as_ref()).respond(&SUITE, &TERMS).expect("a good share");
    assert!(matches!(unsigned.finish(&[0; 511]), Err(CryptoError::BadLength)));
}

#[test]
fn a_stamp_before_1970_cannot_be_sent() {
    let early = Timestamp::new(-1, 0).expect("valid");
    let refused = Initiator::start(&SUITE, &pair(), early, &offer()).map(|_| ());
    assert_eq!(refused, Err(CryptoError::Unsupported));
}

// HS-5.
#[test]
fn no_byte_of_init_resp_or_cookie_is_the_same_in_every_handshake() {
    let cookies = dpex_core::seal::Cookies::new(std::time::Instant::now(), &SUITE).expect("randomness");
    let (mut inits, mut resps, mut replies) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..16 {
        let (init, _) = init();
        resps.push(resp_to(init.as_ref()).0.to_vec());
        let from = "192.0.2.1:9".parse().expect("an address");
        replies.push(cookies.reply(&knock(), init.as_ref(), from).expect("a cookie").to_vec());
        inits.push(init.to_vec());
    }
    for datagrams in [inits, resps, replies] {
        assert_eq!(constant_positions(&datagrams), Vec::<usize>::new());
    }
}

#[test]
fn sides_that_saw_different_documents_cannot_connect() {
    let (init, _) = init();
    let psk = Secret::new([5; 32]);
    let same = PairKeys::new(&SUITE, &psk, &peering());
    assert!(open_init(&SUITE, &same, init.as_ref()).is_ok(), "the control");
    let mut others = [peering(); 4];
    others[0].server.0[0] ^= 1;
    others[1].client.0[31] ^= 1;
    others[2].enrolment.0[0] ^= 1;
    others[3].exchange.0[0] ^= 1;
    let others = others.iter().map(|peering| PairKeys::new(&SUITE, &psk, peering));
    for other in others.chain([PairKeys::new(&SUITE, &Secret::new([7; 32]), &peering())]) {
        assert!(!other.tag_matches(&init[..32], &init[32..48]));
        let refused = open_init(&SUITE, &other, init.as_ref()).map(|_| ());
        assert_eq!(refused, Err(HandshakeError::NotAuthentic));
    }
}

#[test]
fn a_tag_names_one_enrolment_and_only_whole() {
    let (init, _) = init();
    assert!(pair().tag_matches(&init[..32], &init[32..48]));
    assert!(!pair().tag_matches(&init[..32], &init[32..47]));
    assert!(!pair().tag_matches(&init[..32], &[]));
    assert!(!pair().tag_matches(&init[..31], &init[32..48]));
}

// HS-4.
#[test]
fn a_machine_whose_randomness_repeats_does_not_repeat_a_nonce_while_its_stamp_moves() {
    static STUCK: Stuck = Stuck;
    let nonce = |secs| {
        let unsigned = Initiator::start(&STUCK, &pair(), stamp(secs), &offer()).expect("started");
        let (init, _) = unsigned.finish(&CLIENT_SIGNATURE, &knock(), None).expect("finished");
        init[..32].to_vec()
    };
    assert_eq!(nonce(1), nonce(1), "the randomness really is stuck");
    assert_ne!(nonce(1), nonce(2));
}

/// A real suite on a machine that was cloned while it ran.
#[derive(Debug)]
struct Stuck;

struct StuckAgreement;

impl KeyAgreement for StuckAgreement {
    fn public(&self) -> [u8; 32] {
        [8; 32]
    }

    fn agree(self: Box<Self>, _: &[u8; 32]) -> Result<Secret<32>, CryptoError> {
        Err(CryptoError::Unsupported)
    }
}

impl CipherSuite for Stuck {
    fn name(&self) -> &'static str {
        "stuck"
    }
    fn random(&self, out: &mut [u8]) -> Result<(), CryptoError> {
        out.fill(7);
        Ok(())
    }
    fn sha256(&self) -> Box<dyn Hash> {
        SUITE.sha256()
    }
    fn hmac(&self, key: &[u8]) -> Box<dyn Mac> {
        SUITE.hmac(key)
    }
    fn aead(&self, key: &Secret<32>) -> Result<Box<dyn Aead>, CryptoError> {
        SUITE.aead(key)
    }
    fn block(&self, key: &Secret<32>) -> Result<Box<dyn BlockCipher>, CryptoError> {
        SUITE.block(key)
    }
    fn key_agreement(&self, _: &Secret<32>) -> Result<Box<dyn KeyAgreement>, CryptoError> {
        Ok(Box::new(StuckAgreement))
    }
    fn generate_identity(&self, _: usize) -> Result<Arc<dyn IdentityKey>, CryptoError> {
        Err(CryptoError::Unsupported)
    }
    fn identity_from_pkcs8(&self, _: &[u8]) -> Result<Arc<dyn IdentityKey>, CryptoError> {
        Err(CryptoError::Unsupported)
    }
    fn public_from_spki(&self, _: &[u8]) -> Result<Arc<dyn PublicKey>, CryptoError> {
        Err(CryptoError::Unsupported)
    }
}

#[test]
fn one_ratchet_step_gives_both_sides_the_same_new_secrets_bound_to_the_shares() {
    let (client, server) = handshake();
    let (mut here, mut there) = (client.chain(), server.chain());
    let shared = Secret::new([0x99; 32]);
    let [up, down] = [Direction::ClientToServer, Direction::ServerToClient];
    let first = here.step(&SUITE, &shared, b"offer", b"answer");
    let same = there.step(&SUITE, &shared, b"offer", b"answer");
    assert_eq!((first.traffic(up), first.traffic(down)), (same.traffic(up), same.traffic(down)));
    assert_ne!(first.traffic(up), first.traffic(down));
    assert_ne!(first.traffic(up), client.traffic(up));
    let again = here.step(&SUITE, &shared, b"offer", b"answer");
    assert_ne!(again.traffic(up), first.traffic(up), "the chain moved on");
    let other = there.step(&SUITE, &shared, b"offer", b"another");
    assert_ne!(other.traffic(up), again.traffic(up), "another answer");
    let stranger = handshake().0.chain().step(&SUITE, &shared, b"offer", b"answer");
    assert_ne!(stranger.traffic(up), first.traffic(up), "another session");
}
