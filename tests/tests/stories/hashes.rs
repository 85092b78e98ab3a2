//! Hashes of files that are not fetched.

use std::time::Duration;

use dpex_core::engine::Failure;
use dpex_core::testing::sweep;
use dpex_core::testing::world::{ClientId, LinkConfig, Outcome, Way, World};
use dpex_core::types::Digest;
use dpex_core::wire::message::{FailCode, RequestId};

use crate::support::{KIB, SEEDS, assert_refused, assert_whole, content, finish, ordinary, path, shelve};

fn assert_hashed(world: &World, client: ClientId, id: RequestId, name: &str, size: u64) {
    let want = Digest(*blake3::hash(&content(name, size)).as_bytes());
    match world[client].outcome(id) {
        Some(Outcome::Hashed { meta, root }) => assert_eq!((meta.size, *root), (size, want)),
        other => panic!("{name} was not hashed: {other:?}\n{world:?}"),
    }
}

#[test]
fn the_hash_of_a_file_comes_without_the_file_beside_others_that_are_fetched() {
    sweep(SEEDS, |seed| {
        let mut world = World::new(seed);
        let link = LinkConfig { loss: world.rng().unit() * 0.05, ..ordinary(world.rng()) };
        let client = world.client(&link);
        let sizes = [0, 5, 70 * KIB, 1024 * KIB, 3 * 1024 * KIB + 9];
        for (n, size) in sizes.into_iter().enumerate() {
            shelve(&world, &format!("h{n}"), size);
        }
        shelve(&world, "g", 200 * KIB);
        world.connected(client);
        let before = world.link_stats(client, Way::Down).bytes;
        let hashes: Vec<_> =
            (0..sizes.len()).map(|n| world.hash(client, &path(&format!("h{n}"))).expect("connected")).collect();
        let missing = world.hash(client, &path("missing")).expect("connected");
        let get = world.get(client, &path("g"), None).expect("connected");
        let all: Vec<_> = hashes.iter().copied().chain([missing, get]).collect();
        finish(&mut world, client, &all);
        for (n, id) in hashes.into_iter().enumerate() {
            assert_hashed(&world, client, id, &format!("h{n}"), sizes[n]);
        }
        assert_refused(&world, client, missing, FailCode::NotFound);
        assert_whole(&world, client, get, "g", 200 * KIB);
        assert!(world.link_stats(client, Way::Down).bytes - before < 300 * KIB);
        world.assert_quiet();
    });
}

#[test]
fn a_hash_that_is_given_up_or_whose_session_ends_leaves_nothing_behind() {
    sweep(SEEDS, |seed| {
        let mut world = World::new(seed);
        let link = ordinary(world.rng());
        let client = world.client(&link);
        let path = shelve(&world, "file", 5 * 1024 * KIB);
        world.connected(client);
        let id = world.hash(client, &path).expect("connected");
        let span = world.rng().up_to(Duration::from_millis(60));
        world.run_for(span);
        world.cancel(client, id);
        finish(&mut world, client, &[id]);
        let again = world.hash(client, &path).expect("connected");
        match world[client].outcome(id) {
            Some(Outcome::Hashed { .. } | Outcome::Failed(Failure::Cancelled)) => {}
            other => panic!("{other:?}"),
        }
        finish(&mut world, client, &[again]);
        assert_hashed(&world, client, again, "file", 5 * 1024 * KIB);
        world.assert_quiet();
    });
}
