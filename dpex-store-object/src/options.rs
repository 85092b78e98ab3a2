//! What the owner may choose.

use std::fmt;

use serde::{Deserialize, Deserializer};

const MIB: u64 = 1 << 20;
/// S3's own lower limit; the others take it too.
const LEAST_PART_MIB: u64 = 5;

/// The heading `[store-object]` of the configuration.
///
/// What is not said here comes from the usual environment (`AWS_*`, `GOOGLE_*`, `AZURE_*`), and what is said here goes
/// before it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Options {
    /// The base of the service's own address, for a server other than the provider's: `https://minio.example:9000`.
    #[serde(deserialize_with = "filled")]
    pub endpoint: Option<String>,
    /// S3: the bucket's region.
    #[serde(deserialize_with = "filled")]
    pub region: Option<String>,
    /// Allow an endpoint without TLS: `http://`.
    pub allow_http: bool,
    /// S3: the service understands "only if there is no such object". Without, a look and then a put take its place,
    /// and two that write the same name at the same moment may replace one another.
    pub conditional_put: bool,
    /// MiB of one part of a multipart upload, at least 5. It grows by itself for files that need more than 10,000 parts.
    pub part_mib: u64,
    /// MiB of received content that may wait to be uploaded, over all files of this store.
    pub memory_mib: u64,
    /// Seconds that one request may take: a part must go through in this time.
    pub timeout_secs: u64,
    /// Seconds during which a failed request is tried again.
    pub retry_secs: u64,
    /// S3: the key's name, if it is not to come from the environment.
    pub access_key_id: Option<String>,
    /// S3: the key itself, likewise.
    pub secret_access_key: Option<Hidden>,
    /// S3: the token of a temporary key, likewise.
    pub session_token: Option<Hidden>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            endpoint: None,
            region: None,
            allow_http: false,
            conditional_put: true,
            part_mib: 8,
            memory_mib: 512,
            timeout_secs: 300,
            retry_secs: 60,
            access_key_id: None,
            secret_access_key: None,
            session_token: None,
        }
    }
}

impl Options {
    pub(crate) fn part(&self) -> u64 {
        self.part_mib.clamp(LEAST_PART_MIB, 4096) * MIB
    }

    pub(crate) fn memory(&self) -> u64 {
        self.memory_mib.clamp(1, 1 << 20) * MIB
    }
}

/// An empty text says nothing.
fn filled<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.filter(|text| !text.is_empty()))
}

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Hidden(String);

impl Hidden {
    /// Hides a text.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    #[cfg(feature = "aws")]
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_said_is_the_default_and_unknown_words_are_refused() {
        assert_eq!(toml::from_str::<Options>("").expect("all have defaults"), Options::default());
        let some = toml::from_str::<Options>("region = 'eu-north-1'\npart-mib = 16").expect("known words");
        assert_eq!((some.region.as_deref(), some.part()), (Some("eu-north-1"), 16 * MIB));
        assert!(toml::from_str::<Options>("regoin = 'eu-north-1'").is_err());
    }

    #[test]
    fn no_part_is_smaller_than_the_services_allow() {
        let tiny = Options { part_mib: 1, ..Options::default() };
        assert_eq!(tiny.part(), 5 * MIB);
    }

    #[test]
    fn a_secret_is_not_shown() {
        let options =
            toml::from_str::<Options>("secret-access-key = 'hunter2'\nsession-token = 'hunter3'").expect("known words");
        let shown = format!("{options:?} {options:#?}");
        assert!(shown.contains("[hidden]") && !shown.contains("hunter"), "{shown}");
    }
}
