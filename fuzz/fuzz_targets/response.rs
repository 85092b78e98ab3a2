#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dpex_core::testing::fuzz::response(bytes));
