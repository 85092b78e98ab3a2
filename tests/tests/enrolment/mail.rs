//! What mail programs and people do to a document, alone and one after the other.

use dpex_core::enrol::{DocumentError, Mangling};
use proptest::prelude::*;

use crate::people::*;

/// One thing that happens to a text on its way, without harm.
#[derive(Clone, Copy, Debug)]
enum Way {
    Crlf,
    Cr,
    Quoted,
    QuotedTight,
    Indented,
    HardBreaks(usize),
    WordBreaks(usize),
    Flowed,
    NoBreakSpaces,
    Tabs,
    BlankLines,
    OneLine,
    ByteOrderMark,
    Greeting,
    Signature,
}

const WAYS: [Way; 18] = [
    Way::Crlf,
    Way::Cr,
    Way::Quoted,
    Way::QuotedTight,
    Way::Indented,
    Way::HardBreaks(50),
    Way::HardBreaks(72),
    Way::WordBreaks(40),
    Way::WordBreaks(66),
    Way::WordBreaks(72),
    Way::Flowed,
    Way::NoBreakSpaces,
    Way::Tabs,
    Way::BlankLines,
    Way::OneLine,
    Way::ByteOrderMark,
    Way::Greeting,
    Way::Signature,
];

impl Way {
    fn applied(self, text: &str) -> String {
        let lines = |change: &dyn Fn(&str) -> String| text.lines().map(change).collect::<String>();
        match self {
            Self::Crlf => text.replace("\r\n", "\n").replace('\n', "\r\n"),
            Self::Cr => text.replace("\r\n", "\r").replace('\n', "\r"),
            Self::Quoted => lines(&|line| format!("> {line}\n")),
            Self::QuotedTight => lines(&|line| format!(">{line}\n")),
            Self::Indented => lines(&|line| format!("    {line}\n")),
            Self::HardBreaks(width) => lines(&|line| broken(line, width, true)),
            Self::WordBreaks(width) => lines(&|line| broken(line, width, false)),
            Self::Flowed => lines(&|line| format!("{line} \n")),
            Self::NoBreakSpaces => text.replace(' ', "\u{a0}"),
            Self::Tabs => text.replace("\n ", "\n\t"),
            Self::BlankLines => lines(&|line| format!("{line}\n\n")),
            Self::OneLine => text.replace(['\r', '\n'], " "),
            Self::ByteOrderMark => format!("\u{feff}{text}"),
            Self::Greeting => format!("Hi Bob,\n\nthis is {{my}} \"key\" :-{{\n\n{text}"),
            Self::Signature => format!("{text}\n-- \nAnna {{\"the\" one}} }}\n"),
        }
    }
}

/// Breaks a line at the last space before `width`. A longer piece without spaces is left, or broken where it must be if it
/// is base64.
fn broken(line: &str, width: usize, hard: bool) -> String {
    let (mut out, mut rest) = (String::new(), line);
    while rest.chars().count() > width {
        let limit = rest.char_indices().nth(width).map_or(rest.len(), |(at, _)| at);
        let front = rest.split_at(limit).0;
        let space = front.trim_start_matches([' ', '>', '\u{a0}', '\t']).rfind(' ').map(|at| {
            let skipped = front.len() - front.trim_start_matches([' ', '>', '\u{a0}', '\t']).len();
            skipped + at
        });
        let at = match space {
            Some(at) => at + 1,
            None if hard && !front.contains(':') => limit,
            None => match rest.split_at(limit).1.find(' ') {
                Some(later) => limit + later + 1,
                None => break,
            },
        };
        let (line, after) = rest.split_at(at);
        out.push_str(line);
        out.push('\n');
        rest = after;
    }
    out.push_str(rest);
    out.push('\n');
    out
}

#[test]
fn a_request_is_read_after_any_two_things_that_happen_to_mail() {
    let request = request_of(&*alice(), "Anna Müller");
    for first in WAYS {
        for second in WAYS {
            let mail = second.applied(&first.applied(&request.to_json()));
            let read = read(&mail).map_err(|error| format!("{first:?}, {second:?}: {error}\n{mail}"));
            assert_eq!(read.expect("read").hash(), request.hash());
        }
    }
}

#[test]
fn an_answer_is_read_after_anything_that_happens_to_mail() {
    let request = request_of(&*alice(), "Anna");
    let (answer, grant) = answer_to(&request);
    for way in WAYS {
        let mail = way.applied(&answer.to_json());
        let opened = open(&request, &mail).map_err(|error| format!("{way:?}: {error}\n{mail}"));
        assert_eq!(opened.expect("opened").psk, grant.psk);
    }
}

