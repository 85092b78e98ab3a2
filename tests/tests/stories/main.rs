//! Stories of the simulated network: what the protocol promises, told under hundreds of seeds each.
//!
//! `DPEX_SEED=n` tells a story under one seed, `DPEX_SEEDS=n` under so many.

mod support;

mod admission;
mod bad_clients;
mod bad_handshakes;
mod bad_servers;
mod cancelling;
mod disks;
mod endings;
mod hashes;
mod keys;
mod listings;
mod losses;
mod many;
mod memory;
mod outages;
mod probes;
mod resuming;
mod roaming;
mod sizes;
mod sparse;
mod speed;
mod world;
