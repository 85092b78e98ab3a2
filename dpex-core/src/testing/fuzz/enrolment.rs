//! The two documents of an enrolment as they come out of a mail, and what each side keeps of them.

mod forged;
mod people;
mod way;

use crate::enrol::{Answer, ClientGrant, Request, ServerGrant, Slug};
use people::{People, now, people};

/// A mail, or what is kept of one, as the bytes say: the first says what is tried with the others.
///
/// What is read can be written and read again as the same; what does no harm to a text leaves it the same; and what does
/// harm never makes another valid document of it.
pub fn enrolment(bytes: &[u8]) {
    let Some((what, rest)) = bytes.split_first() else { return };
    let people = people();
    match what % 7 {
        0 => arrived(people, rest),
        1 => kept(rest),
        2 => {
            let request = Request::read(people.suite, &way::harmless(&people.request_json, rest), now());
            assert_eq!(request.map(|request| *request.hash()), Ok(*people.request.hash()));
            let grant = people.open(&way::harmless(&people.answer_json, rest));
            assert_eq!(grant.as_ref(), Ok(&people.grant));
        }
        3 => {
            if let Ok(request) = Request::read(people.suite, &way::damaged(&people.request_json, rest), now()) {
                assert_eq!(request.hash(), people.request.hash(), "another document under the same signature");
            }
        }
        4 => {
            if let Ok(grant) = people.open(&way::damaged(&people.answer_json, rest)) {
                assert_eq!(grant, people.grant, "another document under the same signature");
            }
        }
        5 => {
            if let Some((request, answer)) = forged::altered(people, rest) {
                arrived(people, request.as_bytes());
                arrived(people, answer.as_bytes());
            }
        }
        _ => arrived(people, forged::payload(people, rest).as_bytes()),
    }
}

/// A text that may hold anything.
fn arrived(people: &People, text: &[u8]) {
    if let Ok(request) = Request::read(people.suite, text, now()) {
        let json = request.to_json();
        assert!(json.lines().all(|line| line.chars().count() <= 76), "ENR-9: {json}");
        let again = Request::read(people.suite, json.as_bytes(), now()).expect("what is written can be read");
        assert_eq!((again.hash(), again.to_json()), (request.hash(), json));
        assert!(request.protocols().contains(&1) && request.suites().contains(&1), "ENR-13");
        let slug = Slug::from_name(request.name().as_str());
        assert_eq!(Slug::parse(slug.as_str()), Ok(slug));
        if let Ok((answer, server)) = people.answer(&request) {
            assert_eq!(answer.exchange_code(), server.exchange_code());
            assert_eq!(ServerGrant::from_json(server.to_json().as_bytes()).ok(), Some(server));
        }
    }
    if let Ok(grant) = people.open(text) {
        assert!((1..=8).contains(&grant.endpoints.len()));
        assert!(grant.first_use_before > now(), "ENR-19");
        assert_ne!(grant.server, grant.client, "ENR-20");
        assert_eq!((&grant.client, &grant.uid), (people.request.fingerprint(), people.request.uid()));
        assert_eq!(ClientGrant::from_json(grant.to_json().as_bytes()).ok(), Some(grant));
    }
}

/// A file with what was kept.
fn kept(text: &[u8]) {
    if let Ok(grant) = ClientGrant::from_json(text) {
        assert_eq!(ClientGrant::from_json(grant.to_json().as_bytes()).ok(), Some(grant));
    }
    if let Ok(grant) = ServerGrant::from_json(text) {
        assert_eq!(ServerGrant::from_json(grant.to_json().as_bytes()).ok(), Some(grant));
    }
}

/// The first inputs of a corpus: the honest documents, alone and in company.
#[must_use]
pub fn enrolment_seeds() -> Vec<Vec<u8>> {
    let people = people();
    let with = |what: u8, text: &[u8]| [&[what], text].concat();
    let (client, server) = (people.grant.to_json(), people.server_grant.to_json());
    let (request, answer) = (people.request_json.as_bytes(), people.answer_json.as_bytes());
    let mut seeds = vec![
        with(0, request),
        with(0, answer),
        with(0, &[answer, b"\n> ", request].concat()),
        with(0, &way::harmless(&people.request_json, &[1, 0, 7, 0, 13, 0])),
        with(1, client.as_bytes()),
        with(1, server.as_bytes()),
    ];
    seeds.extend((0..way::WAYS).map(|way| vec![2, way, 20, way + 3, 7]));
    seeds.extend([3, 4].map(|what| vec![what, 0, 1, 20, b'>', 1, 9, 130, b'\n', 2, 0, 99, 0]));
    for (field, value) in [
        (3, "\"Zo\u{eb} & Co. {x} <y@z>\""),
        (4, "\"2026-12-22T13:41:48Z\""),
        (6, "[1, 65535]"),
        (7, "[1]"),
        (8, "[\"AAAA\", \"BB==\"]"),
        (12, "\"x\""),
    ] {
        seeds.push(with(5, &[&[field], value.as_bytes()].concat()));
    }
    seeds.push(with(6, forged::PAYLOAD.as_bytes()));
    seeds.push(with(6, forged::PAYLOAD.replace("[{", "[{\"host\":\"::1\",\"port\":9},{").as_bytes()));
    seeds
}
