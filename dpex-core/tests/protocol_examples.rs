//! The examples of PROTOCOL.md, appendix A and section 14.4, are what this implementation writes: the document cannot
//! go stale, and a second implementation may trust it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use data_encoding::HEXLOWER;
use dpex_core::store::{Entry, EntryKind, Meta};
use dpex_core::transfer::{Geometry, RootBuilder, block_value};
use dpex_core::types::{Digest, SharePath, Timestamp, Version};
use dpex_core::wire::codec::Reader;
use dpex_core::wire::frame::{self, CloseCode, Frame};
use dpex_core::wire::message::{self, FailCode, Message, Resume};

/// `name = hex` and its indented continuation lines, in the blocks fenced as `vectors`.
fn vectors() -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../PROTOCOL.md"));
    let text = text.expect("PROTOCOL.md lies beside the crates");
    let mut found = BTreeMap::new();
    let mut name = String::new();
    let mut inside = false;
    for line in text.lines() {
        match line.strip_prefix("```") {
            Some(fence) => inside = fence == "vectors",
            None if !inside => {}
            None => match line.split_once(" = ") {
                Some((left, right)) => {
                    left.clone_into(&mut name);
                    assert!(found.insert(name.clone(), right.to_owned()).is_none(), "{name} is there twice");
                }
                None => found.get_mut(&name).expect("a value before its continuation").push_str(line.trim()),
            },
        }
    }
    found
}

fn compare(written: impl IntoIterator<Item = (&'static str, Vec<u8>)>) {
    let vectors = vectors();
    let mut wrong = String::new();
    for (name, bytes) in written {
        let hex = HEXLOWER.encode(&bytes);
        if vectors.get(name) != Some(&hex) {
            wrong.push_str(&shown(name, &hex));
        }
    }
    assert!(wrong.is_empty(), "PROTOCOL.md should say:\n{wrong}");
}

/// As it stands in the document: lines of at most 100 characters.
fn shown(name: &str, hex: &str) -> String {
    let mut lines = format!("{name} = ");
    let (mut room, mut rest) = (100 - lines.len(), hex);
    while let Some((front, back)) = rest.split_at_checked(room).filter(|(_, back)| !back.is_empty()) {
        lines.push_str(front);
        lines.push_str("\n  ");
        (room, rest) = (98, back);
    }
    lines + rest + "\n"
}

fn path(text: &str) -> SharePath {
    SharePath::parse(text).expect("a valid path")
}

fn time(secs: i64, nanos: u32) -> Timestamp {
    Timestamp::new(secs, nanos).expect("a valid time")
}

fn meta() -> Meta {
    Meta { size: 200_000, mtime: time(1_800_000_000, 5), exec: false, version: Version([0x11; 16]) }
}

fn messages() -> Vec<(&'static str, Message)> {
    let folder = Entry { path: path("docs"), kind: EntryKind::Folder(time(-1, 0)) };
    let file = Entry { path: path("docs/é.txt"), kind: EntryKind::File(meta()) };
    let held: Vec<Range<u64>> = vec![0..1, 2..4];
    let root = Digest([0x33; 32]);
    vec![
        ("list", Message::List { id: 0, path: SharePath::ROOT, after: None, limit: 1000, recursive: true, pages: 1 }),
        (
            "list_after",
            Message::List {
                id: 1,
                path: path("docs"),
                after: Some(path("docs/a")),
                limit: 1000,
                recursive: false,
                pages: 1,
            },
        ),
        (
            "list_pages",
            Message::List { id: 5, path: SharePath::ROOT, after: None, limit: 1000, recursive: true, pages: 1_048_577 },
        ),
        ("page", Message::Page { id: 0, entries: vec![folder, file], more: false, skipped: 0 }),
        ("get", Message::Get { id: 2, path: path("docs/é.txt"), resume: None }),
        (
            "get_resume",
            Message::Get {
                id: 3,
                path: path("docs/é.txt"),
                resume: Some(Resume { version: Version([0x11; 16]), held }),
            },
        ),
        ("offer", Message::Offer { id: 2, meta: meta(), block_log2: 20 }),
        ("sums", Message::Sums { id: 2, first: 0, values: vec![Digest([0x22; 32])] }),
        ("done", Message::Done { id: 2, root }),
        ("hash", Message::Hash { id: 4, path: path("docs/é.txt") }),
        ("hashed", Message::Hashed { id: 4, meta: meta(), root }),
        ("got", Message::Got { id: 2, root }),
        ("fail", Message::Fail { id: 3, code: FailCode::NotFound, text: "no such file".into(), used: 0 }),
        ("cancel", Message::Cancel { id: 3 }),
        ("renew", Message::Renew { psk: Some([0x42; 60]), knock: None }),
        ("endpoints", Message::Endpoints { places: vec![("files.example.org".into(), 9473)] }),
        ("notice", Message::Notice { text: "back at nine".into() }),
    ]
}

/// MSG-2.
#[test]
fn every_message_is_written_as_the_appendix_shows() {
    compare(messages().into_iter().map(|(name, message)| {
        let mut bytes = Vec::new();
        message::encode(&message, &mut bytes);
        assert_eq!(message::decode(&bytes[4..]), Ok(message), "{name}");
        (name, bytes)
    }));
}

fn frames() -> Vec<(&'static str, Vec<u8>)> {
    fn written(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut out);
        out
    }
    let ranges = [997..1001, 990..995, 0..10];
    vec![
        ("PADDING", written(|out| frame::put_padding(out, 3))),
        ("PING", written(frame::put_ping)),
        ("ACK", written(|out| _ = frame::put_ack(out, Duration::from_micros(2500), &ranges, 100))),
        ("CLOSE", written(|out| frame::put_close(out, CloseCode::Revoked, "revoked"))),
        ("PATH_CHALLENGE", written(|out| frame::put_path_challenge(out, *b"12345678"))),
        ("PATH_RESPONSE", written(|out| frame::put_path_response(out, *b"12345678"))),
        ("RATCHET_OFFER", written(|out| frame::put_ratchet_offer(out, 1, &[0x41; 32]))),
        ("RATCHET_ANSWER", written(|out| frame::put_ratchet_answer(out, 1, &[0x42; 32]))),
        ("CONTROL", written(|out| frame::put_control(out, 70, b"abc"))),
        ("DATA", written(|out| frame::put_data(out, 2, 1 << 20, b"hello"))),
        ("MAX_DATA", written(|out| frame::put_max_data(out, 8 << 20))),
        ("MAX_CONTROL", written(|out| frame::put_max_control(out, 393_216))),
        ("ZEROS", written(|out| frame::put_zeros(out, 2, 2 << 20, 1 << 20))),
    ]
}

