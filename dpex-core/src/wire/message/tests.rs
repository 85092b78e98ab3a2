//! What is written reads back; what is malformed is refused; nothing panics or allocates on faith.

use proptest::prelude::*;

use super::*;
use crate::store::EntryKind;
use crate::types::Timestamp;

fn path(text: &str) -> SharePath {
    SharePath::parse(text).expect("a valid path")
}

fn meta(size: u64) -> Meta {
    let mtime = Timestamp::new(-5, 7).expect("valid");
    Meta { size, mtime, exec: true, version: Version([9; 16]) }
}

fn samples() -> Vec<Message> {
    let folder = Entry { path: path("a"), kind: EntryKind::Folder(Timestamp::EPOCH) };
    let file = Entry { path: path("a/b"), kind: EntryKind::File(meta(3)) };
    vec![
        Message::List { id: 0, path: SharePath::ROOT, after: None, limit: 5, recursive: true, pages: 1 },
        Message::List { id: 1, path: path("x"), after: Some(path("x/y")), limit: 5, recursive: false, pages: 1 },
        Message::Page { id: 2, entries: vec![folder, file], more: true, skipped: 3 },
        Message::Get { id: 3, path: path("f"), resume: None },
        Message::Get {
            id: 3,
            path: path("f"),
            resume: Some(Resume { version: Version([1; 16]), held: vec![0..2, 5..9] }),
        },
        Message::Offer { id: 4, meta: meta(1 << 50), block_log2: 20 },
        Message::Sums { id: 5, first: 7, values: vec![Digest([1; 32]), Digest([2; 32])] },
        Message::Done { id: 6, root: Digest([3; 32]) },
        Message::Got { id: 7, root: Digest([4; 32]) },
        Message::Hash { id: 8, path: path("f") },
        Message::Hashed { id: 8, meta: meta(5), root: Digest([5; 32]) },
        Message::Fail { id: 8, code: FailCode::Changed, text: "gone".into(), used: 77 },
        Message::Cancel { id: 9 },
        Message::Notice { text: "hello".into() },
        Message::Endpoints { places: vec![("files.example.org".into(), 9473), ("::1".into(), 1)] },
        Message::Unknown { id: Some(3) },
        Message::Unknown { id: None },
    ]
}

fn body(message: &Message) -> Vec<u8> {
    let mut out = Vec::new();
    encode(message, &mut out);
    let len = u32::from_be_bytes(out[..4].try_into().expect("four bytes"));
    assert_eq!(len as usize, out.len() - 4);
    out.split_off(4)
}

/// A map of `keys` pairs, the first being the type; `rest` writes the others.
fn map(kind: &str, keys: u64, rest: impl FnOnce(&mut minicbor::Encoder<Vec<u8>>)) -> Vec<u8> {
    let mut e = minicbor::Encoder::new(Vec::new());
    e.map(keys).and_then(|e| e.str("t")?.str(kind)).expect("memory");
    rest(&mut e);
    e.into_writer()
}

#[test]
fn every_message_reads_back_as_it_was_written() {
    for message in samples() {
        assert_eq!(decode(&body(&message)), Ok(message));
    }
}

// MSG-1, MSG-2.
#[test]
fn every_message_cut_short_or_with_a_byte_more_is_refused() {
    for message in samples() {
        let bytes = body(&message);
        for cut in 0..bytes.len() {
            assert_eq!(decode(&bytes[..cut]), Err(BadMessage), "{message:?} cut at {cut}");
        }
        assert_eq!(decode(&[&bytes[..], &[0]].concat()), Err(BadMessage));
    }
}

// MSG-4.
#[test]
fn unknown_keys_are_skipped_but_not_bottomless_nests() {
    let bytes = map("cancel", 3, |e| {
        e.str("later").and_then(|e| e.array(1)?.map(1)?.u8(1)?.str("deep")?.str("id")?.u8(4)).expect("memory");
    });
    assert_eq!(decode(&bytes), Ok(Message::Cancel { id: 4 }));
    let mut bomb = map("cancel", 2, |e| {
        e.str("z").expect("memory");
    });
    bomb.resize(bomb.len() + 10_000, 0x81);
    assert_eq!(decode(&bomb), Err(BadMessage));
}

// MSG-1, BAD-1.
#[test]
fn lengths_beyond_the_message_are_refused_without_allocating_for_them() {
    for (key, len) in [("entries", 1 << 40), ("later", 1 << 62)] {
        let bytes = map("page", 2, |e| {
            e.str(key).and_then(|e| e.array(len)).expect("memory");
        });
        assert_eq!(decode(&bytes), Err(BadMessage));
    }
    assert_eq!(decode(&[0xbf, 0xff]), Err(BadMessage), "indefinite");
}

// MSG-3.
#[test]
fn a_field_given_twice_is_refused() {
    let bytes = map("cancel", 3, |e| {
        e.str("id").and_then(|e| e.u8(1)?.str("id")?.u8(2)).expect("memory");
    });
    assert_eq!(decode(&bytes), Err(BadMessage));
}

// NAM-1, NAM-2.
#[test]
fn names_that_escape_are_refused_at_the_door() {
    for name in ["../../serverKey/id_rsa", "/etc/passwd", "a//b", "a/../b", "a\0"] {
        let bytes = map("get", 3, |e| {
            e.str("id").and_then(|e| e.u8(1)?.str("path")?.str(name)).expect("memory");
        });
        assert_eq!(decode(&bytes), Err(BadMessage), "{name:?}");
    }
}

// MSG-3.
#[test]
fn impossible_values_are_refused() {
    let held = |held| Message::Get { id: 1, path: path("f"), resume: Some(Resume { version: Version([0; 16]), held }) };
    assert_eq!(decode(&body(&held(vec![5..7, 1..2]))), Err(BadMessage), "out of order");
    assert_eq!(decode(&body(&held(vec![1..2, 2..3]))), Err(BadMessage), "adjacent");
    assert_eq!(decode(&body(&held(vec![1..2, 3..3]))), Err(BadMessage), "empty");
    for log2 in [15, 25] {
        assert_eq!(decode(&body(&Message::Offer { id: 1, meta: meta(1), block_log2: log2 })), Err(BadMessage));
    }
    assert_eq!(decode(&body(&Message::Offer { id: 1, meta: meta(1 << 62), block_log2: 20 })), Err(BadMessage));
    assert_eq!(decode(&body(&Message::Sums { id: 1, first: 0, values: vec![] })), Err(BadMessage));
}

// MSG-6.
#[test]
fn a_full_page_fits_a_message() {
    let name = vec!["x".repeat(204); 5].join("/");
    let entry = Entry { path: path(&name), kind: EntryKind::File(meta(u64::MAX >> 2)) };
    let count = MAX_PAGE_BYTES / entry_len(&entry);
    let page = Message::Page { id: u64::MAX >> 2, entries: vec![entry; count], more: true, skipped: u64::MAX };
    assert!(body(&page).len() <= MAX_MESSAGE);
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode(&bytes);
    }

    #[test]
    fn a_changed_byte_never_panics(which in 0usize..14, at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let mut bytes = body(&samples()[which]);
        let at = at.index(bytes.len());
        bytes[at] = to;
        let _ = decode(&bytes);
    }
}
