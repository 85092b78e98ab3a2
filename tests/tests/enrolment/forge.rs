//! Builds validly signed documents of any content, from the specification alone: the tests' own second implementation.

use data_encoding::BASE64;
use dpex_core::suite::IdentityKey;
use serde_json::{Map, Value, json};

pub(crate) type Document = Map<String, Value>;

pub(crate) fn parsed(json: &str) -> Document {
    serde_json::from_str(json).expect("json")
}

pub(crate) fn text(document: &Document) -> String {
    serde_json::to_string(document).expect("json")
}

pub(crate) fn bytes(document: &Document, field: &str) -> Vec<u8> {
    let digits = match &document[field] {
        Value::String(text) => text.clone(),
        Value::Array(lines) => lines.iter().map(|line| line.as_str().expect("a text")).collect(),
        other => panic!("{field} is {other}"),
    };
    BASE64.decode(digits.as_bytes()).expect("base64")
}

pub(crate) fn set_bytes(document: &mut Document, field: &str, bytes: &[u8]) {
    document[field] = json!([BASE64.encode(bytes)]);
}

/// `LP` of each field, by its type.
fn encoded(document: &Document, label: &str, fields: &[&str]) -> Vec<u8> {
    let mut out = [label.as_bytes(), &[0]].concat();
    for &field in fields {
        let value = match field {
            "uid" | "name" | "serverName" | "created" | "firstUseBefore" => {
                document[field].as_str().expect("a text").as_bytes().to_vec()
            }
            "protocols" | "suites" => {
                let numbers = document[field].as_array().expect("a list").iter();
                numbers.flat_map(|n| n.as_u64().expect("a number").to_be_bytes()[6..].to_vec()).collect()
            }
            _ => bytes(document, field),
        };
        out.extend_from_slice(&u32::try_from(value.len()).expect("small").to_be_bytes());
        out.extend_from_slice(&value);
    }
    out
}

/// `S_req`.
pub(crate) fn request_signed(document: &Document) -> Vec<u8> {
    let fields = ["uid", "name", "created", "nonce", "protocols", "suites", "publicKey"];
    encoded(document, "DPEX/1 enrol-request", &fields)
}

const HEADER: [&str; 10] = [
    "uid",
    "serverName",
    "created",
    "firstUseBefore",
    "enrolmentId",
    "requestHash",
    "protocols",
    "suites",
    "publicKey",
    "wrappedKey",
];

/// `S_hdr`.
pub(crate) fn answer_header(document: &Document) -> Vec<u8> {
    encoded(document, "DPEX/1 enrol-response", &HEADER)
}

/// `S_resp`.
pub(crate) fn answer_signed(document: &Document) -> Vec<u8> {
    encoded(document, "DPEX/1 enrol-response", &[&HEADER[..], &["encData"]].concat())
}

/// The document with a good signature over whatever it says now.
pub(crate) fn sign_request(mut document: Document, key: &dyn IdentityKey) -> String {
    let signature = key.sign(&request_signed(&document)).expect("signs");
    set_bytes(&mut document, "signature", &signature);
    text(&document)
}

/// The same for an answer, without touching its exchange code.
pub(crate) fn sign_answer(mut document: Document, key: &dyn IdentityKey) -> Document {
    let signature = key.sign(&answer_signed(&document)).expect("signs");
    set_bytes(&mut document, "signature", &signature);
    document
}
