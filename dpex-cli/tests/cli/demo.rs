//! The demonstration: the first thing that anybody runs.

use std::fs;

use crate::site::{put, records, text};
use crate::support::Machine;

/// A machine whose temporary folder is its own, so that leftovers are seen.
fn machine() -> Machine {
    let machine = Machine::new();
    let temporary = machine.path("tmp");
    fs::create_dir(&temporary).expect("writable");
    machine.with_env("TMPDIR", text(&temporary))
}

#[test]
fn the_demonstration_shows_both_documents_a_listing_and_equal_hashes_and_leaves_nothing() {
    // Settings of whoever runs it have no say.
    let machine = machine().with_env("DPEX_PORT", "1").with_env("DPEX_EXISTING", "nonsense");
    let shown = machine.ok(&["demo"]);
    for part in ["enrol-request/1", "enrol-response/1", "report.pdf", "serving on 127.0.0.1:", "The same."] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert_eq!(fs::read_dir(machine.path("tmp")).expect("readable").count(), 0);
    assert!(!machine.home().exists(), "nobody's own home is touched");
}

#[test]
fn the_demonstration_is_played_with_the_backends_that_were_typed() {
    let version = Machine::new().ok(&["--version"]);
    let has =
        version.lines().find_map(|line| line.strip_prefix("crypto")?.split('(').next()).expect("a line of its own");
    for name in has.trim().split(", ") {
        assert!(machine().ok(&["--crypto", name, "demo"]).contains("The same."), "{name}");
    }
    let ended = machine().run(&["--crypto", "nope", "demo"]);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("no crypto backend `nope`"), "{ended:?}");
}

#[test]
fn the_demonstration_takes_a_file_and_speaks_to_programs() {
    let machine = machine();
    let hash = put(&machine.path("my own file.bin"), 3_000_000, "mine");
    let ended = machine.run(&["demo", "my own file.bin", "--json"]);
    let records = records(&ended);
    let hashes = records.iter().find(|record| record["type"] == "hashes").expect("the end of it");
    assert_eq!((&hashes["sent"], &hashes["equal"]), (&hash.to_string().into(), &true.into()));
    assert_eq!(hashes["received"], hashes["sent"]);
    machine.run(&["demo", "nowhere"]).fails(6, "failed to read nowhere", "check the path");
    assert_eq!(fs::read_dir(machine.path("tmp")).expect("readable").count(), 0);
}
