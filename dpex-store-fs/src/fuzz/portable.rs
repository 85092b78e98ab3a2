//! Names that were received: which are taken, and what is made of them.

use std::collections::BTreeSet;

use dpex_core::types::SharePath;
use unicode_normalization::UnicodeNormalization as _;

use crate::folding::{fold, seen};
use crate::names::{STEMS, draft_name, kept_names, part_name, siblings, sidecar_name, stem, stem_of};
use crate::portable::{Rules, fault, is_reserved};

/// From the strictest; one that has all wishes of another takes all that the other takes.
const ALL: [Rules; 4] = [
    Rules { hidden: false, any: false },
    Rules { hidden: true, any: false },
    Rules { hidden: false, any: true },
    Rules { hidden: true, any: true },
];

/// Checks a path by all rules, and makes of its last part every name that this store makes of one.
pub fn portable(bytes: &[u8]) {
    let Ok(path) = SharePath::from_utf8(bytes) else { return };
    let [strict, hidden, any, both] = ALL.map(|rules| rules.check(&path).is_ok());
    assert!(strict <= hidden.min(any) && hidden.max(any) <= both);
    for part in path.parts() {
        folds(part);
        if strict {
            assert_eq!(fault(part), None);
            assert!(!part.starts_with('.') && !part.contains(':') && !part.ends_with(['.', ' ']));
        }
        if both {
            assert!(!is_reserved(seen(part).as_bytes()));
        }
    }
    if let Some(name) = path.file_name() {
        made_of(name, Rules::default().check(&path).is_ok());
    }
}

/// NAM-13.
fn folds(part: &str) {
    let shown = seen(part).into_owned();
    assert_eq!(seen(&shown), shown);
    let folded = fold(part);
    assert_eq!(fold(&shown), folded);
    assert_eq!(fold(&folded), folded);
    assert_eq!(fold(&part.nfc().collect::<String>()), folded, "composed or not");
    assert_eq!(fold(&part.nfd().collect::<String>()), folded, "composed or not");
}

fn made_of(name: &str, is_portable: bool) {
    let is_name = |made: &str| SharePath::parse(made).is_ok_and(|path| path.parts().count() == 1);
    let mut stems = BTreeSet::new();
    for attempt in 0..STEMS {
        let stem = stem(name, attempt);
        let (part, sidecar) = (part_name(&stem), sidecar_name(&stem));
        assert!(is_name(&part) && is_name(&sidecar), "{part:?} {sidecar:?}");
        assert!(is_reserved(sidecar.as_bytes()) && stem_of(&part) == Some(&*stem));
        assert!(stems.insert(stem));
    }
    let draft = draft_name(name);
    assert!(is_name(&draft) && is_reserved(draft.as_bytes()));
    let mut all = BTreeSet::new();
    // Numbers of one digit, of two and of three.
    for n in [0, 8, 98] {
        let beside = siblings(name).nth(n).expect("there are many");
        let kept = kept_names(name).nth(n).expect("there are many");
        assert!(is_name(&beside) && is_name(&kept), "{beside:?} {kept:?}");
        // One may be the name itself, if that is a long one with a number. It is taken then, and the next one is tried.
        assert!(all.insert(beside.clone()), "{beside:?} twice");
        if is_portable {
            for made in [beside, kept] {
                let path = SharePath::parse(&made).expect("a name");
                assert!(Rules::default().check(&path).is_ok(), "{made:?} beside {name:?}");
            }
        }
    }
}
