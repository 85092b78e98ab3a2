//! Every input that the fuzzers have kept passes, each time the tests are run, without a fuzzer.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use dpex_core::testing::fuzz::TARGETS;

/// Targets whose bodies are in dpex-store-fs, which runs them itself.
const ELSEWHERE: [&str; 2] = ["portable", "sidecar"];
/// No target: dpex-cli, which is a program, runs it in its own tests.
const CONFIG: &str = "config";

fn fuzz_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz")
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("a readable folder").path()).collect();
    paths.sort();
    paths
}

/// Names without extensions.
fn stems(folder: &Path) -> BTreeSet<String> {
    let stem = |path: PathBuf| path.file_stem().expect("a name").to_string_lossy().into_owned();
    entries(folder).into_iter().map(stem).collect()
}

#[test]
fn every_input_that_fuzzers_have_kept_passes() {
    for (target, body) in TARGETS {
        let inputs = entries(&fuzz_folder().join("corpus").join(target));
        assert!(!inputs.is_empty(), "the corpus of {target} is empty");
        for input in inputs {
            // The last one that is shown is the one that fails.
            println!("{}", input.display());
            body(&fs::read(&input).expect("an input"));
        }
    }
}

#[test]
fn every_body_has_a_fuzz_target_and_a_corpus_and_nothing_else_has() {
    let mut bodies: BTreeSet<String> =
        TARGETS.iter().map(|(target, _)| *target).chain(ELSEWHERE).map(str::to_owned).collect();
    assert_eq!(stems(&fuzz_folder().join("fuzz_targets")), bodies);
    let manifest = fs::read_to_string(fuzz_folder().join("Cargo.toml")).expect("a manifest");
    for body in &bodies {
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{body}.rs\"")), "{body} is not built");
    }
    bodies.insert(CONFIG.to_owned());
    assert_eq!(stems(&fuzz_folder().join("corpus")), bodies);
}
