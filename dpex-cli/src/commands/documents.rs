//! Reading enrolment documents, and saying what is wrong with one.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read as _};
use std::path::Path;

use dpex_core::enrol::{CreateError, DocumentError, Kind, MAX_DOCUMENT, Request};
use dpex_core::suite::CipherSuite;
use dpex_core::types::Timestamp;

use crate::error::{Blame, CliError, CliResult, reason};
use crate::home::{Part, read_secret};
use crate::ui::Ui;

/// Reads a file, or standard input for `-`, up to a little more than a document can hold.
pub(super) fn read(ui: Ui, file: &Path) -> CliResult<Vec<u8>> {
    let limit = MAX_DOCUMENT as u64 + 1;
    let mut text = Vec::new();
    let read = if file.as_os_str() == "-" {
        if io::stdin().is_terminal() {
            ui.say("Paste the document, then press Enter and Ctrl-D.");
        }
        io::stdin().lock().take(limit).read_to_end(&mut text)
    } else {
        File::open(file).and_then(|open| open.take(limit).read_to_end(&mut text))
    };
    match read {
        Ok(_) => Ok(text),
        // Whatever is wrong with what was typed, it is one mistake.
        Err(error) => {
            let message = match error.kind() {
                io::ErrorKind::NotFound => format!("there is no file {}", file.display()),
                _ => format!("failed to read {}: {}", place(file), reason(&error)),
            };
            Err(CliError::usage(message).hint("give the path of the document, or `-` to read it from standard input"))
        }
    }
}

/// What to call the place a document came from.
pub(super) fn place(file: &Path) -> String {
    if file.as_os_str() == "-" { "standard input".into() } else { file.display().to_string() }
}

/// This client's own request and its text. Whoever holds it may be slower than the year that others' documents get, so
/// it is read as of its own date.
pub(super) fn own_request(suite: &dyn CipherSuite, part: &Part) -> CliResult<Option<(Request, String)>> {
    let path = part.request_file();
    let Some(text) = read_secret(&path)? else { return Ok(None) };
    let damaged = || {
        CliError::usage(format!("the request in {} is damaged", path.display()))
            .hint("remove the file and run `dpex client init` again: it makes a new request for the same identity")
    };
    let date = created(&text).ok_or_else(damaged)?;
    let request = Request::read(suite, &text, date).map_err(|_| damaged())?;
    Ok(Some((request, String::from_utf8_lossy(&text).into_owned())))
}

fn created(text: &[u8]) -> Option<Timestamp> {
    let document: serde_json::Value = serde_json::from_slice(text).ok()?;
    let moment: jiff::Timestamp = document.get("created")?.as_str()?.parse().ok()?;
    Timestamp::new(moment.as_second(), 0)
}

/// A document that was refused, with what the reader can do about it.
pub(super) fn refused(error: &DocumentError) -> CliError {
    use DocumentError as E;
    const AGAIN: &str = "ask for it again, as an attachment, or copy everything from the first `{` to the last `}`";
    let (blame, hint) = match error {
        E::TooLarge | E::NotText | E::NotFound => {
            (Blame::Usage, "give the file that came by mail, or the text of the mail with the document in it")
        }
        E::TwoDocuments => (Blame::Usage, "leave one of them in the text"),
        E::UnknownFormat | E::NothingInCommon(_) => {
            (Blame::Usage, "one of the two sides needs a newer version of dpex")
        }
        E::WrongKind { found: Kind::Request } => (Blame::Usage, "requests are for `dpex server add`"),
        E::WrongKind { found: Kind::Answer } => (Blame::Usage, "answers are for `dpex client update`"),
        E::SomebodyElse => (
            Blame::Verification,
            "it was made for another request; ask for the answer to yours, or name the home it belongs to with --home DIR",
        ),
        E::OlderRequest => (Blame::Verification, "send your present request, which `dpex client init` prints again"),
        E::OwnKey => (Blame::Verification, "the two sides need homes, or at least identities, of their own"),
        E::TooOld(_) | E::TooNew(_) => {
            (Blame::Verification, "check the date of this computer, or ask for a new document")
        }
        E::Expired(_) => (Blame::Verification, "ask the person who runs the server to add you again with --replace"),
        E::NotReadable => (Blame::Verification, "ask the person who runs the server to add you again with --replace"),
        E::Crypto(_) => (Blame::Internal, "run the same command again"),
        E::BadKey | E::BadPayload(_) => (Blame::Verification, "whoever sent it should make it again with dpex"),
        E::CutShort | E::Mangled(_) | E::Syntax { .. } | E::Missing(_) | E::UnknownField(_) | E::DuplicateField(_) => {
            (Blame::Verification, AGAIN)
        }
        E::BadField { .. } | E::BadSignature | E::Inconsistent(_) => (Blame::Verification, AGAIN),
    };
    CliError::new(blame, error.to_string()).hint(hint)
}

/// A document that could not be made.
pub(super) fn not_made(error: &CreateError) -> CliError {
    let blame = match error {
        CreateError::Crypto(_) => Blame::Internal,
        CreateError::OwnKey => Blame::Verification,
        _ => Blame::Usage,
    };
    CliError::new(blame, error.to_string())
}
