//! Documents that say anything and are properly signed, made from PROTOCOL.md, section 2, and not with the code that is
//! looked at.

use data_encoding::BASE64;
use serde_json::{Map, Value, json};

use super::people::People;
use crate::enrol::words;
use crate::kdf::hh;
use crate::suite::{CipherSuite as _, IdentityKey};
use crate::types::Secret;

type Document = Map<String, Value>;

const REQUEST: [&str; 7] = ["uid", "name", "created", "nonce", "protocols", "suites", "publicKey"];
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

/// What a server tells in secret.
pub(super) const PAYLOAD: &str = "{\"endpoints\":[{\"host\":\"files.example.org\",\"port\":9473}],\
    \"psk\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\",\
    \"knock\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\",\"policy\":{\"pq\":\"prefer\"}}";

/// Both documents with another value of one field each: the first byte says which, the others are the value, as JSON or
/// else as a text.
pub(super) fn altered(people: &People, bytes: &[u8]) -> Option<(String, String)> {
    let (which, value) = bytes.split_first()?;
    let value = serde_json::from_slice(value).ok().or_else(|| std::str::from_utf8(value).ok().map(Value::from))?;
    let change = |json: &str| {
        let mut document: Document = serde_json::from_str(json).expect("a document");
        let field = usize::from(*which) % document.len();
        *document.values_mut().nth(field)? = value.clone();
        Some(document)
    };
    let request = sign(change(&people.request_json)?, "DPEX/1 enrol-request", &REQUEST, &*people.client);
    Some((request.0, answer(people, change(&people.answer_json)?)))
}

/// An answer with this payload.
pub(super) fn payload(people: &People, plain: &[u8]) -> String {
    let mut document: Document = serde_json::from_str(&people.answer_json).expect("a document");
    let wrapped = bytes(&document, "wrappedKey").expect("base64");
    let label = [&b"DPEX/1 enrol-wrap\0"[..], &people.request.hash().0].concat();
    let key = people.client.unwrap(&label, &wrapped).expect("her own key");
    let key = Secret::try_from(key.as_slice()).expect("32 bytes");
    let header = encoded(&document, "DPEX/1 enrol-response", &HEADER).expect("an honest header");
    let mut sealed = plain.to_vec();
    let tag = people.suite.aead(&key).and_then(|mut aead| aead.seal(&[0; 12], &header, &mut sealed)).expect("seals");
    document["encData"] = json!([BASE64.encode(&[&[0; 12][..], &sealed, &tag].concat())]);
    answer(people, document)
}

/// The answer with a good signature and exchange code, whatever it says.
fn answer(people: &People, document: Document) -> String {
    let fields = [&HEADER[..], &["encData"]].concat();
    let (text, signed) = sign(document, "DPEX/1 enrol-response", &fields, &*people.server);
    let Some(signed) = signed else { return text };
    let mut hash = people.suite.sha256();
    hash.update(&signed);
    let exchange = hh(people.suite, "exchange", &[&people.request.hash().0, &hash.finish().0]);
    let mut document: Document = serde_json::from_str(&text).expect("a document");
    document["exchangeCode"] = json!(words(&exchange.0));
    Value::from(document).to_string()
}

/// The document with a good signature, and what is signed, if its fields are of types that can be.
fn sign(mut document: Document, label: &str, fields: &[&str], key: &dyn IdentityKey) -> (String, Option<Vec<u8>>) {
    let signed = encoded(&document, label, fields);
    if let Some(signed) = &signed {
        document["signature"] = json!([BASE64.encode(&key.sign(signed).expect("signs"))]);
    }
    (Value::from(document).to_string(), signed)
}

/// `LP` of each field, by its type.
fn encoded(document: &Document, label: &str, fields: &[&str]) -> Option<Vec<u8>> {
    let mut out = [label.as_bytes(), &[0]].concat();
    for &field in fields {
        let value = match field {
            "uid" | "name" | "serverName" | "created" | "firstUseBefore" => {
                document[field].as_str()?.as_bytes().to_vec()
            }
            "protocols" | "suites" => {
                let numbers = document[field].as_array()?.iter().map(|n| u16::try_from(n.as_u64()?).ok());
                numbers.collect::<Option<Vec<u16>>>()?.into_iter().flat_map(u16::to_be_bytes).collect()
            }
            _ => bytes(document, field)?,
        };
        out.extend_from_slice(&u32::try_from(value.len()).ok()?.to_be_bytes());
        out.extend_from_slice(&value);
    }
    Some(out)
}

fn bytes(document: &Document, field: &str) -> Option<Vec<u8>> {
    let digits = match &document[field] {
        Value::String(text) => text.clone(),
        Value::Array(lines) => lines.iter().map(Value::as_str).collect::<Option<String>>()?,
        _ => return None,
    };
    BASE64.decode(digits.as_bytes()).ok()
}
