//! The object store against its contract: what every store promises, in memory, in a folder and over S3's own protocol;
//! and what only a service can break.

mod folder;
mod listing;
mod promises;
mod reading;
mod receiving;
mod secrets;
mod server;
mod support;
