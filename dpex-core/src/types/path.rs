//! Names as they travel: relative, `/`-separated, and harmless to look at (PROTOCOL.md, section 10).

use std::fmt;

/// Longest path, in bytes (NAM-1).
pub const MAX_PATH: usize = 1024;
/// Longest part of a path, in bytes.
pub const MAX_COMPONENT: usize = 255;
/// Most parts of a path.
pub const MAX_DEPTH: usize = 64;

/// A path inside a shelf, or the shelf itself ([`SharePath::ROOT`]).
///
/// Invariants, established by [`SharePath::parse`]:
/// * relative; parts separated by exactly one `/`; at most [`MAX_DEPTH`] parts, [`MAX_PATH`] bytes in all;
/// * each part 1 to [`MAX_COMPONENT`] bytes of UTF-8, neither `.` nor `..`;
/// * no `\`, no control character (C0, DEL, C1, and the line separators U+2028/9), no bidirectional override.
///
/// Ordered part by part, bytewise: a folder comes just before what is in it.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct SharePath(String);

/// Why a text is not a [`SharePath`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Longer than [`MAX_PATH`] bytes.
    #[error("the name is longer than {MAX_PATH} bytes")]
    TooLong,
    /// More than [`MAX_DEPTH`] parts.
    #[error("the name has more than {MAX_DEPTH} parts")]
    TooDeep,
    /// A part is empty: a leading, trailing or double `/`.
    #[error("a part of the name is empty")]
    EmptyPart,
    /// A part is longer than [`MAX_COMPONENT`] bytes.
    #[error("a part of the name is longer than {MAX_COMPONENT} bytes")]
    LongPart,
    /// A part is `.` or `..`.
    #[error("`.` and `..` are not names")]
    DotPart,
    /// A character that must not travel in a name.
    #[error("the name holds a character that is not allowed")]
    BadCharacter,
    /// Not UTF-8.
    #[error("the name is not UTF-8")]
    NotUtf8,
}

impl SharePath {
    /// The shelf itself.
    pub const ROOT: Self = Self(String::new());

