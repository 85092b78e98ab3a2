//! Documents made to harm: properly signed but not proper, or spliced from good ones.

use dpex_core::conformance::suite as conformance;
use dpex_core::enrol::{Answer, DocumentError, Request, fingerprint, words};
use dpex_core::kdf::hh;
use dpex_core::suite::CipherSuite;
use dpex_core::types::{Digest, Secret};
use proptest::prelude::*;
use serde_json::json;

use crate::forge::*;
use crate::people::*;

fn sha256(suite: &dyn CipherSuite, bytes: &[u8]) -> Digest {
    let mut hash = suite.sha256();
    hash.update(bytes);
    hash.finish()
}

#[test]
fn a_request_signed_from_the_specification_alone_is_read() {
    let good = parsed(&request_of(&*alice(), "Anna").to_json());
    let read = read(sign_request(good.clone(), &*alice())).expect("good");
    assert_eq!(*read.hash(), sha256(suite(), &request_signed(&good)));
}

// ENR-10, ENR-11, ENR-13.
#[test]
fn a_good_signature_does_not_excuse_a_bad_field() {
    let good = parsed(&request_of(&*alice(), "Anna").to_json());
    for (field, value) in [
        ("uid", json!("../../../../etc/passwd")),
        ("uid", json!("b9e72d87-ac05-1563-bc32-9c2bf2738f93")),
        ("name", json!("")),
        ("name", json!("a\u{1b}[2Jb")),
        ("name", json!("Anna\u{202e}")),
        ("name", json!("x".repeat(65))),
        ("created", json!("2026-11-22T13:41:48+00:00")),
        ("created", json!("2026-11-22T13:41:48.5Z")),
        ("created", json!("9999-12-31T23:59:59Z")),
        ("created", json!("0001-01-01T00:00:00Z")),
        ("nonce", json!("AAAA")),
        ("protocols", json!([])),
        ("protocols", json!([2])),
        ("protocols", json!([1, 1])),
        ("suites", json!([9])),
        ("suites", json!([1, 0])),
    ] {
        let mut bad = good.clone();
        bad[field] = value.clone();
        assert!(read(sign_request(bad, &*alice())).is_err(), "{field} = {value}");
    }
    let mut wider = good;
    wider["protocols"] = json!([7, 1]);
    wider["suites"] = json!([2, 1]);
    wider.insert("x-note".into(), json!({ "any": ["thing"] }));
    let wider = read(sign_request(wider, &*alice())).expect("a newer client that can also speak as we do");
    assert_eq!((wider.protocols(), wider.suites()), (&[7, 1][..], &[2, 1][..]));
}

// ENR-6.
#[test]
fn a_field_too_many_too_few_or_twice_is_refused() {
    let request = request_of(&*alice(), "Anna");
    let answer = answer_to(&request).0;
    for json in [request.to_json(), answer.to_json()] {
        let refusal =
            |text: String| if json.contains("enrol-request") { read(text).err() } else { open(&request, text).err() };
        let fields = parsed(&json);
        for field in fields.keys() {
            let mut fewer = fields.clone();
            fewer.remove(field);
            assert!(refusal(text(&fewer)).is_some(), "without {field}");
            let twice = json.replacen('{', &format!("{{\"{field}\": {},", fields[field]), 1);
            assert_eq!(refusal(twice), Some(DocumentError::DuplicateField(field.clone())));
        }
        let more = json.replacen('{', "{\"admin\": true,", 1);
        assert_eq!(refusal(more), Some(DocumentError::UnknownField("admin".into())));
        let ignored = json.replacen('{', "{\"x-admin\": true,", 1);
        assert_eq!(refusal(ignored), None);
        let newer = json.replacen("/1\"", "/2\"", 1);
        assert_eq!(refusal(newer), Some(DocumentError::UnknownFormat));
    }
}

