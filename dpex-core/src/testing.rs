//! The network in a test tube, and the test doubles of the three joints.

mod mem_transport;
pub mod transport_cases;

pub use mem_transport::{MemNet, MemTransport};
