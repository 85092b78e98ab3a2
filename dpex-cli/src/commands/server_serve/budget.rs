//! How much of the log of who got what one person may fill: whoever is let in can ask for the same again and again, and each
//! time makes a line on the owner's disk.

use std::collections::HashMap;
use std::time::Instant;

use dpex_core::types::EnrolmentId;

/// What a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Matter {
    /// A file was sent, all or part of it. Of these there are as many as somebody has files to get.
    Delivery,
    /// Everything else.
    Else,
}

impl Matter {
    /// Lines at once, and lines a second then.
    fn terms(self) -> (f64, f64) {
        match self {
            Self::Delivery => (1_000_000.0, 10.0),
            Self::Else => (20_000.0, 1.0),
        }
    }
}

/// What everybody may still write, and what they were refused.
#[derive(Debug, Default)]
pub(super) struct Budget(HashMap<(EnrolmentId, Matter), Account>);

#[derive(Debug)]
struct Account {
    lines: f64,
    at: Instant,
    refused: u64,
}

impl Budget {
    /// May this person have another line now? Then how many they were refused since the last one.
    pub(super) fn take(&mut self, now: Instant, person: EnrolmentId, matter: Matter) -> Option<u64> {
        let (most, rate) = matter.terms();
        let fresh = Account { lines: most, at: now, refused: 0 };
        let account = self.0.entry((person, matter)).or_insert(fresh);
        let passed = now.saturating_duration_since(account.at).as_secs_f64();
        account.lines = (account.lines + passed * rate).min(most);
        account.at = now;
        if account.lines < 1.0 {
            account.refused += 1;
            return None;
        }
        account.lines -= 1.0;
        Some(std::mem::take(&mut account.refused))
    }

    /// Who was refused how many lines since that was last told.
    pub(super) fn refused(&mut self) -> Vec<(EnrolmentId, u64)> {
        let accounts = self.0.iter_mut().filter(|(_, account)| account.refused > 0);
        accounts.map(|((person, _), account)| (*person, std::mem::take(&mut account.refused))).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn somebody_fills_so_much_and_then_a_line_a_second_and_nobody_elses_share() {
        let (mut budget, now) = (Budget::default(), Instant::now());
        let [a, b] = [EnrolmentId([1; 16]), EnrolmentId([2; 16])];
        assert!((0..20_000).all(|_| budget.take(now, a, Matter::Else) == Some(0)));
        assert!((0..7).all(|_| budget.take(now, a, Matter::Else).is_none()));
        assert_eq!(budget.take(now, a, Matter::Delivery), Some(0), "files are counted apart");
        assert_eq!(budget.take(now, b, Matter::Else), Some(0));
        assert_eq!(budget.refused(), [(a, 7)]);
        assert_eq!(budget.refused(), []);
        assert_eq!(budget.take(now, a, Matter::Else), None);
        let later = now + Duration::from_secs(2);
        assert_eq!(budget.take(later, a, Matter::Else), Some(1), "what is missing is told");
        assert_eq!(budget.take(later, a, Matter::Else), Some(0));
        assert_eq!(budget.take(later, a, Matter::Else), None);
        let day = later + Duration::from_secs(86_400);
        assert_eq!(budget.take(day, a, Matter::Else), Some(1));
    }
}
