//! The bodies for fuzzers: with every input that the fuzzers have kept, with those that once found something, and with
//! random ones.

use std::path::Path;

use dpex_store_fs::fuzz;
use proptest::prelude::*;

fn sidecar(bytes: &[u8]) {
    fuzz::sidecar(bytes, &tempfile::tempfile().expect("a temporary file"));
}

fn replay(target: &str, body: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let mut inputs = 0;
    for entry in std::fs::read_dir(&folder).expect("a corpus") {
        let path = entry.expect("a readable corpus").path();
        // The last one that is shown is the one that fails.
        println!("{}", path.display());
        body(&std::fs::read(&path).expect("an input"));
        inputs += 1;
    }
    assert!(inputs > 0, "{} is empty", folder.display());
}

#[test]
fn every_sidecar_that_fuzzers_have_kept_is_read_as_it_should() {
    replay("sidecar", sidecar);
}

#[test]
fn every_name_that_fuzzers_have_kept_is_taken_as_it_should() {
    replay("portable", fuzz::portable);
}

/// A name with what makes one of it: pieces, and as much of one of them as makes it long.
fn name() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[a-z .:]{1,3}",
        "\\PC{1,3}",
        Just("con".to_owned()),
        Just(".dpexpart".to_owned()),
        Just("\u{200d}".to_owned()),
        Just("e\u{301}".to_owned()),
        (1usize..250, "[x é.]").prop_map(|(n, letter)| letter.repeat(n)),
    ];
    proptest::collection::vec(piece, 1..5).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_a_sidecar_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        sidecar(&bytes);
    }

    #[test]
    fn no_story_makes_a_journal_say_more_than_was_written(
        blocks in 0u8..64,
        steps in proptest::collection::vec(prop_oneof![(0u8..9, any::<u8>()), (9u8..16, any::<u8>())], 0..64),
    ) {
        let steps: Vec<u8> = steps.into_iter().flat_map(|(what, how)| [what, how]).collect();
        sidecar(&[&[3, blocks][..], &steps].concat());
    }

    #[test]
    fn any_deed_is_read_back(fixed in proptest::collection::vec(any::<u8>(), 40), name in name()) {
        sidecar(&[&[2][..], &fixed, name.as_bytes()].concat());
    }

    #[test]
    fn whatever_is_made_of_a_name_is_one(name in name()) {
        fuzz::portable(name.as_bytes());
    }
}
