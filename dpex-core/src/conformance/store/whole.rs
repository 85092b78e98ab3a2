//! **Whole**: no name appears before [`commit`](crate::store::PartialFile::commit), and then with complete content; and
//! what a name that is taken means.

use bytes::Bytes;

use super::Backend;
use super::support::{
    assert_keeps, at, deliver, fetch, file, folder, incoming, names, newer, path, planted, put, receiving, time,
};
use crate::store::{Existing, Incoming, Meta, StoreError, Whole};
use crate::types::Version;

/// Not in a listing, not to be opened, by its own name or the names parts might have.
pub async fn no_name_appears_before_commit(backend: &impl Backend) {
    let Some(store) = receiving(backend).await else { return };
    let part = store.receive(&incoming("a", 3)).await.expect("free");
    part.write(at(0), Bytes::from_static(b"abc")).await.expect("written");
    assert!(names(&*store, "").await.is_empty());
    for name in ["a", "a.part", ".a.dpexpart"] {
        assert!(matches!(fetch(&*store, name).await, Err(StoreError::NotFound)), "{name}");
    }
    part.commit().await.expect("committed");
    assert_eq!(names(&*store, "").await, ["a"]);
}

/// And the name is free for another.
pub async fn a_discarded_part_leaves_nothing(backend: &impl Backend) {
    let Some(store) = receiving(backend).await else { return };
    let part = store.receive(&incoming("a", 3)).await.expect("free");
    part.write(at(0), Bytes::from_static(b"abc")).await.expect("written");
    part.discard().await.expect("discarded");
    assert!(names(&*store, "").await.is_empty());
    put(&*store, "a", b"other").await;
}

/// Dropping is how a transfer that was broken off ends.
pub async fn a_dropped_part_leaves_no_name_and_is_begun_again(backend: &impl Backend) {
    let Some(store) = receiving(backend).await else { return };
    let part = store.receive(&incoming("a", 3)).await.expect("free");
    part.write(at(0), Bytes::from_static(b"abc")).await.expect("written");
    drop(part);
    assert!(names(&*store, "").await.is_empty());
    let again = store.receive(&incoming("a", 3)).await.expect("nobody holds it");
    assert!(again.commit().await.is_err(), "nothing was written into this one");
    put(&*store, "a", b"xyz").await;
    assert_eq!(fetch(&*store, "a").await.expect("is there"), "xyz");
}

/// Bytes missing at the end, at the beginning, or all.
pub async fn an_incomplete_part_cannot_be_committed(backend: &impl Backend) {
    let Some(store) = receiving(backend).await else { return };
    for (offset, data) in [(0, "ab"), (1, "bc"), (0, "")] {
        let part = store.receive(&incoming("a", 3)).await.expect("free");
        let written = part.write(at(offset), Bytes::from_static(data.as_bytes())).await;
        assert!(written.is_ok() || offset > 0 && !backend.abilities().writes_in_any_order, "{written:?}");
        assert!(matches!(part.commit().await, Err(StoreError::Io(_))), "{offset} {data}");
        assert!(names(&*store, "").await.is_empty());
    }
}

/// Whatever the offset, and what fits is taken afterwards.
pub async fn a_part_takes_no_byte_past_its_size(backend: &impl Backend) {
    let Some(store) = receiving(backend).await else { return };
    let part = store.receive(&incoming("a", 3)).await.expect("free");
    assert!(part.write(at(1), Bytes::from_static(b"abc")).await.is_err());
    assert!(part.write(at(3), Bytes::from_static(b"a")).await.is_err());
    assert!(part.write(at(u64::MAX), Bytes::from_static(b"a")).await.is_err());
    part.write(at(0), Bytes::from_static(b"abc")).await.expect("all of it fits");
    part.commit().await.expect("committed");
    assert_eq!(fetch(&*store, "a").await.expect("is there"), "abc");
}

