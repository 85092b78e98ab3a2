#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dpex_store_fs::fuzz::portable(bytes));
