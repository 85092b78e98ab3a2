//! A pair of documents and grants made once and kept: later versions must read them alike. Every value below was also
//! computed from the documents by a second implementation (Python, `cryptography` 48), which opened the sealed part, too.

use data_encoding::HEXLOWER;
use dpex_core::enrol::{ClientGrant, ServerGrant};

use crate::forge::{answer_signed, parsed, request_signed};
use crate::people::*;

const REQUEST: &str = include_str!("data/alice.json");
const ANSWER: &str = include_str!("data/for-alice.json");

const REQUEST_HASH: &str = "8305b4ef8f8a882227da96fe8f4446e04bfbcb7e761ed260d45d89cf3e9f00b0";
const ANSWER_HASH: &str = "764a169db3bcfb7d449cd99dd43cac523528dd65be505ed3e043bc220c992aeb";
const EXCHANGE: &str = "993fb58bd58726b03eaa9edad33c2c8d3884c6433e45f728d19002a62f2a0e7b";
const ALICE: &str = "72c180a7c3227c0a320f73d3caaad6152375346237da105cb032434a2e92722b";
const BOB: &str = "56fb5dd950943f8875343784d4c3de4d04bc72d4e40567689e4264b0ed04773f";
const PSK: &str = "c931918e5f4ef5cdf9645dbe81038d9f5e77c31ef68228b64ae065f6cf9c4568";

fn sha256(bytes: &[u8]) -> String {
    let mut hash = suite().sha256();
    hash.update(bytes);
    hash.finish().to_string()
}

#[test]
fn kept_documents_have_the_values_a_second_implementation_found() {
    let request = read(REQUEST).expect("reads");
    assert_eq!(request.hash().to_string(), REQUEST_HASH);
    assert_eq!(request.fingerprint().to_string(), ALICE);
    assert_eq!(request.name().as_str(), "Anna Müller");
    let client = open(&request, ANSWER).expect("opens");
    assert_eq!(client.server.to_string(), BOB);
    assert_eq!(client.exchange.to_string(), EXCHANGE);
    assert_eq!(client.exchange_code(), "odor world glass prison include fix wide fatigue");
    assert_eq!(HEXLOWER.encode(client.psk.expose()), PSK);
    assert_eq!((client.knock.expose(), client.endpoints), (&KNOCK, terms().endpoints));
}

#[test]
fn the_forger_of_these_tests_agrees_with_the_second_implementation() {
    assert_eq!(sha256(&request_signed(&parsed(REQUEST))), REQUEST_HASH);
    assert_eq!(sha256(&answer_signed(&parsed(ANSWER))), ANSWER_HASH);
}

#[test]
fn a_document_that_was_read_is_written_as_it_was() {
    assert_eq!(read(REQUEST).expect("reads").to_json(), REQUEST);
}

#[test]
fn kept_grants_are_read_and_written_as_they_were() {
    let (server, client) = (include_str!("data/server-grant.json"), include_str!("data/client-grant.json"));
    let request = read(REQUEST).expect("reads");
    let kept = ClientGrant::from_json(client.as_bytes()).expect("reads");
    assert_eq!(kept, open(&request, ANSWER).expect("opens"));
    assert_eq!(*kept.to_json(), client);
    let kept = ServerGrant::from_json(server.as_bytes()).expect("reads");
    assert_eq!((kept.exchange.to_string().as_str(), kept.client.to_string().as_str()), (EXCHANGE, ALICE));
    assert_eq!(*kept.to_json(), server);
}
