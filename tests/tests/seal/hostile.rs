//! Handshake datagrams that were altered, misdirected or made by somebody with bad intentions.

use dpex_core::seal::{Cookies, HandshakeError, open_init};
use dpex_core::suite::CryptoError;
use dpex_tests::SUITE;
use proptest::prelude::*;

use super::support::*;

fn refused_init(datagram: &[u8]) -> HandshakeError {
    open_init(&SUITE, &pair(), datagram).map(|_| ()).expect_err("must be refused")
}

#[test]
fn every_changed_bit_of_init_is_refused_at_the_gate_and_behind_it() {
    let (init, _) = init();
    let (knock, pair) = (knock(), pair());
    assert!(knock.admits(init.as_ref()), "the control");
    for (byte, datagram) in flipped(init.as_ref(), 0..1184) {
        assert!(!knock.admits(&datagram), "byte {byte}");
    }
    for (byte, datagram) in flipped(init.as_ref(), 0..1168) {
        let refused = open_init(&SUITE, &pair, &datagram).map(|_| ());
        assert_eq!(refused, Err(HandshakeError::NotAuthentic), "byte {byte}");
    }
}

// HS-18.
#[test]
fn every_changed_bit_of_resp_is_refused_and_the_true_one_still_accepted_after() {
    let (init, mut pending) = init();
    let (resp, server) = resp_to(init.as_ref());
    for (byte, datagram) in flipped(resp.as_ref(), 0..1200) {
        let refused = pending.open_resp(&datagram).map(|_| ());
        assert_eq!(refused, Err(HandshakeError::NotAuthentic), "byte {byte}");
    }
    let client = pending.open_resp(resp.as_ref()).expect("authentic").into_secrets();
    assert_equal(&client.expect("accepted"), &server.expect("accepted"));
}

// HS-2.
#[test]
fn init_and_resp_have_one_length() {
    let (init, mut pending) = init();
    let (resp, _) = resp_to(init.as_ref());
    for (datagram, name) in [(&init, "INIT"), (&resp, "RESP")] {
        for len in [0, 1, 32, 33, 72, 1199] {
            let short = &datagram[..len];
            assert!(!knock().admits(short), "{name} {len}");
            assert_eq!(refused_init(short), HandshakeError::NotAuthentic, "{name} {len}");
            assert!(pending.open_resp(short).is_err(), "{name} {len}");
            assert!(pending.open_cookie(&knock(), short).is_none(), "{name} {len}");
        }
        let long = [&datagram[..], &[0]].concat();
        assert!(!knock().admits(&long), "{name}");
        assert_eq!(refused_init(&long), HandshakeError::NotAuthentic, "{name}");
        assert!(pending.open_resp(&long).is_err(), "{name}");
    }
}

#[test]
fn a_resp_answers_one_init_only() {
    let ((first, _), (_, mut second)) = (init(), init());
    let (resp, _) = resp_to(first.as_ref());
    assert!(matches!(second.open_resp(resp.as_ref()), Err(HandshakeError::NotAuthentic)));
    let mut forced = resp.to_vec();
    forced[..8].copy_from_slice(&second.rid());
    assert!(matches!(second.open_resp(&forced), Err(HandshakeError::NotAuthentic)));
}

#[test]
fn an_init_is_not_a_resp_and_a_resp_is_not_an_init() {
    let (init, mut pending) = init();
    let (resp, _) = resp_to(init.as_ref());
    assert!(pending.open_resp(init.as_ref()).is_err());
    assert!(!knock().admits(resp.as_ref()));
    assert!(open_init(&SUITE, &pair(), resp.as_ref()).is_err());
}

