//! Writes the first inputs of each corpus: `cargo run --example seeds`. Few, valid, and different from each other; the
//! fuzzers find the rest. What is written depends on nothing but this file and dpex-core.

use std::fs;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use dpex_core::store::{Entry, EntryKind, Meta};
use dpex_core::testing::scripted::{Acquaintance, Answer, BEGINNING};
use dpex_core::testing::{NullSuite, fuzz};
use dpex_core::types::{Digest, SharePath, Timestamp, Version};
use dpex_core::wire::frame::{self, CloseCode};
use dpex_core::wire::message::{self, FailCode, Message, Resume};

fn main() {
    for (target, seeds) in [
        ("packet", packets()),
        ("init", handshakes()),
        ("response", handshakes()),
        ("frames", frames()),
        ("control_message", control_messages()),
        ("session", sessions()),
        ("enrolment", fuzz::enrolment_seeds()),
        ("names", names()),
        ("portable", portable()),
        ("sidecar", sidecars()),
    ] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
        fs::create_dir_all(&folder).expect("a folder for the corpus");
        for (n, seed) in seeds.iter().enumerate() {
            fs::write(folder.join(format!("seed-{n:02}")), seed).expect("a writable corpus");
        }
        println!("{target}: {} seeds", seeds.len());
    }
}

/// Datagrams of strangers: other keys than those of the bodies, or the gate would be right to open.
fn datagrams() -> [Vec<u8>; 2] {
    let keys = Acquaintance::new(NullSuite::leak(7));
    let (init, _) = keys.init(Timestamp::new(BEGINNING, 0).expect("whole seconds"));
    let answer = Answer::honest().to(&keys, &init);
    [init, answer]
}

fn packets() -> Vec<Vec<u8>> {
    let mut seeds = datagrams().to_vec();
    for len in [0, 16, 31, 32, 33, 64, 1200, 1472] {
        seeds.push((0..len).map(|i: u32| i.to_le_bytes()[0]).collect());
        seeds.push(vec![0; len as usize]);
    }
    seeds
}

/// Where to write in a plaintext, and what.
fn handshakes() -> Vec<Vec<u8>> {
    let mut seeds = datagrams().to_vec();
    for at in [0u16, 4, 16, 18, 32, 36, 40, 48, 64, 96, 400, 530] {
        for what in [&[0u8; 4][..], &[0xff; 4], &[1; 40]] {
            seeds.push([&at.to_be_bytes()[..], what].concat());
        }
    }
    seeds
}

fn frames() -> Vec<Vec<u8>> {
    let ranges: [Range<u64>; 3] = [90..100, 50..60, 0..3];
    let mut seeds: Vec<Vec<u8>> = Vec::new();
    let mut add = |put: &dyn Fn(&mut Vec<u8>)| {
        let mut out = Vec::new();
        put(&mut out);
        seeds.push(out);
    };
    add(&|out| frame::put_padding(out, 5));
    add(&|out| frame::put_ping(out));
    add(&|out| _ = frame::put_ack(out, Duration::from_millis(25), &ranges, usize::MAX));
    add(&|out| frame::put_close(out, CloseCode::Protocol, "nobody knows why"));
    add(&|out| frame::put_path_challenge(out, [7; 8]));
    add(&|out| frame::put_path_response(out, [7; 8]));
    add(&|out| frame::put_control(out, 70_000, b"a part of a message"));
    add(&|out| frame::put_data(out, 3, 1 << 40, b"a part of a file"));
    add(&|out| out.extend_from_slice(b"\x12\x03\x07\0\0up to the end of the record"));
    add(&|out| frame::put_zeros(out, 3, 1 << 30, 1 << 24));
    add(&|out| frame::put_max_data(out, (1 << 62) - 1));
    add(&|out| frame::put_max_control(out, 16_384));
    add(&|out| frame::put_ratchet_offer(out, 1, &[9; 32]));
    add(&|out| frame::put_ratchet_answer(out, 1, &[9; 32]));
    let all = seeds.concat();
    seeds.push(all);
    seeds
}

