//! What most stories begin and end with.

use std::ops::Range;
use std::time::Duration;

use dpex_core::engine::Failure;
use dpex_core::testing::synthetic_bytes;
use dpex_core::testing::world::{ClientId, LinkConfig, Outcome, Record, Rng, World};
use dpex_core::types::{Digest, SharePath};
use dpex_core::wire::message::{FailCode, RequestId};

/// How many seeds each story is told under, unless it is a long one.
pub(crate) const SEEDS: Range<u64> = 0..200;

/// Simulated time after which a transfer of these stories has failed by being too slow.
pub(crate) const PATIENCE: Duration = Duration::from_secs(600);

pub(crate) const MS: Duration = Duration::from_millis(1);
pub(crate) const KIB: u64 = 1024;

pub(crate) fn path(text: &str) -> SharePath {
    SharePath::parse(text).expect("a valid path")
}

/// A path as one finds them: 1 to 50 Mbit/s, 1 to 100 ms, a queue of 20 to 200 ms, nothing lost but by that queue.
pub(crate) fn ordinary(rng: &mut Rng) -> LinkConfig {
    let rate = rng.within(125_000..6_250_000);
    LinkConfig {
        rate,
        delay: MS * u32::try_from(rng.within(1..100)).expect("small"),
        queue: (rate * rng.within(20..200) / 1000).max(12_000),
        ..LinkConfig::default()
    }
}

/// Puts a file of this size on the shelf; its content follows from its name and size.
pub(crate) fn shelve(world: &World, name: &str, size: u64) -> SharePath {
    let path = path(name);
    world.server().store().put_synthetic(&path, size, seed_of(name));
    path
}

fn seed_of(name: &str) -> u64 {
    name.bytes().fold(0, |seed: u64, byte| seed.wrapping_mul(257).wrapping_add(u64::from(byte)))
}

/// What [`shelve`] put there.
pub(crate) fn content(name: &str, size: u64) -> bytes::Bytes {
    synthetic_bytes(seed_of(name), 0, usize::try_from(size).expect("small"))
}

/// Goes on until every request of a client has ended.
pub(crate) fn finish(world: &mut World, client: ClientId, requests: &[RequestId]) {
    let done = world.run_until(PATIENCE, |world| requests.iter().all(|id| world[client].outcome(*id).is_some()));
    assert!(done, "not done in {PATIENCE:?}\n{world:?}");
}

/// The file is there, whole and under its name; the server knows.
pub(crate) fn assert_whole(world: &World, client: ClientId, id: RequestId, name: &str, size: u64) {
    let want = content(name, size);
    let hash = Digest(*blake3::hash(&want).as_bytes());
    match world[client].outcome(id) {
        Some(Outcome::Finished { path: at, root, size: told }) => {
            assert_eq!((at, *root, *told), (&path(name), hash, size));
        }
        other => panic!("{name} did not finish: {other:?}\n{world:?}"),
    }
    let got = world[client].store().read(&path(name));
    assert!(got.as_ref() == Some(&want), "{name} is not what it was: {:?} bytes", got.map(|b| b.len()));
}

/// The server has been told that a file arrived.
pub(crate) fn assert_delivered(world: &World, client: ClientId, name: &str, size: u64) {
    let hash = Digest(*blake3::hash(&content(name, size)).as_bytes());
    let record = Record::Delivered(path(name), hash);
    let times = world.server().log_of(world.person(client)).filter(|r| **r == record).count();
    assert_eq!(times, 1, "{name} was delivered once\n{world:?}");
}

/// The request failed, as the server said.
pub(crate) fn assert_refused(world: &World, client: ClientId, id: RequestId, want: FailCode) {
    match world[client].outcome(id) {
        Some(Outcome::Failed(Failure::Refused { code, .. })) => assert_eq!(*code, want),
        other => panic!("{other:?} instead of {want:?}\n{world:?}"),
    }
}

/// Connects, fetches one file, checks it on both sides, and that nothing stays busy.
pub(crate) fn fetch_one(world: &mut World, client: ClientId, size: u64) {
    let path = shelve(world, "file", size);
    world.connected(client);
    let id = world.get(client, &path, None).expect("connected");
    finish(world, client, &[id]);
    assert_whole(world, client, id, "file", size);
    world.assert_quiet();
    assert_delivered(world, client, "file", size);
}
