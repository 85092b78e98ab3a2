//! Names by themselves: on a shelf, and received into an empty folder.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use dpex_core::store::FileStore;
use dpex_store_fs::Options;

use super::{Receiving, Serving, is_documented, receives, serves};
use crate::support::{Yard, deliver, incoming, path};

use Receiving::{Arrives, Malformed, Refused, Taken, Unless};
use Serving::{LeftOut, Nowhere, Offered, Shelf, Silent};

struct Row {
    /// As the document spells it.
    shown: String,
    name: Vec<u8>,
    /// A name that is there before it.
    beside: Option<&'static str>,
    serving: Serving,
    receiving: Receiving,
}

const NOT_ALLOWED: Serving = LeftOut("the name holds a character that is not allowed");
const COLON: Receiving = Unless("it holds a colon");
const END: Receiving = Unless("it ends with a dot or a space");
const DEVICE: Receiving = Unless("it is the name of a device on Windows");
const ALIKE: Receiving =
    Unless("another name there differs from it only in case, in how accents are written, or in what is not seen");
const HIDDEN: Receiving = Refused("it begins with a dot");
const KEPT: Receiving = Refused("names ending in `.dpexpart` are kept for unfinished transfers");

/// What no name may be, and what every name may.
const PLAIN: &[(&str, Serving, Receiving)] = &[
    ("", Shelf, Taken),
    (".", Nowhere, Malformed),
    ("..", Nowhere, Malformed),
    ("../x", Nowhere, Malformed),
    ("a/../x", Nowhere, Malformed),
    ("a/./x", Nowhere, Malformed),
    ("/etc/passwd", Nowhere, Malformed),
    ("a//x", Nowhere, Malformed),
    ("a/", Nowhere, Malformed),
    ("a\0x", Nowhere, Malformed),
    ("a\\x", NOT_ALLOWED, Malformed),
    ("C:\\x", NOT_ALLOWED, Malformed),
    ("a\u{1}", NOT_ALLOWED, Malformed),
    ("a\n", NOT_ALLOWED, Malformed),
    ("a\u{1b}[2J", NOT_ALLOWED, Malformed),
    ("a\u{7f}", NOT_ALLOWED, Malformed),
    ("a\u{85}", NOT_ALLOWED, Malformed),
    ("a\u{2028}", NOT_ALLOWED, Malformed),
    ("a\u{61c}", NOT_ALLOWED, Malformed),
    ("a\u{200f}", NOT_ALLOWED, Malformed),
    ("gpj.\u{202e}exe", NOT_ALLOWED, Malformed),
    ("a\u{2066}b", NOT_ALLOWED, Malformed),
    ("a.", Offered, END),
    ("a ", Offered, END),
    ("...", Silent, HIDDEN),
    ("a./x", Offered, END),
    (" a", Offered, Arrives),
    ("CON", Offered, DEVICE),
    ("aux.txt", Offered, DEVICE),
    ("COM1", Offered, DEVICE),
    ("COM\u{b9}", Offered, DEVICE),
    ("lpt9 .log", Offered, DEVICE),
    ("nul/x", Offered, DEVICE),
    ("COM10", Offered, Arrives),
    ("console", Offered, Arrives),
    ("a:b", Offered, COLON),
    ("C:", Offered, COLON),
    ("x.part", Offered, Arrives),
    ("x.dpexpart", Silent, KEPT),
    (".x.dpexpart", Silent, KEPT),
    (".x.DPEXPART", Silent, KEPT),
    (".profile", Silent, HIDDEN),
    (".git/config", Silent, HIDDEN),
    ("a/.x", Silent, HIDDEN),
    ("\u{200c}.profile", Offered, HIDDEN),
    ("a/\u{feff}.git", Offered, HIDDEN),
    ("x.dpex\u{200d}part", Offered, KEPT),
    ("a.\u{200b}", Offered, END),
    ("CO\u{2060}N", Offered, DEVICE),
    ("\u{2764}\u{fe0f}", Offered, Arrives),
    ("\u{645}\u{6cc}\u{200c}\u{62e}", Offered, Arrives),
    ("-rf", Offered, Arrives),
    ("$HOME", Offered, Arrives),
    ("*?\"<>|", Offered, Arrives),
    ("a/b/c", Offered, Arrives),
    ("\u{65e5}\u{672c}", Offered, Arrives),
];

