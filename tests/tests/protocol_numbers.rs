//! PROTOCOL.md numbers its rules, code cites them, tests prove them: here that none is left out and none is invented.
//!
//! A rule's number is in brackets at the end of its sentence; everywhere else, in the document and in comments, it is
//! cited without brackets. What stands below a file's `mod tests`, in a file or folder called `tests`, or in the test
//! doubles and conformance cases counts as test; the rest of the sources counts as code.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The series of section 1, and nothing else that looks alike.
const SERIES: [&str; 17] = [
    "BAD", "COO", "CRD", "CTL", "ENR", "FRM", "HS", "KEY", "LIM", "LOS", "MSG", "NAM", "PTH", "REC", "SES", "SUM",
    "XFR",
];

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn protocol() -> String {
    fs::read_to_string(workspace().join("PROTOCOL.md")).expect("PROTOCOL.md lies at the root")
}

/// The rules from section 2 on; section 1 explains the words themselves.
fn rules() -> String {
    protocol().split_once("\n## 2 ").expect("section 2").1.to_owned()
}

/// Every number in a text, such as `REC-3`, with the byte before it.
fn numbers(text: &str) -> Vec<(Option<u8>, String)> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices('-') {
        let (before, after) = (&text[..at], &text[at + 1..]);
        let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
        let next = after[digits.len()..].chars().next();
        let series = SERIES.into_iter().find(|series| before.ends_with(series));
        let Some(series) = series.filter(|_| !digits.is_empty() && !next.is_some_and(char::is_alphanumeric)) else {
            continue;
        };
        let previous = before[..before.len() - series.len()].bytes().next_back();
        if !previous.is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
            found.push((previous, format!("{series}-{digits}")));
        }
    }
    found
}

fn defined() -> BTreeSet<String> {
    numbers(&rules()).into_iter().filter(|(before, _)| *before == Some(b'[')).map(|(_, number)| number).collect()
}

/// All Rust sources of the crates, each as its code and its tests.
fn sources() -> Vec<(PathBuf, String, String)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(workspace()).expect("readable") {
        let path = entry.expect("readable").path();
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        if name.starts_with("dpex-") || name == "tests" {
            collect(&path, &mut files);
        }
    }
    files
}

fn collect(path: &Path, files: &mut Vec<(PathBuf, String, String)>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).expect("readable") {
            collect(&entry.expect("readable").path(), files);
        }
    } else if path.extension().is_some_and(|e| e == "rs") && !is_this(path) {
        let text = fs::read_to_string(path).expect("sources are utf-8");
        let tests = ["tests", "testing", "conformance"];
        let inside = path.strip_prefix(workspace()).expect("below the root");
        let is_test = inside.with_extension("").components().any(|c| tests.iter().any(|t| c.as_os_str() == *t));
        let (code, test) = match text.split_once("\nmod tests {") {
            _ if is_test => (String::new(), text),
            Some((code, test)) => (code.to_owned(), test.to_owned()),
            None => (text, String::new()),
        };
        files.push((path.to_owned(), code, test));
    }
}

fn is_this(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == "protocol_numbers.rs")
}

fn cited(text: &str) -> BTreeSet<String> {
    numbers(text).into_iter().map(|(_, number)| number).collect()
}

#[test]
fn every_rule_has_its_own_number_and_every_number_its_rule() {
    for block in rules().split("\n\n").flat_map(|block| block.split("\n* ")) {
        let mut rest = block;
        while let Some((_, after)) = rest.split_once("MUST") {
            let rule = after.split("MUST").next().unwrap_or_default();
            let found = numbers(rule).into_iter().filter(|(before, _)| *before == Some(b'[')).count();
            assert_eq!(found, 1, "MUST{rule}");
            rest = after;
        }
    }
    let count = rules().matches("MUST").count();
    assert_eq!(defined().len(), count, "a number is there twice");
}

#[test]
fn numbers_count_up_from_one_in_every_series() {
    let mut series: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
    for number in defined() {
        let (name, n) = number.split_once('-').expect("a hyphen");
        series.entry(name.to_owned()).or_default().insert(n.parse().expect("digits"));
    }
    assert_eq!(series.keys().map(String::as_str).collect::<Vec<_>>(), SERIES);
    for (name, found) in series {
        assert_eq!(found, (1..=found.len()).collect(), "{name}");
    }
}

#[test]
fn the_document_refers_to_its_own_rules_only() {
    let unknown: Vec<_> = cited(&protocol()).difference(&defined()).cloned().collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn code_and_tests_cite_rules_that_exist() {
    let defined = defined();
    for (path, code, test) in sources() {
        let unknown: Vec<_> = cited(&(code + &test)).difference(&defined).cloned().collect();
        assert!(unknown.is_empty(), "{}: {unknown:?}", path.display());
    }
}

#[test]
fn every_rule_is_cited_where_it_is_kept_and_where_it_is_proved() {
    let (mut in_code, mut in_tests) = (BTreeSet::new(), BTreeSet::new());
    for (_, code, test) in sources() {
        in_code.append(&mut cited(&code));
        in_tests.append(&mut cited(&test));
    }
    let missing: BTreeSet<_> =
        defined().into_iter().filter(|rule| !in_code.contains(rule) || !in_tests.contains(rule)).collect();
    let left_out: Vec<_> = missing
        .iter()
        .map(|rule| {
            let places = [(in_code.contains(rule), "code"), (in_tests.contains(rule), "test")];
            let lacks: Vec<_> = places.into_iter().filter(|(there, _)| !there).map(|(_, place)| place).collect();
            format!("{rule} ({})", lacks.join(", "))
        })
        .collect();
    assert!(left_out.is_empty(), "not cited: {}", left_out.join(" "));
}

#[test]
fn numbers_are_told_from_what_only_looks_like_them() {
    let found = |text: &str| numbers(text).into_iter().map(|(_, number)| number).collect::<Vec<_>>();
    assert_eq!(found("(CRD-1, SUM-22) and [HS-3]."), ["CRD-1", "SUM-22", "HS-3"]);
    assert_eq!(found("XHS-1 HS-x HS- hs-1 HS-1a AHS-2 a-HS-2"), [""; 0]);
}
