//! The page that explains this crate shows its real code: every excerpt that names a file occurs in that file.

use std::fs;
use std::path::Path;

/// A piece of code on the page, and the file it is said to be from.
struct Excerpt {
    file: Option<String>,
    /// Without indentation, which depends on where it is shown.
    lines: Vec<String>,
}

/// The fenced pieces. The text before one ends with "From `FILE`:" if it is an excerpt.
fn excerpts(page: &str) -> Vec<Excerpt> {
    let (mut found, mut before, mut open) = (Vec::new(), String::new(), None::<Excerpt>);
    for line in page.lines().map(str::trim) {
        match (open.take(), line.strip_prefix("```")) {
            (None, Some(_)) => open = Some(Excerpt { file: named(&before), lines: Vec::new() }),
            (Some(excerpt), Some(_)) => {
                found.push(excerpt);
                before.clear();
            }
            (Some(mut excerpt), None) => {
                excerpt.lines.push(line.to_owned());
                open = Some(excerpt);
            }
            (None, None) if !line.is_empty() => before = format!("{before} {line}"),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a fence is not closed");
    found
}

fn named(before: &str) -> Option<String> {
    let (_, name) = before.strip_suffix("`:")?.rsplit_once(" From `")?;
    Some(name.to_owned()).filter(|name| !name.contains('`'))
}

/// Does the file have these lines, one after the other?
fn occurs(file: &str, lines: &[String]) -> bool {
    let file: Vec<_> = file.lines().map(str::trim).collect();
    file.windows(lines.len()).any(|window| window == lines)
}

#[test]
fn every_excerpt_of_the_page_is_in_the_file_it_names() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = fs::read_to_string(root.join("docs/write-your-own-backend.md")).expect("the page is there");
    let mut checked = 0;
    for Excerpt { file, lines } in excerpts(&page) {
        let Some(name) = file else { continue };
        let file = fs::read_to_string(root.join(&name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(occurs(&file, &lines), "{name} does not have:\n{}", lines.join("\n"));
        checked += 1;
    }
    assert_eq!(checked, page.matches("From\n`").count() + page.matches("From `").count(), "some were not recognised");
    assert!(checked >= 8, "only {checked} excerpts were found: the reader is blind");
}

#[test]
fn the_page_names_only_what_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let page = fs::read_to_string(root.join("write-your-own-backend.md")).expect("the page is there");
    let links: Vec<_> =
        page.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link).collect();
    assert!(links.len() > 10, "only {} links were found: the reader is blind", links.len());
    for link in links {
        assert!(root.join(link).exists(), "{link}");
    }
}

#[test]
fn an_excerpt_is_compared_line_by_line() {
    let page =
        "Text. From\n`a/b.rs`:\n\n```rust\n    one\n    two\n```\nNot from `Cargo.toml`, but in\n`x`:\n```toml\nx\n```";
    let found = excerpts(page);
    assert_eq!(found.iter().map(|excerpt| excerpt.file.as_deref()).collect::<Vec<_>>(), [Some("a/b.rs"), None]);
    assert!(occurs("zero\n  one\n  two\nthree", &found[0].lines));
    assert!(!occurs("zero\n  one\n\n  two\nthree", &found[0].lines));
    assert!(!occurs("zero\n  one\n  twofold", &found[0].lines));
}
