//! Files with blocks of nothing but zeros: these are told, and not sent (XFR-13).

use std::time::Duration;

use dpex_core::testing::sweep;
use dpex_core::testing::world::{LinkConfig, Outcome, Way, World};
use dpex_core::types::{Digest, Timestamp};

use crate::support::{KIB, SEEDS, finish, ordinary, path};

const BLOCK: usize = 1024 * 1024;

/// Content of some blocks, most of them zeros, and how many bytes are in the others.
fn content(world: &mut World) -> (Vec<u8>, u64) {
    let blocks = usize::try_from(world.rng().within(1..12)).expect("few");
    let mut content = vec![0; blocks * BLOCK - 77];
    let mut sent = 0;
    for block in content.chunks_mut(BLOCK) {
        if world.rng().unit() < 0.2 {
            // One byte is enough to make it a block like others.
            let at = usize::try_from(world.rng().within(0..block.len() as u64)).expect("inside");
            block[at] = 1;
            sent += block.len() as u64;
        }
    }
    (content, sent)
}

#[test]
fn a_sparse_file_costs_what_is_in_it_over_any_path() {
    sweep(SEEDS, |seed| {
        let mut world = World::new(seed);
        let link = LinkConfig {
            loss: world.rng().unit() * 0.05,
            reorder: world.rng().unit() * 0.05,
            reorder_by: Duration::from_millis(30),
            ..ordinary(world.rng())
        };
        let client = world.client(&link);
        let (content, sent) = content(&mut world);
        world.server().store().put_with(&path("s"), content.clone(), Timestamp::EPOCH, false);
        world.connected(client);
        let before = world.link_stats(client, Way::Down).bytes;
        let id = world.get(client, &path("s"), None).expect("connected");
        finish(&mut world, client, &[id]);
        let root = Digest(*blake3::hash(&content).as_bytes());
        assert!(
            matches!(world[client].outcome(id), Some(Outcome::Finished { root: r, .. }) if *r == root),
            "{world:?}"
        );
        assert!(world[client].store().read(&path("s")).as_deref() == Some(&content[..]));
        let took = world.link_stats(client, Way::Down).bytes - before;
        assert!(took < sent + sent / 2 + 100 * KIB, "{took} bytes for {sent}\n{world:?}");
        world.assert_quiet();
    });
}