// HS-8.
#[test]
fn an_authentic_init_with_a_field_out_of_range_is_refused() {
    let (init, _) = init();
    assert!(open_init(&SUITE, &pair(), altered(init.as_ref(), |_| ()).as_ref()).is_ok(), "the control");
    type Change = fn(&mut [u8]);
    let malformed: [(&str, Change); 13] = [
        ("seconds beyond time", |p| p[32] = 0x80),
        ("a whole second of nanoseconds", |p| p[40..44].copy_from_slice(&1_000_000_000u32.to_be_bytes())),
        ("1199 bytes accepted", |p| p[124..126].copy_from_slice(&1199u16.to_be_bytes())),
        ("first flag", |p| p[128] = 0x80),
        ("last flag", |p| p[131] = 1),
        ("signature of 0", |p| p[132..134].fill(0)),
        ("signature of 513", |p| p[132..134].copy_from_slice(&513u16.to_be_bytes())),
        ("signature of 65535", |p| p[132..134].fill(0xff)),
        ("bytes after a signature of 384", |p| p[132..134].copy_from_slice(&384u16.to_be_bytes())),
        ("last padding byte", |p| p[1103] = 1),
        ("extension past the end", |p| p[646..650].copy_from_slice(&[0, 5, 0xff, 0xff])),
        ("extension of kind 0", |p| p[646..650].copy_from_slice(&[0x80, 0, 0, 0])),
        ("bytes after the extensions", |p| p[646..656].copy_from_slice(&[0, 5, 0, 1, 7, 0, 0, 0, 0, 1])),
    ];
    for (name, change) in malformed {
        assert_eq!(refused_init(altered(init.as_ref(), change).as_ref()), HandshakeError::Malformed, "{name}");
    }
    let smallest = altered(init.as_ref(), |p| p[124..126].copy_from_slice(&1200u16.to_be_bytes()));
    assert_eq!(opened(smallest.as_ref()).max_udp_payload, 1200);
    let last = altered(init.as_ref(), |p| p[40..44].copy_from_slice(&999_999_999u32.to_be_bytes()));
    assert_eq!(opened(last.as_ref()).stamp.nanos(), 999_999_999);
}

#[test]
fn an_authentic_init_for_other_identities_is_refused() {
    let (init, _) = init();
    for byte in [60, 91, 92, 123] {
        let other = altered(init.as_ref(), |p| p[byte] ^= 1);
        assert_eq!(refused_init(other.as_ref()), HandshakeError::WrongIdentity, "byte {byte}");
    }
}

// HS-7.
#[test]
fn an_unknown_extension_is_skipped_unless_it_is_critical() {
    let (init, _) = init();
    let harmless = altered(init.as_ref(), |p| p[646..652].copy_from_slice(&[0, 9, 0, 2, 1, 1]));
    assert!(open_init(&SUITE, &pair(), harmless.as_ref()).is_ok());
    let critical = altered(init.as_ref(), |p| p[646..652].copy_from_slice(&[0x80, 9, 0, 2, 1, 1]));
    assert_eq!(refused_init(critical.as_ref()), HandshakeError::UnknownCritical(9));

    let mut server = Handmade::honest();
    server.payload[530..535].copy_from_slice(&[0, 9, 0, 1, 1]);
    let (init, mut pending) = super::support::init();
    assert!(pending.open_resp(&server.answer(init.as_ref()).0).is_ok());
    server.payload[530] = 0x80;
    let (init, mut pending) = super::support::init();
    let refused = pending.open_resp(&server.answer(init.as_ref()).0).map(|_| ());
    assert_eq!(refused, Err(HandshakeError::UnknownCritical(9)));
}

// HS-1.
#[test]
fn shares_of_low_order_are_refused_by_both_sides() {
    let mut minus_one = [0xff; 32];
    (minus_one[0], minus_one[31]) = (0xec, 0x7f);
    let mut one = [0; 32];
    one[0] = 1;
    for share in [[0; 32], one, minus_one] {
        let (datagram, mut pending) = init();
        let low = altered(datagram.as_ref(), |p| p[..32].copy_from_slice(&share));
        let refused = opened(low.as_ref()).respond(&SUITE, &TERMS).map(|_| ());
        assert_eq!(refused, Err(CryptoError::AuthFailed));
        let server = Handmade { share: Some(share), ..Handmade::honest() };
        let refused = pending.open_resp(&server.answer(datagram.as_ref()).0).map(|_| ());
        assert_eq!(refused, Err(HandshakeError::NotAuthentic));
    }
}

// HS-18.
#[test]
fn a_choice_that_was_not_offered_is_refused_and_the_true_answer_still_accepted_after() {
    let (init, mut pending) = init();
    for (version, suite) in [(2, 1), (1, 3), (0, 1), (1, 0), (0xffff, 0xffff)] {
        let server = Handmade { version, suite, ..Handmade::honest() };
        let refused = pending.open_resp(&server.answer(init.as_ref()).0).map(|_| ());
        assert_eq!(refused, Err(HandshakeError::NotOffered { version, suite }));
    }
    assert!(pending.open_resp(resp_to(init.as_ref()).0.as_ref()).is_ok());
}

