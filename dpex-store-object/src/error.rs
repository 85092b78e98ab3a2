//! What a service says, in the words of the joint, and no word more: a status and a short code. Addresses with their
//! queries, headers and bodies stay inside.

use std::error::Error as _;
use std::io;

use dpex_core::store::StoreError;
use object_store::Error;

use crate::service::broken;

/// Looking something up for somebody else.
pub(crate) fn looking_up(error: &Error) -> StoreError {
    if is_missing(error) { StoreError::NotFound } else { other(error) }
}

/// Reading on in what was opened.
pub(crate) fn reading(error: &Error) -> StoreError {
    let says = Says::of(error);
    // 416: the object is shorter now.
    if matches!(error, Error::Precondition { .. } | Error::NotModified { .. })
        || is_missing(error)
        || says.status == Some(416)
    {
        return StoreError::Changed;
    }
    other(error)
}

/// Writing something of our own.
pub(crate) fn writing(error: &Error) -> StoreError {
    let says = Says::of(error);
    match (error, says.code.as_deref()) {
        (_, Some("KeyTooLongError" | "KeyTooLong")) => StoreError::BadName("it is too long for this service"),
        (_, Some("QuotaExceeded" | "XMinioStorageFull")) => StoreError::Full,
        (_, Some(code)) if is_missing_bucket(code) => other(error),
        (Error::AlreadyExists { .. }, _) => StoreError::Exists,
        _ => match says.io {
            Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => StoreError::Full,
            Some(io::ErrorKind::InvalidFilename) => StoreError::BadName("it is too long for this disk"),
            Some(io::ErrorKind::AlreadyExists | io::ErrorKind::IsADirectory | io::ErrorKind::NotADirectory) => {
                StoreError::Exists
            }
            _ => other(error),
        },
    }
}

/// Making the store.
pub(crate) fn connecting(error: &Error) -> io::Error {
    match other(error) {
        StoreError::Io(error) => error,
        error => io::Error::other(error.to_string()),
    }
}

/// Is it only the object that is not there, and not the bucket?
pub(crate) fn is_missing(error: &Error) -> bool {
    let says = Says::of(error);
    match error {
        Error::NotFound { .. } => !says.code.as_deref().is_some_and(is_missing_bucket),
        _ => matches!(
            says.io,
            Some(io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::InvalidFilename)
        ),
    }
}

fn is_missing_bucket(code: &str) -> bool {
    matches!(code, "NoSuchBucket" | "ContainerNotFound" | "ContainerBeingDeleted")
}

fn other(error: &Error) -> StoreError {
    let says = Says::of(error);
    let code = says.code.as_deref();
    let detail = match (says.status, code) {
        (Some(status), Some(code)) => format!(" ({status} {code})"),
        (Some(status), None) => format!(" ({status})"),
        _ => String::new(),
    };
    let (kind, text) = match (error, says.status) {
        _ if code.is_some_and(is_missing_bucket) => (io::ErrorKind::NotFound, "there is no such bucket"),
        (Error::PermissionDenied { .. } | Error::Unauthenticated { .. }, _) | (_, Some(401 | 403)) => {
            (io::ErrorKind::PermissionDenied, "the service does not accept the credentials, or not for this")
        }
        (Error::NotImplemented { .. } | Error::NotSupported { .. }, _) | (_, Some(501)) => {
            (io::ErrorKind::Unsupported, "the service cannot do this")
        }
        _ if says.is_elsewhere || matches!(says.status, Some(300..=399)) => {
            (io::ErrorKind::InvalidInput, "the bucket is elsewhere: is the region right?")
        }
        (_, Some(_)) => (io::ErrorKind::Other, "the service refused or failed"),
        _ => match (says.http, says.io) {
            (Some(kind), _) => (kind, no_answer(kind)),
            (None, Some(kind)) => return StoreError::Io(kind.into()),
            (None, None) => {
                (io::ErrorKind::Other, "the service cannot be used: are its settings and credentials complete?")
            }
        },
    };
    StoreError::Io(io::Error::new(kind, format!("{text}{detail}")))
}

fn no_answer(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::NotConnected => "the service cannot be reached",
        io::ErrorKind::TimedOut => "the service did not answer in time",
        io::ErrorKind::ConnectionAborted => "the connection to the service broke",
        _ => "the service's answer was not understood",
    }
}

/// How the text of an answer begins, before its status.
const STATUS: &str = "status code: ";
/// How the text of a redirection begins that names no place.
const ELSEWHERE: &str = "Received redirect without LOCATION";

