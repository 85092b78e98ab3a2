//! A server under load: cookies, and what they are not good for.

use std::net::SocketAddr;
use std::time::Duration;

use dpex_core::engine::Limits;
use dpex_core::seal::PendingInit;
use dpex_core::testing::scripted::{Acquaintance, BEGINNING, ServerHost, Victim, offer};
use dpex_core::testing::{MemStore, NullSuite};
use dpex_core::types::Timestamp;

use super::support::*;

/// A server of several people, kept under load by signatures that are not made.
struct Loaded {
    keys: Vec<Acquaintance>,
    host: ServerHost,
    stamps: i64,
}

impl Loaded {
    fn new() -> Self {
        let first = Acquaintance::new(NullSuite::leak(5));
        let mut host = ServerHost::new(&first, &MemStore::new(), Limits::default());
        let mut keys = vec![first.clone()];
        for _ in 0..12 {
            let another = first.another();
            host.with_endpoint(|e| e.enrol(another.person()).expect("room"));
            keys.push(another);
        }
        host.let_crypto_wait(true);
        let mut this = Self { keys, host, stamps: BEGINNING };
        for n in 1..=8 {
            let (init, _) = this.init(n, None);
            this.host.deliver(elsewhere(u16::try_from(n).expect("small")), &init);
        }
        assert!(this.host.take_sent().is_empty());
        assert_eq!(this.host.jobs(), 8);
        this
    }

    fn init(&mut self, who: usize, cookie: Option<&[u8; 16]>) -> (Vec<u8>, PendingInit) {
        self.stamps += 1;
        let stamp = Timestamp::new(self.stamps, 0).expect("whole seconds");
        self.keys[who].init_with(stamp, &offer(1, 1), cookie)
    }

    fn cookie(&mut self, from: SocketAddr) -> [u8; 16] {
        let (init, pending) = self.init(0, None);
        self.host.deliver(from, &init);
        let (to, cookie) = self.host.take_sent().pop().expect("a COOKIE");
        assert_eq!((to, cookie.len()), (from, 72), "much less than what was sent, and to where it came from");
        pending.open_cookie(&self.keys[0].knock(), &cookie).expect("for this INIT")
    }
}

// COO-2.
#[test]
fn under_load_an_init_without_a_cookie_draws_one_cookie_and_no_work() {
    let mut m = Loaded::new();
    let cookie = m.cookie(CLIENT);
    assert_eq!(m.host.jobs(), 8);
    let (init, _) = m.init(0, Some(&cookie));
    m.host.deliver(CLIENT, &init);
    assert_eq!((m.host.jobs(), m.host.take_sent().len()), (9, 0), "with it, it is worked on");
}

// ENR-26.
#[test]
fn who_comes_through_a_gate_that_was_replaced_is_asked_in_the_words_of_that_gate() {
    let mut m = Loaded::new();
    let (old, new) = (m.keys[0].clone(), m.keys[0].renewed(false, true));
    m.host.with_endpoint(|endpoint| {
        endpoint.set_knock(std::sync::Arc::new(new.knock()), Some(old.former_knock(&new)));
    });
    m.cookie(CLIENT);
    m.keys[0] = new;
    m.cookie(CLIENT);
}

// COO-1.
#[test]
fn strangers_draw_no_cookie() {
    let mut m = Loaded::new();
    let (init, _) = m.init(0, None);
    for bit in 0..1184 * 8 {
        let mut other = init.clone();
        other[bit / 8] ^= 1 << (bit % 8);
        m.host.deliver(CLIENT, &other);
    }
    assert!(m.host.take_sent().is_empty());
}

#[test]
fn a_cookie_is_good_for_no_other_address_and_no_other_port() {
    let mut m = Loaded::new();
    let cookie = m.cookie(CLIENT);
    let mut other_port = CLIENT;
    other_port.set_port(1);
    for from in [elsewhere(1), other_port] {
        let (init, _) = m.init(0, Some(&cookie));
        m.host.deliver(from, &init);
        let sent: Vec<_> = m.host.take_sent().iter().map(|(to, d)| (*to, d.len())).collect();
        assert_eq!((m.host.jobs(), sent), (8, vec![(from, 72)]));
    }
}

