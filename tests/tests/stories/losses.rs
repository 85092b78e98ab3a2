//! What a path may do to datagrams, one vice at a time and all at once: the file arrives.

use std::time::Duration;

use dpex_core::testing::sweep;
use dpex_core::testing::world::{Burst, ClientConfig, LinkConfig, Rng, World};

use crate::support::{KIB, MS, SEEDS, fetch_one, ordinary};

/// Fetches a file over a path with a vice, drawn for each direction.
fn over(vice: impl Fn(&mut LinkConfig, &mut Rng) + Sync, sizes: std::ops::Range<u64>) {
    sweep(SEEDS, |seed| {
        let mut world = World::new(seed);
        let [up, down] = [(); 2].map(|()| {
            let mut link = ordinary(world.rng());
            vice(&mut link, world.rng());
            link
        });
        let size = world.rng().within(sizes.clone());
        let client = world.client_with(&up, &down, ClientConfig::default());
        fetch_one(&mut world, client, size);
    });
}

#[test]
fn a_file_arrives_over_a_clean_path() {
    over(|_, _| {}, 0..2048 * KIB);
}

#[test]
fn a_file_arrives_although_up_to_a_third_of_the_datagrams_are_lost() {
    over(|link, rng| link.loss = rng.unit() * 0.3, 0..300 * KIB);
}

#[test]
fn a_file_arrives_although_losses_come_in_bursts() {
    over(
        |link, rng| {
            link.burst = Some(Burst {
                enter: 0.001 + rng.unit() * 0.03,
                leave: 0.05 + rng.unit() * 0.4,
                loss: 0.5 + rng.unit() / 2.0,
            })
        },
        0..500 * KIB,
    );
}

#[test]
fn a_file_arrives_although_datagrams_overtake_each_other() {
    over(
        |link, rng| {
            link.reorder = rng.unit() * 0.5;
            link.reorder_by = rng.up_to(100 * MS);
        },
        0..1024 * KIB,
    );
}

#[test]
fn a_file_arrives_although_datagrams_arrive_twice() {
    over(|link, rng| link.duplicate = rng.unit(), 0..1024 * KIB);
}

#[test]
fn a_file_arrives_although_the_delay_varies() {
    over(|link, rng| link.jitter = rng.up_to(Duration::from_millis(300)), 0..1024 * KIB);
}

#[test]
fn a_file_arrives_although_one_datagram_in_a_hundred_has_a_bit_flipped() {
    over(|link, _| link.corrupt = 0.01, 0..500 * KIB);
}

#[test]
fn a_file_arrives_over_a_path_with_every_vice() {
    over(
        |link, rng| {
            link.loss = rng.unit() * 0.05;
            link.burst = Some(Burst { enter: 0.005, leave: 0.3, loss: 0.9 });
            (link.reorder, link.reorder_by) = (rng.unit() * 0.2, rng.up_to(50 * MS));
            link.duplicate = rng.unit() * 0.2;
            link.jitter = rng.up_to(50 * MS);
            link.corrupt = 0.01;
        },
        0..300 * KIB,
    );
}

#[test]
fn a_file_arrives_over_a_path_that_carries_1200_bytes_and_no_more() {
    over(|link, _| link.mtu = 1200, 0..500 * KIB);
}
