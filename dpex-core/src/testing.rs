//! The network in a test tube, and the test doubles of the three joints.

mod mem_store;

pub use mem_store::{Fault, MemStore, ready, synthetic_bytes};
