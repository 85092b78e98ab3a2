//! Keys that change in the middle of a transfer.

use std::time::Duration;

use dpex_core::testing::sweep;
use dpex_core::testing::world::{LinkConfig, Way, World};

use crate::support::{KIB, MS, SEEDS, assert_delivered, assert_whole, finish, ordinary, shelve};

#[test]
fn keys_are_updated_again_and_again_in_the_middle_of_a_transfer_and_nothing_is_lost() {
    sweep(SEEDS, |seed| {
        let mut world = World::new(seed);
        let link = LinkConfig {
            loss: world.rng().unit() * 0.05,
            reorder: world.rng().unit() * 0.1,
            reorder_by: 20 * MS,
            duplicate: 0.05,
            ..ordinary(world.rng())
        };
        let client = world.client(&link);
        let size = world.rng().within(100 * KIB..1000 * KIB);
        let path = shelve(&world, "file", size);
        world.connected(client);
        // The server, the client, or both; the other one follows.
        for way in [Way::Down, Way::Up].into_iter().filter(|way| seed % 3 != *way as u64) {
            let packets = world.rng().within(1..size / 10_000);
            world.update_keys_every(way, packets);
        }
        let id = world.get(client, &path, None).expect("connected");
        finish(&mut world, client, &[id]);
        assert_whole(&world, client, id, "file", size);
        world.assert_quiet();
        assert_delivered(&world, client, "file", size);
        let server = world.server().sessions().map(|session| session.epoch()).max();
        let client = world[client].session().map(|session| session.epoch());
        assert!(server > Some(0), "{world:?}");
        assert!(server == client, "{server:?} {client:?}\n{world:?}");
    });
}

// KEY-10, KEY-11.
#[test]
fn fresh_secrets_are_agreed_on_in_the_middle_of_a_transfer_whatever_the_path_does_and_whoever_updates_keys_besides() {
    sweep(SEEDS, |seed| {
        let mut world = World::new(seed);
        let link = LinkConfig {
            rate: world.rng().within(100_000..400_000),
            loss: world.rng().unit() * 0.1,
            reorder: world.rng().unit() * 0.1,
            reorder_by: 20 * MS,
            duplicate: 0.05,
            ..ordinary(world.rng())
        };
        let rate = link.rate;
        let client = world.client(&link);
        let size = rate * 6;
        let path = shelve(&world, "file", size);
        world.connected(client);
        for way in [Way::Down, Way::Up].into_iter().filter(|way| seed % 4 == 0 || seed % 4 == *way as u64 + 1) {
            let packets = world.rng().within(1..100);
            world.update_keys_every(way, packets);
        }
        world.ratchet_every(10 * KIB);
        let id = world.get(client, &path, None).expect("connected");
        finish(&mut world, client, &[id]);
        assert_whole(&world, client, id, "file", size);
        // However bad the path was for it until now.
        let has_stepped = |world: &World| world[client].session().is_some_and(|session| session.ratchet_steps() > 0);
        assert!(world.run_until(Duration::from_secs(60), has_stepped), "{world:?}");
        world.ratchet_every(u64::MAX);
        world.assert_quiet();
        assert_delivered(&world, client, "file", size);
        let here = world[client].session().map(|session| (session.ratchet_steps(), session.epoch()));
        let there = world.server().sessions().map(|session| (session.ratchet_steps(), session.epoch())).max();
        assert!(here == there, "{here:?} {there:?}\n{world:?}");
    });
}
