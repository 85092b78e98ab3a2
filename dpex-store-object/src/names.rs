//! Names and keys. A name is the key below the prefix, unchanged: what is in the bucket looks as it does elsewhere.

use dpex_core::store::StoreError;
use dpex_core::types::{MAX_COMPONENT, SharePath};
use object_store::path::Path;

/// The longest key, in bytes, that all three services take.
const MAX_KEY: usize = 1024;
/// What `dpex-store-fs` calls what it keeps of unfinished files: a folder copied into a bucket may hold some.
const PART: &str = ".dpexpart";
/// Names tried beside a taken one.
const MOST_SIBLINGS: u32 = 10_000;

/// May a name of this text be offered?
pub(crate) fn is_shown(name: &str) -> bool {
    let tail = name.len().checked_sub(PART.len()).and_then(|at| name.get(at..));
    !name.starts_with('.') && !tail.is_some_and(|tail| tail.eq_ignore_ascii_case(PART))
}

/// May every part of this path be offered?
pub(crate) fn all_shown(path: &SharePath) -> bool {
    path.parts().all(is_shown)
}

/// May a file or folder of this name be received?
pub(crate) fn check(path: &SharePath) -> Result<(), StoreError> {
    for part in path.parts() {
        if part.starts_with('.') {
            return Err(StoreError::BadName("it begins with a dot"));
        }
        if !is_shown(part) {
            return Err(StoreError::BadName("it looks like an unfinished file"));
        }
    }
    Ok(())
}

/// The text before every key in a folder: its own key and a `/`, or nothing for a whole bucket.
pub(crate) fn folder_key(prefix: &SharePath, folder: &SharePath) -> String {
    let mut key = String::new();
    for part in prefix.parts().chain(folder.parts()) {
        key.push_str(part);
        key.push('/');
    }
    key
}

/// The key of a file; `None` if no service would take it.
pub(crate) fn key(prefix: &SharePath, path: &SharePath) -> Option<Path> {
    let mut key = folder_key(prefix, path);
    key.pop();
    Path::parse(&key).ok().filter(|_| key.len() <= MAX_KEY)
}

/// `report (2).pdf`, `report (3).pdf` and so on.
pub(crate) fn siblings(path: &SharePath) -> impl Iterator<Item = SharePath> {
    let name = path.file_name().unwrap_or_default().to_owned();
    let folder = path.parent().unwrap_or_default();
    let dot = name.rfind('.').filter(|&at| at > 0).unwrap_or(name.len());
    (2..MOST_SIBLINGS).filter_map(move |n| {
        let (stem, extension) = name.split_at(dot);
        let number = format!(" ({n})");
        let extension = front(extension, MAX_COMPONENT - number.len());
        let stem = front(stem, MAX_COMPONENT - number.len() - extension.len());
        folder.join(&format!("{stem}{number}{extension}")).ok()
    })
}

/// As much of the text as fits, in whole characters.
fn front(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> SharePath {
        SharePath::parse(text).expect("a valid path")
    }

    #[test]
    fn a_key_is_the_name_below_the_prefix() {
        assert_eq!(key(&path("p/q"), &path("a/b c%20#.txt")).expect("a key").as_ref(), "p/q/a/b c%20#.txt");
        assert_eq!(key(&SharePath::ROOT, &path("a")).expect("a key").as_ref(), "a");
        assert_eq!(folder_key(&SharePath::ROOT, &SharePath::ROOT), "");
        assert_eq!(folder_key(&path("p"), &SharePath::ROOT), "p/");
        assert_eq!(folder_key(&path("p"), &path("a")), "p/a/");
    }

    #[test]
    fn a_key_longer_than_any_service_takes_is_none() {
        let long = path(&vec!["x".repeat(250); 4].join("/"));
        assert_eq!(long.as_str().len(), 1003);
        assert!(key(&path(&"p".repeat(20)), &long).is_some());
        assert!(key(&path(&"p".repeat(21)), &long).is_none());
    }

    #[test]
    fn hidden_and_unfinished_names_are_not_shown() {
        for name in [".a", ".", "a.dpexpart", "A.DpexPart", ".dpexpart"] {
            assert!(!is_shown(name), "{name}");
        }
        for name in ["a", "a.part", "dpexpart", "a.dpexpart.txt", "日本語日本語"] {
            assert!(is_shown(name), "{name}");
        }
    }

    #[test]
    fn a_number_goes_before_the_extension_and_a_long_name_is_shortened() {
        let first = |name: &str| siblings(&path(name)).next().expect("there are many").to_string();
        assert_eq!(first("d/report.pdf"), "d/report (2).pdf");
        assert_eq!(first("README"), "README (2)");
        assert_eq!(siblings(&path("a.b.c")).nth(8), Some(path("a.b (10).c")));
        for name in ["x".repeat(255), format!("{}.txt", "é".repeat(125)), format!("a.{}", "y".repeat(253))] {
            assert!((241..=255).contains(&first(&name).len()), "{name}");
        }
    }
}
