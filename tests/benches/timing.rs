//! Does the time of a failure tell where it failed? Two classes of input, in random order, and Welch's t-test on how long
//! each takes, as in dudect (Reparaz, Balasch and Verbauwhede, 2017): beyond ±4.5 there is reason to look, beyond ±10
//! hardly a doubt. The last row compares with a function that does tell.
//!
//! `cargo bench --package dpex-tests --bench timing --features crypto-awslc,crypto-openssl`. What it prints is of this
//! machine, build and moment; it is evidence and no proof.

use std::hint::black_box;
use std::time::Instant;

use dpex_core::seal::{Knock, PairKeys, Peering, open_init};
use dpex_core::suite::CipherSuite;
use dpex_core::testing::scripted::Acquaintance;
use dpex_core::types::{Digest, EnrolmentId, Fingerprint, Secret, Timestamp};
use dpex_tests::SUITES;

/// Measurements of each row.
const ROUNDS: usize = 200_000;
/// Calls in one measurement: the clock is coarser than the shortest of them.
const CALLS: usize = 8;
/// What takes longer than nine in ten is the system's doing, and left out.
const KEPT: f64 = 0.9;

fn main() {
    // The flags that cargo gives to every bench mean nothing here.
    println!("{:<12} {:<56} {:>10} {:>12}", "backend", "first byte wrong, or last", "t", "ns apart");
    for suite in SUITES {
        rows(*suite);
    }
    let [a, b] = [0, 4095].map(|at| {
        let mut bytes = vec![7_u8; 4096];
        bytes[at] ^= 1;
        bytes
    });
    let right = vec![7_u8; 4096];
    // Byte by byte, so that the library does not compare in longer words.
    let telling = |bytes: &[u8]| bytes.iter().zip(&right).all(|(a, b)| a == b);
    report("", "the control: 4,096 bytes compared until they differ", t_of([&a, &b], telling));
}

fn rows(suite: &'static dyn CipherSuite) {
    let keys = Acquaintance::new(suite);
    let (init, _) = keys.init(Timestamp::new(1_800_000_000, 0).expect("whole seconds"));
    let knock: Knock = keys.knock();
    let spoilt = |at: usize| {
        let mut init = init.clone();
        init[at] ^= 1;
        init
    };
    // The macs lie at 32 to 48 (tag), 1168 to 1184 (mac1).
    let admits = |init: &[u8]| knock.admits(init);
    report(suite.name(), "mac1 of INIT", t_of([&spoilt(1168), &spoilt(1183)], admits));
    let pair = keys.pair();
    let matches = |init: &[u8]| pair.tag_matches(&init[..32], &init[32..48]);
    report(suite.name(), "tag of INIT", t_of([&spoilt(32), &spoilt(47)], matches));
    let opens = |init: &[u8]| open_init(suite, &pair, init).is_ok();
    report(suite.name(), "GCM of INIT: its ciphertext", t_of([&spoilt(48), &spoilt(1150)], opens));
    report(suite.name(), "GCM of INIT: its tag", t_of([&spoilt(1152), &spoilt(1167)], opens));
    let other = PairKeys::new(suite, &Secret::new([9; 32]), &nobody());
    let whose =
        |init: &[u8]| pair.tag_matches(&init[..32], &init[32..48]) | other.tag_matches(&init[..32], &init[32..48]);
    let theirs = {
        let mut init = init.clone();
        let tag = other.tag(&init[..32]);
        init[32..48].copy_from_slice(&tag);
        init
    };
    report(suite.name(), "tag of one person, or of another", t_of([&init, &theirs], whose));
}

fn nobody() -> Peering {
    Peering {
        server: Fingerprint([1; 32]),
        client: Fingerprint([2; 32]),
        enrolment: EnrolmentId([3; 16]),
        exchange: Digest([4; 32]),
    }
}

fn report(suite: &str, what: &str, (t, apart): (f64, f64)) {
    println!("{suite:<12} {what:<56} {t:>10.2} {apart:>12.3}");
}

/// Welch's t for the times that the two inputs take, and by how many nanoseconds a call they differ.
fn t_of(inputs: [&[u8]; 2], work: impl Fn(&[u8]) -> bool) -> (f64, f64) {
    let mut times = [Vec::with_capacity(ROUNDS), Vec::with_capacity(ROUNDS)];
    let mut dice: u64 = 0x9e37_79b9_7f4a_7c15;
    // One buffer for both, and each byte that differs is written for both: nothing else may differ, not even what the
    // processor's caches hold.
    let mut buffer = inputs[0].to_vec();
    let pairs = inputs[0].iter().zip(inputs[1]).enumerate();
    let differ: Vec<(usize, [u8; 2])> = pairs.filter(|(_, (a, b))| a != b).map(|(at, (a, b))| (at, [*a, *b])).collect();
    for round in 0..ROUNDS + ROUNDS / 10 {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        let class = usize::from(dice & 1 == 1);
        for (at, bytes) in &differ {
            buffer[*at] = bytes[class];
        }
        black_box(&mut buffer);
        let began = Instant::now();
        for _ in 0..CALLS {
            black_box(work(black_box(&buffer)));
        }
        let took = began.elapsed().as_nanos() as f64;
        // What comes first is still warming up.
        if round >= ROUNDS / 10 {
            times[class].push(took);
        }
    }
    let mut all: Vec<f64> = times.iter().flatten().copied().collect();
    all.sort_by(f64::total_cmp);
    let bound = all[(all.len() as f64 * KEPT) as usize];
    let [a, b] = times.map(|times| Moments::of(times.into_iter().filter(|took| *took <= bound)));
    let apart = a.mean - b.mean;
    (apart / (a.variance / a.count + b.variance / b.count).sqrt(), apart / CALLS as f64)
}

struct Moments {
    count: f64,
    mean: f64,
    variance: f64,
}

impl Moments {
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let values: Vec<f64> = values.collect();
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0);
        Self { count, mean, variance }
    }
}
