//! A client whose address changes in the middle: another network, or a translator that forgot it.

use std::net::SocketAddr;
use std::time::Duration;

use dpex_core::testing::sweep;
use dpex_core::testing::world::{ClientId, LinkConfig, Record, Standing, World};

use crate::support::{KIB, SEEDS, assert_delivered, assert_whole, finish, ordinary, shelve};

const SIZE: u64 = 1024 * KIB;

/// A path that takes a second or more for the file, and the middle of the transfer.
fn slow(world: &mut World) -> LinkConfig {
    let link = ordinary(world.rng());
    LinkConfig { rate: link.rate.min(SIZE), ..link }
}

fn moved(world: &World, client: ClientId) -> Vec<SocketAddr> {
    let person = world.person(client);
    let moves = world.server().log_of(person).filter_map(|record| match record {
        Record::Moved(to) => Some(*to),
        _ => None,
    });
    moves.collect()
}

fn address(host: u8, port: u16) -> SocketAddr {
    SocketAddr::from(([203, 0, 113, host], port))
}

// PTH-2, PTH-5.
#[test]
fn a_transfer_goes_on_in_its_session_when_the_client_has_another_address() {
    sweep(SEEDS, |seed| {
        let mut world = World::new(seed);
        let link = slow(&mut world);
        let client = world.client(&link);
        let file = shelve(&world, "file", SIZE);
        world.connected(client);
        let id = world.get(client, &file, None).expect("connected");
        let middle = world.rng().up_to(Duration::from_millis(800));
        world.run_for(middle);
        let to = address(1, 1000);
        world.moves(client, to);
        finish(&mut world, client, &[id]);
        assert_whole(&world, client, id, "file", SIZE);
        assert_eq!(world[client].standing(), &Standing::Connected);
        assert_eq!(moved(&world, client), [to], "{world:?}");
        world.assert_quiet();
        assert_delivered(&world, client, "file", SIZE);
    });
}

// PTH-2, PTH-4.
#[test]
fn it_may_move_again_and_again_over_a_path_that_loses_packets() {
    sweep(SEEDS, |seed| {
        let mut world = World::new(seed);
        let link = LinkConfig { loss: 0.05, ..slow(&mut world) };
        let client = world.client(&link);
        let file = shelve(&world, "file", SIZE);
        world.connected(client);
        let id = world.get(client, &file, None).expect("connected");
        let mut last = None;
        for host in 1..5 {
            let time = world.rng().up_to(Duration::from_secs(10));
            world.run_for(time);
            if world[client].outcome(id).is_some() {
                break;
            }
            // Every other time only the port changes.
            let to = address(host / 2, u16::from(host));
            world.moves(client, to);
            last = Some(to);
        }
        finish(&mut world, client, &[id]);
        assert_whole(&world, client, id, "file", SIZE);
        assert_eq!(world[client].standing(), &Standing::Connected, "{world:?}");
        assert_eq!(moved(&world, client).last().copied(), last, "{world:?}");
        world.assert_quiet();
    });
}
