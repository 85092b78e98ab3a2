//! Many small files at once: each as if it had come alone.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::sync::Arc;

use bytes::Bytes;
use dpex_core::store::{Existing, FileStore, Incoming, StoreError, Whole};
use dpex_core::types::SharePath;
use dpex_store_fs::faults::Plan;

use crate::support::{Yard, deliver, fetch, incoming, names, newer, path, put};

fn whole(incoming: Incoming, content: &str) -> Whole {
    Whole { incoming, content: Bytes::copy_from_slice(content.as_bytes()) }
}

fn anew(name: &str, content: &str) -> Whole {
    whole(incoming(name, content.len() as u64), content)
}

async fn put_one(yard: &Yard, file: Whole) -> Result<SharePath, StoreError> {
    let mut answers = yard.store.put_all(vec![file]).await;
    assert_eq!(answers.len(), 1);
    answers.remove(0)
}

#[tokio::test]
async fn a_file_of_zeros_takes_no_room_on_the_disk() {
    let yard = Yard::new();
    let zeros = "\0".repeat(900_000);
    put_one(&yard, anew("a", &zeros)).await.expect("put");
    let meta = std::fs::metadata(yard.at("a")).expect("there");
    assert_eq!((meta.len(), meta.blocks()), (900_000, 0));
    assert_eq!(fetch(&yard.store, "a").await.expect("readable"), zeros);
}

#[tokio::test]
async fn each_file_has_an_answer_of_its_own() {
    let yard = Yard::new();
    yard.write("taken", "of its owner");
    std::fs::create_dir(yard.at("folder")).expect("made");
    put(&yard.store, "same", b"same").await;
    let files = vec![
        anew("a", "one"),
        anew("taken", "other"),
        anew("d/e/b", "two"),
        anew("same", "same"),
        anew("folder", "x"),
        anew("", "x"),
        anew("taken/below", "x"),
        anew(".hidden", "x"),
        anew("x.dpexpart", "x"),
        whole(incoming("short", 9), "x"),
        anew("a", "again"),
        anew("empty", ""),
    ];
    let answers = yard.store.put_all(files).await;
    yard.store.settle().await.expect("settled");
    let told: Vec<_> = answers.iter().map(|answer| answer.as_ref().map_err(ToString::to_string)).collect();
    for (index, name) in [(0, "a"), (2, "d/e/b"), (11, "empty")] {
        assert_eq!(told[index], Ok(&path(name)));
    }
    assert!(matches!(answers[1], Err(StoreError::Exists)));
    assert!(matches!(answers[3], Err(StoreError::Same)));
    assert!(matches!(answers[4], Err(StoreError::Exists)));
    assert!(matches!(answers[5], Err(StoreError::Exists)));
    assert!(matches!(answers[6], Err(StoreError::Exists)));
    assert!(matches!(answers[7], Err(StoreError::BadName(_))));
    assert!(matches!(answers[8], Err(StoreError::BadName(_))));
    assert!(matches!(answers[9], Err(StoreError::Io(_))));
    assert!(matches!(answers[10], Err(StoreError::Exists)));
    assert_eq!(fetch(&yard.store, "d/e/b").await.expect("there"), "two");
    assert_eq!(fetch(&yard.store, "taken").await.expect("there"), "of its owner");
    assert_eq!(fetch(&yard.store, "empty").await.expect("there"), "");
    yard.assert_outside_is_untouched();
}

#[tokio::test]
async fn a_file_gets_its_time_and_the_mode_that_any_program_here_would_have_given_it() {
    let yard = Yard::new();
    yard.write("plain", "x");
    std::fs::DirBuilder::new().create(yard.at("folder")).expect("made");
    let mode = |name: &str| std::fs::metadata(yard.at(name)).expect("there").permissions().mode() & 0o7777;
    let mut program = anew("b", "x");
    program.incoming.meta.exec = true;
    for answer in yard.store.put_all(vec![anew("a", "x"), program]).await {
        answer.expect("arrives");
    }
    assert_eq!(mode("a"), mode("plain"));
    assert_eq!(mode("b"), mode("folder") & 0o777);
    let meta = std::fs::metadata(yard.at("a")).expect("there");
    assert_eq!((meta.mtime(), meta.mtime_nsec()), (1_700_000_000, 123_456_789));
    assert_eq!(yard.on_disk(), ["a", "b", "folder", "plain"]);
}

#[tokio::test]
async fn a_taken_name_is_kept_replaced_or_numbered() {
    let yard = Yard::new();
    put(&yard.store, "a.txt", b"old").await;
    std::fs::hard_link(yard.at("a.txt"), yard.at("link")).expect("linked");
    let file = |existing, content: &str| whole(newer("a.txt", content.len() as u64, existing), content);
    assert!(matches!(put_one(&yard, file(Existing::Keep, "new")).await, Err(StoreError::Exists)));
    assert_eq!(put_one(&yard, file(Existing::Rename, "two")).await.expect("beside"), path("a (2).txt"));
    assert!(matches!(put_one(&yard, file(Existing::Rename, "two")).await, Err(StoreError::Same)));
    assert_eq!(put_one(&yard, file(Existing::Rename, "three")).await.expect("beside"), path("a (3).txt"));
    assert_eq!(put_one(&yard, file(Existing::Overwrite, "newer")).await.expect("over it"), path("a.txt"));
    assert!(matches!(put_one(&yard, file(Existing::Overwrite, "newer")).await, Err(StoreError::Same)));
    assert_eq!(yard.on_disk(), ["a (2).txt", "a (3).txt", "a.txt", "link"]);
    assert_eq!(fetch(&yard.store, "a.txt").await.expect("there"), "newer");
    assert_eq!(fetch(&yard.store, "link").await.expect("there"), "old");
}