    /// Parses a path; the empty text is [`Self::ROOT`].
    ///
    /// # Errors
    /// The first rule broken.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        if text.is_empty() {
            return Ok(Self::ROOT);
        }
        if text.len() > MAX_PATH {
            return Err(PathError::TooLong);
        }
        let mut depth = 0;
        for part in text.split('/') {
            depth += 1;
            check_part(part)?;
        }
        if depth > MAX_DEPTH {
            return Err(PathError::TooDeep);
        }
        Ok(Self(text.to_owned()))
    }

    /// Parses bytes that should be UTF-8.
    ///
    /// # Errors
    /// The first rule broken.
    pub fn from_utf8(bytes: &[u8]) -> Result<Self, PathError> {
        Self::parse(std::str::from_utf8(bytes).map_err(|_| PathError::NotUtf8)?)
    }

    /// This path with one more part.
    ///
    /// # Errors
    /// The first rule that `part`, or the longer path, breaks.
    pub fn join(&self, part: &str) -> Result<Self, PathError> {
        check_part(part)?;
        if self.is_root() {
            return Self::parse(part);
        }
        Self::parse(&format!("{}/{part}", self.0))
    }

    /// Is this the shelf itself?
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The text, without a leading or trailing `/`; empty for the root.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The parts, outermost first; none for the root.
    pub fn parts(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/').filter(|p| !p.is_empty())
    }

    /// The last part; `None` for the root.
    #[must_use]
    pub fn file_name(&self) -> Option<&str> {
        self.parts().next_back()
    }

    /// The folder that holds it; `None` for the root.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        if self.is_root() {
            return None;
        }
        Some(self.0.rsplit_once('/').map_or(Self::ROOT, |(front, _)| Self(front.to_owned())))
    }

    /// Is `self` the same as `folder`, or inside it?
    #[must_use]
    pub fn starts_with(&self, folder: &Self) -> bool {
        folder.is_root()
            || self.0.strip_prefix(folder.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

fn check_part(part: &str) -> Result<(), PathError> {
    match part {
        "" => return Err(PathError::EmptyPart),
        "." | ".." => return Err(PathError::DotPart),
        _ if part.len() > MAX_COMPONENT => return Err(PathError::LongPart),
        _ => {}
    }
    if part.chars().any(forbidden) { Err(PathError::BadCharacter) } else { Ok(()) }
}

// NAM-2.
fn forbidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\\' | '/' | '\u{2028}' | '\u{2029}')
        || matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

impl Ord for SharePath {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        // As `self.parts().cmp(other.parts())`, which looks at deep paths for long: a part that ends is less than one that
        // goes on, and no name holds a NUL.
        const CHUNK: usize = 32;
        let (one, two) = (self.0.as_bytes(), other.0.as_bytes());
        let chunks = one.chunks_exact(CHUNK).zip(two.chunks_exact(CHUNK));
        let equal = CHUNK * chunks.take_while(|(one, two)| one == two).count();
        let rest = one[equal..].iter().zip(&two[equal..]);
        let equal = equal + rest.take_while(|(one, two)| one == two).count();
        let next = |bytes: &[u8]| bytes.get(equal).map(|&byte| if byte == b'/' { 0 } else { byte });
        next(one).cmp(&next(two))
    }
}

impl PartialOrd for SharePath {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for SharePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SharePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SharePath({:?})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> SharePath {
        SharePath::parse(text).expect("a valid path")
    }

    // NAM-1, NAM-2.
    #[test]
    fn every_rule_refuses_its_own_kind_of_name() {
        for (text, why) in [
            ("/etc/passwd", PathError::EmptyPart),
            ("a//b", PathError::EmptyPart),
            ("a/", PathError::EmptyPart),
            ("../../serverKey/id_rsa", PathError::DotPart),
            ("a/./b", PathError::DotPart),
            ("a\0b", PathError::BadCharacter),
            ("a\\b", PathError::BadCharacter),
            ("a\u{1b}[2J", PathError::BadCharacter),
            ("a\u{85}", PathError::BadCharacter),
            ("gpj.\u{202e}exe", PathError::BadCharacter),
        ] {
            assert_eq!(SharePath::parse(text), Err(why), "{text:?}");
        }
        assert_eq!(SharePath::from_utf8(b"\xff"), Err(PathError::NotUtf8));
    }

    // NAM-1.
    #[test]
    fn limits_hold_from_both_sides() {
        assert!(SharePath::parse(&"x".repeat(MAX_COMPONENT)).is_ok());
        assert_eq!(SharePath::parse(&"x".repeat(MAX_COMPONENT + 1)), Err(PathError::LongPart));
        let deep = vec!["d"; MAX_DEPTH].join("/");
        assert!(SharePath::parse(&deep).is_ok());
        assert_eq!(SharePath::parse(&format!("{deep}/d")), Err(PathError::TooDeep));
        let long = vec!["x".repeat(204); 5].join("/");
        assert_eq!(long.len(), MAX_PATH);
        assert!(SharePath::parse(&long).is_ok());
        assert_eq!(SharePath::parse(&format!("{long}x")), Err(PathError::TooLong));
    }

    #[test]
    fn a_folder_sorts_just_before_its_content() {
        let mut paths = [path("a.txt"), path("a/b"), path("a"), path("b"), path("a/b/c")];
        paths.sort();
        let order: Vec<_> = paths.iter().map(SharePath::as_str).collect();
        assert_eq!(order, ["a", "a/b", "a/b/c", "a.txt", "b"]);
    }

    proptest::proptest! {
        #[test]
        fn the_order_is_that_of_the_parts(
            stem in proptest::collection::vec("[a!]{1,9}", 0..9),
            ends in proptest::array::uniform2(proptest::collection::vec("[a!\u{e9}]{1,2}", 0..3)),
        ) {
            let [one, two] = ends.map(|end| {
                let text = [&stem[..], &end[..]].concat().join("/");
                if text.is_empty() { SharePath::ROOT } else { path(&text) }
            });
            proptest::prop_assert_eq!(one.cmp(&two), one.parts().cmp(two.parts()));
        }
    }

    #[test]
    fn starts_with_respects_part_boundaries() {
        assert!(path("a/b").starts_with(&path("a")));
        assert!(path("a").starts_with(&path("a")));
        assert!(!path("ab").starts_with(&path("a")));
        assert!(path("ab").starts_with(&SharePath::ROOT));
    }

    #[test]
    fn joining_and_parent_are_inverse() {
        let p = path("a/b").join("c").expect("valid");
        assert_eq!(p.as_str(), "a/b/c");
        assert_eq!(p.parent(), Some(path("a/b")));
        assert_eq!(path("a").parent(), Some(SharePath::ROOT));
        assert_eq!(SharePath::ROOT.parent(), None);
        assert_eq!(SharePath::ROOT.join("a/b"), Err(PathError::BadCharacter));
    }
}
