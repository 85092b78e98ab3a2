//! Names that one system can hold and another cannot.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::site::{Site, hash, put, records, summary};
use crate::support::Ended;

/// The names that were refused, and why.
fn refused(ended: &Ended) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let failed = records(ended).into_iter().filter(|record| record["result"] == "failed");
    failed.map(|record| (text(&record["path"]), text(&record["why"]))).collect()
}

// NAM-7.
#[test]
fn a_name_that_another_system_cannot_hold_is_refused_until_it_is_asked_for() {
    let site = Site::new();
    let alice = site.enrol("alice");
    let served = put(&site.shelf("alice").join("a:b"), 10, "colon");
    put(&site.shelf("alice").join("aux/end."), 10, "device");
    put(&site.shelf("alice").join("fine"), 10, "fine");
    let _server = site.serve();
    let ended = alice.run(&["--json", "client", "getall", "--to", "here"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(refused(&ended).keys().eq(["a:b", "aux", "aux/end."]), "{ended:?}");
    assert!(refused(&ended)["a:b"].ends_with("it holds a colon"), "{ended:?}");
    assert!(alice.path("here/fine").exists() && !alice.path("here/aux").exists());

    let ended = alice.run(&["--json", "client", "getall", "--to", "here", "--any-names"]);
    assert_eq!((ended.code, summary(&ended)), (Some(0), (2, 1, 0)), "{ended:?}");
    assert_eq!(hash(&alice.path("here/a:b")), served);
    let alice = alice.with_env("DPEX_STORE_FS__ANY_NAMES", "true");
    let ended = alice.run(&["--json", "client", "get", "a:b", "--to", "there"]);
    assert_eq!((ended.code, summary(&ended)), (Some(0), (1, 0, 0)), "{ended:?}");
}

// NAM-12.
#[test]
fn of_names_that_differ_only_in_case_one_arrives_and_the_other_is_named() {
    let site = Site::new();
    let alice = site.enrol("alice");
    for name in ["README", "readme", "Photos/a", "photos/b"] {
        put(&site.shelf("alice").join(name), 10, name);
    }
    let _server = site.serve();
    let ended = alice.run(&["--json", "client", "getall", "--to", "here"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let refused = refused(&ended);
    assert!(refused.keys().filter(|name| name.eq_ignore_ascii_case("readme")).count() == 1, "{refused:?}");
    assert!(refused.keys().any(|name| name.eq_ignore_ascii_case("photos")), "{refused:?}");
    assert!(refused.values().all(|why| why.contains("only in case")), "{refused:?}");
    let ended = alice.run(&["--json", "client", "getall", "--to", "all", "--any-names"]);
    assert_eq!((ended.code, summary(&ended)), (Some(0), (4, 0, 0)), "{ended:?}");
}