#[tokio::test]
async fn a_thousand_files_and_more_than_can_be_open_arrive() {
    let yard = Yard::new();
    let name = |n: usize| format!("d{}/f{n}", n % 7);
    let files: Vec<_> = (0..1000).map(|n| anew(&name(n), &format!("content of {n}"))).collect();
    for (n, answer) in yard.store.put_all(files).await.into_iter().enumerate() {
        assert_eq!(answer.expect("arrives"), path(&name(n)));
    }
    let open = open_files(&yard);
    assert!(open.is_none_or(|open| (1..5).contains(&open)), "the store's folder is open, and {open:?} is more");
    yard.store.settle().await.expect("settled");
    assert_eq!(names(&yard.store, "").await.len(), 1007);
    for n in [0, 99, 100, 101, 555, 999] {
        assert_eq!(fetch(&yard.store, &name(n)).await.expect("there"), format!("content of {n}"));
    }
}

/// Files and folders of a yard that are open, where that can be seen: other tests may run in this process, and have theirs.
fn open_files(yard: &Yard) -> Option<usize> {
    let open = std::fs::read_dir("/proc/self/fd").ok()?;
    let targets = open.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    Some(targets.filter(|target| target.starts_with(yard.at(""))).count())
}

#[tokio::test]
async fn nothing_is_put_through_or_over_a_link() {
    let yard = Yard::new();
    yard.link(yard.outside().join("secret"), "file-out");
    yard.link(yard.outside(), "folder-out");
    yard.link("nowhere", "broken");
    let before = yard.on_disk();
    for existing in [Existing::Keep, Existing::Overwrite, Existing::Rename] {
        for name in ["file-out", "folder-out", "folder-out/secret", "folder-out/new", "broken", "broken/x"] {
            let answer = put_one(&yard, whole(newer(name, 3, existing), "new")).await;
            assert!(matches!(answer, Err(StoreError::Exists)), "{name} {existing:?}: {answer:?}");
        }
    }
    assert_eq!(yard.on_disk(), before);
    yard.assert_outside_is_untouched();
}

#[tokio::test]
async fn the_name_of_a_part_waits_and_a_file_being_received_is_not_disturbed() {
    let yard = Yard::new();
    let part = yard.store.receive(&incoming("a", 3)).await.expect("free");
    for existing in [Existing::Keep, Existing::Overwrite] {
        let put = put_one(&yard, whole(newer("a.part", 1, existing), "x")).await;
        assert!(matches!(put, Err(StoreError::Busy)), "{existing:?}: {put:?}");
    }
    put_one(&yard, anew("a", "abcd")).await.expect("nobody has the name yet");
    part.write(crate::support::at(0), Bytes::from_static(b"abc")).await.expect("written");
    assert!(matches!(part.commit().await, Err(StoreError::Exists)));
    assert_eq!(fetch(&yard.store, "a").await.expect("there"), "abcd");
}

#[tokio::test]
async fn of_many_that_put_one_name_at_once_each_is_whole_and_one_is_last() {
    let yard = Yard::new();
    put(&yard.store, "a", b"old").await;
    for round in 0..20_u64 {
        let tasks: Vec<_> = (0..6)
            .map(|n| {
                let store = Arc::new(yard.store.clone());
                let content = format!("{round} {n}").repeat(1000 + n);
                let file = whole(newer("a", content.len() as u64, Existing::Overwrite), &content);
                tokio::spawn(async move { store.put_all(vec![file]).await.remove(0) })
            })
            .collect();
        for task in tasks {
            assert!(matches!(task.await.expect("no panic"), Ok(_) | Err(StoreError::Busy | StoreError::Same)));
        }
        assert_eq!(yard.on_disk(), ["a"]);
    }
}

#[tokio::test]
async fn a_draft_that_a_crash_left_is_hidden_and_replaced() {
    use dpex_store_fs::faults::Fault;

    let yard = Yard::new();
    put(&yard.store, "a", b"old").await;
    let file = || whole(newer("a", 3, Existing::Overwrite), "new");
    let graves = yard.around.path().join("graves");
    std::fs::create_dir(&graves).expect("made");
    let crash_at = async |number| {
        let plan = Plan::new(number, &graves);
        let _installed = plan.install();
        (put_one(&yard, file()).await, plan.trace())
    };
    let rename = {
        let (answer, trace) = crash_at(None).await;
        answer.expect("arrives");
        trace.iter().position(|&call| call == "rename").expect("there is one")
    };
    deliver(&yard.store, &Incoming { existing: Existing::Overwrite, ..incoming("a", 3) }, b"old").await.expect("back");
    let (answer, _) = crash_at(Some((rename, Fault::Cut))).await;
    answer.expect_err("it ended there");
    assert_eq!(yard.on_disk().len(), 2, "a draft is left");
    assert_eq!(names(&yard.serve(), "").await, ["a"]);
    assert_eq!(fetch(&yard.store, "a").await.expect("there"), "old");
    put_one(&yard, file()).await.expect("over it");
    assert_eq!(yard.on_disk(), ["a"]);
}

#[tokio::test]
async fn room_is_told() {
    let yard = Yard::new();
    assert!(yard.store.room().await.is_some_and(|room| room > 0));
}
