//! The file system store against its contract: what every store promises, and what only a real disk can break.

mod collisions;
mod corpus;
mod fence;
mod full_disk;
mod fuzz;
mod links;
mod listing;
mod many;
mod parts;
mod promises;
mod reading;
mod receiving;
mod resuming;
mod support;
mod whole;
