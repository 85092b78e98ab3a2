//! The control stream in bad hands: its limits, its messages, and what is too large, too deep or not for this side.

use std::time::Duration;

use dpex_core::types::{Digest, SharePath};
use dpex_core::wire::frame;
use dpex_core::wire::message::{FailCode, Message};

use super::support::*;

const LIMIT: u64 = 256 * 1024;

fn control(offset: u64, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    frame::put_control(&mut out, offset, bytes);
    out
}

/// Both sides must answer this message with CLOSE 1 and nothing else.
fn is_refused_by_both(cbor: &[u8], what: &str) {
    let mut client = BadClient::new();
    client.peer.tell_cbor(&mut client.host, cbor);
    client.assert_closed_for_violation(what);
    let mut server = BadServer::asked();
    server.peer.tell_cbor(&mut server.host, cbor);
    server.assert_closed_for_violation(what);
}

/// A CBOR text of less than 24 bytes.
fn text(text: &str) -> Vec<u8> {
    [&[0x60 + u8::try_from(text.len()).expect("short")], text.as_bytes()].concat()
}

#[test]
fn bytes_beyond_the_limit_of_the_stream_close_the_session_and_those_up_to_it_do_not() {
    for offset in [LIMIT - 1, LIMIT, LIMIT + 1, 1 << 40, (1 << 62) - 2, (1 << 62) - 1] {
        let mut client = BadClient::new();
        client.say(&control(offset, &[0, 0]));
        client.assert_closed_for_violation(&format!("offset {offset}"));
        let mut server = BadServer::new();
        server.say(&control(offset, &[0, 0]));
        server.assert_closed_for_violation(&format!("offset {offset}"));
    }
    let mut client = BadClient::new();
    client.say(&control(LIMIT - 2, &[0, 0]));
    client.assert_unharmed("the last two bytes");
    client.say(&control(LIMIT, &[]));
    client.assert_unharmed("nothing, at the limit");
}

#[test]
fn crumbs_of_the_stream_are_not_kept_without_a_bound_and_what_joins_them_is_welcome() {
    let mut m = BadClient::new();
    let mut unacked = 0;
    for n in 0..1000 {
        m.say(&control(5 + 2 * n, &[0]));
        m.peer.next_pn += 1; // A hole, so that it is acknowledged at once.
        unacked += u64::from(!m.peer.heard.acked.contains(m.peer.next_pn - 2));
    }
    m.wait(Duration::from_millis(30));
    assert!(unacked >= 1000 - 256, "{unacked} of 1,000 crumbs were not taken");
    m.assert_unharmed("crumbs");
    // Nonsense is under the crumbs: zeros are messages of no length.
    m.say(&control(0, &[0; 600]));
    m.assert_closed_for_violation("a message of no length");
}

#[test]
fn a_message_may_come_in_single_bytes_backwards_twice_and_with_other_copies_after() {
    let mut m = BadClient::new();
    m.shelf.put(&path("f"), "content");
    let mut bytes = Vec::new();
    dpex_core::wire::message::encode(&list(0), &mut bytes);
    for (at, byte) in bytes.iter().enumerate().rev() {
        let at = at as u64;
        m.say(&control(at, &[*byte]));
        m.say(&control(at, &[*byte]));
    }
    for at in 0..bytes.len() as u64 {
        m.say(&control(at, &[0xff]));
    }
    m.peer.attend(&mut m.host, 10);
    assert!(matches!(&m.peer.heard.messages[..], [Message::Page { id: 0, .. }]), "{:?}", m.peer.heard.messages);
    m.assert_unharmed("a message in bytes");
}

#[test]
fn a_length_beyond_64_kib_closes_the_session_before_the_message_is_here() {
    for len in [65_537, 1 << 20, u32::MAX] {
        let mut client = BadClient::new();
        client.say(&control(0, &len.to_be_bytes()));
        client.assert_closed_for_violation(&format!("{len} bytes"));
        let mut server = BadServer::new();
        server.say(&control(0, &len.to_be_bytes()));
        server.assert_closed_for_violation(&format!("{len} bytes"));
    }
    let mut client = BadClient::new();
    client.say(&control(0, &65_536u32.to_be_bytes()));
    client.assert_unharmed("65,536 bytes, still to come");
}

