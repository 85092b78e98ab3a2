//! The stored form of grants: strict JSON with a version, secrets in base64.

use data_encoding::BASE64;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use super::{ClientGrant, DisplayName, Endpoint, Policy, ServerGrant, Uid, fields, stamp};
use crate::types::{Digest, EnrolmentId, Fingerprint, Secret, Timestamp};

/// The stored form's version. Another one is refused rather than guessed at.
const VERSION: u32 = 1;

/// Why a stored grant cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("not a stored enrolment that this version of dpex can read")]
pub struct StoredError(#[source] serde_json::Error);

pub(super) fn to_json<T: Serialize>(grant: &T) -> Zeroizing<String> {
    // Written into one buffer that does not grow, so that no copy of a secret stays behind in freed memory.
    let mut out = Vec::with_capacity(16 * 1024);
    serde_json::to_writer_pretty(&mut out, grant).expect("a grant has text keys, and its moments came from documents");
    out.push(b'\n');
    Zeroizing::new(String::from_utf8(out).expect("json is utf-8"))
}

pub(super) fn from_json<T: DeserializeOwned>(text: &[u8]) -> Result<T, StoredError> {
    serde_json::from_slice(text).map_err(StoredError)
}

macro_rules! stored {
    ($stored:ident, $grant:ident { $($field:ident: $type:ty as $via:literal,)* }) => {
        #[derive(Serialize, Deserialize)]
        #[serde(deny_unknown_fields, rename_all = "camelCase")]
        struct $stored {
            version: u32,
            $(#[serde(with = $via)] $field: $type,)*
            policy: Policy,
        }

        impl Serialize for $grant {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let stored =
                    $stored { version: VERSION, policy: self.policy, $($field: self.$field.clone(),)* };
                stored.serialize(serializer)
            }
        }

        impl<'de> Deserialize<'de> for $grant {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let stored = $stored::deserialize(deserializer)?;
                if stored.version != VERSION {
                    return Err(D::Error::custom(format_args!("version {} is not known", stored.version)));
                }
                Ok(Self { policy: stored.policy, $($field: stored.$field,)* })
            }
        }
    };
}

stored!(StoredServerGrant, ServerGrant {
    uid: Uid as "text",
    name: DisplayName as "text",
    enrolment: EnrolmentId as "base64",
    client_spki: Vec<u8> as "base64",
    client: Fingerprint as "base64",
    psk: Secret<32> as "base64",
    exchange: Digest as "base64",
    request_hash: Digest as "base64",
    created: Timestamp as "moment",
    first_use_before: Timestamp as "moment",
    protocols: Vec<u16> as "plain",
    suites: Vec<u16> as "plain",
});

stored!(StoredClientGrant, ClientGrant {
    server_name: DisplayName as "text",
    endpoints: Vec<Endpoint> as "endpoints",
    server_spki: Vec<u8> as "base64",
    server: Fingerprint as "base64",
    enrolment: EnrolmentId as "base64",
    psk: Secret<32> as "base64",
    knock: Secret<32> as "base64",
    exchange: Digest as "base64",
    client: Fingerprint as "base64",
    uid: Uid as "text",
    created: Timestamp as "moment",
    first_use_before: Timestamp as "moment",
    protocols: Vec<u16> as "plain",
    suites: Vec<u16> as "plain",
});

/// Whatever reads from text as it is shown.
mod text {
    use std::fmt::Display;
    use std::str::FromStr;

    use super::*;

    pub(super) fn serialize<T: Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(super) fn deserialize<'de, T: FromStr<Err: Display>, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

/// One to eight endpoints, each as `host:port`.
mod endpoints {
    use super::*;

    pub(super) fn serialize<S: Serializer>(value: &[Endpoint], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(value.iter().map(Endpoint::to_string))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Endpoint>, D::Error> {
        let texts = Vec::<String>::deserialize(from)?;
        if texts.is_empty() {
            return Err(D::Error::custom("no endpoint"));
        }
        texts.iter().map(|text| text.parse().map_err(D::Error::custom)).collect()
    }
}

/// A moment in the documents' spelling.
mod moment {
    use super::*;

    pub(super) fn serialize<S: Serializer>(value: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        let text = stamp::format(*value).ok_or_else(|| serde::ser::Error::custom("a moment without a year"))?;
        serializer.serialize_str(&text)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
        stamp::parse(&String::deserialize(from)?).ok_or_else(|| D::Error::custom("not a moment"))
    }
}

/// Numbers as they are.
mod plain {
    use super::*;

    pub(super) fn serialize<S: Serializer>(value: &[u16], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(value)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u16>, D::Error> {
        Vec::deserialize(from)
    }
}

/// Bytes, secret or not: treated as secret.
mod base64 {
    use super::*;

    pub(super) fn serialize<T: Bytes, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&Zeroizing::new(BASE64.encode(value.bytes())))
    }

    pub(super) fn deserialize<'de, T: Bytes, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
        let text = Zeroizing::new(String::deserialize(from)?);
        fields::canonical(text.as_bytes())
            .and_then(|bytes| T::from_bytes(&bytes))
            .ok_or_else(|| D::Error::custom("not base64 of the right length"))
    }
}

/// What is stored as base64.
trait Bytes: Sized {
    fn bytes(&self) -> &[u8];
    fn from_bytes(bytes: &[u8]) -> Option<Self>;
}

macro_rules! bytes {
    ($($type:ty: $field:tt,)*) => {$(
        impl Bytes for $type {
            fn bytes(&self) -> &[u8] {
                &self.$field
            }

            fn from_bytes(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }
        }
    )*};
}

bytes! { Digest: 0, EnrolmentId: 0, Fingerprint: 0, }

impl Bytes for Secret<32> {
    fn bytes(&self) -> &[u8] {
        self.expose()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok()
    }
}

impl Bytes for Vec<u8> {
    fn bytes(&self) -> &[u8] {
        self
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(bytes.to_vec())
    }
}
