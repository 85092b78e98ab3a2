//! Names and situations that are asked of a shelf and of a folder that receives, each with what becomes of it.
//!
//! Every row is tried by itself, with files beside it that must be offered and arrive all the same, and a canary outside
//! that must not notice. `docs/names.md` shows the same rows, and is compared with them.

mod links;
mod names;
mod situations;

use std::fmt;

use bytes::Bytes;
use dpex_core::store::{Existing, FileStore, StoreError, Whole};
use dpex_core::types::SharePath;

use crate::support::{Yard, deliver, fetch, newer, put, query};

/// What becomes of an entry of a shelf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Serving {
    Offered,
    /// As a folder with these names in it.
    Folder(&'static [&'static str]),
    /// Counted, and named to the owner with this reason: it, or what it lies in.
    LeftOut(&'static str),
    /// Neither listed nor counted.
    Silent,
    /// Listed, and exchanged before it is opened.
    Exchanged,
    /// There is no such entry, and it cannot be asked for.
    Nowhere,
    /// It is the shelf.
    Shelf,
}

impl fmt::Display for Serving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Offered => f.write_str("offered"),
            Self::Folder(_) => f.write_str("offered as a folder"),
            Self::LeftOut(why) => write!(f, "left out by name: {why}"),
            Self::Silent => f.write_str("not shown"),
            Self::Exchanged => f.write_str("listed, then not found"),
            Self::Nowhere => f.write_str("cannot be there, nor be asked for"),
            Self::Shelf => f.write_str("no file: the shelf itself"),
        }
    }
}

/// What becomes of a name that is received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Receiving {
    Arrives,
    /// The message that holds it is refused, before a store hears of it.
    Malformed,
    Refused(&'static str),
    /// Refused until any names are asked for.
    Unless(&'static str),
    Taken,
}

impl fmt::Display for Receiving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Arrives => f.write_str("arrives"),
            Self::Malformed => f.write_str("refused at the door"),
            Self::Refused(why) => write!(f, "refused: {why}"),
            Self::Unless(why) => write!(f, "refused, but for `--any-names`: {why}"),
            Self::Taken => f.write_str("refused: the name is taken"),
        }
    }
}

const MODES: [Existing; 3] = [Existing::Keep, Existing::Overwrite, Existing::Rename];

/// Is this entry offered from the folder as it should be, and what is beside it as well?
pub(super) async fn serves(store: &dyn FileStore, name: &[u8], expected: Serving, what: &str) {
    let page = store.list(&query("", None, 1000, true)).await.expect("lists");
    let text = String::from_utf8_lossy(name).into_owned();
    let listed: Vec<&str> = page.entries.iter().map(|entry| entry.path.as_str()).collect();
    let is_in = |name: &str| text.strip_prefix(name).is_some_and(|below| below.is_empty() || below.starts_with('/'));
    let named = page.named.iter().find(|skipped| is_in(&skipped.name) || text.contains('\u{fffd}'));
    let asked = SharePath::from_utf8(name);
    let opened = match &asked {
        Ok(asked) => Some(store.open(asked).await),
        Err(_) => None,
    };
    match expected {
        Serving::Offered => {
            assert!(listed.contains(&text.as_str()), "{what}: {listed:?}");
            assert!(matches!(opened, Some(Ok(_))), "{what}: {opened:?}");
        }
        Serving::Folder(inside) => {
            assert!(listed.contains(&text.as_str()), "{what}: {listed:?}");
            let found: Vec<_> = listed.iter().filter_map(|path| path.strip_prefix(&format!("{text}/"))).collect();
            assert_eq!(found, inside, "{what}");
        }
        Serving::LeftOut(why) => {
            assert_eq!(named.map(|skipped| skipped.why.as_str()), Some(why), "{what}: {page:?}");
            assert_eq!(page.skipped, 1, "{what}");
        }
        Serving::Silent | Serving::Nowhere | Serving::Shelf => assert_eq!(page.skipped, 0, "{what}: {page:?}"),
        Serving::Exchanged => panic!("{what}: not looked at in one step"),
    }
    if !matches!(expected, Serving::Offered | Serving::Folder(_)) {
        assert!(!listed.contains(&text.as_str()), "{what}: {listed:?}");
        assert!(matches!(opened, None | Some(Err(StoreError::NotFound))), "{what}: {opened:?}");
    }
    assert!(asked.is_err() || expected != Serving::Nowhere, "{what}");
    assert!(listed.contains(&"fine"), "{what}: {listed:?}");
    assert_eq!(fetch(store, "fine").await.expect("the rest goes on"), "fine", "{what}");
}

