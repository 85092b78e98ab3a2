//! A hundred thousand datagrams of strangers against a server with true cryptography: not one answer, not one public-key
//! operation, and memory stays flat.
//!
//! Alone in its program, because it looks at the memory of the process.

use std::net::{Ipv4Addr, SocketAddr};

use dpex_core::engine::Limits;
use dpex_core::suite::CipherSuite;
use dpex_core::testing::scripted::{Couple, ServerHost, Victim};
use dpex_core::testing::{CountingSuite, MemStore};
use dpex_core::types::SharePath;
use dpex_tests::SUITE;

const DATAGRAMS: usize = 100_000;

fn random_bytes(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    SUITE.random(&mut bytes).expect("random bytes");
    bytes
}

fn below(bound: usize) -> usize {
    let bytes = random_bytes(8).try_into().expect("eight bytes");
    usize::try_from(u64::from_be_bytes(bytes) % bound as u64).expect("below the bound")
}

/// Random bytes of every length, and what was recorded: whole, cut, extended or with one bit changed.
fn datagram(recorded: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = recorded[below(recorded.len())].clone();
    match below(6) {
        0 => bytes = random_bytes(below(2001)),
        1 => bytes = random_bytes(1200),
        2 => bytes.truncate(below(bytes.len())),
        3 => bytes.resize(below(2001), 0),
        4 => {
            let bit = below(bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        _ => {}
    }
    bytes
}

#[test]
fn strangers_draw_no_answer_no_public_key_operation_and_no_memory() {
    let counting = CountingSuite::leak(&SUITE);
    let mut couple = Couple::new(counting);
    let file = SharePath::parse("f").expect("a valid path");
    couple.shelf.put_synthetic(&file, 100_000, 1);
    let log = couple.play(&["f"], &mut |_, _, _, _| ());
    assert!(couple.received.read(&file).is_some(), "the control: an honest meeting");
    let recorded: Vec<_> = log.into_iter().map(|passed| passed.datagram).collect();

    let before = counting.counts();
    attack(&mut couple.server, &recorded, DATAGRAMS / 5);
    let resident_before = resident();
    attack(&mut couple.server, &recorded, DATAGRAMS - DATAGRAMS / 5);
    assert_eq!(counting.counts(), before);
    assert!(couple.server.take_sent().is_empty());
    assert_eq!(couple.server.memory(), 0);
    if let Some((before, after)) = resident_before.zip(resident()) {
        assert!(after <= before + (4 << 20), "{before} bytes became {after}");
    }

    // A server that knows none of these people is no different.
    let mut other = ServerHost::new(&couple.keys.another(), &MemStore::new(), Limits::default());
    let before = counting.counts();
    attack(&mut other, &recorded, DATAGRAMS / 5);
    assert_eq!(counting.counts(), before);
    assert!(other.take_sent().is_empty());
    assert_eq!(other.sessions().count(), 0);
}

fn attack(server: &mut ServerHost, recorded: &[Vec<u8>], datagrams: usize) {
    for n in 0..datagrams {
        let [.., a, b] = n.to_be_bytes();
        let from = if n % 3 == 0 { Couple::CLIENT } else { SocketAddr::from((Ipv4Addr::new(203, 0, a, b), 4000)) };
        server.deliver(from, &datagram(recorded));
        server.take_rejected();
    }
}

/// Bytes of this process in memory, where the system says so.
fn resident() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * 4096)
}