/// What is safe to repeat of an error.
#[derive(Debug, Default, PartialEq, Eq)]
struct Says {
    /// The HTTP status.
    status: Option<u16>,
    /// The service's own word for it, such as `NoSuchBucket`.
    code: Option<String>,
    /// How the request failed if there was no answer.
    http: Option<io::ErrorKind>,
    /// What the local system said.
    io: Option<io::ErrorKind>,
    /// It sent us away and did not say where to, as S3 does for a bucket of another region.
    is_elsewhere: bool,
}

impl Says {
    fn of(error: &Error) -> Self {
        let mut says = Self::default();
        let mut cause = error.source();
        while let Some(error) = cause {
            says.http = says.http.or_else(|| broken(error));
            if let Some(error) = error.downcast_ref::<io::Error>() {
                says.io.get_or_insert(error.kind());
            }
            if error.source().is_none() {
                says.hear(&error.to_string());
            }
            cause = error.source();
        }
        says
    }

    /// The library keeps the types that have the answer to itself; the text of the innermost has all of it, and nothing
    /// of the names that those around it add.
    fn hear(&mut self, text: &str) {
        if let Some((_, answer)) = text.split_once(STATUS) {
            self.status = answer.get(..3).and_then(|status| status.parse().ok());
            self.code = code(answer);
        }
        self.is_elsewhere |= text.starts_with(ELSEWHERE);
    }
}

/// A word of letters and digits: nothing that could be a secret or a name is let through.
fn code(text: &str) -> Option<String> {
    let (_, after) = text.split_once("<Code>")?;
    let (code, _) = after.split_once("</Code>")?;
    let is_word = (1..=48).contains(&code.len()) && code.chars().all(|c| c.is_ascii_alphanumeric());
    is_word.then(|| code.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the library makes of an answer, with everything in it that must not be seen.
    fn generic(text: &str) -> Error {
        Error::Generic { store: "S3", source: text.to_owned().into() }
    }

    const BODY: &str = "Error performing PUT http://bucket/key?X-Amz-Signature=hunter2 in 3ms - Server returned non-2xx \
                        status code: 403 Forbidden: <?xml version=\"1.0\"?><Error><Code>SignatureDoesNotMatch</Code>\
                        <AWSAccessKeyId>AKIAhunter2</AWSAccessKeyId></Error>";

    #[test]
    fn of_an_answer_the_status_and_the_code_are_told_and_nothing_else() {
        let error = other(&generic(BODY));
        assert_eq!(
            error.to_string(),
            "the service does not accept the credentials, or not for this (403 SignatureDoesNotMatch)"
        );
        assert!(!format!("{error:?}").contains("hunter2"));
    }

    #[test]
    fn a_code_that_is_no_word_is_not_told() {
        for code in ["hunter2 secret", "a/b", "", &"x".repeat(49)] {
            let error = other(&generic(&format!("status code: 400 Bad Request: <Code>{code}</Code>")));
            assert_eq!(error.to_string(), "the service refused or failed (400)");
        }
        assert_eq!(other(&generic("hunter2")).to_string().matches("hunter2").count(), 0);
    }

    #[test]
    fn a_bucket_of_another_region_is_said_to_be_elsewhere() {
        let bare =
            generic("Received redirect without LOCATION, this normally indicates an incorrectly configured region");
        for error in [bare, generic("Server returned non-2xx status code: 307 Temporary Redirect: ")] {
            let text = other(&error).to_string();
            assert!(text.starts_with("the bucket is elsewhere: is the region right?"), "{text}");
        }
    }

    #[test]
    fn a_name_is_not_taken_for_the_service_s_answer() {
        let path = "status code: 501 <Code>NoSuchBucket</Code>".to_owned();
        let missing = Error::NotFound { path, source: "status code: 404 Not Found: <Code>NoSuchKey</Code>".into() };
        assert_eq!(Says::of(&missing).status, Some(404));
        assert!(matches!(looking_up(&missing), StoreError::NotFound));
    }

    #[test]
    fn a_missing_bucket_is_not_a_missing_file() {
        let missing = |text: &str| Error::NotFound { path: "a".into(), source: text.to_owned().into() };
        let no_bucket = missing("status code: 404 Not Found: <Code>NoSuchBucket</Code>");
        assert!(matches!(looking_up(&missing("status code: 404 Not Found: ")), StoreError::NotFound));
        assert_eq!(looking_up(&no_bucket).to_string(), "there is no such bucket (404 NoSuchBucket)");
        assert_eq!(writing(&no_bucket).to_string(), "there is no such bucket (404 NoSuchBucket)");
    }
}
