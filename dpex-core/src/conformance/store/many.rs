//! **Many at once**: what [`open_all`](crate::store::FileStore::open_all), [`look`](crate::store::FileStore::look) and
//! [`put_all`](crate::store::FileStore::put_all) do for many names is what is done for each.

use bytes::Bytes;

use super::Backend;
use super::support::{
    assert_keeps, fetch, file, folder, incoming, list_all, names, newer, path, planted, put, receiving, time,
};
use crate::store::{EntryKind, Existing, Incoming, Opened, StoreError, Whole};
use crate::types::SharePath;

fn whole(incoming: Incoming, content: &'static str) -> Whole {
    Whole { incoming, content: Bytes::from_static(content.as_bytes()) }
}

/// One answer a path, in their order, also for one that is asked for twice.
pub async fn many_files_are_opened_and_the_small_ones_read(backend: &impl Backend) {
    let store = planted(backend, &[file("a", b"small"), file("d/b", b"larger"), file("d/empty", b"")]).await;
    let asked = ["a", "missing", "d/b", "d/empty", "d", "a/x", ".a", "a"].map(path);
    let answers = store.open_all(&asked, 5).await;
    assert_eq!(answers.len(), asked.len());
    for (asked, answer) in asked.iter().zip(answers) {
        let name = asked.as_str();
        let content = match answer {
            Err(StoreError::NotFound) => {
                assert!(["missing", "d", "a/x", ".a"].contains(&name), "{name} is there");
                continue;
            }
            Err(other) => panic!("{name}: {other}"),
            Ok(Opened::Whole(meta, bytes)) => {
                assert!(meta.size <= 5, "{name} is larger than what is to be read");
                assert_eq!(meta, *store.open(asked).await.expect("is there").meta(), "{name}");
                bytes
            }
            Ok(Opened::File(file)) => {
                assert_eq!(name, "d/b", "a small file is read at once");
                assert_eq!(file.meta(), store.open(asked).await.expect("is there").meta());
                file.read_at(0, 6).await.expect("inside")
            }
        };
        assert_eq!(content, fetch(&*store, name).await.expect("is there"), "{name}");
    }
    assert!(store.open_all(&[], 5).await.is_empty());
}

/// A file's size and version always; its time and executable bit as far as the store's listing knows them. What a
/// listing leaves out, or what is not there, is nothing.
pub async fn a_look_says_what_a_listing_says(backend: &impl Backend) {
    let store = planted(backend, &[file("a", b"x"), file("b/1", b"one"), file("b/2/x", b""), folder("b/empty")]).await;
    let listed = list_all(&*store, "", 9, true).await.0;
    let there: Vec<SharePath> = listed.iter().map(|entry| entry.path.clone()).collect();
    let missing = ["missing", "a/x", "b/3", ".a", "b/.x"].map(path);
    let answers = store.look(&[&there[..], &missing].concat()).await;
    assert_eq!(answers.len(), there.len() + missing.len());
    let mut answers = answers.into_iter().map(|answer| answer.expect("nothing failed"));
    for (entry, found) in listed.iter().zip(&mut answers) {
        match (entry.kind, found) {
            (EntryKind::Folder(_), Some(EntryKind::Folder(_))) => {}
            (EntryKind::File(listed), Some(EntryKind::File(found))) => {
                assert_eq!((found.size, found.version), (listed.size, listed.version), "{}", entry.path);
                if backend.abilities().lists_as_opened {
                    assert_eq!(found, listed, "{}", entry.path);
                }
            }
            (listed, found) => panic!("{}: listed is {listed:?}, found {found:?}", entry.path),
        }
    }
    for (name, found) in missing.iter().zip(answers) {
        assert_eq!(found, None, "{name}");
    }
}

