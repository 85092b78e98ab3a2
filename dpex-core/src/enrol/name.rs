//! What people are called: the name that is shown, and the folder name made of it.

use std::fmt;
use std::str::FromStr;

/// A name as people write it: 1-64 characters, single spaces only between words, nothing that a terminal, a mail program
/// or JSON would change (no control or formatting characters, no `"` and no `\`) (ENR-11).
///
/// The text is signed, so what a mail may do to white space must not have a second meaning here.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DisplayName(String);

/// Why a text is no display name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Empty, or more than [`DisplayName::MAX`] characters.
    #[error("a name has 1 to 64 characters")]
    Length,
    /// White space other than single spaces between words.
    #[error("a name has single spaces between its words and none around them")]
    Space,
    /// A character that cannot be shown or written safely.
    #[error("a name holds no control characters, quotation marks (\") or backslashes")]
    Character,
}

impl DisplayName {
    /// The most characters a name may have.
    pub const MAX: usize = 64;

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DisplayName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.is_empty() || text.chars().count() > Self::MAX {
            return Err(NameError::Length);
        }
        if text.starts_with(' ') || text.ends_with(' ') || text.contains("  ") {
            return Err(NameError::Space);
        }
        for c in text.chars() {
            match c {
                ' ' => {}
                '"' | '\\' => return Err(NameError::Character),
                c if c.is_control() || is_formatting(c) => return Err(NameError::Character),
                c if c.is_whitespace() => return Err(NameError::Space),
                _ => {}
            }
        }
        Ok(Self(text.to_owned()))
    }
}

/// Characters that are invisible, reorder the text around them, or have no meaning of their own.
fn is_formatting(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffd}' | '\u{e0000}'..='\u{e0fff}' | '\u{e000}'..='\u{f8ff}'
        | '\u{f0000}'..='\u{10ffff}')
}

impl fmt::Display for DisplayName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a person's folder: 1-64 of `[a-z0-9._-]`, starting with a letter, a digit or `_`, not ending with a dot,
/// and not a device name of Windows.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slug(String);

/// Why a text is no folder name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SlugError {
    /// Empty, or more than [`Slug::MAX`] characters.
    #[error("a folder name has 1 to 64 characters")]
    Length,
    /// A character other than `[a-z0-9._-]`.
    #[error("a folder name consists of a-z, 0-9, dot, underscore and hyphen")]
    Character,
    /// Starts with `.` or `-`, or ends with `.`.
    #[error("a folder name does not start with a dot or hyphen, nor end with a dot")]
    Edge,
    /// A device name of Windows, such as `con` or `nul.txt`.
    #[error("the name belongs to a device on windows")]
    Device,
}

impl Slug {
    /// The most characters a folder name may have.
    pub const MAX: usize = 64;

    /// Checks a text that is meant to be a folder name already.
    ///
    /// # Errors
    /// [`SlugError`].
    pub fn parse(text: &str) -> Result<Self, SlugError> {
        if text.is_empty() || text.len() > Self::MAX {
            return Err(SlugError::Length);
        }
        if !text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-')) {
            return Err(SlugError::Character);
        }
        if text.starts_with(['.', '-']) || text.ends_with('.') {
            return Err(SlugError::Edge);
        }
        let stem = text.split('.').next().unwrap_or_default();
        let numbered = |port| stem.strip_prefix(port).is_some_and(|n| matches!(n.as_bytes(), [b'0'..=b'9']));
        if matches!(stem, "con" | "prn" | "aux" | "nul") || numbered("com") || numbered("lpt") {
            return Err(SlugError::Device);
        }
        Ok(Self(text.to_owned()))
    }

    /// The best folder name for a person's name: `Anna Müller` becomes `anna-mueller`. A name of which nothing is left
    /// becomes `person`; whether the result is still free is the caller's business.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        let mut text = String::new();
        for c in name.chars().flat_map(char::to_lowercase) {
            let mut ascii = [0; 4];
            let piece = match c {
                'a'..='z' | '0'..='9' | '.' | '_' => &*c.encode_utf8(&mut ascii),
                c => romanised(c),
            };
            if piece == "-" && (text.is_empty() || text.ends_with('-')) {
                continue;
            }
            text.push_str(piece);
        }
        text.truncate(Self::MAX);
        let text = text.trim_start_matches(['.', '-']).trim_end_matches(['.', '-']);
        let fallback = || Self("person".to_owned());
        match Self::parse(text) {
            Ok(slug) => slug,
            Err(SlugError::Device) => Self::parse(&format!("person-{text}")).unwrap_or_else(|_| fallback()),
            Err(_) => fallback(),
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Common letters beyond ASCII (already lower-case) in ASCII; anything else separates words.
fn romanised(c: char) -> &'static str {
    match c {
        'ä' | 'æ' => "ae",
        'ö' | 'ø' | 'œ' => "oe",
        'ü' => "ue",
        'ß' => "ss",
        'þ' => "th",
        'à' | 'á' | 'â' | 'ã' | 'å' | 'ā' | 'ă' | 'ą' => "a",
        'ç' | 'ć' | 'č' => "c",
        'ď' | 'đ' | 'ð' => "d",
        'è' | 'é' | 'ê' | 'ë' | 'ē' | 'ė' | 'ę' | 'ě' => "e",
        'ğ' | 'ģ' => "g",
        'ì' | 'í' | 'î' | 'ï' | 'ī' | 'į' | 'ı' => "i",
        'ķ' => "k",
        'ĺ' | 'ļ' | 'ľ' | 'ł' => "l",
        'ñ' | 'ń' | 'ņ' | 'ň' => "n",
        'ò' | 'ó' | 'ô' | 'õ' | 'ō' | 'ő' => "o",
        'ŕ' | 'ř' => "r",
        'ś' | 'ş' | 'š' | 'ș' => "s",
        'ţ' | 'ť' | 'ț' => "t",
        'ù' | 'ú' | 'û' | 'ū' | 'ů' | 'ű' | 'ų' => "u",
        'ý' | 'ÿ' => "y",
        'ź' | 'ż' | 'ž' => "z",
        '\'' | '’' | '\u{300}'..='\u{36f}' => "",
        _ => "-",
    }
}

