//! File content from a bad server: outside its place, beyond its credit, in crumbs, or simply wrong.

use std::time::Instant;

use dpex_core::engine::{Event, Limits};
use dpex_core::types::Digest;
use dpex_core::wire::frame;
use dpex_core::wire::message::{FailCode, Message};

use super::support::*;

fn sums(id: u64, first: u64, values: &[Digest]) -> Message {
    Message::Sums { id, first, values: values.to_vec() }
}

/// Sends all of an honest transfer but its end.
fn send_all(m: &mut BadServer, id: u64, content: &[u8], block_log2: u8) {
    m.tell(sums(id, 0, &values(content, block_log2)));
    for (n, block) in content.chunks(1 << block_log2).enumerate() {
        for (i, piece) in block.chunks(1100).enumerate() {
            m.data(id, ((n << block_log2) + i * 1100) as u64, piece);
        }
    }
}

#[test]
fn an_honest_transfer_by_the_scripted_server_is_published() {
    let content = bytes(200_000);
    let mut m = BadServer::offered(200_000, 16);
    send_all(&mut m, 0, &content, 16);
    assert!(m.received.names().is_empty(), "not before it is done");
    m.tell(Message::Done { id: 0, root: root(&content) });
    assert_eq!(m.received.read(&path("f")).as_deref(), Some(&content[..]));
    m.peer.attend(&mut m.host, 5);
    assert!(matches!(m.peer.heard.messages.last(), Some(Message::Got { id: 0, .. })));
    m.assert_unharmed("the control");
}

#[test]
fn content_that_was_never_asked_for_closes_the_session() {
    for id in [1, 5, (1 << 62) - 1] {
        let mut m = BadServer::asked();
        m.data(id, 0, b"x");
        m.assert_closed_for_violation(&format!("request {id}"));
    }
    let mut m = BadServer::new();
    m.host.list(
        dpex_core::store::ListQuery {
            path: dpex_core::types::SharePath::ROOT,
            after: None,
            limit: 10,
            recursive: false,
        },
        1,
    );
    m.data(0, 0, b"x");
    m.assert_closed_for_violation("for a listing");
}

#[test]
fn content_outside_the_file_or_across_blocks_closes_the_session() {
    let size = 3 * 65_536 + 100;
    for (offset, len) in [
        (size, 1),
        (size - 1, 2),
        (1 << 40, 1),
        ((1 << 62) - 1, 1),
        ((1 << 62) - 1, 1000),
        (65_535, 2),
        (65_536 - 999, 1000),
        (3 * 65_536 - 1, 101),
    ] {
        let mut m = BadServer::offered(size, 16);
        m.data(0, offset, &vec![0; len]);
        m.assert_closed_for_violation(&format!("{len} bytes at {offset}"));
    }
    let mut m = BadServer::offered(size, 16);
    m.data(0, size - 1, b"x");
    m.data(0, 65_535, b"x");
    m.assert_unharmed("the last bytes of file and block");
    let mut m = BadServer::offered(0, 16);
    m.data(0, 0, b"x");
    m.assert_closed_for_violation("content of an empty file");
}

#[test]
fn the_first_byte_of_a_block_beyond_the_credit_closes_the_session() {
    let limits = Limits { window: 4 << 16, max_window: 4 << 16, ..Limits::default() };
    for last in [3, 4] {
        let mut m = BadServer::with(limits);
        m.get("f");
        m.tell(offer(0, 1 << 40, 16));
        for block in 0..last {
            m.data(0, (block * 1000) << 16, b"x");
            assert!(m.host.memory() <= 4 << 16);
        }
        m.assert_unharmed(&format!("{last} blocks"));
        m.data(0, last << 16, b"x");
        match last {
            3 => m.assert_unharmed("the last one"),
            _ => m.assert_closed_for_violation("one too many"),
        }
    }
}

#[test]
fn of_two_copies_the_value_decides() {
    let content = bytes(1000);
    for wrong_last in [false, true] {
        let mut m = BadServer::offered(1000, 16);
        let wrong: Vec<u8> = content.iter().map(|b| !b).collect();
        // All but the last byte twice, in both orders.
        let (first, second) = if wrong_last { (&content, &wrong) } else { (&wrong, &content) };
        m.data(0, 0, &first[..999]);
        m.data(0, 0, &second[..999]);
        m.data(0, 999, &content[999..]);
        m.tell(sums(0, 0, &values(&content, 16)));
        m.tell(Message::Done { id: 0, root: root(&content) });
        let failures = m.failures();
        match m.received.read(&path("f")) {
            Some(read) => assert_eq!((read.as_ref(), failures), (&content[..], vec![])),
            None => assert_eq!(failures.len(), 1),
        }
        m.assert_unharmed("two copies");
    }
}

