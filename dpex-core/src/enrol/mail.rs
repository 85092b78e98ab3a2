//! Finds a document in a mail, and undoes what mail programs do to one on the way.
//!
//! Undone: text around it, quoting with `>`, other line ends, lines broken anywhere (also within a string), trailing and
//! non-breaking spaces, invisible characters, byte order marks, UTF-16. None of these can change what was signed, since
//! names and base64 have no second spelling in white space. What cannot be undone is named.

use std::borrow::Cow;

use super::{DocumentError, Kind, MAX_DOCUMENT, Mangling};

/// Openings of an object that are followed before the search is given up: a bound on the work a hostile text can cause.
const MAX_OPENINGS: usize = 64;

/// What every document has near its beginning.
const MARK: &str = "\"dpex\"";

/// The one document of the wanted kind in a text, as JSON. Documents of the other kind beside it are ignored: an answer is
/// often sent above the quoted request (ENR-5).
pub(super) fn extract(text: &[u8], wanted: Kind) -> Result<String, DocumentError> {
    if text.len() > MAX_DOCUMENT {
        return Err(DocumentError::TooLarge);
    }
    let text = unquoted(&decoded(text)?);
    let found = Objects::within(&text);
    let (mut right, other): (Vec<&str>, Vec<&str>) =
        found.closed.into_iter().partition(|object| kind(object) == Some(wanted));
    match right.pop() {
        Some(_) if !right.is_empty() => Err(DocumentError::TwoDocuments),
        Some(object) => Ok(joined(object)),
        None if found.open => Err(DocumentError::CutShort),
        None => Err(match other.first().map(|object| (kind(object), blame(object))) {
            Some((Some(found), _)) => DocumentError::WrongKind { found },
            Some((None, Some(mangling))) => DocumentError::Mangled(mangling),
            Some((None, None)) => DocumentError::UnknownFormat,
            None => absence(&text),
        }),
    }
}

/// What was done to a document that turned out not to be valid.
pub(super) fn blame(document: &str) -> Option<Mangling> {
    let has = |marks: &[&str]| marks.iter().any(|mark| document.contains(mark));
    if has(&["&quot;", "&#34;", "&nbsp;", "&amp;", "&#43;", "&#61;", "&#x", "<br", "</"]) {
        Some(Mangling::HtmlEntities)
    } else if has(&["=3D", "=\n", "= "]) {
        Some(Mangling::QuotedPrintable)
    } else if has(&["\u{201c}", "\u{201d}", "\u{201e}", "\u{ab}", "\u{bb}"]) {
        Some(Mangling::TypographicQuotes)
    } else {
        None
    }
}

/// Why there is no document in a text.
fn absence(text: &str) -> DocumentError {
    if text.contains("&quot;dpex") || text.contains("&#34;dpex") || text.contains("&#x22;dpex") {
        return DocumentError::Mangled(Mangling::HtmlEntities);
    }
    if ["\u{201c}dpex", "\u{201d}dpex", "\u{201e}dpex", "\u{ab}dpex", "\u{bb}dpex"].iter().any(|m| text.contains(m)) {
        return DocumentError::Mangled(Mangling::TypographicQuotes);
    }
    if text.contains(MARK) && blame(text) == Some(Mangling::HtmlEntities) {
        return DocumentError::Mangled(Mangling::HtmlEntities);
    }
    let parts = [MARK, "\"publicKey\"", "\"signature\"", "\"encData\"", "\"fingerprint\""];
    if parts.iter().any(|part| text.contains(part)) { DocumentError::CutShort } else { DocumentError::NotFound }
}

/// Which document an object is meant to be.
fn kind(object: &str) -> Option<Kind> {
    if object.contains("\"enrol-request/") {
        Some(Kind::Request)
    } else if object.contains("\"enrol-response/") {
        Some(Kind::Answer)
    } else {
        None
    }
}

