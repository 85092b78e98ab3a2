//! Giving up: it frees what was held, leaks no credit, and what is asked next works.

use std::time::Duration;

use dpex_core::engine::{Failure, Limits};
use dpex_core::testing::sweep;
use dpex_core::testing::world::{ClientConfig, DiskConfig, LinkConfig, Outcome, World};

use crate::support::{KIB, SEEDS, assert_whole, finish, ordinary, shelve};

#[test]
fn two_hundred_files_given_up_in_the_middle_leave_room_for_the_next() {
    given_up(DiskConfig::default());
}

/// They are given up while they are published, too.
#[test]
fn two_hundred_files_given_up_before_a_slow_disk_leave_room_for_the_next() {
    given_up(DiskConfig { latency: Duration::from_millis(300), ..DiskConfig::default() });
}

fn given_up(disk: DiskConfig) {
    // Room for one block: what leaked would soon be missed.
    let limits = Limits { window: 1024 * KIB, max_window: 1024 * KIB, ..Limits::default() };
    sweep(0..40, |seed| {
        let mut world = World::new(seed);
        let rate = world.rng().within(1_000_000..10_000_000);
        let delay = world.rng().up_to(Duration::from_millis(20));
        let link = LinkConfig { rate, delay, loss: world.rng().unit() * 0.05, ..ordinary(world.rng()) };
        let client = world.client_with(&link, &link, ClientConfig { limits, disk, ..ClientConfig::default() });
        world.connected(client);
        for round in 0..200 {
            let path = shelve(&world, &format!("{round}"), 150 * KIB);
            let id = world.get(client, &path, None).expect("connected");
            let middle = world.rng().up_to(Duration::from_millis(150));
            world.run_until(middle, |world| world[client].outcome(id).is_some());
            world.cancel(client, id);
            finish(&mut world, client, &[id]);
            match world[client].outcome(id) {
                Some(Outcome::Failed(Failure::Cancelled) | Outcome::Finished { .. }) => {}
                other => panic!("{other:?}\n{world:?}"),
            }
        }
        // Several at once, each as large as the window: they need all of it back.
        let names = ["one", "two", "three"];
        let ids: Vec<_> = names
            .iter()
            .map(|name| {
                let path = shelve(&world, name, 1024 * KIB);
                world.get(client, &path, None).expect("connected")
            })
            .collect();
        finish(&mut world, client, &ids);
        for (name, id) in names.iter().zip(&ids) {
            assert_whole(&world, client, *id, name, 1024 * KIB);
        }
        world.assert_quiet();
    });
}

// XFR-6.
#[test]
fn many_requests_given_up_at_once_end_once_each() {
    sweep(SEEDS, |seed| {
        let mut world = World::new(seed);
        let link = LinkConfig { loss: world.rng().unit() * 0.1, ..ordinary(world.rng()) };
        let client = world.client(&link);
        let paths: Vec<_> = (0..400).map(|i| shelve(&world, &format!("{i}"), 5 * KIB)).collect();
        world.connected(client);
        let ids: Vec<_> = paths.iter().map(|path| world.get(client, path, None).expect("connected")).collect();
        let middle = world.rng().up_to(Duration::from_secs(2));
        world.run_for(middle);
        for id in &ids {
            world.cancel(client, *id);
            world.cancel(client, *id);
        }
        finish(&mut world, client, &ids);
        world.assert_quiet();
        let path = shelve(&world, "last", 50 * KIB);
        let last = world.get(client, &path, None).expect("connected");
        finish(&mut world, client, &[last]);
        assert_whole(&world, client, last, "last", 50 * KIB);
    });
}
