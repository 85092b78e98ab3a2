//! What reading a request and reading an answer have in common.

use std::sync::Arc;

use super::{DisplayName, DocumentError, Kind, PROTOCOLS, SUITES, fields::Fields, mail, stamp, words};
use crate::suite::{CipherSuite, CryptoError, PublicKey};
use crate::types::{Fingerprint, Timestamp};

/// The field that says what a document is.
pub(super) const FORMAT: &str = "dpex";

/// Its value in a request.
pub(super) const REQUEST_FORMAT: &str = "enrol-request/1";

/// Its value in an answer.
pub(super) const ANSWER_FORMAT: &str = "enrol-response/1";

/// The fixed text for the people through whose hands a request goes.
pub(super) const REQUEST_COMMENT: &str = "Send this to the person who runs the server. It contains no secret.";

/// The fixed text for the people through whose hands an answer goes.
pub(super) const ANSWER_COMMENT: &str = "Send this to the person who asked. Only their own key can open it.";

/// Finds the document of a kind in a text and has `read` take its fields, every one of them.
pub(super) fn read<T>(
    text: &[u8],
    kind: Kind,
    read: impl FnOnce(&mut Fields) -> Result<T, DocumentError>,
) -> Result<T, DocumentError> {
    let document = mail::extract(text, kind)?;
    let (format, comment) = match kind {
        Kind::Request => (REQUEST_FORMAT, REQUEST_COMMENT),
        Kind::Answer => (ANSWER_FORMAT, ANSWER_COMMENT),
    };
    let fields = || {
        let mut fields = Fields::parse(&document)?;
        if !fields.token(FORMAT, "a format", |found| Some(found == format))? {
            return Err(DocumentError::UnknownFormat);
        }
        // A mailer may have broken it in the middle of a word.
        let letters = |text: &str| text.split_whitespace().collect::<String>();
        if letters(&fields.words("comment")?) != letters(comment) {
            return Err(DocumentError::Inconsistent("comment"));
        }
        let read = read(&mut fields)?;
        fields.finish()?;
        Ok(read)
    };
    fields().map_err(|error| match mail::blame(&document) {
        Some(mangling) => DocumentError::Mangled(mangling),
        None => error,
    })
}

pub(super) fn name(fields: &mut Fields, field: &'static str) -> Result<DisplayName, DocumentError> {
    let expected = "a name of 1 to 64 ordinary characters";
    fields.text(field)?.parse().map_err(|_| DocumentError::BadField { field, expected })
}

pub(super) fn moment(fields: &mut Fields, field: &'static str) -> Result<Timestamp, DocumentError> {
    fields.token(field, "a moment such as 2026-11-22T13:41:48Z", stamp::parse)
}

// ENR-1.
pub(super) fn public_key(suite: &dyn CipherSuite, spki: &[u8]) -> Result<Arc<dyn PublicKey>, DocumentError> {
    let key = suite.public_from_spki(spki).map_err(|error| match error {
        CryptoError::Internal | CryptoError::Rng => DocumentError::Crypto(error),
        _ => DocumentError::BadKey,
    })?;
    // The fingerprint is over these bytes: a second encoding of the same key must not become a second person.
    if key.spki() == spki && matches!(key.modulus_len(), 384 | 512) { Ok(key) } else { Err(DocumentError::BadKey) }
}

// ENR-15.
pub(super) fn verify(key: &dyn PublicKey, message: &[u8], signature: &[u8]) -> Result<(), DocumentError> {
    key.verify(message, signature).map_err(|error| match error {
        CryptoError::AuthFailed | CryptoError::BadLength => DocumentError::BadSignature,
        other => DocumentError::Crypto(other),
    })
}

/// A document's date must lie within a year of the reader's clock, edges included (ENR-12).
pub(super) fn dated(created: Timestamp, now: Timestamp) -> Result<(), DocumentError> {
    let text = || stamp::format(created).unwrap_or_default();
    if created.plus(stamp::YEAR) < now {
        Err(DocumentError::TooOld(text()))
    } else if created > now.plus(stamp::YEAR) {
        Err(DocumentError::TooNew(text()))
    } else {
        Ok(())
    }
}

/// The eight words beside a key must be the key's (ENR-14).
pub(super) fn same_words(shown: &str, fingerprint: &Fingerprint) -> Result<(), DocumentError> {
    if shown == words(&fingerprint.0) { Ok(()) } else { Err(DocumentError::Inconsistent("fingerprint")) }
}

/// Something of what the other side speaks must be known here (ENR-13).
pub(super) fn in_common(protocols: &[u16], suites: &[u16]) -> Result<(), DocumentError> {
    if !protocols.iter().any(|p| PROTOCOLS.contains(p)) {
        return Err(DocumentError::NothingInCommon("protocol versions"));
    }
    if !suites.iter().any(|s| SUITES.contains(s)) {
        return Err(DocumentError::NothingInCommon("suites"));
    }
    Ok(())
}
