//! The network in a test tube, and the test doubles of the three joints.

mod counting_suite;
mod null_suite;

pub use counting_suite::{CountingSuite, Counts};
pub use null_suite::NullSuite;
mod mem_transport;
pub mod transport_cases;

pub use mem_transport::{MemNet, MemTransport};
mod mem_store;

pub use mem_store::{Fault, MemStore, ready, synthetic_bytes};