#[test]
fn a_cookie_is_good_for_a_while_and_then_no_more() {
    let mut m = Loaded::new();
    let cookie = m.cookie(CLIENT);
    m.host.advance(Duration::from_secs(119));
    let (init, _) = m.init(0, Some(&cookie));
    m.host.deliver(CLIENT, &init);
    assert_eq!(m.host.jobs(), 9);
    m.host.advance(Duration::from_secs(122));
    let (init, _) = m.init(0, Some(&cookie));
    m.host.deliver(CLIENT, &init);
    assert_eq!(m.host.jobs(), 9, "after 241 s");
}

#[test]
fn an_init_with_its_cookie_is_as_stale_as_any_when_it_is_replayed() {
    let mut m = Loaded::new();
    let cookie = m.cookie(CLIENT);
    let (init, _) = m.init(0, Some(&cookie));
    m.host.deliver(CLIENT, &init);
    m.host.let_crypto_wait(false);
    assert_eq!(m.host.take_sent().len(), 9, "all are answered");
    m.host.advance(Duration::from_millis(900));
    m.host.deliver(CLIENT, &init);
    assert!(m.host.take_sent().is_empty(), "still under load, cookie good, stamp stale");
}

// LIM-1.
#[test]
fn cookies_to_one_source_are_limited() {
    let mut m = Loaded::new();
    for _ in 0..1000 {
        let (init, _) = m.init(0, None);
        m.host.deliver(CLIENT, &init);
        m.host.advance(Duration::from_millis(1));
    }
    let sent = m.host.take_sent();
    assert!(sent.len() <= 5 + 20, "{}", sent.len());
}

#[test]
fn the_queue_of_signatures_is_bounded_and_what_is_above_is_dropped() {
    let keys = Acquaintance::new(NullSuite::leak(6));
    let mut host = ServerHost::new(&keys, &MemStore::new(), Limits::default());
    host.let_crypto_wait(true);
    let mut cookies = Vec::new();
    // Cookies are had in good time; then a hundred people come at once.
    let people: Vec<_> = (0..100).map(|_| keys.another()).collect();
    for person in &people {
        host.with_endpoint(|e| e.enrol(person.person()).expect("room"));
    }
    let stamp = |n: i64| Timestamp::new(BEGINNING + n, 0).expect("whole seconds");
    for (n, person) in (0..).zip(&people) {
        let (init, pending) = person.init(stamp(1));
        host.deliver(elsewhere(n), &init);
        let cookie = host.take_sent().pop().map(|(_, d)| pending.open_cookie(&person.knock(), &d).expect("a cookie"));
        cookies.push(cookie);
    }
    for ((n, person), cookie) in (0..).zip(&people).zip(&cookies) {
        let init = person.init_with(stamp(2), &offer(1, 1), cookie.as_ref()).0;
        host.deliver(elsewhere(n), &init);
    }
    assert_eq!(host.jobs(), 64);
    assert!(host.endpoint().counters().overload > 0);
    host.let_crypto_wait(false);
    assert!(host.sessions().count() <= 64);
}

#[test]
fn a_legitimate_client_gets_in_while_others_flood_with_spoofed_addresses() {
    let mut m = Loaded::new();
    let cookie = m.cookie(CLIENT);
    for n in 0..20_000u16 {
        let (init, _) = m.init(usize::from(n) % 12 + 1, None);
        m.host.deliver(elsewhere(n), &init);
    }
    assert_eq!(m.host.jobs(), 8, "none of them was worked on");
    let (init, _) = m.init(0, Some(&cookie));
    m.host.deliver(CLIENT, &init);
    assert_eq!(m.host.jobs(), 9);
}
