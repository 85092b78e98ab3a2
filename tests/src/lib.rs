//! The tests live in `tests/tests`.
