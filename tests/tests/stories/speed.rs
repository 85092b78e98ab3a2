//! Is the link used? Figures for one path that everybody has; the rest of congestion control has its own tests.

use std::time::Duration;

use dpex_core::testing::world::{ClientConfig, LinkConfig, Way, World};

use crate::support::{MS, assert_whole, finish, shelve};

#[test]
fn ten_megabytes_over_twenty_megabits_use_at_least_85_percent_of_the_link() {
    const SIZE: u64 = 10_000_000;
    let (rate, rtt) = (2_500_000, 40 * MS);
    let bdp = rate * 40 / 1000;
    let link = LinkConfig { rate, delay: rtt / 2, queue: bdp, ..LinkConfig::default() };
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
    assert!(share >= 0.85 && goodput >= 0.8, "{share} {goodput}");
    let waste = wire as f64 / SIZE as f64;
    assert!(waste < 1.08, "{waste} bytes sent for each byte of content");
}
