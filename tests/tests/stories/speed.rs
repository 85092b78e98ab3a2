//! Is the link used? Figures for one path that everybody has; the rest of congestion control has its own tests.

use std::time::Duration;

use dpex_core::testing::world::{ClientConfig, LinkConfig, Way, World};

use crate::support::{MS, assert_whole, finish, shelve};

const SIZE: u64 = 10_000_000;

/// Gets ten megabytes over twenty megabits at 40 ms: the shares of the link in wire bytes and in content, and the bytes
/// sent for each byte of content.
fn ten_megabytes_over_twenty_megabits(loss: f64) -> (f64, f64, f64) {
    let (rate, rtt) = (2_500_000, 40 * MS);
    let bdp = rate * 40 / 1000;
    let link = LinkConfig { rate, delay: rtt / 2, queue: bdp, loss, ..LinkConfig::default() };
    let mut world = World::new(1);
    let client = world.client_with(&LinkConfig { queue: 1_000_000, ..link.clone() }, &link, ClientConfig::default());
    let path = shelve(&world, "file", SIZE);
    world.connected(client);
    let (began, before) = (world.elapsed(), world.link_stats(client, Way::Down));
    let id = world.get(client, &path, None).expect("connected");
    finish(&mut world, client, &[id]);
    assert_whole(&world, client, id, "file", SIZE);
    let took: Duration = world.elapsed() - began;
    let after = world.link_stats(client, Way::Down);
    let wire = after.bytes - before.bytes;
    let share = wire as f64 / (rate as f64 * took.as_secs_f64());
    let goodput = SIZE as f64 / (rate as f64 * took.as_secs_f64());
    println!(
        "took {took:?}; {:.1} % of the link in wire bytes, {:.1} % in content; {} datagrams, {} of them dropped; \
         peak queue {} of {bdp} bytes",
        share * 100.0,
        goodput * 100.0,
        after.datagrams - before.datagrams,
        after.overflowed - before.overflowed,
        after.peak_queue,
    );
    (share, goodput, wire as f64 / SIZE as f64)
}

#[test]
fn a_link_that_loses_nothing_is_used_to_nine_tenths() {
    let (share, goodput, sent) = ten_megabytes_over_twenty_megabits(0.0);
    assert!(share >= 0.93 && goodput >= 0.9, "{share} {goodput}");
    assert!(sent < 1.07, "{sent} bytes sent for each byte of content");
}

#[test]
fn a_link_that_loses_three_in_a_hundred_is_used_to_nine_tenths_as_well() {
    let (share, goodput, sent) = ten_megabytes_over_twenty_megabits(0.03);
    assert!(share >= 0.9 && goodput >= 0.83, "{share} {goodput}");
    assert!(sent < 1.12, "{sent} bytes sent for each byte of content");
}