// ENR-1.
#[test]
fn keys_of_another_size_or_exponent_are_refused() {
    let good = parsed(&request_of(&*alice(), "Anna").to_json());
    let weak: [&[u8]; 4] = [conformance::RSA2048_SPKI, conformance::RSA3072_E3_SPKI, b"", b"\x30\x00"];
    for spki in weak {
        let mut bad = good.clone();
        set_bytes(&mut bad, "publicKey", spki);
        assert_eq!(read(text(&bad)).err(), Some(DocumentError::BadKey));
    }
    let mut longer = good.clone();
    set_bytes(&mut longer, "publicKey", &[&bytes(&good, "publicKey")[..], &[0]].concat());
    assert_eq!(read(text(&longer)).err(), Some(DocumentError::BadKey), "a second encoding of the same key");
}

// ENR-15.
#[test]
fn a_request_under_anothers_key_is_refused() {
    let anna = parsed(&request_of(&*alice(), "Anna").to_json());
    assert_eq!(read(sign_request(anna.clone(), &*mallory())).err(), Some(DocumentError::BadSignature));
    let mut swapped = anna;
    set_bytes(&mut swapped, "publicKey", mallory().public().spki());
    assert_eq!(
        read(sign_request(swapped, &*mallory())).err(),
        Some(DocumentError::Inconsistent("fingerprint")),
        "a swapped key shows in the words"
    );
}

/// `sign_answer`, and the words made to fit, as a careful forger would.
fn forged(document: Document, own: &Request, key: &dyn dpex_core::suite::IdentityKey) -> String {
    let mut document = sign_answer(document, key);
    let spki = bytes(&document, "publicKey");
    document["fingerprint"] = json!(words(&fingerprint(suite(), &spki).0));
    let signed = sha256(suite(), &answer_signed(&document));
    document["exchangeCode"] = json!(words(&hh(suite(), "exchange", &[&own.hash().0, &signed.0]).0));
    text(&document)
}

#[test]
fn the_sealed_part_of_an_answer_cannot_be_put_into_another() {
    let own = request_of(&*alice(), "Anna");
    let (good, other) = (parsed(&answer_to(&own).0.to_json()), parsed(&answer_to(&own).0.to_json()));
    assert!(open(&own, forged(good.clone(), &own, &*bob())).is_ok(), "the forger's tools work");
    for field in ["encData", "wrappedKey"] {
        let mut spliced = good.clone();
        spliced[field] = other[field].clone();
        assert_eq!(open(&own, text(&spliced)), Err(DocumentError::BadSignature));
        assert_eq!(open(&own, forged(spliced, &own, &*bob())), Err(DocumentError::NotReadable), "even signed");
    }
    let mut both = good.clone();
    both["encData"] = other["encData"].clone();
    both["wrappedKey"] = other["wrappedKey"].clone();
    assert_eq!(open(&own, forged(both, &own, &*bob())), Err(DocumentError::NotReadable), "bound to its header");
    // Mallory passes Bob's endpoints and secrets off as her own.
    let mut stolen = good;
    set_bytes(&mut stolen, "publicKey", mallory().public().spki());
    assert_eq!(open(&own, forged(stolen, &own, &*mallory())), Err(DocumentError::NotReadable));
}

#[test]
fn whoever_answers_in_the_servers_place_cannot_have_the_same_words() {
    let own = request_of(&*alice(), "Anna");
    let (bobs, grant) = answer_to(&own);
    let (forged, _) = answer_by(&*mallory(), &own);
    let client = open(&own, forged.to_json()).expect("two mails alone cannot show it");
    assert_ne!(client.exchange_code(), grant.exchange_code());
    assert_ne!(client.exchange_code(), bobs.exchange_code());
}

