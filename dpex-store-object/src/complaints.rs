//! What the service refuses or fails to do, told to the owner of a shelf: the peer who asks learns nothing of it.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use dpex_core::store::StoreError;

/// A service that is down fails whatever everybody asks, many times a second.
const EVERY: Duration = Duration::from_secs(60);

/// What was told, so that it is not told again at once.
#[derive(Debug)]
pub(crate) struct Complaints {
    /// Which shelf it is about.
    shown: String,
    told: Mutex<Told>,
}

#[derive(Debug, Default)]
struct Told {
    last: Option<Instant>,
    /// Failures since then.
    untold: u64,
}

impl Complaints {
    pub(crate) fn about(shown: &str) -> Self {
        Self { shown: shown.to_owned(), told: Mutex::default() }
    }

    /// Tells of an answer if it is that the service failed. The text of such an error holds no secret (`error.rs`).
    pub(crate) fn hear<T>(&self, answer: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(StoreError::Io(why)) = &answer
            && let Some(untold) = self.turn(Instant::now())
        {
            let shelf = self.shown.as_str();
            tracing::warn!(shelf, untold, "the object store fails: {why}");
        }
        answer
    }

    /// How many failures were not told since the last one that was, if this one may be.
    fn turn(&self, now: Instant) -> Option<u64> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.last.is_some_and(|last| now.saturating_duration_since(last) < EVERY) {
            told.untold += 1;
            return None;
        }
        told.last = Some(now);
        Some(std::mem::take(&mut told.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failure_a_minute_is_told_with_the_number_of_the_others() {
        let (complaints, start) = (Complaints::about("s3://bucket/"), Instant::now());
        let after = |secs| complaints.turn(start + Duration::from_secs(secs));
        assert_eq!(after(0), Some(0));
        assert_eq!(after(1), None);
        assert_eq!(after(59), None);
        assert_eq!(after(60), Some(2));
        assert_eq!(after(61), None);
        assert_eq!(after(180), Some(1));
    }
}