#[test]
fn a_request_that_a_shell_redirected_into_utf_16_is_read() {
    let request = request_of(&*alice(), "Anna Müller");
    let utf16 =
        std::iter::once(0xfeff).chain(request.to_json().replace('\n', "\r\n").encode_utf16().collect::<Vec<_>>());
    let bytes: Vec<u8> = utf16.flat_map(u16::to_le_bytes).collect();
    assert_eq!(read(bytes).expect("read").hash(), request.hash());
}

#[test]
fn what_cannot_be_undone_is_named() {
    let json = request_of(&*alice(), "Bob & Co").to_json();
    let (first, rest) = json.split_at(json.len() / 2);
    let typographic = json.replace(" \"", " \u{201c}").replace('"', "\u{201d}");
    let encoded = json.replace('=', "=3D");
    let soft_breaks = first.to_owned() + "=\n" + rest;
    for (mail, mangling) in [
        (json.replace('&', "&amp;").replace('"', "&quot;"), Mangling::HtmlEntities),
        (json.replace("\n", "<br>\n"), Mangling::HtmlEntities),
        (json.replace("  ", "&nbsp; "), Mangling::HtmlEntities),
        (json.replace('+', "&#43;"), Mangling::HtmlEntities),
        (typographic, Mangling::TypographicQuotes),
        (encoded, Mangling::QuotedPrintable),
        (soft_breaks, Mangling::QuotedPrintable),
    ] {
        assert_eq!(read(&mail).err(), Some(DocumentError::Mangled(mangling)), "{mail:.200}");
    }
    assert_eq!(read(&json).expect("read").name().as_str(), "Bob & Co");
}

#[test]
fn a_document_cut_short_anywhere_is_refused_and_mostly_said_to_be() {
    let request = request_of(&*alice(), "Anna");
    for json in [request.to_json(), answer_to(&request).0.to_json()] {
        let is_request = json.contains("enrol-request");
        let refusal = |text: &str| if is_request { read(text).err() } else { open(&request, text).err() };
        for at in (50..json.len() - 2).step_by(50) {
            let (front, back) = json.split_at(at);
            assert_eq!(refusal(front), Some(DocumentError::CutShort), "the end is missing from {at}");
            assert_eq!(
                refusal(back),
                Some(DocumentError::CutShort)
                    .filter(|_| back.contains("\"signature\""))
                    .or(Some(DocumentError::NotFound)),
                "the beginning is missing up to {at}"
            );
            let signed_off = format!("{front}\n-- \nAnna \"A.\" {{Berg}}\n");
            assert!(refusal(&signed_off).is_some(), "cut at {at}, with a signature below");
        }
        // A line lost in the middle.
        let lines: Vec<&str> = json.lines().collect();
        for lost in 1..lines.len() - 1 {
            let text: Vec<&str> = lines.iter().enumerate().filter(|(i, _)| *i != lost).map(|(_, line)| *line).collect();
            assert!(refusal(&text.join("\n")).is_some(), "without line {lost}");
        }
    }
}

#[test]
fn a_comment_broken_in_the_middle_of_a_word_is_still_the_comment() {
    let request = request_of(&*alice(), "Anna");
    let ways = [Way::QuotedTight, Way::NoBreakSpaces, Way::HardBreaks(50)];
    let mail = ways.into_iter().fold(request.to_json(), |text, way| way.applied(&text));
    assert_eq!(read(&mail).map(|read| *read.hash()), Ok(*request.hash()));
}

// ENR-5.
#[test]
fn a_document_pasted_twice_is_refused_as_such() {
    let request = request_of(&*alice(), "Anna");
    let (json, answer) = (request.to_json(), answer_to(&request).0.to_json());
    assert_eq!(read(format!("{json}{json}")).err(), Some(DocumentError::TwoDocuments));
    assert_eq!(open(&request, format!("{answer}\n\nagain:\n{answer}")), Err(DocumentError::TwoDocuments));
    assert_eq!(read(format!("{json}{}", Way::Quoted.applied(&json))).err(), Some(DocumentError::TwoDocuments));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_request_survives_a_long_way(steps in prop::collection::vec(0..WAYS.len(), 0..7)) {
        let request = request_of(&*mallory(), "Anna Müller of Zürich & Co.");
        // Joining lines whose strings were broken and then quoted leaves quote marks within strings: beyond repair.
        let joins_late = steps.iter().skip(2).any(|&step| matches!(WAYS[step], Way::OneLine));
        prop_assume!(!joins_late);
        // So does a break in the middle of a word of the signed name, which only lines made longer before can have.
        let breaks_late = steps.iter().skip(1).any(|&step| matches!(WAYS[step], Way::HardBreaks(_)));
        prop_assume!(!breaks_late);
        let mail = steps.iter().fold(request.to_json(), |text, &step| WAYS[step].applied(&text));
        prop_assume!(mail.len() <= 64 * 1024);
        prop_assert_eq!(read(&mail).map(|read| *read.hash()), Ok(*request.hash()));
    }
}
