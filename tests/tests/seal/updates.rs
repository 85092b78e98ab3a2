//! Key updates: when they are due, and what the peer opens around them.

use std::time::Duration;

use dpex_core::seal::{Direction, EPOCH_AGE, OpenError, Opener, SealError, Sealer};
use dpex_core::types::Secret;
use dpex_tests::SUITE;

use super::records::{CID, Wire};

/// Acknowledges `pn` and moves the sealer on.
fn update(wire: &mut Wire, pn: u64) {
    wire.sealer.on_ack(pn);
    wire.sealer.update(wire.now).expect("confirmed");
}

fn open_changed(wire: &mut Wire, packet: &[u8]) -> bool {
    wire.opener.open(wire.now, &mut packet.to_vec()).expect("authentic").key_phase_changed
}

// KEY-2.
#[test]
fn an_update_needs_an_acknowledged_packet_of_the_current_epoch() {
    let mut wire = Wire::new();
    assert_eq!(wire.sealer.update(wire.now), Err(SealError::Unconfirmed));
    wire.seal(0);
    wire.sealer.on_ack(1);
    assert_eq!(wire.sealer.update(wire.now), Err(SealError::Unconfirmed), "never sent");
    update(&mut wire, 0);
    assert_eq!(wire.sealer.epoch(), 1);
    wire.sealer.on_ack(0);
    assert_eq!(wire.sealer.update(wire.now), Err(SealError::Unconfirmed), "of the epoch before");
    wire.seal(1);
    update(&mut wire, 1);
    assert_eq!(wire.sealer.epoch(), 2);
}

// KEY-1.
#[test]
fn an_update_is_due_at_an_age_and_not_before_and_only_when_confirmed() {
    let mut wire = Wire::new();
    let due = wire.now + EPOCH_AGE;
    wire.seal(0);
    assert!(!wire.sealer.update_due(due), "not confirmed");
    wire.sealer.on_ack(0);
    assert!(!wire.sealer.update_due(due - Duration::from_nanos(1)));
    assert!(wire.sealer.update_due(due));
    wire.sealer.update(due).expect("confirmed");
    wire.seal(1);
    wire.sealer.on_ack(1);
    assert!(!wire.sealer.update_due(due), "the age starts anew");
    assert!(wire.sealer.update_due(due + EPOCH_AGE));
}

// KEY-5.
#[test]
fn the_peer_follows_an_update_once() {
    let mut wire = Wire::new();
    let first = wire.seal(0);
    assert!(!open_changed(&mut wire, &first));
    for epoch in 1..=5u64 {
        update(&mut wire, 2 * (epoch - 1));
        let new = wire.seal(2 * epoch - 1);
        let newer = wire.seal(2 * epoch);
        assert!(open_changed(&mut wire, &new));
        assert!(!open_changed(&mut wire, &newer));
        assert_eq!((wire.opener.epoch(), wire.sealer.epoch()), (epoch, epoch));
    }
}

#[test]
fn an_update_may_be_the_first_thing_the_peer_sees() {
    let mut wire = Wire::new();
    let lost = wire.seal(0);
    update(&mut wire, 0);
    let new = wire.seal(1);
    assert!(open_changed(&mut wire, &new));
    assert_eq!(wire.open(&lost), Ok(0), "only late");
}

// KEY-6.
#[test]
fn packets_overtaken_by_an_update_are_opened_while_the_old_key_is_kept_and_not_after() {
    let mut wire = Wire::new();
    let old: Vec<_> = (0..4).map(|pn| wire.seal(pn)).collect();
    assert_eq!(wire.open(&old[0]), Ok(0));
    update(&mut wire, 0);
    let new: Vec<_> = (4..8).map(|pn| wire.seal(pn)).collect();
    assert!(open_changed(&mut wire, &new[2]));
    assert_eq!(wire.open(&old[1]), Ok(1));
    assert_eq!(wire.open(&new[0]), Ok(4), "below the packet that brought the update");
    let until = wire.now + Duration::from_millis(300);
    wire.opener.discard_previous_at(until);
    assert_eq!(wire.opener.poll_timeout(), Some(until));
    wire.now = until - Duration::from_nanos(1);
    assert_eq!(wire.open(&old[2]), Ok(2));
    wire.now = until;
    assert_eq!(wire.open(&old[3]), Err(OpenError::Silent));
    assert_eq!(wire.opener.failed_opens(), 0, "there was no key to try");
    assert_eq!(wire.open(&new[3]), Ok(7));
    assert_eq!(wire.opener.poll_timeout(), None);
}

// KEY-6.
#[test]
fn the_key_before_the_previous_one_is_gone() {
    let mut wire = Wire::new();
    let oldest = wire.seal(0);
    for epoch in 1..=2u64 {
        let ack = wire.seal(2 * epoch - 1);
        assert!(wire.open(&ack).is_ok());
        update(&mut wire, 2 * epoch - 1);
        let new = wire.seal(2 * epoch);
        assert!(open_changed(&mut wire, &new));
    }
    assert_eq!(wire.open(&oldest), Err(OpenError::Silent));
}

