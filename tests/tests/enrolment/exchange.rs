//! The exchange as it should go, and documents that do not belong together.

use dpex_core::enrol::{Answer, CreateError, DocumentError, Kind, Policy, PostQuantum, Request, Terms};
use dpex_core::types::{Secret, Timestamp};

use crate::people::*;

#[test]
fn both_sides_hold_the_same_secrets_and_the_same_words() {
    let request = request_of(&*alice(), "Anna Müller");
    let received = read(request.to_json()).expect("a good request");
    assert_eq!(received.name().as_str(), "Anna Müller");
    assert_eq!((received.uid(), received.hash()), (request.uid(), request.hash()));
    assert_eq!(received.fingerprint(), request.fingerprint());
    assert_eq!(received.public_key().spki(), alice().public().spki());

    let (answer, server) = answer_to(&received);
    let client = open(&request, answer.to_json()).expect("a good answer");
    assert_eq!((&client.psk, client.enrolment, client.exchange), (&server.psk, server.enrolment, server.exchange));
    assert_eq!((client.uid, client.client), (server.uid.clone(), server.client));
    assert_eq!((client.created, client.first_use_before), (server.created, server.first_use_before));
    assert_eq!(client.knock, Secret::new(KNOCK));
    assert_eq!((client.endpoints, client.server_name), (terms().endpoints, terms().server_name));
    assert_eq!(client.server_spki, bob().public().spki());
    assert_eq!(server.client_spki, alice().public().spki());
    assert_eq!(server.request_hash, *request.hash());
    assert_eq!(server.exchange_code(), answer.exchange_code());
    assert_eq!(server.exchange_code().split(' ').count(), 8);
}

// ENR-16.
#[test]
fn no_two_documents_are_alike() {
    let (first, second) = (request_of(&*alice(), "Anna"), request_of(&*alice(), "Anna"));
    assert_ne!(first.hash(), second.hash());
    let ((one, a), (two, b)) = (answer_to(&first), answer_to(&first));
    assert_ne!(one.exchange_code(), two.exchange_code());
    assert_ne!((a.psk, a.enrolment), (b.psk, b.enrolment));
}

// ENR-9.
#[test]
fn every_line_fits_a_mail() {
    let request = request_of(&*alice(), &"ß".repeat(64));
    let terms = Terms { server_name: "ß".repeat(64).parse().expect("valid"), ..terms() };
    let (answer, _) = Answer::create(suite(), &*bob(), &request, &Secret::new(KNOCK), &terms, now()).expect("made");
    for line in request.to_json().lines().chain(answer.to_json().lines()) {
        assert!(line.chars().count() <= 76, "{line}");
    }
    assert!(open(&request, answer.to_json()).is_ok());
}

#[test]
fn fields_stand_in_the_order_of_the_specification() {
    let order = |json: &str| {
        let names = json.lines().filter_map(|line| line.strip_prefix(" \"")?.split_once("\":"));
        names.map(|(name, _)| name.to_owned()).collect::<Vec<_>>().join(" ")
    };
    let request = request_of(&*alice(), "Anna");
    assert_eq!(
        order(&request.to_json()),
        "dpex comment uid name created nonce protocols suites publicKey fingerprint signature"
    );
    assert_eq!(
        order(&answer_to(&request).0.to_json()),
        "dpex comment uid serverName created firstUseBefore enrolmentId requestHash protocols suites publicKey \
         fingerprint wrappedKey encData exchangeCode signature"
    );
}

#[test]
fn the_secrets_do_not_appear_in_the_answer() {
    let request = request_of(&*alice(), "Anna");
    let (answer, grant) = answer_to(&request);
    let json = answer.to_json();
    for secret in [grant.psk.expose(), &KNOCK] {
        assert!(!json.contains(&data_encoding::BASE64.encode(secret)));
    }
    assert!(!json.contains("files.example.org") && !json.contains("2001:db8"));
    assert!(!format!("{grant:?}").contains(&format!("{:?}", grant.psk.expose())), "nor in a debug print");
}

// ENR-19.
#[test]
fn an_answer_for_somebody_else_is_refused() {
    let own = request_of(&*alice(), "Anna");
    let uid = "11111111-2222-4333-8444-555555555555".parse().expect("valid");
    let other = Request::create(suite(), &*mallory(), uid, "Mallory", now()).expect("made");
    assert_eq!(open(&own, answer_to(&other).0.to_json()), Err(DocumentError::SomebodyElse));
}

// ENR-19.
#[test]
fn an_answer_to_an_older_request_is_refused() {
    let (older, own) = (request_of(&*alice(), "Anna"), request_of(&*alice(), "Anna"));
    let answer = answer_to(&older).0.to_json();
    assert_eq!(open(&own, &answer), Err(DocumentError::OlderRequest));
    assert!(open(&older, &answer).is_ok());
}