// SUM-5.
#[test]
fn content_that_does_not_match_its_value_is_not_published_and_fails_its_request_only() {
    let content = bytes(200_000);
    for byte in [0, 65_535, 65_536, 131_072, 199_999] {
        let mut m = BadServer::offered(200_000, 16);
        let mut wrong = content.clone();
        wrong[byte] ^= 1;
        m.tell(sums(0, 0, &values(&content, 16)));
        for (n, block) in wrong.chunks(1 << 16).enumerate() {
            for (i, piece) in block.chunks(1100).enumerate() {
                m.data(0, ((n << 16) + i * 1100) as u64, piece);
            }
        }
        m.tell(Message::Done { id: 0, root: root(&content) });
        assert_eq!(m.failures().len(), 1, "byte {byte}");
        assert_eq!((m.received.names(), m.received.parts()), (vec![], vec![]), "byte {byte}");
        m.peer.attend(&mut m.host, 5);
        let last = m.peer.heard.messages.last();
        assert!(matches!(last, Some(Message::Fail { id: 0, code: FailCode::Mismatch, .. })), "{last:?}");
        m.tell(Message::Fail { id: 0, code: FailCode::Cancelled, text: String::new(), used: 200_000 });
        assert_eq!(m.host.memory(), 0);
        let id = m.get("g");
        m.tell(offer(id, 5000, 16));
        send_all(&mut m, id, &content[..5000], 16);
        m.tell(Message::Done { id, root: root(&content[..5000]) });
        assert_eq!(m.received.read(&path("g")).as_deref(), Some(&content[..5000]), "the session goes on");
        m.assert_unharmed("wrong content");
    }
}

#[test]
fn values_that_do_not_give_the_root_publish_nothing() {
    let content = bytes(200_000);
    for early in [false, true] {
        let mut m = BadServer::offered(200_000, 16);
        let wrong = Message::Done { id: 0, root: Digest([7; 32]) };
        if early {
            m.tell(wrong.clone());
        }
        send_all(&mut m, 0, &content, 16);
        if !early {
            m.tell(wrong);
        }
        assert_eq!(m.failures().len(), 1);
        assert_eq!((m.received.names(), m.received.parts()), (vec![], vec![]));
        m.assert_unharmed("a wrong root");
    }
    // One block is the whole file, so that its value is the root.
    let mut m = BadServer::offered(5000, 16);
    send_all(&mut m, 0, &content[..5000], 16);
    m.tell(Message::Done { id: 0, root: root(&content[..4999]) });
    assert!(m.received.names().is_empty());
    // Nor does an empty file have any root but its own.
    let mut m = BadServer::offered(0, 16);
    m.tell(Message::Done { id: 0, root: Digest([0; 32]) });
    assert!(m.received.names().is_empty());
    assert_eq!(m.failures().len(), 1);
}

// LOS-4.
#[test]
fn crumbs_of_a_block_are_kept_up_to_a_bound_and_then_not_acknowledged() {
    let mut m = BadServer::offered(1 << 20, 20);
    let mut taken = 0;
    for n in 0..1500 {
        m.data(0, 2 * n, b"x");
        m.peer.next_pn += 1; // A hole, so that it is acknowledged at once.
        taken += u64::from(m.peer.heard.acked.contains(m.peer.next_pn - 2));
    }
    assert_eq!(taken, 512);
    assert!(m.host.memory() <= 1 << 20);
    m.data(0, 0, &[1; 1100]);
    m.assert_unharmed("what joins crumbs is welcome");
}

#[test]
fn crumbs_all_over_the_window_cost_no_time() {
    let window = 32 << 20;
    let mut m = BadServer::with(Limits { window, max_window: window, ..Limits::default() });
    m.get("f");
    m.tell(offer(0, 1 << 40, 16));
    let began = Instant::now();
    for crumb in 0..400 {
        for blocks in 0..5 {
            let mut payload = Vec::new();
            for block in blocks * 100..(blocks + 1) * 100 {
                frame::put_data(&mut payload, 0, (block << 16) + 2 * crumb, b"x");
            }
            m.say(&payload);
        }
    }
    assert!(m.host.memory() <= window);
    // It takes well under a second, and took minutes when every crumb was compared with all others.
    assert!(began.elapsed().as_secs() < 30, "{:?}", began.elapsed());
    m.assert_unharmed("200,000 crumbs");
}