fn messages() -> Vec<Message> {
    let path = |text: &str| SharePath::parse(text).expect("a valid path");
    let meta = Meta { size: 70_000, mtime: Timestamp::EPOCH, exec: true, version: Version([7; 16]) };
    let text = || "a word to whom it concerns".to_owned();
    let entries = [(path("a"), EntryKind::Folder(Timestamp::EPOCH)), (path("a/b.txt"), EntryKind::File(meta))];
    vec![
        Message::List { id: 0, path: SharePath::ROOT, after: None, limit: 1000, recursive: true, pages: 1 },
        Message::List { id: 1, path: path("a/b"), after: Some(path("a/b/é")), limit: 1, recursive: false, pages: 9 },
        Message::Page { id: 0, entries: Vec::new(), more: false, skipped: 0 },
        Message::Page {
            id: 1,
            entries: entries.map(|(path, kind)| Entry { path, kind }).into(),
            more: true,
            skipped: 9,
        },
        Message::Get { id: 2, path: path("a/b.txt"), resume: None },
        Message::Get {
            id: 3,
            path: path("c"),
            resume: Some(Resume { version: meta.version, held: vec![0..1, 3..200] }),
        },
        Message::Offer { id: 2, meta, block_log2: 16 },
        Message::Sums { id: 2, first: 0, values: vec![Digest([9; 32]); 2] },
        Message::Done { id: 2, root: Digest([8; 32]) },
        Message::Got { id: 2, root: Digest([8; 32]) },
        Message::Hash { id: 4, path: path("a/b.txt") },
        Message::Hashed { id: 4, meta, root: Digest([8; 32]) },
        Message::Fail { id: 5, code: FailCode::NotFound, text: text(), used: 65_536 },
        Message::Cancel { id: 5 },
        Message::Notice { text: text() },
        Message::Endpoints { places: vec![("files.example.org".into(), 9473), ("192.0.2.1".into(), 1)] },
        Message::Renew { psk: Some([5; 60]), knock: Some([6; 60]) },
        Message::Unknown { id: Some(6) },
        Message::Unknown { id: None },
    ]
}

fn bodies() -> Vec<Vec<u8>> {
    let encoded = messages().into_iter().map(|message| {
        let mut out = Vec::new();
        message::encode(&message, &mut out);
        out.split_off(4)
    });
    encoded.collect()
}

fn control_messages() -> Vec<Vec<u8>> {
    bodies()
}

/// Scripts of [`dpex_core::testing::fuzz::session`]: against a server (0) and against a client (1).
fn sessions() -> Vec<Vec<u8>> {
    let with = |step: u8, b: u8, bytes: &[u8]| [&[step, u8::try_from(bytes.len()).expect("short"), b], bytes].concat();
    let credit = [15, 255, 1];
    let get = |name: u8| [13, 128 + name, 0];
    let mut seeds = vec![vec![0], vec![1]];
    // Requests that a server answers, with credit and acknowledgements.
    for name in 0..7 {
        seeds.push([&[0][..], &get(name), &credit, &[3, 5, 0], &[4, 0, 0], &[3, 9, 0], &[4, 0, 0]].concat());
    }
    seeds.push([&[0][..], &[13, 6, 0], &[3, 5, 0], &[13, 70, 0], &credit, &[15, 9, 4], &[3, 13, 0]].concat());
    seeds.push([&[0][..], &[0, 0, 0], &get(3), &credit, &[3, 8, 0], &[1, 0, 0], &[3, 8, 0], &[2, 0, 0]].concat());
    // A whole file from an honest server, and one that breaks off.
    let told = [[14, 1, 128], [15, 255, 0], [15, 255, 1], [15, 255, 2]];
    let file = [&[2, 0, 0][..], &told[0], &told[1], &told[2], &told[3], &[15, 255, 200], &[15, 255, 200]].concat();
    seeds.push([&[1][..], &file, &[15, 255, 200], &[15, 255, 200], &[3, 10, 0]].concat());
    seeds.push([&[1][..], &file, &[15, 255, 251], &[13, 0, 0], &[14, 0, 0], &[3, 13, 0]].concat());
    for role in [0, 1] {
        let before = if role == 0 { get(2).to_vec() } else { vec![2, 0, 0] };
        for frame in frames() {
            seeds.push([&[role][..], &before, &with(12, 0, &frame[..frame.len().min(255)])].concat());
        }
        for body in bodies().iter().filter(|body| body.len() < 256) {
            seeds.push([&[role][..], &before, &with(9, 0, body)].concat());
        }
        seeds.push([&[role][..], &before, &with(11, 0, &[5; 200]), &with(10, 7, &[1]), &with(7, 0, &[0; 40])].concat());
        seeds.push([&[role][..], &[5, 3, 0], &[6, 1, 0], &before, &[6, 1, 0], &[4, 0, 0], &[3, 9, 0]].concat());
    }
    seeds
}

