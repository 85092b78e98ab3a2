//! Makes text from the other side safe to look at: it cannot move the cursor, hide, or reorder what is on the screen.

use std::borrow::Cow;

/// Writes control characters, line separators, bidirectional controls and invisible characters
/// as `\u{...}`, so that the result is one harmless line (NAM-11).
pub(crate) fn escape(text: &str) -> Cow<'_, str> {
    if !text.chars().any(dangerous) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if dangerous(c) {
            safe.extend(c.escape_unicode());
        } else {
            safe.push(c);
        }
    }
    Cow::Owned(safe)
}

fn dangerous(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00ad}' | '\u{061c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_steers_a_terminal_or_reorders_text_gets_through() {
        for (text, shown) in [
            ("a\u{1b}[2Jb", "a\\u{1b}[2Jb"),
            ("gpj.\u{202e}exe", "gpj.\\u{202e}exe"),
            ("two\nlines", "two\\u{a}lines"),
            ("c1\u{9b}31m", "c1\\u{9b}31m"),
            ("zero\u{200b}width", "zero\\u{200b}width"),
        ] {
            assert_eq!(escape(text), shown, "{text:?}");
        }
    }

    #[test]
    fn ordinary_text_of_any_language_is_left_alone() {
        for text in ["report.pdf", "Grüße aus Köln", "報告.pdf", "отчёт", "C:\\x"] {
            assert!(matches!(escape(text), Cow::Borrowed(same) if same == text), "{text}");
        }
    }
}