/// A store that cannot says so at the first block that comes too early, and takes them in order.
pub async fn bytes_may_come_in_any_order_and_twice(backend: &impl Backend) {
    let Some(store) = receiving(backend).await else { return };
    let part = store.receive(&incoming("a", 6)).await.expect("free");
    let mut pieces = vec![(4, "ef"), (0, "ab"), (2, "cd"), (1, "bcd")];
    if !backend.abilities().writes_in_any_order {
        let early = part.write(at(4), Bytes::from_static(b"ef")).await;
        assert!(matches!(early, Err(StoreError::Io(_))), "{early:?}");
        pieces = vec![(0, "ab"), (2, "cd"), (4, "ef")];
    }
    for (offset, data) in pieces {
        part.write(at(offset), Bytes::from_static(data.as_bytes())).await.expect("written");
    }
    part.commit().await.expect("committed");
    assert_eq!(fetch(&*store, "a").await.expect("is there"), "abcdef");
}

/// Blocks of 256 KiB, as they come off the wire: the first one last. 6 MiB and a bit, so that a store that gathers
/// blocks has more than one of its own.
pub async fn a_large_file_arrives_in_blocks_of_any_order(backend: &impl Backend) {
    const BLOCK: usize = 256 * 1024;
    let Some(store) = receiving(backend).await else { return };
    let content: Vec<u8> =
        (0_u32..).flat_map(|n| n.wrapping_mul(0x9e37_79b9).to_be_bytes()).take(25 * BLOCK + 7).collect();
    let part = store.receive(&incoming("a", content.len() as u64)).await.expect("free");
    let mut blocks: Vec<_> = content.chunks(BLOCK).enumerate().collect();
    if backend.abilities().writes_in_any_order {
        // 7 and 26 have no common factor, so every block comes once.
        blocks = (1..=blocks.len()).map(|n| blocks[n * 7 % blocks.len()]).collect();
        assert_eq!(blocks.last().map(|(n, _)| *n), Some(0));
    }
    for (n, block) in blocks {
        part.write(at((n * BLOCK) as u64), Bytes::copy_from_slice(block)).await.expect("written");
    }
    assert!(names(&*store, "").await.is_empty());
    part.commit().await.expect("committed");
    assert!(fetch(&*store, "a").await.expect("is there") == content, "the content is another one");
}

/// [`Existing::Keep`] replaces nothing.
pub async fn an_existing_file_is_kept(backend: &impl Backend) {
    let Some(store) = receiving(backend).await else { return };
    put(&*store, "a", b"old").await;
    assert!(matches!(store.receive(&newer("a", 3, Existing::Keep)).await, Err(StoreError::Exists)));
    assert!(matches!(store.receive(&incoming("a", 4)).await, Err(StoreError::Exists)));
    assert_eq!(fetch(&*store, "a").await.expect("is there"), "old");
}

/// By size and time. A store that keeps no time cannot know it, and must not guess.
pub async fn the_same_file_is_recognised_whatever_is_asked_for(backend: &impl Backend) {
    let Some(store) = receiving(backend).await else { return };
    put(&*store, "a", b"old").await;
    for existing in [Existing::Keep, Existing::Overwrite, Existing::Rename] {
        let same = Incoming { existing, ..incoming("a", 3) };
        let answer = store.receive(&same).await;
        match existing {
            _ if backend.abilities().keeps_mtime => assert!(matches!(answer, Err(StoreError::Same)), "{existing:?}"),
            Existing::Keep => assert!(matches!(answer, Err(StoreError::Exists)), "{answer:?}"),
            _ => answer.expect("another file, for all it knows").discard().await.expect("discarded"),
        }
    }
    assert_eq!(names(&*store, "").await, ["a"]);
}

/// Until then the old file is there and whole.
pub async fn an_overwritten_file_is_replaced_at_commit_and_not_before(backend: &impl Backend) {
    let Some(store) = receiving(backend).await else { return };
    put(&*store, "a", b"old").await;
    let part = store.receive(&newer("a", 6, Existing::Overwrite)).await.expect("may be replaced");
    part.write(at(0), Bytes::from_static(b"newnew")).await.expect("written");
    assert_eq!(fetch(&*store, "a").await.expect("is there"), "old");
    assert_eq!(part.commit().await.expect("committed"), path("a"));
    assert_eq!(fetch(&*store, "a").await.expect("is there"), "newnew");
    assert_eq!(names(&*store, "").await, ["a"]);
}

