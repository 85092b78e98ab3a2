//! What a server offers a person it enrols.

use serde::{Deserialize, Serialize};

use super::{DisplayName, Endpoint};
use crate::types::Timestamp;

/// The most endpoints one answer may name.
pub const MAX_ENDPOINTS: usize = 8;

/// The server's side of an enrolment, as its owner decided it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// What the server calls itself.
    pub server_name: DisplayName,
    /// Where it is reached, best first; 1 to [`MAX_ENDPOINTS`].
    pub endpoints: Vec<Endpoint>,
    /// When the enrolment lapses unless it was used before. Whole seconds; the rest is dropped.
    pub first_use_before: Timestamp,
    /// How the two are to speak with each other.
    pub policy: Policy,
}

/// Settled at enrolment, so that no network attacker can talk either side down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Is the post-quantum suite used?
    pub pq: PostQuantum,
}

/// Whether suite 2 (ML-KEM-768 in addition to X25519) is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PostQuantum {
    /// Not even if both sides could.
    Never,
    /// If both sides can.
    #[default]
    Prefer,
    /// Or no connection at all.
    Require,
}

impl PostQuantum {
    /// The word for it in documents.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Prefer => "prefer",
            Self::Require => "require",
        }
    }

    /// Reads what [`Self::as_str`] writes.
    pub(super) fn parse(text: &str) -> Option<Self> {
        [Self::Never, Self::Prefer, Self::Require].into_iter().find(|choice| choice.as_str() == text)
    }
}