/// A name a line.
fn names() -> Vec<Vec<u8>> {
    let long = ["x".repeat(255), vec!["d"; 64].join("/"), "é".repeat(64), vec!["a".repeat(63); 4].join(".")];
    let seeds = [
        "a\na/b\na.txt\na/b/c\nb\n\n",
        "Anna Müller\n  O'Brien,  Zoë \nanna@example.org\n../../etc/passwd\nCon\nnul.txt\n安娜",
        "files.example.org\n192.0.2.7\n2001:db8::1\n0x7f.0x1\n127.1\nxn--bcher-kva.example",
        "files.example.org:9473\n[2001:db8::1]:1\n192.0.2.7:65535\n[::1]:0\n[fe80::1%eth0]:1",
        "b9e72d87-ac05-4563-bc32-9c2bf2738f93",
        "::\n::1\nff02::1\n0.0.0.0\n224.0.0.1\n255.255.255.255\n::ffff:192.0.2.7",
        "a\\b\na\u{202e}b\na\u{85}\n./a\n/a\na//b\na/..",
    ];
    seeds.into_iter().map(str::to_owned).chain(long).map(String::into_bytes).collect()
}

/// One path each.
fn portable() -> Vec<Vec<u8>> {
    let long = format!("a.{} {}", "y".repeat(246), "z".repeat(6));
    let seeds = [
        "report.pdf",
        "a/b/c.txt",
        ".profile",
        "README",
        "CON.txt",
        "com¹",
        "a:b",
        "a.",
        "x.dpexpart",
        "x.dpex\u{200d}part",
        "caf\u{e9}",
        "cafe\u{301}/STRASSE/straße",
        "\u{1e69}\u{d55c}\u{345}\u{2764}\u{fe0f}",
        &"x".repeat(255),
        &long,
    ];
    seeds.into_iter().map(|seed| seed.as_bytes().to_vec()).collect()
}

/// What [`dpex_store_fs::fuzz::sidecar`] looks at: a front, one without its check, values of one, stories of journals.
fn sidecars() -> Vec<Vec<u8>> {
    let origin = "07".repeat(32);
    let version = "09".repeat(16);
    let text = format!(
        "dpex-part 2\ninode 1234\nbirth 1700000000 123456789\nmode 755\norigin {origin}\nversion {version}\n\
         size 123456789\nblocks 20\nname report.pdf\n"
    );
    let check = format!("check {}\n", &blake3::hash(text.as_bytes()).to_hex()[..16]);
    let mut seeds = vec![
        [&[0], text.as_bytes(), check.as_bytes()].concat(),
        [&[0], text.as_bytes()].concat(),
        [&[1], text.as_bytes()].concat(),
        b"\0dpex-part 1\n".to_vec(),
        b"\0my notes".to_vec(),
        [&[2], &[0x35; 40][..], b"report.pdf"].concat(),
    ];
    let write = [0u8, 5, 1, 0, 2, 63, 7, 0, 3, 1, 4, 2];
    for story in [
        &[9u8, 0][..],
        &[10, 3, 0, 9, 8, 0],
        &[10, 30, 9, 0],
        &[11, 20, 5, 5, 7, 0],
        &[12, 1, 9, 0],
        &[13, 0, 0, 7],
        &[14, 1, 9, 0],
        &[15, 0, 6, 6, 8, 0],
        &[15, 1, 6, 6, 8, 0, 9, 0, 6, 6],
    ] {
        seeds.push([&[3, 63], &write[..], story].concat());
    }
    seeds
}
