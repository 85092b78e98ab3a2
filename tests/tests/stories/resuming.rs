//! Going on where an earlier try ended.

use std::time::Duration;

use dpex_core::engine::{Failure, Limits};
use dpex_core::store::Held;
use dpex_core::testing::world::{ClientId, LinkConfig, Outcome, Record, ServerConfig, Way, World};
use dpex_core::testing::{Fault, sweep};
use dpex_core::types::SharePath;
use dpex_core::wire::message::FailCode;

use crate::support::{KIB, assert_delivered, assert_refused, assert_whole, finish, ordinary, shelve};

const BLOCK: u64 = 1024 * KIB;
const SIZE: u64 = 4 * BLOCK + 12_345;

/// A client that got some blocks of a file before its session ended, and is connected again. Nothing if it was faster.
fn interrupted(seed: u64) -> Option<(World, ClientId, SharePath, Held)> {
    let mut world = World::new(seed);
    // With the values of the blocks it has read, or by reading them again.
    world.server_mut().disk_mut().remembers = !seed.is_multiple_of(3);
    let rate = world.rng().within(2_000_000..10_000_000);
    let link = LinkConfig { rate, loss: world.rng().unit() * 0.02, ..ordinary(world.rng()) };
    let client = world.client(&link);
    let path = shelve(&world, "file", SIZE);
    world.connected(client);
    world.get(client, &path, None).expect("connected");
    let blocks = 1 + (seed % 4) as usize;
    let some = |world: &World| world[client].held(&path).is_some_and(|held| held.values.len() >= blocks);
    assert!(world.run_until(Duration::from_secs(100), some), "{world:?}");
    if seed.is_multiple_of(2) {
        world.vanish(client);
        world.run_for(Duration::from_secs(35));
    } else {
        world.shut_down();
        world.run_until(Duration::from_secs(40), |world| world[client].session().is_none());
    }
    let held = world[client].held(&path)?;
    assert!(world[client].store().read(&path).is_none());
    world.connected(client);
    Some((world, client, path, held))
}

/// Gets the rest of the file: how many bytes were sent for it, and how many of it were missing.
fn go_on(world: &mut World, client: ClientId, path: &SharePath, held: Held) -> (u64, u64) {
    let missing = SIZE - held.values.keys().map(|index| BLOCK.min(SIZE - index * BLOCK)).sum::<u64>();
    let before = world.link_stats(client, Way::Down).bytes;
    let id = world.get(client, path, Some(held)).expect("connected");
    finish(world, client, &[id]);
    assert_whole(world, client, id, "file", SIZE);
    (world.link_stats(client, Way::Down).bytes - before, missing)
}

#[test]
fn a_get_that_goes_on_sends_only_the_blocks_that_are_missing() {
    sweep(0..60, |seed| {
        let Some((mut world, client, path, held)) = interrupted(seed) else { return };
        let (sent, missing) = go_on(&mut world, client, &path, held);
        // Headers, what is lost once in fifty times, and what start-up overfills a short queue by: that may be as much as
        // fits into the path, and a third of all this.
        assert!(sent < missing + missing / 3 + 20 * KIB, "{sent} bytes for {missing}\n{world:?}");
        world.assert_quiet();
        assert_delivered(&world, client, "file", SIZE);
        assert!(world[client].held(&path).is_none());
    });
}

#[test]
fn a_get_that_goes_on_at_the_end_needs_no_content_at_all() {
    sweep(0..60, |seed| {
        let mut world = World::new(seed);
        let rate = world.rng().within(2_000_000..10_000_000);
        let link = LinkConfig { rate, ..ordinary(world.rng()) };
        let client = world.client(&link);
        let size = BLOCK + 1000;
        let path = shelve(&world, "file", size);
        world.connected(client);
        world.get(client, &path, None).expect("connected");
        let all = |world: &World| world[client].held(&path).is_some_and(|held| held.values.len() == 2);
        assert!(world.run_until(Duration::from_secs(100), all));
        world.vanish(client);
        world.run_for(Duration::from_secs(35));
        world.connected(client);
        let held = world[client].held(&path);
        let before = world.link_stats(client, Way::Down).bytes;
        let id = world.get(client, &path, held).expect("connected");
        finish(&mut world, client, &[id]);
        assert_whole(&world, client, id, "file", size);
        assert!(world.link_stats(client, Way::Down).bytes - before < 2000);
        world.assert_quiet();
    });
}

