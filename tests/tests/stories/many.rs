//! Many files, and many people.

use dpex_core::testing::sweep;
use dpex_core::testing::world::{LinkConfig, World};

use crate::support::{KIB, SEEDS, assert_delivered, assert_whole, fetch_one, finish, ordinary, shelve};

#[test]
fn five_hundred_small_files_arrive_in_one_session_although_datagrams_are_lost() {
    sweep(SEEDS, |seed| {
        let mut world = World::new(seed);
        let link = LinkConfig { loss: world.rng().unit() * 0.05, ..ordinary(world.rng()) };
        let client = world.client(&link);
        let sizes: Vec<_> = (0..500).map(|_| world.rng().within(0..2000)).collect();
        let name = |i: usize| format!("folder/{i}");
        let paths: Vec<_> = sizes.iter().enumerate().map(|(i, size)| shelve(&world, &name(i), *size)).collect();
        world.connected(client);
        let ids: Vec<_> = paths.iter().map(|path| world.get(client, path, None).expect("connected")).collect();
        finish(&mut world, client, &ids);
        for (i, (id, size)) in ids.iter().zip(&sizes).enumerate() {
            assert_whole(&world, client, *id, &name(i), *size);
        }
        world.assert_quiet();
        assert_eq!(world.server().log().count(), 1000, "each is started once and delivered once");
    });
}

#[test]
fn several_people_fetch_different_files_at_the_same_time() {
    sweep(SEEDS, |seed| {
        let mut world = World::new(seed);
        let clients: Vec<_> = (0..2 + seed % 4)
            .map(|_| {
                let link = LinkConfig { loss: world.rng().unit() * 0.03, ..ordinary(world.rng()) };
                world.client(&link)
            })
            .collect();
        let mut asked = Vec::new();
        for (i, client) in clients.iter().enumerate() {
            world.connected(*client);
            for part in 0..3 {
                let name = format!("{i}/{part}");
                let size = world.rng().within(0..200 * KIB);
                let path = shelve(&world, &name, size);
                asked.push((*client, world.get(*client, &path, None).expect("connected"), name, size));
            }
        }
        for (client, id, name, size) in &asked {
            finish(&mut world, *client, &[*id]);
            assert_whole(&world, *client, *id, name, *size);
        }
        world.assert_quiet();
        for (client, _, name, size) in &asked {
            assert_delivered(&world, *client, name, *size);
        }
    });
}

#[test]
fn several_people_fetch_the_same_file_at_the_same_time() {
    sweep(SEEDS, |seed| {
        let mut world = World::new(seed);
        let path = shelve(&world, "file", 100 * KIB);
        let links = [(); 4].map(|()| ordinary(world.rng()));
        let clients = links.map(|link| world.client(&link));
        let mut asked = Vec::new();
        for client in clients {
            world.connected(client);
            asked.push((client, world.get(client, &path, None).expect("connected")));
        }
        for (client, id) in asked {
            finish(&mut world, client, &[id]);
            assert_whole(&world, client, id, "file", 100 * KIB);
        }
        world.assert_quiet();
    });
}

#[test]
fn an_empty_file_arrives() {
    sweep(SEEDS, |seed| {
        let mut world = World::new(seed);
        let link = LinkConfig { loss: world.rng().unit() * 0.2, ..ordinary(world.rng()) };
        let client = world.client(&link);
        fetch_one(&mut world, client, 0);
    });
}

#[test]
fn files_whose_sizes_are_those_of_blocks_and_one_byte_more_or_less_arrive() {
    sweep(SEEDS, |seed| {
        let mut world = World::new(seed);
        let rate = world.rng().within(2_000_000..20_000_000);
        let link = LinkConfig { rate, ..ordinary(world.rng()) };
        let client = world.client(&link);
        let size = 1024 * KIB * (1 + seed % 2) + seed % 3 - 1;
        fetch_one(&mut world, client, size);
    });
}
