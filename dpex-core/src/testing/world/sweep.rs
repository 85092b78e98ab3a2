//! One story under many seeds, on all cores.

use std::any::Any;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};

/// The environment variable that picks one seed.
const ONE: &str = "DPEX_SEED";
/// The environment variable that says how many seeds instead of as many as the story asks for.
const MANY: &str = "DPEX_SEEDS";

/// Tells a story under each seed of a range.
///
/// `DPEX_SEED=n` tells it under `n` alone, `DPEX_SEEDS=n` under the first `n`.
///
/// # Panics
/// If the story does: with its words, the seed, and how to run that seed again.
pub fn sweep(seeds: Range<u64>, story: impl Fn(u64) + Sync) {
    let asked = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds = match (asked(ONE), asked(MANY)) {
        (Some(seed), _) => seed..seed + 1,
        (None, Some(count)) => seeds.start..seeds.start + count,
        (None, None) => seeds,
    };
    let next = AtomicU64::new(seeds.start);
    let failed: Mutex<Option<(u64, String)>> = Mutex::new(None);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    if let Err(why) = catch_unwind(AssertUnwindSafe(|| story(seed))) {
                        let mut failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
                        if failed.as_ref().is_none_or(|(known, _)| seed < *known) {
                            *failed = Some((seed, words(&*why)));
                        }
                        // The others stop after the seed they are at.
                        next.store(seeds.end, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    if let Some((seed, why)) = failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        let test = std::thread::current().name().unwrap_or("the test").to_owned();
        panic!("seed {seed}: {why}\nonce more: DPEX_SEED={seed} cargo test --package dpex-tests {test}");
    }
}

fn words(why: &(dyn Any + Send)) -> String {
    let text = why.downcast_ref::<String>().map(String::as_str).or_else(|| why.downcast_ref::<&str>().copied());
    text.unwrap_or("it panicked").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_seed_is_told_once_and_a_failing_one_is_named() {
        let told = Mutex::new(Vec::new());
        sweep(3..50, |seed| told.lock().expect("no panic").push(seed));
        let mut told = told.into_inner().expect("no panic");
        told.sort_unstable();
        assert!(told.iter().copied().eq(3..50));
        let failure = catch_unwind(|| sweep(0..10, |seed| assert!(seed != 7, "seven"))).expect_err("it fails");
        let text = words(&*failure);
        assert!(text.contains("seed 7: seven") && text.contains("DPEX_SEED=7"), "{text}");
    }
}
