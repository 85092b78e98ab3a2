#![no_main]

use std::fs::File;
use std::sync::LazyLock;

static SCRATCH: LazyLock<File> = LazyLock::new(|| tempfile::tempfile().expect("a temporary file"));

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dpex_store_fs::fuzz::sidecar(bytes, &SCRATCH));