/// Each with its metadata, and whatever becomes of the others.
pub async fn many_whole_files_arrive_and_bad_ones_fail_alone(backend: &impl Backend) {
    let Some(store) = receiving(backend).await else { return };
    put(&*store, "file", b"in the way").await;
    let mut exec = incoming("d/e/exec", 4);
    (exec.meta.exec, exec.meta.mtime) = (true, time(-5, 1));
    let mut files = vec![
        whole(incoming("a", 3), "one"),
        whole(incoming(".hidden", 3), "bad"),
        whole(incoming("d/empty", 0), ""),
        whole(incoming("file/x", 3), "bad"),
        whole(exec.clone(), "exec"),
        whole(incoming("short", 4), "bad"),
        whole(incoming("long", 2), "bad"),
    ];
    files.extend((0..40).map(|n| whole(incoming(&format!("many/{n:02}"), 4), "many")));
    let given: Vec<SharePath> = files.iter().map(|file| file.incoming.path.clone()).collect();
    let answers = store.put_all(files).await;
    store.settle().await.expect("settles");
    assert_eq!(answers.len(), given.len());
    for (given, answer) in given.iter().zip(answers) {
        match (given.as_str(), answer) {
            (".hidden", Err(StoreError::BadName(_)))
            | ("file/x", Err(StoreError::Exists))
            | ("short" | "long", Err(StoreError::Io(_))) => {}
            (_, Ok(name)) => assert_eq!(name, *given),
            (name, Err(other)) => panic!("{name}: {other}"),
        }
    }
    let mut want: Vec<String> = ["a", "d/", "d/e/", "d/e/exec", "d/empty", "file", "many/"].map(String::from).into();
    want.extend((0..40).map(|n| format!("many/{n:02}")));
    assert_eq!(names(&*store, "").await, want);
    for (name, content) in [("a", "one"), ("d/e/exec", "exec"), ("d/empty", ""), ("many/39", "many")] {
        assert_eq!(fetch(&*store, name).await.expect("is there"), content, "{name}");
    }
    let meta = *store.open(&exec.path).await.expect("is there").meta();
    assert_keeps(backend, &meta, &exec.meta, "d/e/exec");
    assert!(store.put_all(Vec::new()).await.is_empty());
}

/// As one by one: kept, replaced, renamed, the same. Of two that bring one name the first has it.
pub async fn taken_names_are_to_many_whole_files_what_they_are_to_one(backend: &impl Backend) {
    let Some(store) = receiving(backend).await else { return };
    for name in ["kept", "replaced", "renamed.txt", "same"] {
        put(&*store, name, b"old").await;
    }
    put(&*store, "folder/x", b"old").await;
    let files = vec![
        whole(newer("kept", 3, Existing::Keep), "new"),
        whole(newer("replaced", 5, Existing::Overwrite), "newer"),
        whole(newer("renamed.txt", 3, Existing::Rename), "new"),
        whole(incoming("same", 3), "old"),
        whole(newer("folder", 3, Existing::Overwrite), "new"),
        whole(newer("twice", 5, Existing::Keep), "first"),
        whole(newer("twice", 6, Existing::Keep), "second"),
    ];
    let answers = store.put_all(files).await;
    let is_same = |answer: &Result<_, _>| match answer {
        Err(StoreError::Same) => backend.abilities().keeps_mtime,
        Err(StoreError::Exists) => !backend.abilities().keeps_mtime,
        _ => false,
    };
    let [kept, replaced, renamed, same, in_the_way, first, second] = &answers[..] else { panic!("{answers:?}") };
    assert!(matches!(kept, Err(StoreError::Exists)), "{kept:?}");
    assert_eq!(replaced.as_ref().expect("may be replaced"), &path("replaced"));
    assert_eq!(renamed.as_ref().expect("arrives"), &path("renamed (2).txt"));
    assert!(is_same(same), "{same:?}");
    assert!(matches!(in_the_way, Err(StoreError::Exists)), "{in_the_way:?}");
    assert_eq!(first.as_ref().expect("free"), &path("twice"));
    assert!(matches!(second, Err(StoreError::Exists | StoreError::Busy)), "{second:?}");
    for (name, content) in [
        ("kept", "old"),
        ("replaced", "newer"),
        ("renamed.txt", "old"),
        ("renamed (2).txt", "new"),
        ("same", "old"),
        ("folder/x", "old"),
        ("twice", "first"),
    ] {
        assert_eq!(fetch(&*store, name).await.expect("is there"), content, "{name}");
    }
    assert_eq!(names(&*store, "").await.len(), 8);
}