/// A name, and one that is beside it before.
const PAIRS: &[(&str, &str)] = &[
    ("readme", "README"),
    ("README", "readme"),
    ("cafe\u{301}", "caf\u{e9}"),
    ("caf\u{e9}", "cafe\u{301}"),
    ("CAF\u{c9}", "cafe\u{301}"),
    ("strasse", "stra\u{df}e"),
    ("read\u{200d}me", "README"),
    ("docs/x", "Docs"),
];

fn rows() -> Vec<Row> {
    let spelled = |name: &str| match name {
        "" => "nothing".to_owned(),
        name => format!("`{}`", name.escape_default().to_string().replace("\\\\", "\\").replace('|', "\\|")),
    };
    let plain = PLAIN.iter().map(|&(name, serving, receiving)| (spelled(name), name.to_owned(), serving, receiving));
    let (deep, long) = (vec!["d"; 63].join("/"), vec!["x".repeat(204); 5].join("/"));
    let measured = [
        ("a part of 255 bytes", "n".repeat(255), Offered, Arrives),
        ("a part of 256 bytes", "n".repeat(256), Nowhere, Malformed),
        ("64 parts", format!("{deep}/d"), Offered, Arrives),
        ("65 parts", format!("{deep}/d/d"), LeftOut("the name has more than 64 parts"), Malformed),
        ("1,024 bytes", long.clone(), Offered, Arrives),
        ("1,025 bytes", format!("{long}x"), LeftOut("the name is longer than 1024 bytes"), Malformed),
    ]
    .map(|(what, name, serving, receiving)| (what.to_owned(), name, serving, receiving));
    let alone = plain.chain(measured).map(|(shown, name, serving, receiving)| Row {
        shown,
        name: name.into_bytes(),
        beside: None,
        serving,
        receiving,
    });
    let pairs = PAIRS.iter().map(|&(name, beside)| Row {
        shown: format!("{} beside {}", spelled(name), spelled(beside)),
        name: name.as_bytes().to_vec(),
        beside: Some(beside),
        serving: Offered,
        receiving: ALIKE,
    });
    let not_text = Row {
        shown: "`a\\xff`, which is not UTF-8".to_owned(),
        name: b"a\xff".to_vec(),
        beside: None,
        serving: LeftOut("the name is not UTF-8"),
        receiving: Malformed,
    };
    alone.chain([not_text]).chain(pairs).collect()
}

// NAM-1, NAM-2, NAM-5.
#[tokio::test]
async fn every_name_on_a_shelf_is_offered_or_left_out_as_the_table_says() {
    for Row { shown, name, beside, serving, .. } in rows() {
        let yard = Yard::new();
        yard.write("fine", "fine");
        match beside {
            Some("Docs") => std::fs::create_dir(yard.at("Docs")).expect("made"),
            Some(beside) => yard.write(beside, "x"),
            None => {}
        }
        if !matches!(serving, Nowhere | Shelf) {
            let at = yard.root().join(OsStr::from_bytes(&name));
            std::fs::create_dir_all(at.parent().expect("below")).expect("made");
            std::fs::write(at, "x").unwrap_or_else(|e| panic!("{shown}: {e}"));
        }
        serves(&yard.serve(), &name, serving, &shown).await;
    }
}

// NAM-1, NAM-2, NAM-7, NAM-8, NAM-12, NAM-13.
#[tokio::test]
async fn every_name_arrives_or_is_refused_as_the_table_says() {
    for Row { shown, name, beside, receiving, .. } in rows() {
        let yard = Yard::new();
        yard.write("there", "there");
        match beside {
            Some("Docs") => yard.store.make_folder(&path("Docs")).await.expect("made"),
            Some(beside) => drop(deliver(&yard.store, &incoming(beside, 1), b"x").await.expect("arrives")),
            None => {}
        }
        receives(&yard, &name, receiving, &shown).await;
    }
}

// NAM-7, NAM-12.
#[tokio::test]
async fn any_names_lift_the_rules_that_say_so_and_no_other() {
    for Row { shown, name, beside, receiving, .. } in rows() {
        let yard = Yard::with(Options { any_names: true, ..Options::default() });
        if let Some(beside) = beside {
            let beside = if beside == "Docs" { "Docs/y" } else { beside };
            deliver(&yard.store, &incoming(beside, 1), b"x").await.expect("arrives");
        }
        let lifted = if matches!(receiving, Unless(_)) { Arrives } else { receiving };
        receives(&yard, &name, lifted, &shown).await;
    }
}

#[test]
fn the_names_are_documented() {
    let row = |row: &Row| format!("| {} | {} | {} |", row.shown, row.serving, row.receiving);
    let rows: Vec<String> = rows().iter().map(row).collect();
    eprintln!("{} names", rows.len());
    is_documented("names", &rows);
}
