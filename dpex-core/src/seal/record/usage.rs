//! How much a key has done, and how much it may do.

use std::time::Instant;

use super::{EPOCH_AGE, EPOCH_BYTES, EPOCH_BYTES_HARD, EPOCH_PACKETS_HARD};

/// What one key has sealed so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Usage {
    packets: u64,
    bytes: u64,
    since: Instant,
}

impl Usage {
    /// A fresh key.
    pub(super) fn new(now: Instant) -> Self {
        Self { packets: 0, bytes: 0, since: now }
    }

    /// This with one more packet of `len` bytes; `None` if the key may not seal it.
    #[must_use]
    pub(super) fn with(self, len: u64) -> Option<Self> {
        let (packets, bytes) = (self.packets.checked_add(1)?, self.bytes.checked_add(len)?);
        (packets <= EPOCH_PACKETS_HARD && bytes <= EPOCH_BYTES_HARD).then_some(Self { packets, bytes, ..self })
    }

    /// Has the key sealed this many packets, or [`EPOCH_BYTES`], or lived so long that it should be replaced?
    pub(super) fn is_enough(&self, now: Instant, packets: u64) -> bool {
        self.packets >= packets || self.bytes >= EPOCH_BYTES || now.saturating_duration_since(self.since) >= EPOCH_AGE
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::EPOCH_PACKETS;
    use super::*;

    fn used(packets: u64, bytes: u64) -> Usage {
        Usage { packets, bytes, since: Instant::now() }
    }

    // KEY-1.
    #[test]
    fn a_key_is_replaced_at_its_soft_limits_and_not_before() {
        for (usage, enough) in [
            (used((1 << 22) - 1, 0), false),
            (used(1 << 22, 0), true),
            (used(0, (4 << 30) - 1), false),
            (used(0, 4 << 30), true),
        ] {
            assert_eq!(usage.is_enough(usage.since, EPOCH_PACKETS), enough, "{usage:?}");
        }
        let fresh = Usage::new(Instant::now());
        let age = Duration::from_secs(900);
        assert!(!fresh.is_enough(fresh.since + age - Duration::from_nanos(1), EPOCH_PACKETS));
        assert!(fresh.is_enough(fresh.since + age, EPOCH_PACKETS));
    }

    // KEY-3.
    #[test]
    fn a_key_seals_up_to_its_hard_limits_and_no_further() {
        assert!(used((1 << 23) - 1, 0).with(33).is_some());
        assert!(used(1 << 23, 0).with(33).is_none());
        assert!(used(0, (16 << 30) - 33).with(33).is_some());
        assert!(used(0, (16 << 30) - 32).with(33).is_none());
        assert!(used(0, 0).with(u64::MAX).is_none());
    }

    #[test]
    fn packets_and_bytes_add_up() {
        let usage = (0..10).try_fold(used(0, 0), |usage, _| usage.with(100)).expect("far below the limits");
        assert_eq!((usage.packets, usage.bytes), (10, 1000));
    }
}
