//! Enrolment: the two documents that travel by mail, and what each side keeps of them (PROTOCOL.md, section 2).
//!
//! A client's [`Request`] carries her public key; the server's [`Answer`] carries the way to it and the shared secrets,
//! readable by her alone. Pure functions over text, bytes, a suite and keys: nothing here reads a clock or a file,
//! decides whether somebody is wanted, or remembers who was enrolled before.

mod answer;
mod document;
mod encoding;
mod endpoint;
mod error;
mod fields;
mod grant;
mod mail;
mod name;
mod payload;
mod request;
mod stamp;
mod stored;
mod terms;
mod uid;
mod words;
mod writer;

pub use answer::Answer;
pub use endpoint::{DEFAULT_PORT, Endpoint, EndpointError, Host};
pub use error::{CreateError, DocumentError, Kind, Mangling};
pub use grant::{ClientGrant, ServerGrant};
pub use name::{DisplayName, NameError, Slug, SlugError};
pub use request::Request;
pub use stored::StoredError;
pub use terms::{MAX_ENDPOINTS, Policy, PostQuantum, Terms};
pub use uid::{Uid, UidError};
pub use words::{fingerprint, words};

/// The largest text that is looked at, in bytes: a mail with a document in it (ENR-4).
pub const MAX_DOCUMENT: usize = 64 * 1024;

/// The protocol versions this implementation speaks, best first.
pub const PROTOCOLS: &[u16] = &[1];

/// The suites this implementation speaks, best first (PROTOCOL.md, section 3.6).
pub const SUITES: &[u16] = &[1];