#[test]
fn a_packet_two_epochs_ahead_is_not_opened() {
    let mut wire = Wire::new();
    wire.seal(0);
    update(&mut wire, 0);
    let next = wire.seal(1);
    update(&mut wire, 1);
    let after_next = wire.seal(2);
    assert_eq!(wire.open(&after_next), Err(OpenError::Silent));
    assert!(open_changed(&mut wire, &next));
    assert!(open_changed(&mut wire, &after_next));
}

// KEY-4.
#[test]
fn a_forged_phase_does_not_change_the_epoch_or_harm_the_key_to_come() {
    let mut wire = Wire::new();
    wire.seal(0);
    update(&mut wire, 0);
    let new = wire.seal(1);
    let mut forged = new.clone();
    *forged.last_mut().expect("not empty") ^= 1;
    for _ in 0..3 {
        assert_eq!(wire.open(&forged), Err(OpenError::Silent));
    }
    assert_eq!((wire.opener.epoch(), wire.opener.failed_opens()), (0, 3));
    assert!(open_changed(&mut wire, &new));
}

#[test]
fn replays_are_refused_across_an_update() {
    let mut wire = Wire::new();
    let old = wire.seal(0);
    assert_eq!(wire.open(&old), Ok(0));
    update(&mut wire, 0);
    let new = wire.seal(1);
    assert!(open_changed(&mut wire, &new));
    assert_eq!(wire.open(&old), Err(OpenError::Replay));
    assert_eq!(wire.open(&new), Err(OpenError::Replay));
}

#[test]
fn a_sealer_follows_its_peer_and_may_not_run_ahead_of_it() {
    let mut wire = Wire::new();
    wire.sealer.follow(wire.now, 0).expect("nothing to do");
    assert_eq!(wire.sealer.epoch(), 0);
    wire.sealer.follow(wire.now, 1).expect("keys");
    wire.sealer.follow(wire.now, 1).expect("nothing to do");
    assert_eq!(wire.sealer.epoch(), 1);
    let packet = wire.seal(0);
    assert!(open_changed(&mut wire, &packet));
    assert_eq!(wire.sealer.update(wire.now), Err(SealError::Unconfirmed));
}

#[test]
fn both_sides_may_update_at_once() {
    let mut up = Wire::new();
    let (now, down) = (up.now, Direction::ServerToClient);
    let mut back = Wire {
        now,
        sealer: Sealer::new(now, &SUITE, &up.secrets, down).expect("keys"),
        opener: Opener::new(&SUITE, &up.secrets, down).expect("keys"),
        secrets: super::support::handshake().0,
    };
    up.seal(0);
    back.seal(0);
    update(&mut up, 0);
    update(&mut back, 0);
    let (there, here) = (up.seal(1), back.seal(1));
    assert!(open_changed(&mut up, &there));
    back.sealer.follow(now, up.opener.epoch()).expect("nothing to do");
    assert!(open_changed(&mut back, &here));
    up.sealer.follow(now, back.opener.epoch()).expect("nothing to do");
    assert_eq!((up.sealer.epoch(), back.sealer.epoch()), (1, 1));
}

// KEY-10.
#[test]
fn the_secret_of_a_ratchet_step_takes_the_place_of_the_next_epochs() {
    let mut wire = Wire::new();
    let old = wire.seal(0);
    let secret = Secret::new([0x77; 32]);
    wire.sealer.set_next_secret(secret.clone());
    update(&mut wire, 0);
    let new = wire.seal(1);
    assert_eq!(wire.open(&new), Err(OpenError::Silent), "the opener has not stepped");
    wire.opener.set_secret(1, secret);
    assert!(open_changed(&mut wire, &new));
    assert_eq!(wire.open(&old), Ok(0));
    let mut packet = [0; 40];
    wire.sealer.seal_in_place(&CID, 2, &mut packet).expect("sealed");
    assert_eq!(wire.open(&packet), Ok(2));
}

// KEY-10.
#[test]
fn the_secret_of_the_epoch_after_next_waits_for_the_next_one() {
    let mut wire = Wire::new();
    wire.seal(0);
    update(&mut wire, 0);
    let next = wire.seal(1);
    let secret = Secret::new([0x77; 32]);
    wire.opener.set_secret(2, secret.clone());
    wire.sealer.set_next_secret(secret);
    assert!(open_changed(&mut wire, &next), "the epoch between is as it would have been");
    update(&mut wire, 1);
    let after = wire.seal(2);
    assert!(open_changed(&mut wire, &after));
    update(&mut wire, 2);
    let third = wire.seal(3);
    assert!(open_changed(&mut wire, &third), "and those after it derive from it");
}
