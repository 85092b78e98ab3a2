//! What each cryptography backend of this build costs, operation by operation, in one table at the end.
//!
//! `cargo bench --package dpex-tests --features crypto-awslc,crypto-openssl`; words after `--` choose among the rows.

use std::collections::BTreeMap;
use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Duration;

use criterion::{Criterion, Throughput};
use dpex_core::conformance::suite::{RSA3072, RSA4096};
use dpex_core::suite::{CipherSuite, random_secret};
use dpex_core::types::Secret;
use dpex_tests::SUITES;

/// Payloads of a datagram on the Internet, of one on a usual LAN, of a jumbo frame, and of the largest there is.
const SIZES: [usize; 4] = [1_200, 1_400, 8_900, 65_000];
/// A packet's header.
const AAD: [u8; 17] = [3; 17];

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(1_500))
        .configure_from_args();
    for suite in SUITES {
        records(&mut criterion, *suite);
        small(&mut criterion, *suite);
        identities(&mut criterion, *suite);
    }
    criterion.final_summary();
    print_table();
}

/// Records as the engine seals and opens them.
fn records(criterion: &mut Criterion, suite: &dyn CipherSuite) {
    let mut aead = suite.aead(&Secret::new([1; 32])).expect("a key");
    for size in SIZES {
        let mut group = criterion.benchmark_group(format!("seal {size} bytes"));
        group.throughput(Throughput::Bytes(size as u64));
        let (mut buf, mut pn) = (vec![7; size], 0u64);
        group.bench_function(suite.name(), |bencher| {
            bencher.iter(|| {
                pn += 1;
                aead.seal(&nonce(pn), &AAD, black_box(&mut buf)).expect("sealed")
            });
        });
        group.finish();

        let mut group = criterion.benchmark_group(format!("open {size} bytes"));
        group.throughput(Throughput::Bytes(size as u64));
        let mut sealed = vec![7; size];
        let tag = aead.seal(&nonce(0), &AAD, &mut sealed).expect("sealed");
        // An open destroys what it opens; copying it back is a small part of the time, and the same for everybody.
        let mut buf = sealed.clone();
        group.bench_function(suite.name(), |bencher| {
            bencher.iter(|| {
                buf.copy_from_slice(&sealed);
                aead.open(&nonce(0), &AAD, black_box(&mut buf), &tag).expect("opened");
            });
        });
        group.finish();
    }
}

fn nonce(pn: u64) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&pn.to_be_bytes());
    nonce
}

/// What there is once a packet or once a handshake.
fn small(criterion: &mut Criterion, suite: &dyn CipherSuite) {
    let mut masks = [[9; 16]; 16];
    let mut block = suite.block(&Secret::new([2; 32])).expect("a key");
    criterion.benchmark_group("16 header masks").bench_function(suite.name(), |bencher| {
        bencher.iter(|| block.encrypt(black_box(&mut masks)).expect("encrypted"));
    });
    let mac = suite.hmac(&[5; 32]);
    criterion.benchmark_group("hmac of 32 bytes").bench_function(suite.name(), |bencher| {
        bencher.iter(|| mac.mac(black_box(&[&[7; 32]])));
    });
    // One library makes its context with the key, another at its first use.
    criterion.benchmark_group("aead key and first seal").bench_function(suite.name(), |bencher| {
        bencher.iter(|| {
            let mut aead = suite.aead(black_box(&Secret::new([1; 32]))).expect("a key");
            aead.seal(&nonce(0), &AAD, &mut []).expect("sealed")
        });
    });
    let peer = suite.key_agreement(&Secret::new([3; 32])).expect("a key pair").public();
    criterion.benchmark_group("x25519, share and secret").bench_function(suite.name(), |bencher| {
        bencher.iter(|| {
            let pair = suite.key_agreement(&random_secret(suite).expect("random")).expect("a key pair");
            (pair.public(), pair.agree(black_box(&peer)).expect("agreed"))
        });
    });
}

/// What there is once a handshake, and at each start of the program.
fn identities(criterion: &mut Criterion, suite: &dyn CipherSuite) {
    for (bits, der) in [(3072, RSA3072), (4096, RSA4096)] {
        let identity = suite.identity_from_pkcs8(der).expect("a key");
        let public = identity.public();
        let signature = identity.sign(b"message").expect("signed");
        criterion.benchmark_group(format!("rsa-{bits} sign")).sample_size(20).bench_function(suite.name(), |bencher| {
            bencher.iter(|| identity.sign(black_box(b"message")).expect("signed"));
        });
        criterion.benchmark_group(format!("rsa-{bits} verify")).bench_function(suite.name(), |bencher| {
            bencher.iter(|| public.verify(black_box(b"message"), &signature).expect("verified"));
        });
        criterion.benchmark_group(format!("rsa-{bits} load")).sample_size(20).bench_function(suite.name(), |bencher| {
            bencher.iter(|| suite.identity_from_pkcs8(black_box(der)).expect("a key"));
        });
    }
}

/// Nanoseconds by operation and backend, as criterion has kept them.
fn print_table() {
    let folder = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"), PathBuf::from);
    let mut rows: BTreeMap<String, BTreeMap<&str, f64>> = BTreeMap::new();
    for entry in fs::read_dir(folder.join("criterion")).into_iter().flatten().flatten() {
        for suite in SUITES {
            let estimates = entry.path().join(suite.name()).join("new/estimates.json");
            let Ok(text) = fs::read(&estimates) else { continue };
            let estimates: serde_json::Value = serde_json::from_slice(&text).expect("criterion's own file");
            let median = estimates["median"]["point_estimate"].as_f64().expect("a number");
            let operation = entry.file_name().to_string_lossy().into_owned();
            rows.entry(operation).or_default().insert(suite.name(), median);
        }
    }
    print!("\n| operation |");
    SUITES.iter().for_each(|suite| print!(" {} |", suite.name()));
    println!("\n| --- |{}", " --- |".repeat(SUITES.len()));
    let mut rows: Vec<_> = rows.into_iter().collect();
    rows.sort_by_key(|(operation, _)| {
        (size(operation).is_none(), operation.split(' ').next().map(str::to_owned), size(operation))
    });
    for (operation, times) in rows {
        print!("| {operation} |");
        for suite in SUITES {
            match (times.get(suite.name()), size(&operation)) {
                (Some(ns), Some(bytes)) => print!(" {ns:.0} ns, {:.2} GB/s |", bytes as f64 / ns),
                (Some(ns), None) if *ns >= 1e6 => print!(" {:.2} ms |", ns / 1e6),
                (Some(ns), None) if *ns >= 1e4 => print!(" {:.1} µs |", ns / 1e3),
                (Some(ns), None) => print!(" {ns:.0} ns |"),
                (None, _) => print!(" |"),
            }
        }
        println!();
    }
}

/// The bytes of a record, if it is about one.
fn size(operation: &str) -> Option<u32> {
    operation.strip_prefix("seal ").or_else(|| operation.strip_prefix("open "))?.strip_suffix(" bytes")?.parse().ok()
}
