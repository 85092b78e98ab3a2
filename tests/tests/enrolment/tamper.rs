//! One character changed on the way: refused, or without any effect.

use dpex_core::enrol::DocumentError;

use crate::people::*;

/// Flips that turn letters into other letters, other case, other classes, and invalid UTF-8.
const FLIPS: [u8; 4] = [0x01, 0x02, 0x20, 0x80];

fn flipped(json: &str, at: usize, flip: u8) -> Vec<u8> {
    let mut bytes = json.as_bytes().to_vec();
    bytes[at] ^= flip;
    bytes
}

// ENR-15.
#[test]
fn a_request_with_any_byte_changed_is_refused_or_the_same() {
    let request = request_of(&*alice(), "Anna Berg");
    let json = request.to_json();
    let (mut refused, mut same) = (0, 0);
    for at in 0..json.len() {
        for flip in FLIPS {
            match read(flipped(&json, at, flip)) {
                Err(_) => refused += 1,
                Ok(read) => {
                    same += 1;
                    assert_eq!(read.to_json(), json, "byte {at} ^ {flip:#x}");
                }
            }
        }
    }
    assert!(refused > 20 * same, "{refused} refused, {same} the same");
}

#[test]
fn an_answer_with_any_byte_changed_is_refused_or_the_same() {
    let request = request_of(&*alice(), "Anna Berg");
    let json = answer_to(&request).0.to_json();
    let grant = open(&request, &json).expect("good");
    for at in 0..json.len() {
        for flip in FLIPS {
            if let Ok(read) = open(&request, flipped(&json, at, flip)) {
                assert_eq!(read, grant, "byte {at} ^ {flip:#x}");
            }
        }
    }
}

/// The first character of a field's value replaced by another of its kind.
fn with_field_changed(json: &str, field: &str) -> String {
    let at = json.find(&format!("\"{field}\":")).expect("the field is there") + field.len() + 3;
    let (front, value) = json.split_at(at);
    let first = value.find(|c: char| c.is_ascii_alphanumeric()).expect("a value");
    let (space, value) = value.split_at(first);
    let (old, value) = value.split_at(1);
    let new = match old {
        "9" => "8",
        "Q" => "a",
        "a" | "f" => "b",
        "b" => "a",
        _ if old.chars().all(|c| c.is_ascii_digit()) => "9",
        _ => "Q",
    };
    format!("{front}{space}{new}{value}")
}

// ENR-14.
#[test]
fn a_change_in_a_field_is_blamed_on_the_way_it_came() {
    let request = request_of(&*alice(), "Anna Berg");
    let json = request.to_json();
    let reason = |field| read(with_field_changed(&json, field)).expect_err(field);
    for field in ["uid", "name", "nonce", "signature"] {
        assert_eq!(reason(field), DocumentError::BadSignature, "{field}");
    }
    for field in ["fingerprint", "comment"] {
        assert_eq!(reason(field), DocumentError::Inconsistent(field));
    }

    let json = answer_to(&request).0.to_json();
    let reason = |field| open(&request, with_field_changed(&json, field)).expect_err(field);
    let signed = ["uid", "serverName", "enrolmentId", "requestHash", "wrappedKey", "encData", "signature"];
    for field in signed {
        assert_eq!(reason(field), DocumentError::BadSignature, "{field}");
    }
    for field in ["fingerprint", "comment", "exchangeCode"] {
        assert_eq!(reason(field), DocumentError::Inconsistent(field));
    }
}
