//! The sealed part of an answer: where the server is, and the secrets.

use std::fmt::Write as _;

use data_encoding::BASE64;
use zeroize::Zeroizing;

use super::fields::{Fields, Value};
use super::{DocumentError, Endpoint, MAX_ENDPOINTS, Policy, PostQuantum};
use crate::suite::{Aead, CipherSuite, CryptoError, TAG_LEN};
use crate::types::Secret;

/// Bytes of the nonce that goes before the sealed payload.
const NONCE_LEN: usize = 12;

/// A payload in the clear.
pub(super) struct Payload {
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) psk: Secret<32>,
    pub(super) knock: Secret<32>,
    pub(super) policy: Policy,
}

impl Payload {
    fn to_json(&self) -> Zeroizing<String> {
        // Large enough for the longest payload, so that no copy of a secret stays behind in freed memory.
        let mut out = Zeroizing::new(String::with_capacity(4096));
        out.push_str("{\"endpoints\":[");
        for (i, endpoint) in self.endpoints.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            let (host, port) = (endpoint.host(), endpoint.port());
            // A host holds nothing that JSON would escape.
            write!(out, "{comma}{{\"host\":\"{host}\",\"port\":{port}}}").expect("writing to memory");
        }
        for (name, secret) in [("],\"psk", &self.psk), ("\",\"knock", &self.knock)] {
            out.push_str(name);
            out.push_str("\":\"");
            BASE64.encode_append(secret.expose(), &mut out);
        }
        write!(out, "\",\"policy\":{{\"pq\":\"{}\"}}}}", self.policy.pq.as_str()).expect("writing to memory");
        out
    }

    fn from_json(text: &str) -> Result<Self, DocumentError> {
        let mut fields = Fields::parse(text)?;
        let endpoints = fields.list("endpoints")?.into_iter().map(endpoint).collect::<Result<Vec<_>, _>>()?;
        if endpoints.is_empty() || endpoints.len() > MAX_ENDPOINTS {
            return Err(DocumentError::BadField { field: "endpoints", expected: "a list of 1 to 8 endpoints" });
        }
        let psk = Secret::new(*fields.array("psk")?);
        let knock = Secret::new(*fields.array("knock")?);
        let mut policy = fields.object("policy")?;
        let pq = policy.token("pq", "`never`, `prefer` or `require`", PostQuantum::parse)?;
        policy.finish()?;
        fields.finish()?;
        Ok(Self { endpoints, psk, knock, policy: Policy { pq } })
    }

    /// `encData = nonce || AES-256-GCM(CEK, nonce, AAD = header, payload)`.
    pub(super) fn seal(
        &self,
        suite: &dyn CipherSuite,
        cek: &Secret<32>,
        header: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        let mut nonce = [0; NONCE_LEN];
        suite.random(&mut nonce)?;
        let mut text = self.to_json();
        let mut buf = Zeroizing::new(std::mem::take(&mut *text).into_bytes());
        let tag = suite.aead(cek)?.seal(&nonce, header, &mut buf)?;
        Ok([&nonce[..], &buf, &tag].concat())
    }

    /// Undoes [`Self::seal`].
    pub(super) fn open(
        suite: &dyn CipherSuite,
        cek: &Secret<32>,
        header: &[u8],
        sealed: &[u8],
    ) -> Result<Self, DocumentError> {
        let (nonce, rest) = sealed.split_first_chunk::<NONCE_LEN>().ok_or_else(too_short)?;
        let (text, tag) = rest.split_last_chunk::<TAG_LEN>().ok_or_else(too_short)?;
        let mut buf = Zeroizing::new(text.to_vec());
        let mut aead: Box<dyn Aead> = suite.aead(cek).map_err(DocumentError::Crypto)?;
        aead.open(nonce, header, &mut buf, tag).map_err(|_| DocumentError::NotReadable)?;
        let text = std::str::from_utf8(&buf).map_err(|_| DocumentError::NotText);
        text.and_then(Self::from_json).map_err(|error| DocumentError::BadPayload(Box::new(error)))
    }
}

/// Checked before any private key is used.
pub(super) fn check_len(sealed: &[u8]) -> Result<(), DocumentError> {
    if sealed.len() > NONCE_LEN + TAG_LEN { Ok(()) } else { Err(too_short()) }
}

fn too_short() -> DocumentError {
    DocumentError::BadField { field: "encData", expected: "of the right length" }
}

fn endpoint(value: Value) -> Result<Endpoint, DocumentError> {
    let mut fields = value.object("endpoints")?;
    let host = fields.text("host")?;
    let host =
        host.parse().map_err(|_| DocumentError::BadField { field: "host", expected: "a host name or address" })?;
    let port = fields.number("port")?;
    fields.finish()?;
    Endpoint::new(host, port).map_err(|_| DocumentError::BadField { field: "port", expected: "a port" })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "{\"endpoints\":[{\"host\":\"files.example.org\",\"port\":9473},{\"host\":\"2001:db8::1\",\"port\":1}],\
        \"psk\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\",\
        \"knock\":\"//////////////////////////////////////////8=\",\"policy\":{\"pq\":\"prefer\"}}";

    #[test]
    fn a_payload_has_one_form() {
        let payload = Payload {
            endpoints: vec![
                "files.example.org:9473".parse().expect("valid"),
                "[2001:db8::1]:1".parse().expect("valid"),
            ],
            psk: Secret::new([0; 32]),
            knock: Secret::new([0xff; 32]),
            policy: Policy::default(),
        };
        assert_eq!(*payload.to_json(), TEXT);
        let read = Payload::from_json(TEXT).map_err(|e| e.to_string()).expect("reads back");
        assert_eq!(read.endpoints, payload.endpoints);
        assert_eq!((read.psk, read.knock, read.policy), (payload.psk, payload.knock, payload.policy));
    }

    #[test]
    fn the_longest_payload_fits_the_buffer_it_is_written_to() {
        let label = "a".repeat(63);
        let host = [&label[..], &label, &label, &label[..61]].join(".");
        let endpoint: Endpoint = format!("{host}:65535").parse().expect("valid");
        let payload = Payload {
            endpoints: vec![endpoint; MAX_ENDPOINTS],
            psk: Secret::new([0; 32]),
            knock: Secret::new([0; 32]),
            policy: Policy { pq: PostQuantum::Require },
        };
        assert_eq!(payload.to_json().capacity(), 4096);
    }

    #[test]
    fn a_payload_that_is_not_exactly_one_is_refused() {
        for (from, to) in [
            ("\"port\":1}", "\"port\":0}"),
            ("\"port\":1}", "\"port\":1,\"weight\":1}"),
            ("\"port\":1}", "\"port\":\"1\"}"),
            ("2001:db8::1", "[2001:db8::1]"),
            ("files.example.org", "a/b"),
            ("prefer", "maybe"),
            ("AAA=\"", "AA==\""),
            ("\"psk\"", "\"psk\":\"\",\"psk\""),
            ("\"pq\":", "\"extra\":1,\"pq\":"),
            ("{\"endpoints\"", "{\"extra\":1,\"endpoints\""),
        ] {
            assert!(TEXT.contains(from), "{from}");
            assert!(Payload::from_json(&TEXT.replacen(from, to, 1)).is_err(), "{from} -> {to}");
        }
        assert!(Payload::from_json(&TEXT.replacen("\"pq\":", "\"x-extra\":1,\"pq\":", 1)).is_ok());
    }
}