#[test]
fn what_is_not_one_map_with_text_keys_closes_the_session() {
    let notice = [&[0xa2][..], &text("t"), &text("notice"), &text("text"), &text("x")].concat();
    let broken: [(&str, Vec<u8>); 16] = [
        ("nothing", vec![]),
        ("a number", vec![0x00]),
        ("an array", vec![0x80]),
        ("a text", text("t")),
        ("an empty map", vec![0xa0]),
        ("a map of indefinite length", [&[0xbf][..], &text("t"), &text("notice"), &[0xff]].concat()),
        ("a break", vec![0xff]),
        ("a reserved length", vec![0xbc]),
        ("a key that is no text", vec![0xa1, 0x01, 0x01]),
        ("a key of indefinite length", vec![0xa1, 0x7f, 0x61, b't', 0xff, 0x01]),
        ("a key that is not UTF-8", vec![0xa1, 0x61, 0xff, 0x01]),
        ("a type that is no text", [&[0xa1][..], &text("t"), &[0x01]].concat()),
        ("a key twice", [&[0xa2][..], &text("t"), &text("x"), &text("t"), &text("x")].concat()),
        ("bytes after it", [&notice[..], &[0]].concat()),
        ("a second message in it", notice.repeat(2)),
        ("cut short", notice[..notice.len() - 1].to_vec()),
    ];
    for (name, cbor) in broken {
        is_refused_by_both(&cbor, name);
    }
}