/// Its content was compared, although size and time agree.
pub async fn a_file_known_to_be_another_is_replaced_even_if_it_seems_the_same(backend: &impl Backend) {
    let Some(store) = receiving(backend).await else { return };
    put(&*store, "a", b"bad").await;
    let same = Incoming { existing: Existing::Overwrite, known_other: true, ..incoming("a", 3) };
    assert_eq!(deliver(&*store, &same, b"abc").await.expect("may be replaced"), path("a"));
    assert_eq!(fetch(&*store, "a").await.expect("is there"), "abc");
    let whole = Whole { incoming: same, content: Bytes::from_static(b"xyz") };
    let answers = store.put_all(vec![whole]).await;
    assert!(matches!(&answers[..], [Ok(name)] if *name == path("a")), "{answers:?}");
    assert_eq!(fetch(&*store, "a").await.expect("is there"), "xyz");
    put(&*store, "f/x", b"inside").await;
    let folder = Incoming { existing: Existing::Overwrite, known_other: true, ..incoming("f", 3) };
    assert!(matches!(store.receive(&folder).await, Err(StoreError::Exists)));
    assert_eq!(names(&*store, "").await, ["a", "f/", "f/x"]);
}

/// And what is beside it is taken for the one that comes, as in any second run.
pub async fn a_file_known_to_be_another_is_renamed_beside_even_if_it_seems_the_same(backend: &impl Backend) {
    let Some(store) = receiving(backend).await else { return };
    for name in ["a", "b"] {
        put(&*store, name, b"bad").await;
    }
    let same = |name| Incoming { existing: Existing::Rename, known_other: true, ..incoming(name, 3) };
    assert_eq!(deliver(&*store, &same("a"), b"abc").await.expect("may be beside it"), path("a (2)"));
    let whole = |name| vec![Whole { incoming: same(name), content: Bytes::from_static(b"abc") }];
    let answers = store.put_all(whole("b")).await;
    assert!(matches!(&answers[..], [Ok(name)] if *name == path("b (2)")), "{answers:?}");
    for (name, content) in [("a", "bad"), ("a (2)", "abc"), ("b", "bad"), ("b (2)", "abc")] {
        assert_eq!(fetch(&*store, name).await.expect("is there"), content, "{name}");
    }
    if backend.abilities().keeps_mtime {
        for name in ["a", "b"] {
            assert!(matches!(store.receive(&same(name)).await, Err(StoreError::Same)), "{name}");
            let again = store.put_all(whole(name)).await;
            assert!(matches!(&again[..], [Err(StoreError::Same)]), "{again:?}");
        }
    }
}

/// `a (2).txt` and so on; what has a number already keeps it.
pub async fn a_renamed_file_takes_the_first_free_number(backend: &impl Backend) {
    let Some(store) = receiving(backend).await else { return };
    put(&*store, "d/a.txt", b"one").await;
    put(&*store, "d/a (3).txt", b"three").await;
    let given = deliver(&*store, &newer("d/a.txt", 3, Existing::Rename), b"two").await.expect("arrives");
    assert_eq!(given, path("d/a (2).txt"));
    let given = deliver(&*store, &newer("d/a.txt", 4, Existing::Rename), b"four").await.expect("arrives");
    assert_eq!(given, path("d/a (4).txt"));
    assert_eq!(fetch(&*store, "d/a.txt").await.expect("is there"), "one");
    assert_eq!(fetch(&*store, "d/a (2).txt").await.expect("is there"), "two");
    let given = deliver(&*store, &newer("d/b", 1, Existing::Rename), b"b").await.expect("arrives");
    assert_eq!(given, path("d/b"), "a free name is taken as it is");
}

/// Else each run would add a copy; without times there is no other way.
pub async fn a_renaming_second_run_finds_what_the_first_wrote(backend: &impl Backend) {
    let Some(store) = receiving(backend).await else { return };
    put(&*store, "a", b"one").await;
    deliver(&*store, &newer("a", 3, Existing::Rename), b"two").await.expect("arrives");
    let second = store.receive(&newer("a", 3, Existing::Rename)).await;
    if backend.abilities().keeps_mtime {
        assert!(matches!(second, Err(StoreError::Same)), "{second:?}");
    } else {
        second.expect("another file, for all it knows").discard().await.expect("discarded");
    }
}

