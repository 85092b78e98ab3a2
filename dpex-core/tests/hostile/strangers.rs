//! People without keys, and one who recorded a session: not one answer, not one public-key operation, no memory.

use dpex_core::engine::Limits;
use dpex_core::testing::scripted::{Acquaintance, Couple, ServerHost, Victim, Way};
use dpex_core::testing::{CountingSuite, MemStore, NullSuite};

use super::support::*;

const DATAGRAMS: usize = 100_000;

/// What strangers send: random bytes of every length, and what they recorded, whole, cut, altered and from elsewhere.
fn datagram(dice: &mut Dice, recorded: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = recorded[dice.below(recorded.len())].clone();
    match dice.below(6) {
        0 => {
            let len = dice.below(2001);
            dice.bytes(len)
        }
        1 => dice.bytes(1200),
        2 => {
            bytes.truncate(dice.below(bytes.len()));
            bytes
        }
        3 => {
            let len = dice.below(2001);
            bytes.resize(len, 0);
            bytes
        }
        4 => {
            let bit = dice.below(bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            bytes
        }
        _ => bytes,
    }
}

#[test]
fn a_hundred_thousand_datagrams_of_strangers_draw_no_answer_and_no_public_key_operation() {
    let counting = CountingSuite::leak(NullSuite::leak(1));
    let keys = Acquaintance::new(counting);
    let mut host = ServerHost::new(&keys, &MemStore::new(), Limits::default());
    // Recorded in a meeting with another server: to this one its people are strangers.
    let mut other = Couple::new(NullSuite::leak(2));
    other.shelf.put(&path("f"), bytes(50_000));
    let recorded: Vec<_> = other.play(&["f"], &mut |_, _, _, _| ()).into_iter().map(|p| p.datagram).collect();
    assert!(recorded.len() > 40);

    let before = counting.counts();
    let mut dice = Dice::new(3);
    for n in 0..DATAGRAMS {
        let from = elsewhere(u16::try_from(n % 60_000).expect("small"));
        let datagram = datagram(&mut dice, &recorded);
        host.deliver(from, &datagram);
    }
    assert!(host.take_sent().is_empty());
    assert_eq!(counting.counts(), before);
    assert_eq!(host.sessions().count(), 0);
    assert!(host.take_rejected().is_empty());
    let counters = host.endpoint().counters();
    assert_eq!(counters.noise + counters.bad_mac1, DATAGRAMS as u64);
    assert!(counters.noise > 10_000 && counters.bad_mac1 > 10_000, "{counters:?}");
}

#[test]
fn who_recorded_a_session_with_this_very_server_gets_nothing_out_of_it() {
    let counting = CountingSuite::leak(NullSuite::leak(4));
    let mut couple = Couple::new(counting);
    couple.shelf.put(&path("f"), bytes(50_000));
    let log = couple.play(&["f"], &mut |_, _, _, _| ());
    let recorded: Vec<_> = log.iter().filter(|p| p.way == Way::ToServer).map(|p| p.datagram.clone()).collect();
    let both: Vec<_> = log.iter().map(|p| p.datagram.clone()).collect();
    let before = counting.counts();
    let mut dice = Dice::new(5);
    for n in 0..DATAGRAMS / 2 {
        let from = if n % 3 == 0 { CLIENT } else { elsewhere(u16::try_from(n % 50_000).expect("small")) };
        let mut datagram = datagram(&mut dice, if n % 2 == 0 { &recorded } else { &both });
        if n % 1000 == 0 {
            datagram.clone_from(&recorded[0]);
        }
        couple.server.deliver(from, &datagram);
    }
    assert!(couple.server.take_sent().is_empty());
    assert_eq!(counting.counts(), before);
    assert_eq!(couple.server.sessions().count(), 1, "the recorded session is still there and has heard nothing");
    assert_eq!(couple.server.memory(), 0);
    couple.client.get("f");
    for _ in 0..200 {
        couple.tick(&mut |_, _, _, _| ());
    }
    assert!(couple.client.unanswered().is_empty(), "and the true client goes on");
}

/// Runs itself again, alone, since other tests in this process use memory as well.
#[test]
fn strangers_cost_no_memory() {
    if std::env::var_os("ALONE").is_none() {
        let me = std::env::current_exe().expect("this program");
        let alone = std::process::Command::new(me)
            .args(["--exact", "strangers::strangers_cost_no_memory", "--nocapture"])
            .env("ALONE", "1")
            .output()
            .expect("it runs again");
        assert!(alone.status.success(), "{}", String::from_utf8_lossy(&alone.stderr));
        return;
    }
    let keys = Acquaintance::new(NullSuite::leak(6));
    let mut host = ServerHost::new(&keys, &MemStore::new(), Limits::default());
    let mut dice = Dice::new(7);
    let recorded = [keys.another().another().init(host.moment().wall).0];
    let mut round = |host: &mut ServerHost| {
        for n in 0..20_000u16 {
            let datagram = datagram(&mut dice, &recorded);
            host.deliver(elsewhere(n), &datagram);
        }
        host.take_sent();
    };
    round(&mut host);
    let Some(before) = resident() else { return };
    for _ in 0..5 {
        round(&mut host);
    }
    let after = resident().expect("as before");
    assert!(after <= before + (4 << 20), "{before} bytes became {after}");
}

/// Bytes of this process in memory, where the system says so.
fn resident() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * 4096)
}