/// UTF-8 with or without a byte order mark, or UTF-16 with one (as some shells write it on redirection).
fn decoded(bytes: &[u8]) -> Result<Cow<'_, str>, DocumentError> {
    let wide = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let (pairs, rest) = bytes.as_chunks::<2>();
        let text = char::decode_utf16(pairs.iter().map(|pair| unit(*pair))).collect::<Result<String, _>>();
        if rest.is_empty() {
            text.map(Cow::Owned).map_err(|_| DocumentError::NotText)
        } else {
            Err(DocumentError::NotText)
        }
    };
    match bytes {
        [0xff, 0xfe, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => wide(rest, u16::from_be_bytes),
        _ => std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| DocumentError::NotText),
    }
}

/// The text with plain spaces and line ends, without invisible characters and without the marks of quoting.
fn unquoted(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut at_start = true;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{feff}' | '\u{200b}' | '\u{ad}' => {}
            '\r' if chars.peek() == Some(&'\n') => {}
            '\r' | '\n' | '\u{2028}' | '\u{85}' => {
                plain.push('\n');
                at_start = true;
            }
            ' ' | '\t' | '\u{a0}' | '\u{202f}' | '\u{2007}' => plain.push(' '),
            '>' if at_start => {}
            c => {
                plain.push(c);
                at_start = false;
            }
        }
    }
    plain
}

/// The JSON objects of a text that carry the mark.
struct Objects<'a> {
    /// Complete ones, none within another.
    closed: Vec<&'a str>,
    /// Was one begun and not ended?
    open: bool,
}

impl<'a> Objects<'a> {
    fn within(text: &'a str) -> Self {
        let mut found = Self { closed: Vec::new(), open: false };
        let mut rest = text;
        for _ in 0..MAX_OPENINGS {
            let Some((_, inner)) = rest.split_once('{') else { break };
            // An object begins with a name; what people write in braces rarely does.
            if !inner.trim_start_matches(between_tokens).starts_with('"') {
                rest = inner;
                continue;
            }
            rest = match end_of_object(inner) {
                Some((object, after)) if object.contains(MARK) => {
                    found.closed.push(object);
                    after
                }
                Some(_) => inner,
                None => {
                    found.open |= inner.contains(MARK);
                    inner
                }
            };
        }
        found
    }
}

/// Splits behind the brace that ends the object whose opening brace was just read.
fn end_of_object(inner: &str) -> Option<(&str, &str)> {
    let (mut depth, mut in_string, mut escaped) = (1_u32, false, false);
    for (at, byte) in inner.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' if !in_string => depth += 1,
            b'}' if !in_string => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return inner.split_at_checked(at + 1);
        }
    }
    None
}

/// White space, and quote marks left there by a mail program that filled quoted lines anew.
fn between_tokens(c: char) -> bool {
    matches!(c, ' ' | '\n' | '>')
}

