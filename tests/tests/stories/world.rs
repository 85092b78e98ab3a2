//! The world itself: what happens follows from the seed.

use dpex_core::testing::world::{Burst, LinkConfig, World};

use crate::support::{KIB, MS, fetch_one, ordinary};

fn trace(seed: u64) -> u64 {
    let mut world = World::new(seed);
    let link = LinkConfig {
        loss: 0.02,
        burst: Some(Burst { enter: 0.005, leave: 0.3, loss: 0.9 }),
        reorder: 0.1,
        reorder_by: 20 * MS,
        duplicate: 0.1,
        jitter: 10 * MS,
        corrupt: 0.01,
        ..ordinary(world.rng())
    };
    let client = world.client(&link);
    fetch_one(&mut world, client, 300 * KIB);
    world.trace()
}

#[test]
fn the_same_seed_tells_the_same_story_to_the_last_byte_and_another_seed_another() {
    for seed in 0..20 {
        assert_eq!(trace(seed), trace(seed), "seed {seed}");
        assert_ne!(trace(seed), trace(seed + 1000));
    }
}