/// FRM-1.
#[test]
fn every_frame_is_written_as_the_appendix_shows() {
    compare(frames());
    for (name, bytes) in frames() {
        let mut reader = Reader::new(&bytes);
        assert!(frame::read(&mut reader).is_ok() && reader.is_empty(), "{name}");
    }
}

/// FRM-4: without a length, DATA runs to the end of its packet.
#[test]
fn the_short_form_of_data_reads_as_the_long_one() {
    let bytes = HEXLOWER.decode(vectors()["DATA_to_the_end"].as_bytes()).expect("hex");
    let expected = Frame::Data { transfer: 2, offset: 1 << 20, bytes: b"hello" };
    assert_eq!(frame::read(&mut Reader::new(&bytes)), Ok(expected));
}

/// SUM-1, SUM-2.
#[test]
fn block_values_and_the_root_are_those_of_the_document() {
    let data: Vec<u8> = (0..200_000u32).map(|i| u8::try_from(i % 251).expect("below 251")).collect();
    let geometry = Geometry::new(200_000, 16);
    let mut builder = RootBuilder::new(geometry);
    let mut written = Vec::new();
    for (name, index) in [("value_0", 0), ("value_1", 1), ("value_2", 2), ("value_3", 3)] {
        let block = geometry.block(index).expect("inside");
        let start = usize::try_from(block.offset).expect("small");
        let value = block_value(&block, &data[start..start + block.len]);
        builder.push(index, value);
        written.push((name, value.0.to_vec()));
    }
    written.push(("root", builder.root().expect("complete").0.to_vec()));
    let single = Geometry::new(200_000, 20).block(0).expect("inside");
    assert_eq!(Some(block_value(&single, &data)), builder.root(), "a file of one block has its root as its value");
    let empty = RootBuilder::new(Geometry::new(0, 16)).root().expect("no block is missing");
    written.push(("root_of_nothing", empty.0.to_vec()));
    compare(written);
}