// ENR-13, ENR-20.
#[test]
fn an_answer_with_a_good_signature_and_a_bad_part_is_refused_for_that_part() {
    let own = request_of(&*alice(), "Anna");
    let good = parsed(&answer_to(&own).0.to_json());
    let refusal = |field: &str, value: serde_json::Value| {
        let mut bad = good.clone();
        bad[field] = value;
        open(&own, forged(bad, &own, &*bob())).expect_err("refused")
    };
    let uid = json!("11111111-2222-4333-8444-555555555555");
    assert_eq!(refusal("uid", uid), DocumentError::SomebodyElse);
    assert!(matches!(refusal("wrappedKey", json!(["AAAA"])), DocumentError::BadField { field: "wrappedKey", .. }));
    assert!(matches!(refusal("encData", json!(["AAAA"])), DocumentError::BadField { field: "encData", .. }));
    assert_eq!(
        refusal("firstUseBefore", json!("2026-11-22T13:41:48Z")),
        DocumentError::Expired("2026-11-22T13:41:48Z".into())
    );
    assert_eq!(refusal("created", json!("2020-01-01T00:00:00Z")), DocumentError::TooOld("2020-01-01T00:00:00Z".into()));
    assert_eq!(refusal("protocols", json!([2])), DocumentError::NothingInCommon("protocol versions"));
    assert_eq!(refusal("suites", json!([2])), DocumentError::NothingInCommon("suites"));
    assert_eq!(refusal("serverName", json!("Bob's new files")), DocumentError::NotReadable, "bound to the sealed part");
    let mut own_key = good.clone();
    set_bytes(&mut own_key, "publicKey", alice().public().spki());
    assert_eq!(open(&own, forged(own_key, &own, &*alice())), Err(DocumentError::OwnKey));
}

/// An answer whose sealed part says `payload`.
fn sealed(own: &Request, payload: &str) -> String {
    let mut document = parsed(&answer_to(own).0.to_json());
    let cek = Secret::new([7; 32]);
    let label = [b"DPEX/1 enrol-wrap\0", &own.hash().0[..]].concat();
    set_bytes(&mut document, "wrappedKey", &alice().public().wrap(&label, cek.expose()).expect("wraps"));
    let mut buf = payload.as_bytes().to_vec();
    let mut aead = suite().aead(&cek).expect("keyed");
    let tag = aead.seal(&[3; 12], &answer_header(&document), &mut buf).expect("seals");
    set_bytes(&mut document, "encData", &[&[3; 12][..], &buf, &tag].concat());
    forged(document, own, &*bob())
}

// ENR-17, ENR-18.
#[test]
fn a_sealed_part_that_is_not_proper_is_refused() {
    let own = request_of(&*alice(), "Anna");
    let secret = data_encoding::BASE64.encode(&[1; 32]);
    let good = format!(
        "{{\"endpoints\":[{{\"host\":\"a.example\",\"port\":1}}],\"psk\":\"{secret}\",\"knock\":\"{secret}\",\
         \"policy\":{{\"pq\":\"never\"}}}}"
    );
    let grant = open(&own, sealed(&own, &good)).expect("sealed from the specification alone");
    assert_eq!((grant.psk, grant.endpoints[0].to_string()), (Secret::new([1; 32]), "a.example:1".to_owned()));
    for (from, to) in [
        ("a.example", "a.example\\u0000"),
        ("a.example", "../a"),
        ("a.example", "0.0.0.0"),
        ("\"port\":1", "\"port\":65536"),
        ("[{", "[],\"x-old\":[{"),
        ("\"pq\"", "\"pq\":\"never\",\"pq\""),
        ("}}", "}} "),
        ("}}", "}"),
    ] {
        assert!(good.contains(from), "{from}");
        let opened = open(&own, sealed(&own, &good.replacen(from, to, 1)));
        match to {
            "}} " => assert!(opened.is_ok(), "space at the end"),
            _ => assert!(matches!(opened, Err(DocumentError::BadPayload(_))), "{to}: {opened:?}"),
        }
    }
    let require = open(&own, sealed(&own, &good.replace("never", "require")));
    assert_eq!(require, Err(DocumentError::NothingInCommon("suites")), "what this build cannot do it does not promise");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_bytes_are_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let own = request_of(&*mallory(), "Anna");
        prop_assert!(read(&bytes).is_err());
        prop_assert!(Answer::open(suite(), &*mallory(), &own, &bytes, now()).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_mutated_document_is_refused_or_the_same(
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0_u8..4, any::<u8>()), 1..6)
    ) {
        let request = request_of(&*mallory(), "Anna");
        let mut bytes = request.to_json().into_bytes();
        for (at, edit, byte) in edits {
            let at = at.index(bytes.len());
            match edit {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 => _ = bytes.remove(at),
                _ => bytes.rotate_left(at),
            }
        }
        if let Ok(read) = read(&bytes) {
            prop_assert_eq!(read.to_json(), request.to_json());
        }
    }
}