#[test]
fn cbor_bombs_close_the_session_and_cost_no_memory() {
    // What each key claims is far more than is there.
    for (key, claim) in [
        ("entries", &[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff][..]),
        ("entries", &[0x99, 0x03, 0xe9]),
        ("held", &[0x9b, 0, 0, 0, 1, 0, 0, 0, 0]),
        ("values", &[0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        ("text", &[0x7b, 0, 0, 0, 1, 0, 0, 0, 0]),
        ("path", &[0x7b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        ("unknown", &[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        ("unknown", &[0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        ("unknown", &[0x5f, 0x41, 0, 0xff]),
    ] {
        is_refused_by_both(&[&[0xa1][..], &text(key), claim].concat(), key);
    }
    let deep = |around: u8, depth: usize| {
        let mut cbor = [&[0xa1][..], &text("x")].concat();
        match around {
            0xa1 => cbor.extend([0xa1, 0x00].repeat(depth)),
            _ => cbor.extend(vec![around; depth]),
        }
        cbor.push(0);
        cbor
    };
    for around in [0x81, 0xa1, 0xc1] {
        for depth in [9, 10, 1000, 30_000] {
            is_refused_by_both(&deep(around, depth), &format!("{around:#x}, {depth} deep"));
        }
    }
    is_refused_by_both(
        &[&[0xb8, 33][..], &(0..33u8).flat_map(|n| [0x61, b'A' + n, 0]).collect::<Vec<_>>()].concat(),
        "33 keys",
    );
}

#[test]
fn values_out_of_their_range_close_the_session_in_every_message() {
    let beyond = [0x1b, 0x40, 0, 0, 0, 0, 0, 0, 0];
    for (key, value) in [
        ("id", &beyond[..]),
        ("id", &[0x20]),
        ("id", &[0xf9, 0x3c, 0x00]),
        ("size", &beyond),
        ("first", &beyond),
        ("used", &beyond),
        ("version", &[0x4f, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        ("root", &[0x41, 0]),
        ("values", &[0x40]),
        ("values", &[0x41, 0]),
        ("held", &[0x81, 0]),
        ("held", &[0x82, 1, 1]),
        ("held", &[0x82, 2, 1]),
        ("held", &[0x84, 0, 1, 1, 2]),
        ("mtime", &[0x82, 0, 0x1a, 0x3b, 0x9a, 0xca, 0x00]),
        ("mtime", &[0x81, 0]),
        ("recursive", &[0x01]),
        ("block_log2", &[0x19, 1, 0]),
    ] {
        // In a message of an unknown type, so that nothing but the key is wrong.
        let cbor = [&[0xa2][..], &text("t"), &text("later"), &text(key), value].concat();
        is_refused_by_both(&cbor, &format!("{key} {value:x?}"));
    }
}

#[test]
fn names_that_escape_or_deceive_close_the_session() {
    let long = "x".repeat(256);
    let deep = vec!["d"; 65].join("/");
    for name in [
        "..",
        "../x",
        "a/../x",
        "a/..",
        ".",
        "a/.",
        "/etc/passwd",
        "a//b",
        "a/",
        "/",
        "a\\b",
        "a\0b",
        "a\nb",
        "a\u{1b}[2J",
        "a\u{7f}",
        "a\u{85}",
        "a\u{2028}",
        "a\u{202e}b",
        "a\u{200f}",
        "a\u{2066}b",
        &long,
        &deep,
    ] {
        let header = match name.len() {
            n @ 0..24 => vec![0x60 + u8::try_from(n).expect("small")],
            n => [&[0x79][..], &u16::try_from(n).expect("short").to_be_bytes()].concat(),
        };
        for key in ["path", "after", "name"] {
            // `name` has a meaning in entries only.
            let value = [&header[..], name.as_bytes()].concat();
            let cbor = match key {
                "name" => [&[0xa1][..], &text("entries"), &[0x81, 0xa1], &text(key), &value].concat(),
                _ => [&[0xa2][..], &text("t"), &text("later"), &text(key), &value].concat(),
            };
            is_refused_by_both(&cbor, &format!("{key} {name:?}"));
        }
    }
}

#[test]
fn a_message_that_lacks_what_its_type_needs_closes_the_session() {
    for kind in ["list", "page", "get", "offer", "sums", "done", "got", "fail", "cancel", "notice", "endpoints"] {
        is_refused_by_both(&[&[0xa1][..], &text("t"), &text(kind)].concat(), kind);
        let cbor = [&[0xa1][..], &text("t"), &text(kind)].concat();
        assert!(dpex_core::wire::message::decode(&cbor).is_err(), "{kind}");
    }
    // `get` with one half of what resumes.
    let version = [&text("version")[..], &[0x50; 17]].concat();
    let half = [&[0xa4][..], &text("t"), &text("get"), &text("id"), &[0], &text("path"), &text("f"), &version].concat();
    is_refused_by_both(&half, "version without held");
}

// MSG-7.
#[test]
fn messages_that_only_the_other_side_may_send_close_the_session() {
    let digest = Digest([0; 32]);
    for message in [
        Message::Page { id: 0, entries: Vec::new(), more: false, skipped: 0 },
        offer(0, 1, 20),
        Message::Sums { id: 0, first: 0, values: vec![digest] },
        Message::Done { id: 0, root: digest },
        Message::Endpoints { places: vec![("192.0.2.7".into(), 1)] },
    ] {
        let mut m = BadClient::new();
        m.shelf.put(&path("f"), "x");
        m.tell(get(0, "f"));
        m.tell(message.clone());
        m.assert_closed_for_violation(&format!("{message:?} from a client"));
    }
    for message in [list(0), get(0, "f"), Message::Got { id: 0, root: digest }, Message::Cancel { id: 0 }] {
        let mut m = BadServer::asked();
        m.tell(message.clone());
        m.assert_closed_for_violation(&format!("{message:?} from a server"));
    }
    let mut m = BadClient::new();
    m.tell(Message::Notice { text: "from a client".into() });
    m.assert_unharmed("a server ignores a notice");
}

// MSG-5.
#[test]
fn messages_of_an_unknown_type_are_answered_or_ignored() {
    let mut m = BadClient::new();
    m.tell(Message::Unknown { id: None });
    m.tell(Message::Unknown { id: Some(7) });
    m.peer.attend(&mut m.host, 5);
    let [Message::Fail { id: 7, code: FailCode::Unknown, used: 0, .. }] = &m.peer.heard.messages[..] else {
        panic!("{:?}", m.peer.heard.messages)
    };
    m.assert_unharmed("unknown messages");
    m.tell(Message::Unknown { id: Some(7) });
    m.assert_closed_for_violation("its number is used up all the same");

    let mut m = BadServer::asked();
    m.tell(Message::Unknown { id: None });
    m.tell(Message::Unknown { id: Some(999) });
    m.assert_unharmed("unknown messages");
    assert!(m.failures().is_empty());
    m.tell(Message::Unknown { id: Some(0) });
    assert_eq!(m.failures().len(), 1, "the request that was meant fails");
    m.assert_unharmed("the session goes on");
}

// XFR-4.
#[test]
fn a_storm_of_notices_and_of_unknown_messages_is_survived() {
    let mut m = BadServer::new();
    let storm = vec![Message::Notice { text: "x".repeat(255) }; 10_000];
    m.peer.tell(&mut m.host, &storm);
    m.assert_unharmed("10,000 notices");
    let mut m = BadClient::new();
    // Nobody acknowledges the answers, so the server stops reading, and the stream's limit stops the client.
    let mut closed = false;
    for id in 0..100_000 {
        m.tell(Message::Unknown { id: Some(id) });
        closed = !m.peer.heard.closes.is_empty();
        if closed {
            break;
        }
    }
    assert!(closed, "a client that goes on beyond the limit is cut off");
    m.assert_closed_for_violation("beyond the limit");
}

#[test]
fn a_list_of_the_root_with_every_extreme_is_answered() {
    let mut m = BadClient::new();
    for n in 0..1500 {
        m.shelf.put(&path(&format!("{}{n:04}", "long".repeat(50))), "x");
    }
    for (id, limit) in [(0, 0), (1, u64::MAX), (2, 1)] {
        m.tell(Message::List { id, path: SharePath::ROOT, after: None, limit, recursive: true, pages: 1 });
    }
    m.peer.attend(&mut m.host, 100);
    let pages = m.peer.heard.messages.iter().map(|m| match m {
        Message::Page { entries, more, .. } => (entries.len(), *more),
        other => panic!("{other:?}"),
    });
    let pages = pages.collect::<Vec<_>>();
    assert_eq!((pages[0], pages[2]), ((1, true), (1, true)));
    assert!(pages[1].0 > 100 && pages[1].0 <= 1000 && pages[1].1, "{:?}", pages[1]);
    m.assert_unharmed("extreme limits");
}
