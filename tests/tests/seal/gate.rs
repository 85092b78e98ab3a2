//! The gate before the handshake: the knock, and cookies under load.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use dpex_core::seal::{COOKIE_LIFETIME, Cookies, Knock};
use dpex_core::types::Secret;
use dpex_tests::SUITE;

use super::support::*;

fn addr(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn cookies(now: Instant) -> Cookies {
    Cookies::new(now, &SUITE).expect("randomness")
}

/// An INIT with a cookie that these cookies gave to `from`.
fn init_with_cookie_of(cookies: &Cookies, from: SocketAddr) -> Datagram {
    let (first, pending) = init();
    let reply = cookies.reply(&knock(), first.as_ref(), from).expect("a cookie");
    let cookie = pending.open_cookie(&knock(), &reply).expect("authentic");
    init_with(Some(&cookie)).0
}

#[test]
fn only_who_has_the_key_is_admitted() {
    let (init, _) = init();
    assert!(knock().admits(init.as_ref()));
    assert!(!Knock::new(&SUITE, &Secret::new([7; 32])).admits(init.as_ref()));
}

// COO-3.
#[test]
fn a_cookie_lets_its_receiver_in_and_nobody_else() {
    let now = Instant::now();
    let cookies = cookies(now);
    let from = addr("192.0.2.7:4000");
    assert!(!cookies.valid(now, init().0.as_ref(), from), "without a cookie");
    let init = init_with_cookie_of(&cookies, from);
    assert!(cookies.valid(now, init.as_ref(), from));
    assert!(knock().admits(init.as_ref()));
    for other in ["192.0.2.7:4001", "192.0.2.8:4000", "[2001:db8::7]:4000"] {
        assert!(!cookies.valid(now, init.as_ref(), addr(other)), "{other}");
    }
    assert!(cookies.valid(now, init.as_ref(), addr("[::ffff:192.0.2.7]:4000")), "the same host on a dual-stack socket");
    assert!(!self::cookies(now).valid(now, init.as_ref(), from), "another server's secret");
}

#[test]
fn every_changed_bit_of_what_the_second_mac_covers_and_of_itself_is_refused() {
    let now = Instant::now();
    let cookies = cookies(now);
    let from = addr("192.0.2.7:4000");
    let init = init_with_cookie_of(&cookies, from);
    for (byte, datagram) in flipped(init.as_ref(), 0..1200) {
        assert!(!cookies.valid(now, &datagram, from), "byte {byte}");
    }
}

// COO-4.
#[test]
fn every_changed_bit_of_a_cookie_is_refused() {
    let (init, pending) = init();
    let reply = cookies(Instant::now()).reply(&knock(), init.as_ref(), addr("192.0.2.7:1")).expect("a cookie");
    assert!(pending.open_cookie(&knock(), &reply).is_some(), "the control");
    for (byte, datagram) in flipped(&reply, 0..72) {
        assert!(pending.open_cookie(&knock(), &datagram).is_none(), "byte {byte}");
    }
    assert!(pending.open_cookie(&knock(), &reply[..71]).is_none());
    assert!(pending.open_cookie(&knock(), &[&reply[..], &[0]].concat()).is_none());
}

// COO-4.
#[test]
fn a_cookie_answers_one_init_and_opens_with_one_knock() {
    let (init, pending) = init();
    let reply = cookies(Instant::now()).reply(&knock(), init.as_ref(), addr("192.0.2.7:1")).expect("a cookie");
    let (_, other) = super::support::init();
    assert!(other.open_cookie(&knock(), &reply).is_none());
    assert!(pending.open_cookie(&Knock::new(&SUITE, &Secret::new([7; 32])), &reply).is_none());
}

// COO-3.
#[test]
fn a_secret_is_replaced_after_its_lifetime_and_accepted_for_another() {
    let start = Instant::now();
    let tick = Duration::from_nanos(1);
    let from = addr("192.0.2.7:4000");
    for rotated_often in [false, true] {
        let mut cookies = cookies(start);
        let init = init_with_cookie_of(&cookies, from);
        if rotated_often {
            for seconds in (0..=239).step_by(7) {
                cookies.rotate(start + Duration::from_secs(seconds)).expect("randomness");
            }
        }
        assert!(cookies.valid(start + 2 * COOKIE_LIFETIME - tick, init.as_ref(), from), "{rotated_often}");
        assert!(!cookies.valid(start + 2 * COOKIE_LIFETIME, init.as_ref(), from), "{rotated_often}");
        cookies.rotate(start + 2 * COOKIE_LIFETIME).expect("randomness");
        assert!(!cookies.valid(start + 2 * COOKIE_LIFETIME, init.as_ref(), from), "{rotated_often}");
    }
}

#[test]
fn a_late_rotation_does_not_prolong_a_cookie() {
    let start = Instant::now();
    let from = addr("192.0.2.7:4000");
    let mut cookies = cookies(start);
    let init = init_with_cookie_of(&cookies, from);
    let late = start + 2 * COOKIE_LIFETIME - Duration::from_secs(1);
    cookies.rotate(late).expect("randomness");
    assert!(cookies.valid(late, init.as_ref(), from));
    let fresh = init_with_cookie_of(&cookies, from);
    assert!(!cookies.valid(late + Duration::from_secs(1), init.as_ref(), from));
    assert!(cookies.valid(late + Duration::from_secs(1), fresh.as_ref(), from));
}

#[test]
fn nothing_is_replaced_before_its_time() {
    let start = Instant::now();
    let from = addr("192.0.2.7:4000");
    let cookie = |cookies: &Cookies| {
        let (init, pending) = init();
        let reply = cookies.reply(&knock(), init.as_ref(), from).expect("a cookie");
        pending.open_cookie(&knock(), &reply).expect("authentic")
    };
    let mut cookies = cookies(start);
    let first = cookie(&cookies);
    cookies.rotate(start + COOKIE_LIFETIME - Duration::from_nanos(1)).expect("randomness");
    assert_eq!(cookie(&cookies), first);
    cookies.rotate(start + COOKIE_LIFETIME).expect("randomness");
    assert_ne!(cookie(&cookies), first);
}