/// The whole object, each line break within a string (and the white space around it) made one space, and without marks of
/// quoting between strings.
fn joined(inner: &str) -> String {
    let mut out = String::with_capacity(inner.len() + 1);
    out.push('{');
    let (mut in_string, mut escaped) = (false, false);
    let mut chars = inner.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\n' if in_string => {
                out.truncate(out.trim_end_matches(' ').len());
                while chars.next_if(|c| matches!(c, ' ' | '\n')).is_some() {}
                out.push(' ');
                continue;
            }
            '>' if !in_string => continue,
            _ if escaped => escaped = false,
            '\\' if in_string => escaped = true,
            '"' => in_string = !in_string,
            _ => {}
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const REQUEST: &str = r#"{ "dpex": "enrol-request/1", "name": "Anna Berg" }"#;
    const ANSWER: &str = r#"{ "dpex": "enrol-response/1" }"#;

    fn request_in(text: &str) -> Result<String, DocumentError> {
        extract(text.as_bytes(), Kind::Request)
    }

    #[test]
    fn a_document_is_found_between_whatever_people_write() {
        for text in [
            REQUEST.to_owned(),
            format!("\u{feff}{REQUEST}\n"),
            format!("Hi Bob :-{{\n\n{REQUEST}\n-- \nAnna {{ Berg }} \"quoted\" }}"),
            format!("as in {{ \"curly\" }} or {{ \"x\" {{\n{REQUEST}"),
            format!("{REQUEST}\n{ANSWER}"),
            format!("On Monday Bob wrote:\n> {REQUEST}\n>\n> -- \n> Bob"),
        ] {
            assert_eq!(request_in(&text).as_deref(), Ok(REQUEST), "{text}");
        }
    }

    #[test]
    fn a_line_break_within_a_string_is_one_space() {
        for broken in ["Anna\nBerg", "Anna \r\nBerg", "Anna \r\n> > Berg", "Anna\n  \n  Berg", "Anna\u{a0}Berg"] {
            assert_eq!(request_in(&REQUEST.replace("Anna Berg", broken)).as_deref(), Ok(REQUEST), "{broken:?}");
        }
    }

    #[test]
    fn marks_of_quoting_are_dropped_between_strings_and_kept_within() {
        let filled = REQUEST.replace(" \"", ">\"").replace("Anna Berg", "Anna > Berg");
        let kept = REQUEST.replace(" \"", "\"").replace("Anna Berg", "Anna > Berg");
        assert_eq!(request_in(&filled).as_deref(), Ok(&*kept));
    }

    // ENR-4, ENR-5.
    #[test]
    fn a_text_without_a_usable_document_says_why() {
        let quotes = REQUEST.replacen('"', "\u{201c}", 1).replacen('"', "\u{201d}", 1);
        for (text, reason) in [
            (String::new(), DocumentError::NotFound),
            ("Hi Bob, here is my key {attached}.".to_owned(), DocumentError::NotFound),
            (REQUEST[..REQUEST.len() - 1].to_owned(), DocumentError::CutShort),
            (REQUEST[1..].to_owned(), DocumentError::CutShort),
            (format!("{REQUEST}{REQUEST}"), DocumentError::TwoDocuments),
            (ANSWER.to_owned(), DocumentError::WrongKind { found: Kind::Answer }),
            (REQUEST.replace("enrol-", "party-"), DocumentError::UnknownFormat),
            (REQUEST.replace('"', "&quot;"), DocumentError::Mangled(Mangling::HtmlEntities)),
            (quotes, DocumentError::Mangled(Mangling::TypographicQuotes)),
            ("x".repeat(MAX_DOCUMENT + 1), DocumentError::TooLarge),
        ] {
            assert_eq!(request_in(&text), Err(reason), "{text:.80}");
        }
        let cut_above_whole = format!("{}\n\n> {REQUEST}", &ANSWER[..20]);
        assert_eq!(extract(cut_above_whole.as_bytes(), Kind::Answer), Err(DocumentError::CutShort));
        assert_eq!(extract(&[0xff], Kind::Request), Err(DocumentError::NotText));
        assert_eq!(extract(&[0xff, 0xfe, 0x41], Kind::Request), Err(DocumentError::NotText));
        assert_eq!(request_in(&"x".repeat(MAX_DOCUMENT)), Err(DocumentError::NotFound), "just small enough");
    }

    #[test]
    fn utf_16_of_either_order_is_read() {
        let le: Vec<u8> = std::iter::once(0xfeff).chain(REQUEST.encode_utf16()).flat_map(u16::to_le_bytes).collect();
        let be: Vec<u8> = std::iter::once(0xfeff).chain(REQUEST.encode_utf16()).flat_map(u16::to_be_bytes).collect();
        for bytes in [le, be] {
            assert_eq!(extract(&bytes, Kind::Request).as_deref(), Ok(REQUEST));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_searched_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = extract(&bytes, Kind::Request);
        }

        #[test]
        fn any_braces_and_quotes_are_searched_without_harm(text in "([{}\"\\\\\n> \u{a0}]|\"dpex\"|\"enrol-request/){0,60}") {
            let _ = request_in(&text);
        }
    }
}
