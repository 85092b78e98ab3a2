//! What each side keeps, written to disk and read back.

use dpex_core::enrol::{ClientGrant, ServerGrant};
use dpex_core::suite::CryptoError;

use crate::people::*;

fn grants() -> (ServerGrant, ClientGrant) {
    let request = request_of(&*alice(), "Anna");
    let (answer, server) = answer_to(&request);
    let client = open(&request, answer.to_json()).expect("good");
    (server, client)
}

#[test]
fn a_stored_grant_reads_back_equal() {
    let (server, client) = grants();
    assert_eq!(ServerGrant::from_json(server.to_json().as_bytes()).expect("reads"), server);
    assert_eq!(ClientGrant::from_json(client.to_json().as_bytes()).expect("reads"), client);
    assert_eq!(server.client_key(suite()).expect("a key").spki(), alice().public().spki());
    assert_eq!(client.server_key(suite()).expect("a key").spki(), bob().public().spki());
}

#[test]
fn a_stored_grant_of_another_form_is_refused() {
    let (server, client) = grants();
    let (server, client) = (server.to_json(), client.to_json());
    for (from, to) in [
        ("\"version\": 1", "\"version\": 2"),
        ("\"version\": 1", "\"version\": 1, \"version\": 1"),
        ("\"version\": 1", "\"version\": 1, \"admin\": true"),
        ("\"psk\": \"", "\"psk\": \"AAAA"),
        ("\"psk\"", "\"PSK\""),
        ("\"pq\": \"prefer\"", "\"pq\": \"maybe\""),
        ("\"created\": \"2026-", "\"created\": \"26-"),
        ("\"uid\": \"b9", "\"uid\": \".."),
    ] {
        for json in [&server, &client] {
            assert!(json.contains(from), "{from}");
            let other = json.replacen(from, to, 1);
            assert!(ServerGrant::from_json(other.as_bytes()).is_err(), "{to}");
            assert!(ClientGrant::from_json(other.as_bytes()).is_err(), "{to}");
        }
    }
    assert!(ServerGrant::from_json(client.as_bytes()).is_err());
    assert!(ClientGrant::from_json(server.as_bytes()).is_err());
}

#[test]
fn a_key_that_is_not_the_fingerprints_is_not_handed_out() {
    let (mut server, mut client) = grants();
    server.client_spki = mallory().public().spki().to_vec();
    client.server_spki = mallory().public().spki().to_vec();
    assert_eq!(server.client_key(suite()).err(), Some(CryptoError::BadKey));
    assert_eq!(client.server_key(suite()).err(), Some(CryptoError::BadKey));
}