/// Is this name received as it should be, and another one after it as well?
pub(super) async fn receives(yard: &Yard, name: &[u8], expected: Receiving, what: &str) {
    let Ok(asked) = SharePath::from_utf8(name) else {
        assert_eq!(expected, Receiving::Malformed, "{what}");
        return;
    };
    let before = yard.on_disk();
    let incoming = |existing| dpex_core::store::Incoming { path: asked.clone(), ..newer("x", 3, existing) };
    match expected {
        Receiving::Arrives => {
            let given = deliver(&yard.store, &incoming(Existing::Overwrite), b"new").await;
            assert_eq!(given.unwrap_or_else(|e| panic!("{what}: {e}")), asked, "{what}");
            assert_eq!(std::fs::read(yard.at(asked.as_str())).expect("there"), b"new", "{what}");
            let other = dpex_core::store::Incoming { known_other: true, ..incoming(Existing::Overwrite) };
            let again = Whole { incoming: other, content: Bytes::from_static(b"two") };
            let given = yard.store.put_all(vec![again]).await.pop().expect("one answer a file");
            assert_eq!(given.unwrap_or_else(|e| panic!("{what}: {e}")), asked, "{what}");
            assert_eq!(std::fs::read(yard.at(asked.as_str())).expect("there"), b"two", "{what}");
        }
        Receiving::Malformed => panic!("{what}: {asked} is well formed"),
        Receiving::Refused(_) | Receiving::Unless(_) | Receiving::Taken => {
            for existing in MODES {
                let result = yard.store.receive(&incoming(existing)).await;
                let whole = Whole { incoming: incoming(existing), content: Bytes::from_static(b"new") };
                let put = yard.store.put_all(vec![whole]).await.pop().expect("one answer a file");
                for result in [result.map(drop), put.map(drop)] {
                    match (expected, &result) {
                        (Receiving::Taken, Err(StoreError::Exists)) => {}
                        (Receiving::Refused(why) | Receiving::Unless(why), Err(StoreError::BadName(said))) => {
                            assert_eq!(*said, why, "{what}");
                        }
                        _ => panic!("{what}, {existing:?}: {result:?}"),
                    }
                }
            }
            assert_eq!(yard.on_disk(), before, "{what}");
        }
    }
    put(&yard.store, "fine-too", b"the rest goes on").await;
    yard.assert_outside_is_untouched();
}

/// The rows of `docs/names.md` between two markers.
pub(super) fn documented(table: &str) -> Vec<String> {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/names.md");
    let text = std::fs::read_to_string(file).expect("it lies beside the sources");
    let begin = format!("<!-- {table} -->\n");
    let (_, rest) = text.split_once(&begin).expect("it has this table");
    let (rows, _) = rest.split_once(&format!("<!-- /{table} -->")).expect("which ends");
    // The first two lines are the heading.
    rows.lines().filter(|line| line.starts_with('|')).skip(2).map(str::to_owned).collect()
}

/// Compares a table of the document with the rows here.
pub(super) fn is_documented(table: &str, rows: &[String]) {
    let shown = documented(table);
    assert!(shown == rows, "docs/names.md should have, under `{table}`:\n\n{}\n", rows.join("\n"));
}