impl FromStr for Slug {
    type Err = SlugError;

    fn from_str(text: &str) -> Result<Self, SlugError> {
        Self::parse(text)
    }
}

impl fmt::Display for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    // ENR-11.
    #[test]
    fn a_display_name_is_what_a_mail_cannot_change_unnoticed() {
        for good in ["Anna", "Bob's files", "Zoë & Co. <zoe@example.org>", "安娜", "Ångström", &"x".repeat(64)] {
            assert_eq!(good.parse::<DisplayName>().expect(good).as_str(), good);
        }
        for (bad, reason) in [
            ("", NameError::Length),
            (&*"x".repeat(65), NameError::Length),
            (" Anna", NameError::Space),
            ("Anna ", NameError::Space),
            ("Anna  M", NameError::Space),
            ("Anna\u{a0}M", NameError::Space),
            ("Anna\nM", NameError::Character),
            ("\u{1b}[31mAnna", NameError::Character),
            ("Anna\u{202e}txt", NameError::Character),
            ("Anna\u{200b}", NameError::Character),
            ("\"Anna\"", NameError::Character),
            ("a\\b", NameError::Character),
        ] {
            assert_eq!(bad.parse::<DisplayName>(), Err(reason), "{bad:?}");
        }
    }

    #[test]
    fn a_folder_name_can_neither_hide_nor_leave_nor_be_a_device() {
        for good in ["anna", "a", "_x", "anna.mueller-2", "console", "com10", &"x".repeat(64)] {
            assert_eq!(Slug::parse(good).expect(good).as_str(), good);
        }
        for (bad, reason) in [
            ("", SlugError::Length),
            (&*"x".repeat(65), SlugError::Length),
            ("..", SlugError::Edge),
            (".ssh", SlugError::Edge),
            ("-rf", SlugError::Edge),
            ("anna.", SlugError::Edge),
            ("a/b", SlugError::Character),
            ("a\\b", SlugError::Character),
            ("Anna", SlugError::Character),
            ("a b", SlugError::Character),
            ("müller", SlugError::Character),
            ("con", SlugError::Device),
            ("nul.txt", SlugError::Device),
            ("com1", SlugError::Device),
        ] {
            assert_eq!(Slug::parse(bad), Err(reason), "{bad:?}");
        }
    }

    #[test]
    fn a_folder_name_is_recognisably_the_persons() {
        for (name, slug) in [
            ("Anna", "anna"),
            ("Anna Müller", "anna-mueller"),
            ("  O'Brien,  Zoë ", "obrien-zoe"),
            ("ÇELİK Łukasz", "celik-lukasz"),
            ("anna@example.org", "anna-example.org"),
            ("../../etc/passwd", "etc-passwd"),
            ("Con", "person-con"),
            ("安娜", "person"),
            ("", "person"),
        ] {
            assert_eq!(Slug::from_name(name).as_str(), slug, "{name:?}");
        }
    }

    proptest! {
        #[test]
        fn every_name_has_a_valid_folder_name(name in "\\PC{0,80}|[a-z.-]{0,80}|\\.{0,70}(con|lpt3)\\.?") {
            let slug = Slug::from_name(&name);
            prop_assert_eq!(Slug::parse(slug.as_str()), Ok(slug.clone()));
        }
    }
}