#[test]
fn an_answer_opens_with_the_key_that_asked_and_no_other() {
    let own = request_of(&*alice(), "Anna");
    let answer = answer_to(&own).0.to_json();
    let opened = Answer::open(suite(), &*mallory(), &own, answer.as_bytes(), now());
    assert!(matches!(opened, Err(DocumentError::BadField { field: "wrappedKey", .. })), "{opened:?}");
    let own = request_of(&*mallory(), "Mallory");
    let answer = answer_to(&own).0.to_json();
    assert_eq!(
        Answer::open(suite(), &*bob(), &own, answer.as_bytes(), now()),
        Err(DocumentError::NotReadable),
        "a key of the same size"
    );
}

#[test]
fn a_request_is_not_an_answer_nor_the_other_way_round() {
    let own = request_of(&*alice(), "Anna");
    let answer = answer_to(&own).0.to_json();
    assert_eq!(open(&own, own.to_json()), Err(DocumentError::WrongKind { found: Kind::Request }));
    assert_eq!(read(&answer).err(), Some(DocumentError::WrongKind { found: Kind::Answer }));
    // Both in one mail: the answer above the quoted request. Each reader finds its own.
    let quoted: String = own.to_json().lines().map(|line| format!("> {line}\n")).collect();
    let mail = format!("Here you are.\n\n{answer}\nOn Monday Anna wrote:\n{quoted}");
    assert!(open(&own, &mail).is_ok());
    assert_eq!(read(&mail).expect("the quoted request").hash(), own.hash());
}

// ENR-12.
#[test]
fn a_document_is_accepted_up_to_a_year_from_its_date_and_no_longer() {
    let own = request_of(&*alice(), "Anna");
    let json = own.to_json();
    let at = |now: Timestamp| Request::read(suite(), json.as_bytes(), now).err();
    let dated = Timestamp::new(now().secs(), 0).expect("valid");
    assert_eq!(at(dated.plus(366 * DAY)), None);
    let too_old = Some(DocumentError::TooOld("2026-11-22T13:41:48Z".into()));
    assert_eq!(at(dated.plus(366 * DAY).successor()), too_old);
    let before = Timestamp::new(dated.secs() - 366 * 86_400, 0).expect("valid");
    assert_eq!(at(before), None);
    let before = Timestamp::new(before.secs() - 1, 0).expect("valid");
    assert_eq!(at(before), Some(DocumentError::TooNew("2026-11-22T13:41:48Z".into())));
}

// ENR-24.
#[test]
fn an_answer_is_of_use_until_its_last_day_and_no_longer() {
    let own = request_of(&*alice(), "Anna");
    let (answer, grant) = answer_to(&own);
    let json = answer.to_json();
    let at = |now: Timestamp| Answer::open(suite(), &*alice(), &own, json.as_bytes(), now).err();
    let last = grant.first_use_before;
    assert_eq!(at(Timestamp::new(last.secs() - 1, 999_999_999).expect("valid")), None);
    assert_eq!(at(last), Some(DocumentError::Expired("2026-12-22T13:41:48Z".into())));
}

// ENR-18, ENR-20.
#[test]
fn what_could_not_be_read_is_not_made() {
    let own = request_of(&*alice(), "Anna");
    let make = |terms: &Terms, now| Answer::create(suite(), &*bob(), &own, &Secret::new(KNOCK), terms, now).err();
    let created = Timestamp::new(now().secs(), 0).expect("valid");
    assert_eq!(make(&Terms { first_use_before: now(), ..terms() }, created), Some(CreateError::Time));
    assert_eq!(make(&Terms { first_use_before: created.plus(DAY / 86_400), ..terms() }, created), None);
    let never = Timestamp::new(i64::MAX, 0).expect("valid");
    assert_eq!(make(&Terms { first_use_before: never, ..terms() }, created), Some(CreateError::Time));
    assert_eq!(make(&terms(), never), Some(CreateError::Time));
    assert_eq!(make(&Terms { endpoints: Vec::new(), ..terms() }, created), Some(CreateError::EndpointCount));
    let endpoint = terms().endpoints.remove(0);
    assert_eq!(make(&Terms { endpoints: vec![endpoint.clone(); 8], ..terms() }, created), None);
    assert_eq!(make(&Terms { endpoints: vec![endpoint; 9], ..terms() }, created), Some(CreateError::EndpointCount));
    let policy = Policy { pq: PostQuantum::Require };
    assert_eq!(make(&Terms { policy, ..terms() }, created), Some(CreateError::PostQuantum));
    let own_key = Answer::create(suite(), &*alice(), &own, &Secret::new(KNOCK), &terms(), now());
    assert_eq!(own_key.err(), Some(CreateError::OwnKey));
    assert!(matches!(Request::create(suite(), &*alice(), alice_uid(), "a\nb", now()), Err(CreateError::Name(_))));
    assert_eq!(Request::create(suite(), &*alice(), alice_uid(), "Anna", never).err(), Some(CreateError::Time));
}
