//! Why a document is refused, by whom is to blame: the text, the way it travelled, its sender, its reader.

use super::{EndpointError, NameError};
use crate::suite::CryptoError;

/// The two documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The client's public key: mail 1.
    Request,
    /// The server's answer to it: mail 2.
    Answer,
}

/// What a mail program did to a document that cannot be undone here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mangling {
    /// `&quot;` for `"`: copied out of the source of an HTML mail.
    HtmlEntities,
    /// `“` and `”` for `"`.
    TypographicQuotes,
    /// `=3D` for `=`: the source of a mail, saved before decoding.
    QuotedPrintable,
}

/// Why a text was not accepted as an enrolment document. Nothing of it may be used then (ENR-21).
///
/// Messages are fragments that fit after "the document " where they start with a verb, or stand alone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// More than [`super::MAX_DOCUMENT`] bytes.
    #[error("the text is larger than 64 KiB")]
    TooLarge,
    /// Neither UTF-8 nor UTF-16.
    #[error("the text is not utf-8")]
    NotText,
    /// Nothing in the text looks like a document.
    #[error("there is no dpex document in the text")]
    NotFound,
    /// A part of a document, but not all of it.
    #[error("the document is cut short")]
    CutShort,
    /// More than one document, be they equal or not.
    #[error("two documents in one text")]
    TwoDocuments,
    /// A mail program rewrote it.
    #[error("{}", match .0 {
        Mangling::HtmlEntities => "a mail program replaced characters of the document by html entities such as &quot;",
        Mangling::TypographicQuotes => "a mail program replaced the document's quotation marks by typographic ones",
        Mangling::QuotedPrintable => "the document is still in the mail's transfer encoding (quoted-printable)",
    })]
    Mangled(Mangling),
    /// Not JSON.
    #[error("the document is damaged at line {line}, column {column}")]
    Syntax {
        /// Line in the document, from 1.
        line: usize,
        /// Column in that line, from 1.
        column: usize,
    },
    /// The other of the two documents.
    #[error("{}", match .found {
        Kind::Request => "this is a request (mail 1), not a server's answer (mail 2)",
        Kind::Answer => "this is a server's answer (mail 2), not a request (mail 1)",
    })]
    WrongKind {
        /// What it is.
        found: Kind,
    },
    /// A dpex document of a kind or format version this build does not know.
    #[error("the document has a format that this version of dpex does not know")]
    UnknownFormat,
    /// A field is not there.
    #[error("the document has no field `{0}`")]
    Missing(&'static str),
    /// A field that does not belong there. The name is escaped and shortened.
    #[error("the document has a field `{0}` that does not belong there")]
    UnknownField(String),
    /// A field that is there twice. The name is escaped and shortened.
    #[error("the document has the field `{0}` twice")]
    DuplicateField(String),
    /// A field's value is not valid.
    #[error("the field `{field}` is not {expected}")]
    BadField {
        /// The field.
        field: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// The public key has a size or exponent that is not accepted, or is no key.
    #[error("the public key is not an rsa key of 3072 or 4096 bits with exponent 65537")]
    BadKey,
    /// The content is not what was signed.
    #[error("the signature does not match: a character was changed on the way")]
    BadSignature,
    /// A field that repeats others for the eye (fingerprint, exchange code, comment) disagrees with them.
    #[error("the field `{0}` does not agree with the rest: it was changed on the way")]
    Inconsistent(&'static str),
    /// Dated more than a year before the reader's clock.
    #[error("the document is dated {0}, more than a year ago, or a clock is wrong")]
    TooOld(String),
    /// Dated more than a year after the reader's clock.
    #[error("the document is dated {0}, more than a year ahead, or a clock is wrong")]
    TooNew(String),
    /// No protocol version or suite in common.
    #[error("the other side speaks only {0} that this version of dpex does not know")]
    NothingInCommon(&'static str),
    /// An answer to another person's request.
    #[error("the answer is meant for somebody else")]
    SomebodyElse,
    /// An answer to another request of this client.
    #[error("the answer belongs to an older request")]
    OlderRequest,
    /// Made with the reader's own key (ENR-20).
    #[error("the answer was made with this client's own key")]
    OwnKey,
    /// An answer whose time for a first use is over.
    #[error("the answer had to be used before {0}")]
    Expired(String),
    /// Properly signed, and yet not to be opened with this client's key.
    #[error("the secret part of the answer cannot be opened with this identity")]
    NotReadable,
    /// Properly signed and opened, but the secret part is not what it should be.
    #[error("the secret part of the answer is not valid: {0}")]
    BadPayload(Box<DocumentError>),
    /// The cryptography library failed; not the document's fault.
    #[error("the document could not be checked")]
    Crypto(#[source] CryptoError),
}

/// Why a document could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CreateError {
    /// The name is not acceptable.
    #[error(transparent)]
    Name(#[from] NameError),
    /// An endpoint is not acceptable.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// No endpoint, or too many.
    #[error("an answer names 1 to 8 endpoints")]
    EndpointCount,
    /// The enrolment would have lapsed before it began, or the clock is far off.
    #[error("the last day of first use does not lie in the future, or the clock is wrong")]
    Time,
    /// Suite 2 is required, but not both sides have it.
    #[error("the post-quantum suite is required, but not both sides have it")]
    PostQuantum,
    /// The request was made with the server's own key.
    #[error("the request was made with this server's own key")]
    OwnKey,
    /// The cryptography library failed.
    #[error("the cryptography library failed")]
    Crypto(#[from] CryptoError),
}
