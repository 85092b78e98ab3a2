//! What every backend must do, as cases that a macro turns into named tests of the backend's own crate: a new case
//! reaches every backend the moment it is written.

pub mod store;
pub mod transport;
