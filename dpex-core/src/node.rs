//! The node: the only async code. It owns what the engine must not: the socket, the clock, the disk and the tasks.
//!
//! A [`Server`] runs one task for admission and one for each session, which sends on the shared socket itself, so that
//! ten people use ten cores and one slow disk delays one person. A [`Client`] is one session. RSA and file work run on
//! the runtime's blocking threads, a bounded number at a time.

mod client;
mod disk;
mod fetch;
mod hashing;
mod listing;
mod server;
mod session;
mod small;
mod values;

pub use client::{Client, ConnectError, News, Stamps, Target, connect};
pub use fetch::{Fetch, FetchEvent, Fetches};
pub use hashing::hash_of;
pub use listing::{ListError, MAX_LISTING, MAX_LISTING_BYTES};
pub use server::{FileReport, Host, Record, Server, SessionInfo, SessionReport, StartError, Steward};
pub use values::{BlockValues, Forgetful, MAX_VALUES};

use std::time::SystemTime;

use crate::engine::Moment;
use crate::types::Timestamp;

/// Both clocks, now. The steady one is the runtime's, so that tests can pause it.
fn moment() -> Moment {
    Moment { at: tokio::time::Instant::now().into_std(), wall: Timestamp::from_system(SystemTime::now()) }
}
