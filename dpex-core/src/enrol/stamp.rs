//! Moments in documents: RFC 3339, UTC, whole seconds, in exactly one spelling because the text itself is signed.

use std::time::Duration;

use crate::types::Timestamp;

/// A year and a day: how far a document's date may lie from the reader's clock.
pub(super) const YEAR: Duration = Duration::from_secs(366 * 86_400);

/// `2026-11-22T13:41:48Z`; `None` for a moment that has no four-digit year.
pub(super) fn format(moment: Timestamp) -> Option<String> {
    let text = jiff::Timestamp::from_second(moment.secs()).ok()?.to_string();
    (text.len() == "2026-11-22T13:41:48Z".len()).then_some(text)
}

/// The moment without its fraction of a second; `None` if it has no spelling.
pub(super) fn whole(moment: Timestamp) -> Option<Timestamp> {
    parse(&format(moment)?)
}

/// Reads what [`format`] writes, and no other spelling of it (ENR-10).
pub(super) fn parse(text: &str) -> Option<Timestamp> {
    let moment = Timestamp::new(text.parse::<jiff::Timestamp>().ok()?.as_second(), 0)?;
    (format(moment)? == text).then_some(moment)
}

#[cfg(test)]
mod tests {
    use super::*;

    // ENR-10.
    #[test]
    fn a_moment_has_one_spelling() {
        let moment = Timestamp::new(1_795_354_908, 0).expect("valid");
        assert_eq!(format(moment).as_deref(), Some("2026-11-22T13:41:48Z"));
        assert_eq!(parse("2026-11-22T13:41:48Z"), Some(moment));
        for other in [
            "2026-11-22t13:41:48Z",
            "2026-11-22 13:41:48Z",
            "2026-11-22T13:41:48z",
            "2026-11-22T13:41:48+00:00",
            "2026-11-22T13:41:48.0Z",
            "2026-11-22T14:41:48+01:00",
            "2026-02-30T00:00:00Z",
            "2026-11-22T13:41:60Z",
            "2026-11-22",
            "",
        ] {
            assert_eq!(parse(other), None, "{other}");
        }
    }

    #[test]
    fn a_moment_without_a_four_digit_year_has_no_spelling() {
        assert_eq!(format(Timestamp::new(i64::MAX, 0).expect("valid")), None);
        assert_eq!(format(Timestamp::new(-99_999_999_999, 0).expect("valid")), None);
    }
}