/// The second name is only known to the store as a part. Another file may be renamed onto it meanwhile; a store may
/// also pass it by, because somebody is receiving it.
pub async fn a_name_taken_meanwhile_is_not_replaced(backend: &impl Backend) {
    let Some(store) = receiving(backend).await else { return };
    let part = store.receive(&incoming("a (2)", 3)).await.expect("free");
    part.write(at(0), Bytes::from_static(b"abc")).await.expect("written");
    put(&*store, "a", b"one").await;
    let given = deliver(&*store, &newer("a", 3, Existing::Rename), b"two").await.expect("arrives");
    assert_eq!(fetch(&*store, given.as_str()).await.expect("is there"), "two");
    let committed = part.commit().await;
    if given == path("a (2)") {
        assert!(matches!(committed, Err(StoreError::Exists)), "{committed:?}");
        assert_eq!(fetch(&*store, "a (2)").await.expect("is there"), "two");
    } else {
        assert_eq!((given, committed.expect("nobody took it")), (path("a (3)"), path("a (2)")));
        assert_eq!(fetch(&*store, "a (2)").await.expect("is there"), "abc");
    }
}

/// A store that cannot tell lets both go on and publishes the first whole; the second replaces nothing.
pub async fn one_file_is_received_once_at_a_time(backend: &impl Backend) {
    let Some(store) = receiving(backend).await else { return };
    let part = store.receive(&incoming("a", 3)).await.expect("free");
    let mut second = None;
    if backend.abilities().one_receiver_at_a_time {
        for existing in [Existing::Keep, Existing::Overwrite, Existing::Rename] {
            let busy = store.receive(&newer("a", 5, existing)).await;
            assert!(matches!(busy, Err(StoreError::Busy)), "{existing:?}");
        }
    } else {
        let late = store.receive(&newer("a", 5, Existing::Keep)).await.expect("it cannot tell");
        late.write(at(0), Bytes::from_static(b"later")).await.expect("written");
        second = Some(late);
    }
    let other = store.receive(&incoming("b", 3)).await.expect("another file is free");
    part.write(at(0), Bytes::from_static(b"abc")).await.expect("it was not disturbed");
    part.commit().await.expect("committed");
    other.discard().await.expect("discarded");
    if let Some(second) = second {
        assert!(matches!(second.commit().await, Err(StoreError::Exists)));
    }
    assert_eq!(fetch(&*store, "a").await.expect("is there"), "abc");
}

/// And making a folder that is there is fine.
pub async fn empty_files_and_folders_arrive(backend: &impl Backend) {
    let store = planted(backend, &[file("d/empty", b""), folder("e/f"), folder("e/f")]).await;
    let mut want = vec!["d/", "d/empty", "e/", "e/f/"];
    if !backend.abilities().keeps_empty_folders {
        want.truncate(2);
    }
    assert_eq!(names(&*store, "").await, want);
    let file = store.open(&path("d/empty")).await.expect("is there");
    assert_eq!(file.meta().size, 0);
    assert_eq!(file.read_at(0, 0).await.expect("nothing to read"), "");
}

/// Before 1970 and long after, with a nanosecond.
pub async fn time_and_executable_bit_are_kept(backend: &impl Backend) {
    let given = [
        ("a", 1_700_000_000, 123_456_789, false),
        ("b", 0, 0, true),
        ("c", -5, 1, false),
        ("d", 5_000_000_000, 999_999_999, true),
    ];
    let tree = given.map(|(name, secs, nanos, exec)| {
        let mut planted = file(name, b"x");
        (planted.mtime, planted.exec) = (time(secs, nanos), exec);
        planted
    });
    let store = planted(backend, &tree).await;
    for (name, secs, nanos, exec) in given {
        let meta = *store.open(&path(name)).await.expect("is there").meta();
        let given = Meta { size: 1, mtime: time(secs, nanos), exec, version: Version([0; 16]) };
        assert_keeps(backend, &meta, &given, name);
    }
}
