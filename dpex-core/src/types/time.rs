//! Wall-clock time as it travels: handshake timestamps and file modification times.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Seconds and nanoseconds since the Unix epoch, UTC. Ordered; `nanos < 1_000_000_000`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Timestamp {
    secs: i64,
    nanos: u32,
}

impl Timestamp {
    /// The Unix epoch.
    pub const EPOCH: Self = Self { secs: 0, nanos: 0 };

    /// `None` if `nanos` is not below one second.
    #[must_use]
    pub fn new(secs: i64, nanos: u32) -> Option<Self> {
        (nanos < 1_000_000_000).then_some(Self { secs, nanos })
    }

    /// Whole seconds since the epoch, rounded down.
    #[must_use]
    pub fn secs(self) -> i64 {
        self.secs
    }

    /// Nanoseconds past [`Self::secs`].
    #[must_use]
    pub fn nanos(self) -> u32 {
        self.nanos
    }

    /// The next representable instant: what a strictly increasing stamp uses when the clock stands still.
    #[must_use]
    pub fn successor(self) -> Self {
        if self.nanos == 999_999_999 {
            Self { secs: self.secs.saturating_add(1), nanos: 0 }
        } else {
            Self { secs: self.secs, nanos: self.nanos + 1 }
        }
    }

    /// Adds a duration, saturating.
    #[must_use]
    pub fn plus(self, d: Duration) -> Self {
        let nanos = self.nanos + d.subsec_nanos();
        let carry = i64::from(nanos / 1_000_000_000);
        let secs = i64::try_from(d.as_secs()).unwrap_or(i64::MAX);
        Self { secs: self.secs.saturating_add(secs).saturating_add(carry), nanos: nanos % 1_000_000_000 }
    }

    /// Reads the system clock's type. Reading the clock itself is the caller's business.
    #[must_use]
    pub fn from_system(time: SystemTime) -> Self {
        match time.duration_since(UNIX_EPOCH) {
            Ok(after) => Self::EPOCH.plus(after),
            Err(before) => {
                let d = before.duration();
                let secs = i64::try_from(d.as_secs()).unwrap_or(i64::MAX);
                match d.subsec_nanos() {
                    0 => Self { secs: -secs, nanos: 0 },
                    n => Self { secs: -secs - 1, nanos: 1_000_000_000 - n },
                }
            }
        }
    }

    /// The same instant in the system clock's type; `None` if it cannot hold it.
    #[must_use]
    pub fn to_system(self) -> Option<SystemTime> {
        let nanos = Duration::from_nanos(u64::from(self.nanos));
        let whole = Duration::from_secs(self.secs.unsigned_abs());
        let base = if self.secs >= 0 { UNIX_EPOCH.checked_add(whole) } else { UNIX_EPOCH.checked_sub(whole) };
        base?.checked_add(nanos)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_time_survives_the_round_trip_on_both_sides_of_the_epoch() {
        for (secs, nanos) in [(0, 0), (1, 999_999_999), (-1, 0), (-1, 1), (-5, 999_999_999), (1_800_000_000, 7)] {
            let t = Timestamp::new(secs, nanos).expect("valid");
            assert_eq!(Timestamp::from_system(t.to_system().expect("in range")), t, "{secs} {nanos}");
        }
    }

    #[test]
    fn a_successor_is_strictly_later_and_carries() {
        let t = Timestamp::new(9, 999_999_999).expect("valid");
        assert_eq!(t.successor(), Timestamp::new(10, 0).expect("valid"));
        assert!(t.successor() > t);
    }

    #[test]
    fn a_whole_second_of_nanoseconds_is_refused() {
        assert!(Timestamp::new(0, 1_000_000_000).is_none());
        assert!(Timestamp::new(0, 999_999_999).is_some());
    }
}