#[test]
fn a_refusal_without_a_reason_and_a_reason_without_a_refusal_are_malformed() {
    let silent = Handmade { version: 0, suite: 0, ..Handmade::honest() };
    let contradictory = Handmade { version: 1, suite: 1, ..Handmade::refusing(3) };
    let mut long = Handmade::refusing(3);
    long.payload[533] = 3;
    for server in [silent, contradictory, long] {
        let (init, mut pending) = init();
        let refused = pending.open_resp(&server.answer(init.as_ref()).0).map(|_| ());
        assert_eq!(refused, Err(HandshakeError::Malformed));
    }
    let (init, mut pending) = init();
    let proof = pending.open_resp(&Handmade::refusing(3).answer(init.as_ref()).0).expect("well-formed");
    assert_eq!(proof.params.refusal, Some(3));
}

// HS-8.
#[test]
fn an_authentic_resp_with_a_field_out_of_range_is_refused() {
    type Change = fn(&mut [u8]);
    let malformed: [(&str, Change); 7] = [
        ("1199 bytes accepted", |p| p[..2].copy_from_slice(&1199u16.to_be_bytes())),
        ("a flag", |p| p[7] = 1),
        ("seconds beyond time", |p| p[8] = 0x80),
        ("signature of 383", |p| p[16..18].copy_from_slice(&383u16.to_be_bytes())),
        ("byte after the signature", |p| p[18 + 384] = 1),
        ("last byte of the signature's room", |p| p[529] = 1),
        ("last padding byte", |p| p[1091] = 1),
    ];
    for (name, change) in malformed {
        let (init, mut pending) = init();
        let mut server = Handmade::honest();
        change(&mut server.payload);
        let refused = pending.open_resp(&server.answer(init.as_ref()).0).map(|_| ());
        assert_eq!(refused, Err(HandshakeError::Malformed), "{name}");
    }
}

#[test]
fn a_second_answer_by_a_holder_of_the_psk_is_refused_and_the_first_still_stands() {
    let (init, mut pending) = init();
    let (first, _, _) = Handmade::honest().answer(init.as_ref());
    let (second, _, _) = Handmade::honest().answer(init.as_ref());
    assert!(pending.open_resp(&first).is_ok());
    assert!(matches!(pending.open_resp(&second), Err(HandshakeError::Spent)));
    assert!(pending.open_resp(&first).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn arbitrary_bytes_are_refused_calmly(bytes in prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..1300),
        proptest::collection::vec(any::<u8>(), 1200),
        proptest::collection::vec(any::<u8>(), 72),
    ]) {
        let (_, mut pending) = init();
        let rid = pending.rid();
        prop_assert!(!knock().admits(&bytes));
        prop_assert!(open_init(&SUITE, &pair(), &bytes).is_err());
        prop_assert!(pending.open_resp(&bytes).is_err());
        prop_assert!(pending.open_cookie(&knock(), &bytes).is_none());
        let aimed = [&rid[..], bytes.get(8..).unwrap_or_default()].concat();
        prop_assert!(pending.open_resp(&aimed).is_err());
        let now = std::time::Instant::now();
        let cookies = Cookies::new(now, &SUITE).expect("randomness");
        let from = "192.0.2.1:9".parse().expect("an address");
        prop_assert!(!cookies.valid(now, &bytes, from));
        prop_assert_eq!(cookies.reply(&knock(), &bytes, from).is_ok(), bytes.len() == 1200);
    }

    #[test]
    fn an_authentic_init_of_arbitrary_bytes_is_read_or_refused(
        at in 0usize..1104,
        bytes in proptest::collection::vec(any::<u8>(), 1..64),
        keep_identities: bool,
    ) {
        let (init, _) = init();
        let datagram = altered(init.as_ref(), |p| {
            let identities = p[60..124].to_vec();
            p[at..].iter_mut().zip(&bytes).for_each(|(to, from)| *to = *from);
            if keep_identities {
                p[60..124].copy_from_slice(&identities);
            }
        });
        if let Ok(opened) = open_init(&SUITE, &pair(), datagram.as_ref()) {
            prop_assert!(opened.max_udp_payload >= 1200);
            let _ = opened.respond(&SUITE, &TERMS);
        }
    }

    #[test]
    fn an_authentic_resp_of_arbitrary_bytes_is_read_or_refused(
        at in 0usize..1092,
        bytes in proptest::collection::vec(any::<u8>(), 1..64),
    ) {
        let (init, mut pending) = init();
        let mut server = Handmade::honest();
        server.payload[at..].iter_mut().zip(&bytes).for_each(|(to, from)| *to = *from);
        if let Ok(proof) = pending.open_resp(&server.answer(init.as_ref()).0) {
            prop_assert!(proof.params.max_udp_payload >= 1200);
        }
    }
}
