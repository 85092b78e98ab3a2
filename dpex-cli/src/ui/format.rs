//! Sizes, days and times as people read them.

use dpex_core::types::Timestamp;
use jiff::tz::TimeZone;

/// A number of bytes in three or four significant characters: `9 B`, `1.4 KB`, `23 MB`. Powers of 1000.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KB", "MB", "GB", "TB", "PB", "EB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let bytes = u128::from(bytes);
    let (mut unit, mut divisor) = (0, 1000);
    // From 999.5 of one unit on, the next one reads better. Whole numbers only, each rounded once.
    while bytes * 2 >= divisor * 1999 && unit + 1 < UNITS.len() {
        unit += 1;
        divisor *= 1000;
    }
    let name = UNITS[unit];
    let tenths = (bytes * 10 + divisor / 2) / divisor;
    match tenths {
        0..100 => format!("{}.{} {name}", tenths / 10, tenths % 10),
        _ => format!("{} {name}", (bytes + divisor / 2) / divisor),
    }
}

/// The day, in the time zone of the machine.
pub(crate) fn day(time: Timestamp) -> String {
    local(time, "%Y-%m-%d")
}

/// The day and the minute, in the time zone of the machine.
pub(crate) fn minute(time: Timestamp) -> String {
    local(time, "%Y-%m-%d %H:%M")
}

fn local(time: Timestamp, pattern: &str) -> String {
    let Ok(nanos) = i32::try_from(time.nanos()) else { return "?".into() };
    jiff::Timestamp::new(time.secs(), nanos)
        .map_or_else(|_| "?".into(), |t| t.to_zoned(TimeZone::system()).strftime(pattern).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_round_and_carry_to_the_next_unit() {
        for (bytes, shown) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1.0 KB"),
            (1_449, "1.4 KB"),
            (9_999, "10 KB"),
            (23_456_789, "23 MB"),
            (999_499, "999 KB"),
            (999_500, "1.0 MB"),
            (u64::MAX, "18 EB"),
        ] {
            assert_eq!(size(bytes), shown, "{bytes}");
        }
    }

    #[test]
    fn a_time_no_calendar_holds_is_shown_as_unknown() {
        let never = Timestamp::new(i64::MAX, 0).expect("valid");
        assert_eq!(day(never), "?");
    }
}
