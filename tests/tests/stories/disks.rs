//! Disks that are slow, full, broken, or written to by somebody else meanwhile.

use std::time::Duration;

use dpex_core::engine::{Failure, Limits};
use dpex_core::store::StoreError;
use dpex_core::testing::world::{ClientConfig, DiskConfig, LinkConfig, Outcome, Record, ServerConfig, World};
use dpex_core::testing::{Fault, sweep};
use dpex_core::wire::message::FailCode;

use crate::support::{
    KIB, MS, SEEDS, assert_delivered, assert_refused, assert_whole, fetch_one, finish, ordinary, path, shelve,
};

/// 50 to 500 ms for each operation, and then 1 to 20 MB/s.
fn slow(world: &mut World) -> DiskConfig {
    let latency = MS * u32::try_from(world.rng().within(50..500)).expect("small");
    DiskConfig { latency, rate: world.rng().within(1_000_000..20_000_000), ..DiskConfig::default() }
}

#[test]
fn a_slow_disk_at_the_server_is_waited_for() {
    sweep(SEEDS, |seed| {
        let mut world = World::new(seed);
        let link = ordinary(world.rng());
        *world.server_mut().disk_mut() = slow(&mut World::new(seed));
        let client = world.client(&link);
        let size = world.rng().within(0..2048 * KIB);
        fetch_one(&mut world, client, size);
    });
}

// SES-6.
#[test]
fn a_disk_slower_than_the_idle_time_out_does_not_end_the_session() {
    sweep(SEEDS, |seed| {
        let mut world = World::new(seed);
        let link = ordinary(world.rng());
        let very_slow = DiskConfig { latency: Duration::from_secs(40), rate: 10_000_000, ..DiskConfig::default() };
        let config = if seed.is_multiple_of(2) {
            *world.server_mut().disk_mut() = very_slow;
            ClientConfig::default()
        } else {
            ClientConfig { disk: very_slow, ..ClientConfig::default() }
        };
        let client = world.client_with(&link, &link, config);
        fetch_one(&mut world, client, 100 * KIB);
    });
}

#[test]
fn a_slow_disk_at_the_client_is_waited_for_and_bounds_what_is_sent() {
    sweep(SEEDS, |seed| {
        let mut world = World::new(seed);
        let link = ordinary(world.rng());
        let config = ClientConfig {
            disk: slow(&mut world),
            limits: Limits { window: 1024 * KIB, max_window: 1024 * KIB, ..Limits::default() },
            ..ClientConfig::default()
        };
        let client = world.client_with(&link, &link, config);
        let size = world.rng().within(0..3072 * KIB);
        fetch_one(&mut world, client, size);
    });
}

#[test]
fn a_full_disk_fails_the_file_that_does_not_fit_and_the_others_go_on() {
    sweep(SEEDS, |seed| {
        let mut world = World::new(seed);
        let link = ordinary(world.rng());
        let client = world.client(&link);
        let big = shelve(&world, "big", 1200 * KIB);
        let small: Vec<_> = (0..5).map(|i| shelve(&world, &format!("small {i}"), 20 * KIB)).collect();
        // Half of the time there is room at first, and then somebody else takes it.
        let room = if seed.is_multiple_of(2) { 1000 * KIB } else { 2000 * KIB };
        world[client].store().capacity(room);
        world.connected(client);
        let big_id = world.get(client, &big, None).expect("connected");
        let ids: Vec<_> = small.iter().map(|path| world.get(client, path, None).expect("connected")).collect();
        if seed % 2 == 1 {
            world.run_until(Duration::from_secs(60), |world| !world[client].store().parts().is_empty());
            world[client].store().capacity(1000 * KIB);
        }
        finish(&mut world, client, &ids);
        finish(&mut world, client, &[big_id]);
        match world[client].outcome(big_id) {
            Some(Outcome::Failed(Failure::Store(StoreError::Full))) => {}
            other => panic!("{other:?}\n{world:?}"),
        }
        for (i, id) in ids.iter().enumerate() {
            assert_whole(&world, client, *id, &format!("small {i}"), 20 * KIB);
        }
        world.assert_quiet();
        assert!(world.server().log().any(|r| *r == Record::Aborted(big.clone(), FailCode::Io)), "{world:?}");
        let begun = world[client].store().parts();
        assert!(begun.iter().all(|part| *part == big), "what has arrived may stay for a later run, and nothing else");
        assert!(world[client].store().read(&big).is_none());
        world[client].store().capacity(100_000 * KIB);
        let again = world.get(client, &big, None).expect("connected");
        finish(&mut world, client, &[again]);
        assert_whole(&world, client, again, "big", 1200 * KIB);
        assert_eq!(world[client].store().parts(), []);
    });
}

