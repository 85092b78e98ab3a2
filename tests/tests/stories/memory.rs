//! Whatever memory a side was given, it is enough, and not exceeded (the world checks that at every step).

use dpex_core::engine::{Failure, Limits};
use dpex_core::testing::sweep;
use dpex_core::testing::world::{ClientConfig, DiskConfig, LinkConfig, Outcome, Record, ServerConfig, World};
use dpex_core::wire::message::FailCode;

use crate::support::{KIB, MS, SEEDS, assert_whole, fetch_one, finish, ordinary, shelve};

#[test]
fn a_window_smaller_than_a_block_is_widened_to_receive_a_file_of_many() {
    sweep(SEEDS, |seed| {
        let mut world = World::new(seed);
        let rate = world.rng().within(1_000_000..6_000_000);
        let link = LinkConfig { rate, ..ordinary(world.rng()) };
        let window = world.rng().within(1..2048 * KIB);
        let limits = Limits { window, max_window: window.max(1024 * KIB), ..Limits::default() };
        let client = world.client_with(&link, &link, ClientConfig { limits, ..ClientConfig::default() });
        fetch_one(&mut world, client, 2500 * KIB);
    });
}

#[test]
fn a_client_that_may_not_hold_a_block_says_so_and_gets_what_is_smaller() {
    sweep(SEEDS, |seed| {
        let mut world = World::new(seed);
        let link = ordinary(world.rng());
        let window = world.rng().within(1..1000 * KIB);
        let limits = Limits { window, max_window: window, ..Limits::default() };
        let client = world.client_with(&link, &link, ClientConfig { limits, ..ClientConfig::default() });
        let large = shelve(&world, "large", window + 1);
        let small = shelve(&world, "small", window);
        world.connected(client);
        let ids: Vec<_> = [&large, &small].map(|path| world.get(client, path, None).expect("connected")).into();
        finish(&mut world, client, &ids);
        assert!(matches!(world[client].outcome(ids[0]), Some(Outcome::Failed(Failure::TooLarge))), "{world:?}");
        assert_whole(&world, client, ids[1], "small", window);
        world.assert_quiet();
        assert!(world.server().log().any(|r| *r == Record::Aborted(large.clone(), FailCode::TooLarge)), "{world:?}");
    });
}

#[test]
fn a_slow_reader_with_a_window_of_one_block_gets_files_of_all_sizes() {
    sweep(SEEDS, |seed| {
        let mut world = World::new(seed);
        let link = LinkConfig { loss: world.rng().unit() * 0.02, ..ordinary(world.rng()) };
        let config = ClientConfig {
            limits: Limits { window: 1024 * KIB, max_window: 1024 * KIB, ..Limits::default() },
            disk: DiskConfig { latency: 20 * MS, rate: 2_000_000, ..DiskConfig::default() },
            ..ClientConfig::default()
        };
        let client = world.client_with(&link, &link, config);
        let sizes = [100 * KIB, 1100 * KIB, 1, 900 * KIB, 0, 10 * KIB];
        world.connected(client);
        let ids: Vec<_> = sizes
            .iter()
            .map(|size| {
                let path = shelve(&world, &format!("{size}"), *size);
                world.get(client, &path, None).expect("connected")
            })
            .collect();
        finish(&mut world, client, &ids);
        for (size, id) in sizes.iter().zip(&ids) {
            assert_whole(&world, client, *id, &format!("{size}"), *size);
        }
        world.assert_quiet();
    });
}

#[test]
fn a_small_file_does_not_take_the_credit_that_a_large_one_behind_it_needs() {
    sweep(SEEDS, |seed| {
        let mut world = World::new(seed);
        let link = ordinary(world.rng());
        let limits = Limits { window: 1024 * KIB, max_window: 1024 * KIB, ..Limits::default() };
        let client = world.client_with(&link, &link, ClientConfig { limits, ..ClientConfig::default() });
        let sizes = [world.rng().within(0..200 * KIB), world.rng().within(1024 * KIB..1500 * KIB)];
        world.connected(client);
        let ids = sizes.map(|size| {
            let path = shelve(&world, &format!("{size}"), size);
            world.get(client, &path, None).expect("connected")
        });
        finish(&mut world, client, &ids);
        for (size, id) in sizes.iter().zip(&ids) {
            assert_whole(&world, client, *id, &format!("{size}"), *size);
        }
        world.assert_quiet();
    });
}

#[test]
fn a_server_with_hardly_any_memory_serves_all_the_same() {
    sweep(SEEDS, |seed| {
        let mut world = World::new(seed);
        let [send_buffer, read_ahead] =
            [(); 2].map(|()| usize::try_from(world.rng().within(1..2048 * KIB)).expect("small"));
        let limits = Limits { send_buffer, read_ahead, ..Limits::default() };
        let mut world = World::with_server(seed, ServerConfig { limits, ..ServerConfig::default() });
        let rate = world.rng().within(1_000_000..6_000_000);
        let link = LinkConfig { rate, ..ordinary(world.rng()) };
        let client = world.client(&link);
        let names = ["one", "two", "three"];
        world.connected(client);
        let ids: Vec<_> = names
            .iter()
            .map(|name| {
                let path = shelve(&world, name, 1100 * KIB);
                world.get(client, &path, None).expect("connected")
            })
            .collect();
        finish(&mut world, client, &ids);
        for (name, id) in names.iter().zip(&ids) {
            assert_whole(&world, client, *id, name, 1100 * KIB);
        }
        world.assert_quiet();
    });
}
