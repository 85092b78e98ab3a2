//! What passes looks like random bytes: no position has a favourite value, and no two meetings share eight bytes.
//!
//! Everything on the wire is made by the true suite. Most meetings sign with toy identities, since signatures travel
//! sealed and would cost most of the time.

use std::sync::Arc;

use dpex_core::suite::{Aead, BlockCipher, CipherSuite, CryptoError, Hash, IdentityKey, KeyAgreement, Mac, PublicKey};
use dpex_core::testing::NullSuite;
use dpex_core::testing::scripted::{Acquaintance, Couple, Passed, Way};
use dpex_core::types::{Secret, SharePath};
use dpex_tests::SUITE;

/// Datagrams looked at, at least.
const WANTED: usize = 20_000;
/// Positions looked at: the whole header of a packet, and the first bytes of what it hides.
const POSITIONS: usize = 25;
/// Of those, the ones of the connection id.
const CID: usize = 8;
/// Meetings that only begin.
const SHORT: usize = 2_500;

/// 255 degrees of freedom have a mean of 255 and a deviation of 22.6. Random bytes stay between these bounds but for
/// about once in a billion times (Wilson and Hilferty's approximation, six deviations).
const BOUNDS: std::ops::Range<f64> = 141.0..413.0;

/// The true suite with identities that sign at once.
#[derive(Debug)]
struct ToyIdentities {
    null: &'static NullSuite,
}

impl CipherSuite for ToyIdentities {
    fn name(&self) -> &'static str {
        SUITE.name()
    }
    fn random(&self, out: &mut [u8]) -> Result<(), CryptoError> {
        SUITE.random(out)
    }
    fn sha256(&self) -> Box<dyn Hash> {
        SUITE.sha256()
    }
    fn hmac(&self, key: &[u8]) -> Box<dyn Mac> {
        SUITE.hmac(key)
    }
    fn aead(&self, key: &Secret<32>) -> Result<Box<dyn Aead>, CryptoError> {
        SUITE.aead(key)
    }
    fn block(&self, key: &Secret<32>) -> Result<Box<dyn BlockCipher>, CryptoError> {
        SUITE.block(key)
    }
    fn key_agreement(&self, secret: &Secret<32>) -> Result<Box<dyn KeyAgreement>, CryptoError> {
        SUITE.key_agreement(secret)
    }
    fn generate_identity(&self, bits: usize) -> Result<Arc<dyn IdentityKey>, CryptoError> {
        self.null.generate_identity(bits)
    }
    fn identity_from_pkcs8(&self, der: &[u8]) -> Result<Arc<dyn IdentityKey>, CryptoError> {
        self.null.identity_from_pkcs8(der)
    }
    fn public_from_spki(&self, der: &[u8]) -> Result<Arc<dyn PublicKey>, CryptoError> {
        self.null.public_from_spki(der)
    }
}

/// All that passes when these two meet and the client fetches files, whose content is the same every time.
fn meeting(keys: &Acquaintance, sizes: &[usize]) -> Vec<Passed> {
    let mut couple = Couple::of(keys.clone());
    let names: Vec<String> = (0..sizes.len()).map(|i| format!("file {i}")).collect();
    for (name, size) in names.iter().zip(sizes) {
        couple.shelf.put(&SharePath::parse(name).expect("a valid path"), vec![7; *size]);
    }
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let log = couple.play(&names, &mut |_, _, _, _| ());
    assert_eq!(couple.received.names().len(), names.len(), "the control: all arrived");
    log
}

fn all_meetings() -> Vec<Vec<Passed>> {
    let toy: &'static ToyIdentities = Box::leak(Box::new(ToyIdentities { null: NullSuite::leak(1) }));
    let toy = Acquaintance::new(toy);
    let mut meetings: Vec<_> = (0..SHORT).map(|_| meeting(&toy, &[])).collect();
    meetings.extend((0..4).map(|_| meeting(&toy, &[3_000_000, 0, 500, 70_000])));
    let real = Acquaintance::new(&SUITE);
    meetings.extend((0..4).map(|_| meeting(&real, &[1_000_000, 5_000])));
    meetings
}

fn chi_squared(counts: &[u64; 256]) -> f64 {
    let total: u64 = counts.iter().sum();
    let expected = total as f64 / 256.0;
    counts.iter().map(|&count| (count as f64 - expected).powi(2) / expected).sum()
}

#[test]
fn what_passes_looks_like_random_bytes_and_no_two_meetings_have_eight_in_common() {
    let meetings = all_meetings();
    let datagrams: usize = meetings.iter().map(Vec::len).sum();
    assert!(datagrams >= WANTED, "{datagrams} datagrams");
    every_position_is_uniform(&meetings);
    no_eight_bytes_come_again(&meetings);
}

fn every_position_is_uniform(meetings: &[Vec<Passed>]) {
    for position in 0..POSITIONS {
        let mut counts = [0; 256];
        for log in meetings {
            // A connection id is the same in all packets of a direction, which is no secret, and counts once.
            let mut ids = Vec::new();
            for Passed { way, datagram } in log {
                let id = (*way == Way::ToServer, &datagram[..CID]);
                if position >= CID || !ids.contains(&id) {
                    counts[usize::from(datagram[position])] += 1;
                }
                if position < CID {
                    ids.push(id);
                }
            }
        }
        assert!(counts.iter().sum::<u64>() >= 10_000, "byte {position}: {} values", counts.iter().sum::<u64>());
        let statistic = chi_squared(&counts);
        assert!(BOUNDS.contains(&statistic), "byte {position}: {statistic:.0}");
    }
}

/// Looks at the first 64 bytes of every datagram, and at every byte of the first meetings.
fn no_eight_bytes_come_again(meetings: &[Vec<Passed>]) {
    let mut seen = Vec::new();
    for (n, log) in meetings.iter().enumerate() {
        for Passed { datagram, .. } in log {
            let len = if n < 100 { datagram.len() } else { 64.min(datagram.len()) };
            let windows = datagram[..len].windows(8);
            seen.extend(windows.map(|window| (u64::from_be_bytes(window.try_into().expect("eight bytes")), n)));
        }
    }
    seen.sort_unstable();
    let again = seen.windows(2).find(|pair| pair[0].0 == pair[1].0 && pair[0].1 != pair[1].1);
    assert_eq!(again, None, "eight bytes are in two meetings");
}

#[test]
fn the_statistics_can_tell() {
    let datagram = |n| {
        let mut datagram = vec![0; 100];
        SUITE.random(&mut datagram).expect("random bytes");
        // One value in a hundred is not random.
        if n % 100 == 0 {
            datagram[20] = 7;
        }
        vec![Passed { way: Way::ToServer, datagram }]
    };
    let meetings: Vec<_> = (0..WANTED).map(datagram).collect();
    assert!(std::panic::catch_unwind(|| every_position_is_uniform(&meetings)).is_err());
}
