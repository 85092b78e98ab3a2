//! How large datagrams become, and what happens when they do not pass any more.

use std::sync::atomic::{AtomicUsize, Ordering};

use dpex_core::testing::sweep;
use dpex_core::testing::world::{ClientConfig, ClientId, LinkConfig, ServerConfig, Way, World};

use crate::support::{KIB, SEEDS, assert_delivered, assert_whole, finish, ordinary, shelve};

/// More than any path takes.
const MOST: u16 = 65_000;

fn meet(seed: u64, link: impl FnOnce(&mut World) -> LinkConfig) -> (World, ClientId) {
    let mut world = World::with_server(seed, ServerConfig { max_udp_payload: MOST, ..ServerConfig::default() });
    let link = link(&mut world);
    let client = world.client_with(&link, &link, ClientConfig { max_udp_payload: MOST, ..ClientConfig::default() });
    (world, client)
}

/// Of the session that is used: one whose answer was lost may wait beside it until it is given up.
fn datagram(world: &World) -> usize {
    world.server().sessions().map(|session| session.datagram()).max().expect("connected")
}

// LOS-13.
#[test]
fn datagrams_become_as_large_as_the_path_takes() {
    const SIZE: u64 = 3072 * KIB;
    sweep(SEEDS, |seed| {
        let paths =
            [(1200, 1200), (1300, 1200), (1400, 1372), (1464, 1452), (1500, 1472), (9000, 8972), (65_507, 65_000)];
        let (mtu, found) = paths[usize::try_from(seed).expect("small") % paths.len()];
        let (mut world, client) = meet(seed, |world| LinkConfig { mtu, ..ordinary(world.rng()) });
        let path = shelve(&world, "file", SIZE);
        world.connected(client);
        let id = world.get(client, &path, None).expect("connected");
        finish(&mut world, client, &[id]);
        assert_whole(&world, client, id, "file", SIZE);
        assert_eq!(datagram(&world), found, "over {mtu}");
        world.assert_quiet();
    });
}

#[test]
fn random_loss_rarely_keeps_datagrams_from_growing() {
    const SIZE: u64 = 4096 * KIB;
    let small = AtomicUsize::new(0);
    sweep(SEEDS, |seed| {
        let (mut world, client) = meet(seed, |world| LinkConfig { loss: 0.05, ..ordinary(world.rng()) });
        let path = shelve(&world, "file", SIZE);
        world.connected(client);
        let id = world.get(client, &path, None).expect("connected");
        finish(&mut world, client, &[id]);
        assert_whole(&world, client, id, "file", SIZE);
        small.fetch_add(usize::from(datagram(&world) < 1472), Ordering::Relaxed);
        world.assert_quiet();
    });
    // Three tests of one size in a row are lost once in 8,000 times.
    let small = small.into_inner();
    assert!(small <= 3, "{small} times");
}

#[test]
fn a_path_that_takes_less_in_the_middle_of_a_file_gets_less() {
    const SIZE: u64 = 2048 * KIB;
    sweep(SEEDS, |seed| {
        let (mut world, client) = meet(seed, |world| LinkConfig { mtu: 1500, ..ordinary(world.rng()) });
        let path = shelve(&world, "file", SIZE);
        world.connected(client);
        let id = world.get(client, &path, None).expect("connected");
        let large = |world: &World| world.server().sessions().next().is_some_and(|session| session.datagram() == 1472);
        assert!(world.run_until(crate::support::PATIENCE, large), "{world:?}");
        world.link_mut(client, Way::Down).mtu = 1280;
        finish(&mut world, client, &[id]);
        assert_whole(&world, client, id, "file", SIZE);
        assert_eq!(datagram(&world), 1200);
        world.assert_quiet();
        assert_delivered(&world, client, "file", SIZE);
    });
}
