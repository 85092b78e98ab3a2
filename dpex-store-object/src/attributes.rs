//! What is known of an object: its size and version by itself; its modification time and executable bit in metadata of
//! the user's, where the service keeps such.

use dpex_core::store::Meta;
use dpex_core::types::{Secret, Timestamp, Version};
use object_store::{Attribute, Attributes, ObjectMeta};

/// Seconds since 1970 with decimals, as rclone writes and reads it too.
const MTIME: &str = "mtime";
const EXEC: &str = "dpexexec";

/// What to store with a file.
pub(crate) fn attributes(meta: &Meta) -> Attributes {
    let mut attributes = Attributes::new();
    attributes.insert(Attribute::Metadata(MTIME.into()), decimal(meta.mtime).into());
    if meta.exec {
        attributes.insert(Attribute::Metadata(EXEC.into()), "1".into());
    }
    attributes
}

/// What was stored with a file; without it, the time is when the object came into the bucket.
pub(crate) fn meta(object: &ObjectMeta, attributes: &Attributes, secret: &Secret<32>) -> Meta {
    let named = |name: &'static str| attributes.get(&Attribute::Metadata(name.into()));
    Meta {
        size: object.size,
        mtime: named(MTIME).and_then(|text| parse_decimal(text)).unwrap_or_else(|| stored(object)),
        exec: named(EXEC).is_some_and(|text| &**text == "1"),
        version: version(object, secret),
    }
}

/// In whole seconds, which is all that an opening says: a listing may say milliseconds, and both must agree.
fn stored(object: &ObjectMeta) -> Timestamp {
    Timestamp::new(object.last_modified.timestamp(), 0).unwrap_or_default()
}

/// Keyed, so that it tells a peer nothing; of what listings tell as well as openings, so that both agree. Listings do
/// not know a bucket's own version numbers, and say the time in milliseconds where an opening says it in seconds.
fn version(object: &ObjectMeta, secret: &Secret<32>) -> Version {
    let mut hasher = blake3::Hasher::new_keyed(secret.expose());
    let e_tag = object.e_tag.as_deref().map(bare);
    for text in [object.location.as_ref(), e_tag.unwrap_or_default()] {
        hasher.update(&(text.len() as u64).to_be_bytes()).update(text.as_bytes());
    }
    hasher.update(&object.size.to_be_bytes()).update(&object.last_modified.timestamp().to_be_bytes());
    let mut version = [0; Version::LEN];
    hasher.finalize_xof().fill(&mut version);
    Version(version)
}

/// Azure quotes its tags when a blob is opened and not when it is listed.
pub(crate) fn bare(e_tag: &str) -> &str {
    e_tag.trim_start_matches("W/").trim_matches('"')
}

fn decimal(time: Timestamp) -> String {
    let (secs, nanos) = (time.secs(), time.nanos());
    if secs < 0 && nanos > 0 {
        let secs = secs + 1;
        let sign = if secs == 0 { "-" } else { "" };
        return format!("{sign}{secs}.{:09}", 1_000_000_000 - nanos);
    }
    format!("{secs}.{nanos:09}")
}

fn parse_decimal(text: &str) -> Option<Timestamp> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if fraction.is_empty() || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let secs: i64 = whole.parse().ok()?;
    let nanos: u32 = format!("{fraction:0<9}").get(..9)?.parse().ok()?;
    if whole.starts_with('-') && nanos > 0 {
        return Timestamp::new(secs.checked_sub(1)?, 1_000_000_000 - nanos);
    }
    Timestamp::new(secs, nanos)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn time(secs: i64, nanos: u32) -> Timestamp {
        Timestamp::new(secs, nanos).expect("a valid time")
    }

    #[test]
    fn a_time_is_written_as_decimal_seconds_and_read_again() {
        for (secs, nanos, text) in [
            (1_700_000_000, 123_456_789, "1700000000.123456789"),
            (0, 0, "0.000000000"),
            (-5, 0, "-5.000000000"),
            (-5, 1, "-4.999999999"),
            (-1, 250_000_000, "-0.750000000"),
        ] {
            assert_eq!(decimal(time(secs, nanos)), text);
            assert_eq!(parse_decimal(text), Some(time(secs, nanos)), "{text}");
        }
    }

    #[test]
    fn a_listing_that_knows_milliseconds_agrees_with_an_opening_that_does_not() {
        let object = |millis| ObjectMeta {
            location: "a".into(),
            last_modified: (UNIX_EPOCH + Duration::from_millis(millis)).into(),
            size: 1,
            e_tag: Some("1".into()),
            version: None,
        };
        let meta = |millis| meta(&object(millis), &Attributes::new(), &Secret::new([1; 32]));
        assert_eq!(meta(1_700_000_000_678), meta(1_700_000_000_000));
        assert_eq!(meta(1_700_000_000_678).mtime, time(1_700_000_000, 0));
        assert_ne!(meta(1_700_000_001_000).version, meta(1_700_000_000_000).version);
    }

    #[test]
    fn what_others_write_is_read_and_what_is_no_time_is_not() {
        assert_eq!(parse_decimal("1700000000"), Some(time(1_700_000_000, 0)));
        assert_eq!(parse_decimal("1700000000.5"), Some(time(1_700_000_000, 500_000_000)));
        assert_eq!(parse_decimal("1700000000.1234567891"), Some(time(1_700_000_000, 123_456_789)));
        for text in ["", ".", "1.", "x", "1.x", "1.-5", "99999999999999999999", "2023-11-14"] {
            assert_eq!(parse_decimal(text), None, "{text}");
        }
    }
}