// LOS-4, XFR-11.
#[test]
fn content_before_its_offer_is_kept_up_to_a_bound_and_then_not_acknowledged() {
    let mut m = BadServer::asked();
    m.peer.next_pn += 1;
    let mut taken = 0u64;
    for n in 0..6000 {
        m.data(0, n, b"x");
        m.peer.next_pn += 1;
        taken += u64::from(m.peer.heard.acked.contains(m.peer.next_pn - 2));
    }
    assert_eq!(taken, 4096);
    m.assert_unharmed("pieces");
    let limits = Limits { window: 100_000, max_window: 100_000, ..Limits::default() };
    let mut m = BadServer::with(limits);
    m.get("f");
    for n in 0..1000 {
        m.data(0, n * 1000, &[1; 1000]);
        assert!(m.host.memory() <= 100_000);
    }
    m.assert_unharmed("bytes");
    m.tell(offer(0, 1 << 20, 20));
    m.assert_closed_for_violation("and in the end they are beyond the credit");
}

#[test]
fn content_before_its_offer_is_judged_by_it() {
    for (offset, len, what) in [(1000, 1, "outside"), (65_535, 2, "across blocks"), ((1 << 62) - 1, 1, "far outside")] {
        let mut m = BadServer::asked();
        m.data(0, offset, &vec![0; len]);
        m.assert_unharmed(what);
        m.tell(offer(0, if len == 2 { 1 << 20 } else { 1000 }, 16));
        m.assert_closed_for_violation(what);
    }
}

#[test]
fn a_slow_disk_holds_no_more_than_the_window_however_often_requests_fail() {
    let mut m = BadServer::new();
    let window = Limits::default().window;
    let content = bytes(1 << 20);
    for id in 0..32 {
        m.get(&format!("f{id}"));
        m.tell(offer(id, 1 << 20, 16));
    }
    m.host.let_disk_wait(true);
    for id in 0..32 {
        if m.peer.heard.max_data < (id + 1) << 20 {
            break;
        }
        send_all(&mut m, id, &content, 16);
        if id % 2 == 0 {
            m.host.cancel(id);
        }
        m.tell(Message::Fail { id, code: FailCode::Io, text: String::new(), used: 1 << 20 });
        m.peer.attend(&mut m.host, 3);
        assert!(m.host.disk_bytes() <= window, "request {id}: {} bytes wait for the disk", m.host.disk_bytes());
        assert!(m.host.memory() >= m.host.disk_bytes(), "request {id}: what waits is counted");
    }
    assert_eq!(m.host.disk_bytes(), window);
    m.host.let_disk_wait(false);
    m.peer.attend(&mut m.host, 5);
    assert_eq!(m.host.memory(), 0);
    assert!(m.peer.heard.max_data >= 2 * window, "and then the credit comes back: {}", m.peer.heard.max_data);
    m.assert_unharmed("a slow disk");
}

#[test]
fn blocks_ahead_of_a_missing_one_fail_the_request_before_they_fill_the_memory() {
    let block = vec![0; 1 << 16];
    let mut m = BadServer::new();
    m.get("f");
    m.tell(offer(0, 1 << 40, 16));
    let geometry = dpex_core::transfer::Geometry::new(1 << 40, 16);
    let mut sent = 0;
    for index in 1..6000 {
        let value = dpex_core::transfer::block_value(&geometry.block(index).expect("inside"), &block);
        m.tell(sums(0, index, &[value]));
        for (i, piece) in block.chunks(1100).enumerate() {
            m.data(0, (index << 16) + i as u64 * 1100, piece);
        }
        sent = index;
        m.wait(std::time::Duration::from_millis(1));
        if !m.failures().is_empty() {
            break;
        }
    }
    assert_eq!(sent, 4097);
    assert!(m.received.parts().is_empty());
    m.assert_unharmed("the first block was left out");
}

#[test]
fn a_name_that_cannot_be_stored_fails_its_request_only() {
    let mut m = BadServer::new();
    let id = m.get(".hidden");
    // Of a file that comes in several blocks the store is asked at once, of a small one when it is here.
    m.tell(offer(id, 100_000, 16));
    assert_eq!(m.failures().len(), 1);
    let id = m.get(".small");
    m.tell(offer(id, 0, 16));
    m.tell(Message::Done { id, root: root(&[]) });
    assert_eq!(m.failures().len(), 1);
    let id = m.get("good");
    m.tell(offer(id, 0, 16));
    m.tell(Message::Done { id, root: root(&[]) });
    assert!(m.host.take_events().iter().any(|e| matches!(e, Event::Finished { .. })));
    m.assert_unharmed("names");
}
