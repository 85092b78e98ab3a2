//! Names of people and servers as this machine files them.

use std::fmt;
use std::str::FromStr;

/// Longest name, in bytes.
const MAX_LEN: usize = 64;

/// A name that is safe as a file name everywhere: 1 to 64 of `a-z 0-9 . _ -`, not beginning with `.` or `-`.
///
/// Nothing that came from the other side is ever used as a path unless it is one of these.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Slug(String);

impl Slug {
    /// The nearest name to a free text such as `Bob's files`; `None` if nothing of it remains.
    pub(crate) fn near(text: &str) -> Option<Self> {
        let mut name = String::new();
        for c in text.chars().flat_map(char::to_lowercase) {
            match c {
                'a'..='z' | '0'..='9' | '.' | '_' => name.push(c),
                '\'' | '\u{2019}' => {}
                _ if name.ends_with('-') => {}
                _ => name.push('-'),
            }
        }
        let trimmed = name.trim_start_matches(['.', '-']);
        let short: String = trimmed.chars().take(MAX_LEN).collect();
        short.trim_end_matches(['.', '-']).parse().ok()
    }

    /// The name.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Slug {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-');
        match text {
            "" => Err("a name cannot be empty"),
            _ if text.len() > MAX_LEN => Err("a name has at most 64 letters"),
            _ if text.starts_with(['.', '-']) => Err("a name does not begin with `.` or `-`"),
            _ if !text.bytes().all(allowed) => Err("a name is made of a-z, 0-9, `.`, `_` and `-`"),
            _ => Ok(Self(text.to_owned())),
        }
    }
}

impl fmt::Display for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_free_text_becomes_the_nearest_safe_name() {
        for (text, name) in [
            ("Anna", Some("anna")),
            ("Bob's files", Some("bobs-files")),
            ("../../etc/passwd", Some("etc-passwd")),
            ("Jürgen Groß", Some("j-rgen-gro")),
            ("files.example.org", Some("files.example.org")),
            ("報告", None),
            ("...", None),
            ("", None),
        ] {
            assert_eq!(Slug::near(text).as_ref().map(Slug::as_str), name, "{text}");
        }
        assert_eq!(Slug::near(&"x".repeat(200)).expect("not empty").as_str().len(), MAX_LEN);
    }

    #[test]
    fn a_typed_name_is_taken_as_it_is_or_refused() {
        assert!("a.b_c-1".parse::<Slug>().is_ok());
        for bad in ["", ".hidden", "-x", "A", "a b", "a/b", "..", "ä"] {
            assert!(bad.parse::<Slug>().is_err(), "{bad}");
        }
        assert!("x".repeat(MAX_LEN).parse::<Slug>().is_ok());
        assert!("x".repeat(MAX_LEN + 1).parse::<Slug>().is_err());
    }
}
