//! The network in a test tube, and the test doubles of the three joints.
