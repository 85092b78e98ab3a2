//! The network in a test tube, and the test doubles of the three joints.

mod counting_suite;
pub mod fuzz;
mod mem_store;
mod mem_transport;
mod null_suite;
pub mod scripted;
pub mod world;

pub use counting_suite::{CountingSuite, Counts};
pub use mem_store::{Fault, MemStore, ready, synthetic_bytes};
pub use mem_transport::{MemNet, MemTransport, run_alone};
pub use null_suite::NullSuite;
pub use scripted::Scripted;
pub use world::{World, sweep};