#[test]
fn what_had_arrived_of_a_file_that_the_server_could_not_read_for_a_moment_is_gone_on_with() {
    let limits = Limits { send_buffer: 2 << 20, read_ahead: 1 << 20, ..Limits::default() };
    sweep(0..60, |seed| {
        let mut world = World::with_server(seed, ServerConfig { limits, ..ServerConfig::default() });
        let rate = world.rng().within(2_000_000..6_000_000);
        let link = LinkConfig { rate, queue: 10_000 * KIB, ..ordinary(world.rng()) };
        let client = world.client(&link);
        let path = shelve(&world, "file", SIZE);
        world.connected(client);
        let id = world.get(client, &path, None).expect("connected");
        let some = |world: &World| world[client].held(&path).is_some();
        assert!(world.run_until(Duration::from_secs(100), some), "{world:?}");
        world.server().store().fail_reads(Some(Fault::Io));
        finish(&mut world, client, &[id]);
        assert_refused(&world, client, id, FailCode::Io);
        world.server().store().fail_reads(None);
        world.assert_quiet();
        let held = world[client].held(&path).expect("one failed read takes nothing away");
        let (sent, missing) = go_on(&mut world, client, &path, held);
        assert!(sent < missing + missing / 4 + 20 * KIB, "{sent} bytes for {missing}\n{world:?}");
        world.assert_quiet();
    });
}

// XFR-2.
#[test]
fn blocks_of_another_size_than_the_offered_ones_are_of_no_use() {
    sweep(0..60, |seed| {
        let Some((mut world, client, path, mut held)) = interrupted(seed) else { return };
        held.block_log2 = 19;
        let id = world.get(client, &path, Some(held)).expect("connected");
        finish(&mut world, client, &[id]);
        assert!(matches!(world[client].outcome(id), Some(Outcome::Failed(Failure::Mismatch))), "{world:?}");
        world.assert_quiet();
        assert!(world[client].held(&path).is_none(), "what is of no use is removed");
        let id = world.get(client, &path, None).expect("connected");
        finish(&mut world, client, &[id]);
        assert_whole(&world, client, id, "file", SIZE);
    });
}

// XFR-1.
#[test]
fn a_file_that_has_changed_since_is_sent_from_its_beginning() {
    sweep(0..60, |seed| {
        let Some((mut world, client, path, held)) = interrupted(seed) else { return };
        world.server().store().change(&path);
        let id = world.get(client, &path, Some(held)).expect("connected");
        finish(&mut world, client, &[id]);
        assert_whole(&world, client, id, "file", SIZE);
        world.assert_quiet();
    });
}

#[test]
fn a_held_value_that_is_wrong_is_found_out_and_nothing_is_published() {
    sweep(0..60, |seed| {
        let Some((mut world, client, path, mut held)) = interrupted(seed) else { return };
        let value = held.values.values_mut().next().expect("at least one");
        value.0[usize::try_from(seed % 32).expect("small")] ^= 1;
        let id = world.get(client, &path, Some(held)).expect("connected");
        finish(&mut world, client, &[id]);
        assert!(matches!(world[client].outcome(id), Some(Outcome::Failed(Failure::Mismatch))), "{world:?}");
        assert!(world[client].store().read(&path).is_none());
        world.assert_quiet();
        assert!(!world.server().log().any(|record| matches!(record, Record::Delivered(..))));
        let id = world.get(client, &path, None).expect("connected");
        finish(&mut world, client, &[id]);
        assert_whole(&world, client, id, "file", SIZE);
    });
}

#[test]
fn many_tries_that_each_go_on_get_there() {
    sweep(0..60, |seed| {
        let mut world = World::new(seed);
        let rate = world.rng().within(2_000_000..10_000_000);
        let link = LinkConfig { rate, delay: Duration::from_millis(10), ..ordinary(world.rng()) };
        let client = world.client(&link);
        let path = shelve(&world, "file", SIZE);
        let whole = Duration::from_secs_f64(SIZE as f64 / rate as f64);
        for _ in 0..100 {
            world.connected(client);
            let held = world[client].held(&path);
            let id = world.get(client, &path, held).expect("connected");
            let span = whole / 3 + world.rng().up_to(whole / 2);
            world.run_until(span, |world| world[client].outcome(id).is_some());
            if world[client].outcome(id).is_some() {
                return assert_whole(&world, client, id, "file", SIZE);
            }
            world.vanish(client);
            // Half-open or forgotten sessions of the server's end by themselves.
            world.run_for(Duration::from_secs(35));
        }
        panic!("never whole\n{world:?}");
    });
}
