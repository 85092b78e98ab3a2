//! What every backend must do, as cases that one macro for each joint turns into named tests of the backend's own crate.
//!
//! A new case reaches every backend the moment it is written. The test doubles of [`crate::testing`] pass the same
//! suites, so that what is shown with them holds with the real ones.

pub mod store;
pub mod suite;
pub mod transport;