#[test]
fn a_disk_that_fails_while_it_is_written_to_fails_the_file_and_publishes_nothing() {
    sweep(SEEDS, |seed| {
        let mut world = World::new(seed);
        let link = ordinary(world.rng());
        let client = world.client(&link);
        let path = shelve(&world, "file", 1200 * KIB);
        world[client].store().fail_after_writes(Some(seed % 2));
        world.connected(client);
        let id = world.get(client, &path, None).expect("connected");
        finish(&mut world, client, &[id]);
        assert!(matches!(world[client].outcome(id), Some(Outcome::Failed(Failure::Store(StoreError::Io(_))))));
        world.assert_quiet();
        assert!(world.server().log().any(|r| *r == Record::Aborted(path.clone(), FailCode::Io)), "{world:?}");
        assert_eq!(
            world[client].store().parts(),
            std::slice::from_ref(&path),
            "what has arrived stays for a later run"
        );
        assert!(world[client].store().read(&path).is_none());
    });
}

#[test]
fn a_disk_that_cannot_be_read_fails_the_file_and_what_comes_after_it_is_served() {
    // Little is read ahead, so that what a failed read leaves behind is felt.
    let limits = Limits { send_buffer: 2 << 20, read_ahead: 1 << 20, ..Limits::default() };
    sweep(SEEDS, |seed| {
        let mut world = World::with_server(seed, ServerConfig { limits, ..ServerConfig::default() });
        let link = ordinary(world.rng());
        let client = world.client(&link);
        world.connected(client);
        for round in 0..4 {
            let bad = shelve(&world, &format!("bad {round}"), 700 * KIB);
            world.server().store().fail_reads(Some(Fault::Io));
            let id = world.get(client, &bad, None).expect("connected");
            finish(&mut world, client, &[id]);
            assert_refused(&world, client, id, FailCode::Io);
            assert!(world.server().log().any(|r| *r == Record::Aborted(bad.clone(), FailCode::Io)));
            world.server().store().fail_reads(None);
        }
        let good = shelve(&world, "good", 300 * KIB);
        let id = world.get(client, &good, None).expect("connected");
        finish(&mut world, client, &[id]);
        assert_whole(&world, client, id, "good", 300 * KIB);
        world.assert_quiet();
        assert_delivered(&world, client, "good", 300 * KIB);
        assert_eq!(world[client].store().parts(), []);
    });
}

#[test]
fn a_file_that_changes_while_it_is_read_is_told_as_changed_and_no_mixture_is_published() {
    let limits = Limits { send_buffer: 2 << 20, read_ahead: 1 << 20, ..Limits::default() };
    sweep(SEEDS, |seed| {
        let mut world = World::with_server(seed, ServerConfig { limits, ..ServerConfig::default() });
        let rate = world.rng().within(1_000_000..6_000_000);
        let link = LinkConfig { rate, ..ordinary(world.rng()) };
        let client = world.client(&link);
        let file = shelve(&world, "file", 4096 * KIB);
        world.connected(client);
        let id = world.get(client, &file, None).expect("connected");
        world.run_until(Duration::from_secs(60), |world| world[client].offer(id).is_some());
        world.server().store().change(&file);
        finish(&mut world, client, &[id]);
        assert_refused(&world, client, id, FailCode::Changed);
        assert!(world[client].store().read(&file).is_none());
        world.assert_quiet();
        assert!(world.server().log().any(|r| *r == Record::Aborted(file.clone(), FailCode::Changed)));
        assert_eq!(world[client].store().parts(), []);
        // The new version is there for the asking.
        let again = world.get(client, &file, None).expect("connected");
        finish(&mut world, client, &[again]);
        assert_whole(&world, client, again, "file", 4096 * KIB);
    });
}

#[test]
fn a_file_that_is_not_there_is_told_as_not_found() {
    sweep(SEEDS, |seed| {
        let mut world = World::new(seed);
        let link = ordinary(world.rng());
        let client = world.client(&link);
        world.server().store().folder(&path("folder"));
        world.connected(client);
        for name in ["nothing", "folder", "folder/nothing", ".hidden"] {
            let id = world.get(client, &path(name), None).expect("connected");
            finish(&mut world, client, &[id]);
            assert_refused(&world, client, id, FailCode::NotFound);
        }
        world.assert_quiet();
    });
}
