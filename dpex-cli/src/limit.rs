//! Caps as people write them: `20M`, or `08:00-18:00 2M` for some hours of the day.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Time;

/// Bytes a second, by hour of day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Limits(Vec<Limit>);

/// One of them. Later ones come before earlier ones where both hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Limit {
    hours: Option<(Time, Time)>,
    /// None: no cap.
    rate: Option<u64>,
    text: String,
}

/// Why a text is no cap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NotALimit(String);

impl fmt::Display for NotALimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = "write bytes a second, such as 500K or 20M, `none`, or for some hours `08:00-18:00 2M`";
        write!(f, "`{}` is not a limit: {how}", self.0)
    }
}

impl std::error::Error for NotALimit {}

impl Limits {
    /// Reads a list of them.
    pub(crate) fn parse<T: AsRef<str>>(texts: &[T]) -> Result<Self, NotALimit> {
        texts.iter().map(|text| text.as_ref().parse()).collect::<Result<_, _>>().map(Self)
    }

    /// The cap at this time of day.
    pub(crate) fn at(&self, time: Time) -> Option<u64> {
        self.0.iter().rev().find(|limit| limit.holds_at(time)).and_then(|limit| limit.rate)
    }
}

impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<_> = self.0.iter().map(|limit| limit.text.as_str()).collect();
        f.write_str(&texts.join(", "))
    }
}

impl Limit {
    fn holds_at(&self, time: Time) -> bool {
        match self.hours {
            None => true,
            Some((from, to)) if from <= to => (from..to).contains(&time),
            // Over midnight.
            Some((from, to)) => time >= from || time < to,
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Limit {
    type Err = NotALimit;

    fn from_str(text: &str) -> Result<Self, NotALimit> {
        let bad = || NotALimit(text.to_owned());
        let words: Vec<&str> = text.split_whitespace().collect();
        let (hours, rate) = match words[..] {
            [rate] => (None, rate),
            [hours, rate] => (Some(self::hours(hours).ok_or_else(bad)?), rate),
            _ => return Err(bad()),
        };
        Ok(Self { hours, rate: self::rate(rate).ok_or_else(bad)?, text: words.join(" ") })
    }
}

fn hours(text: &str) -> Option<(Time, Time)> {
    let (from, to) = text.split_once('-')?;
    let time = |text: &str| {
        let (hour, minute) = text.split_once(':')?;
        // 24:00 is how people write the end of the day.
        match (hour.parse::<i8>().ok()?, minute.parse::<i8>().ok()?) {
            (24, 0) => Some(Time::midnight()),
            (hour, minute) => Time::new(hour, minute, 0, 0).ok(),
        }
    };
    let (from, to) = (time(from)?, time(to)?);
    (from != to).then_some((from, to))
}

/// `None` for what is no rate, and `Some(None)` for no cap.
fn rate(text: &str) -> Option<Option<u64>> {
    if text == "none" {
        return Some(None);
    }
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match text.get(digits.len()..)? {
        "" => 1,
        "K" | "k" => 1_000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        _ => return None,
    };
    let bytes = digits.parse::<u64>().ok()?.checked_mul(factor)?;
    // Less than a packet a second is a way to say no, and there are better ones.
    (bytes >= 1_500).then_some(Some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(texts: &[&str]) -> Limits {
        Limits::parse(texts).expect("limits")
    }

    fn time(hour: i8, minute: i8) -> Time {
        Time::constant(hour, minute, 0, 0)
    }

    #[test]
    fn the_last_that_holds_is_the_one() {
        let all = limits(&["20M", "08:00-18:00 2M", "12:00-13:00 none"]);
        assert_eq!(all.at(time(7, 59)), Some(20_000_000));
        assert_eq!(all.at(time(8, 0)), Some(2_000_000));
        assert_eq!(all.at(time(12, 30)), None);
        assert_eq!(all.at(time(13, 0)), Some(2_000_000));
        assert_eq!(all.at(time(18, 0)), Some(20_000_000));
        assert_eq!(all.to_string(), "20M, 08:00-18:00 2M, 12:00-13:00 none");
        assert_eq!(limits(&[]).at(time(1, 0)), None);
    }

    #[test]
    fn hours_may_go_over_midnight() {
        let night = limits(&["22:00-06:00 500K"]);
        let capped = |hour, minute| night.at(time(hour, minute)) == Some(500_000);
        assert!(capped(22, 0) && capped(23, 59) && capped(0, 0) && capped(5, 59));
        assert!(!capped(6, 0) && !capped(21, 59));
        assert_eq!(limits(&["18:00-24:00 2M"]).at(time(23, 59)), Some(2_000_000));
    }

    #[test]
    fn what_is_no_limit_is_refused() {
        for text in [
            "",
            "M",
            "20MB",
            "20 M",
            "-5M",
            "1.5M",
            "8-18 2M",
            "08:00-08:00 2M",
            "25:00-26:00 2M",
            "08:00 2M",
            "100",
            "0",
            "99999999999G",
            "08:00-18:00",
            "a b c",
        ] {
            assert!(text.parse::<Limit>().is_err(), "{text}");
        }
    }
}
