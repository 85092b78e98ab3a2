//! What is done for every packet asks the allocator for nothing, in any backend (`suite::Aead`'s promise).
//!
//! It counts what Rust allocates; a library's own C code has an allocator of its own.

use allocation_counter::measure;
use dpex_core::suite::CipherSuite;
use dpex_core::types::Secret;

/// The allocations of so many packets sealed, masked, unmasked and opened under fresh keys.
fn allocations(suite: &dyn CipherSuite, packets: u32) -> u64 {
    let mut buf = [7; 1_200];
    let counted = measure(|| {
        let mut aead = suite.aead(&Secret::new([1; 32])).expect("a key");
        let mut block = suite.block(&Secret::new([2; 32])).expect("a key");
        let mut nonce = [0; 12];
        for number in 0..packets {
            nonce[8..].copy_from_slice(&number.to_be_bytes());
            let tag = aead.seal(&nonce, b"header", &mut buf).expect("sealed");
            block.encrypt(&mut [tag]).expect("encrypted");
            aead.open(&nonce, b"header", &mut buf, &tag).expect("opened");
        }
    });
    counted.count_total
}

#[test]
fn sealing_and_opening_allocate_nothing_per_record() {
    for suite in dpex_tests::SUITES {
        // What is made once for the whole process is not counted.
        allocations(*suite, 1);
        let once = allocations(*suite, 1);
        assert!(once > 0, "{}: the keys are boxed, or nothing is counted", suite.name());
        assert_eq!(allocations(*suite, 10_000), once, "{}", suite.name());
    }
}
