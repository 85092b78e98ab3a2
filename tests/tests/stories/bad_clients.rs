//! A client with valid keys breaks one rule in the middle of a transfer, while an honest one fetches a file over a lossy
//! path: the bad one is shown out or ignored, as the rule says, and the honest one never notices.

use std::time::Duration;

use dpex_core::engine::{CloseReason, Closer};
use dpex_core::testing::scripted::{Shape, Victim as _};
use dpex_core::testing::world::{ClientId, Hold, LinkConfig, Rng, World};
use dpex_core::testing::{Scripted, sweep};
use dpex_core::types::{Digest, SharePath};
use dpex_core::wire::codec::put_varint;
use dpex_core::wire::frame::{self, CloseCode};
use dpex_core::wire::message::{FailCode, Message};
use dpex_core::wire::packet::CID_LEN;

use crate::support::{KIB, MS, SEEDS, assert_delivered, assert_whole, finish, ordinary, path, shelve};

/// What must come of it.
enum Reaction {
    /// The session is closed with a word.
    Closed,
    /// The session is over without a word.
    Silence,
    /// Nothing at all: the session goes on.
    None,
}

/// How the bad client may speak.
struct Mouth<'a> {
    peer: &'a mut Scripted,
    server: Hold<'a>,
    rng: &'a mut Rng,
}

impl Mouth<'_> {
    fn say(&mut self, payload: &[u8]) {
        self.peer.say(&mut self.server, payload);
    }

    fn tell(&mut self, message: Message) {
        self.peer.tell(&mut self.server, &[message]);
    }

    fn throw(&mut self, datagram: &[u8]) {
        self.peer.throw(&mut self.server, datagram);
    }

    fn bytes(&mut self, len: u64) -> Vec<u8> {
        (0..len).map(|_| self.rng.draw().to_le_bytes()[0]).collect()
    }
}

fn get(id: u64, name: &str) -> Message {
    Message::Get { id, path: path(name), resume: None }
}

fn list(id: u64) -> Message {
    Message::List { id, path: SharePath::ROOT, after: None, limit: 1000, recursive: true, pages: 1 }
}

/// The bad client's own request, which it has made before it breaks a rule.
const ASKED: u64 = 7;

fn tell(reaction: &Reaction, breaks: impl Fn(&mut Mouth<'_>) + Sync) {
    sweep(SEEDS, |seed| {
        let mut world = World::new(seed);
        let lossy = LinkConfig { loss: world.rng().unit() * 0.1, ..ordinary(world.rng()) };
        let honest = world.client(&lossy);
        let bad_path = ordinary(world.rng());
        let bad = world.client(&bad_path);
        let size = world.rng().within(1..600) * KIB;
        let file = shelve(&world, "file", size);
        world.connected(honest);
        let id = world.get(honest, &file, None).expect("connected");

        let (mut peer, mut rng) = (world.possess(bad), world.rng().fork());
        let mut mouth = Mouth { peer: &mut peer, server: world.hold(bad), rng: &mut rng };
        // It behaves for a while, so that it may be anywhere in a transfer.
        let mut credit = Vec::new();
        frame::put_max_data(&mut credit, mouth.rng.within(0..1 << 22));
        mouth.say(&credit);
        mouth.tell(get(ASKED, "file"));
        for _ in 0..mouth.rng.within(1..4) {
            let a_while = mouth.rng.up_to(300 * MS);
            mouth.peer.wait(&mut mouth.server, a_while);
            mouth.peer.ack(&mut mouth.server);
        }
        breaks(&mut mouth);
        let heard = settle(&mut mouth);
        assert_reaction(&world, bad, &peer, heard, reaction);

        finish(&mut world, honest, &[id]);
        assert_whole(&world, honest, id, "file", size);
        // The receipt may be lost a few times.
        world.run_for(Duration::from_secs(10));
        assert_delivered(&world, honest, "file", size);
    });
}

/// Lets what was said take effect, and says PING until something is heard. How many datagrams came to the last one.
fn settle(mouth: &mut Mouth<'_>) -> usize {
    let mut heard = 0;
    for _ in 0..5 {
        mouth.peer.wait(&mut mouth.server, Duration::from_millis(1100));
        let before = mouth.peer.heard.datagrams;
        mouth.say(&[0x01]);
        mouth.peer.wait(&mut mouth.server, Duration::from_millis(1100));
        heard = mouth.peer.heard.datagrams - before;
        if !mouth.peer.heard.closes.is_empty() {
            break;
        }
    }
    heard
}

fn assert_reaction(world: &World, bad: ClientId, peer: &Scripted, heard: usize, want: &Reaction) {
    assert_eq!(peer.heard.strange, 0, "{world:?}");
    let person = world.person(bad);
    let ended: Vec<_> = world.server().ended().iter().filter(|(whose, _)| *whose == person).collect();
    let by_us = |want: CloseCode| matches!(ended[..], [(_, CloseReason { by: Closer::Us, code, .. })] if *code == want);
    match want {
        Reaction::Closed => {
            assert!(by_us(CloseCode::Protocol), "{ended:?}\n{world:?}");
            assert_eq!(peer.heard.close(), Some(CloseCode::Protocol), "{world:?}");
        }
        Reaction::Silence => {
            assert!(by_us(CloseCode::KeyLimit), "{ended:?}\n{world:?}");
            assert_eq!((heard, peer.heard.closes.len()), (0, 0), "{world:?}");
        }
        Reaction::None => {
            assert!(ended.is_empty() && peer.heard.closes.is_empty(), "{ended:?}\n{world:?}");
            assert!(peer.heard.acked.contains(peer.next_pn - 1), "a PING is acknowledged\n{world:?}");
        }
    }
}

/// One story for each rule.
macro_rules! stories {
    ($($(#[$attr:meta])* $name:ident => $reaction:ident, $breaks:expr;)+) => { $(
        $(#[$attr])*
        #[test]
        fn $name() {
            tell(&Reaction::$reaction, $breaks);
        }
    )+ };
}

stories! {
    an_unknown_frame => Closed, |m| {
        let kinds = [m.rng.within(0x06..0x11), m.rng.within(0x15..0x40)];
        let kind = m.rng.pick(&kinds);
        let mut payload = Vec::new();
        put_varint(&mut payload, kind);
        payload.extend(m.bytes(20));
        m.say(&payload);
    };
    a_frame_past_the_end_of_its_packet => Closed, |m| {
        let frame = [&[0x04, 1, 2, 3, 4, 5, 6, 7, 8][..], &[0x11, 0x40, 0, 2, 0, 0], &[0x03, 0, 0, 2, b'h', b'i']];
        let frame = m.rng.pick(&frame);
        let cut = 1 + m.rng.below(frame.len() - 1);
        m.say(&frame[..cut]);
    };
    a_length_that_is_claimed_and_not_there => Closed, |m| {
        let start = m.rng.pick(&[0x11, 0x12]);
        m.say(&[&[start, 0, 0][..], &[0xff; 8]].concat());
    };
    content_from_a_client => Closed, |m| {
        let payload = [&[0x12, 0, 0, 0][..], &m.bytes(50)].concat();
        m.say(&payload);
    };
    an_acknowledgement_of_what_was_not_sent => Closed, |m| {
        let beyond = m.peer.heard.packets.last().map_or(0, |heard| heard.end) + 10_000 + m.rng.within(0..1 << 40);
        let mut payload = Vec::new();
        let range = beyond..beyond + 1 + m.rng.within(0..100);
        frame::put_ack(&mut payload, Duration::ZERO, std::slice::from_ref(&range), 1100);
        m.say(&payload);
    };
    a_close_whose_text_is_no_text => Closed, |m| m.say(&[0x03, 0, 0, 1, 0xff]);
    a_stream_beyond_its_limit => Closed, |m| {
        let mut payload = Vec::new();
        frame::put_control(&mut payload, (1 << 30) + m.rng.within(0..1 << 61), b"x");
        m.say(&payload);
    };
    a_message_longer_than_any_may_be => Closed, |m| {
        let len = u32::try_from(m.rng.within(65_537..1 << 32)).expect("a length");
        m.peer.tell_bytes(&mut m.server, &len.to_be_bytes());
    };
    a_message_that_is_no_map => Closed, |m| {
        let cbor = [&[0x80][..], &[0x01], &[0xf6], &[0x9f, 0xff], &[0xa1, 0x01, 0x01], &[0xbf, 0xff], &[0xff]];
        let cbor = m.rng.pick(&cbor);
        m.peer.tell_cbor(&mut m.server, cbor);
    };
    a_message_of_nested_bombs => Closed, |m| {
        let depth = 100 + m.rng.below(3000);
        m.peer.tell_cbor(&mut m.server, &vec![0x81; depth]);
    };
    a_name_that_escapes => Closed, |m| {
        let names = ["../x", "/etc/passwd", "a/../../b", "a//b", ".", "a/./b", "a\u{0}b", "a/", "a\u{202e}b"];
        let name = m.rng.pick(&names);
        // {"t": "get", "id": 9, "path": name}
        let head = [&b"\xa3\x61t\x63get\x62id\x09\x64path\x78"[..], &[u8::try_from(name.len()).expect("short")]];
        m.peer.tell_cbor(&mut m.server, &[&head.concat(), name.as_bytes()].concat());
    };
    a_request_number_used_again => Closed, |m| {
        let id = m.rng.within(0..ASKED + 1);
        let again = m.rng.pick(&[get(id, "file"), list(id)]);
        m.tell(again);
    };
    a_receipt_for_what_was_not_asked => Closed, |m| {
        let (id, root) = (ASKED + 1 + m.rng.within(0..1000), Digest(m.rng.bytes()));
        m.tell(Message::Got { id, root });
    };
    a_receipt_with_another_root => Closed, |m| {
        let root = Digest(m.rng.bytes());
        m.tell(Message::Got { id: ASKED, root });
    };
    giving_up_what_was_not_asked => Closed, |m| {
        let id = ASKED + 1 + m.rng.within(0..1 << 50);
        m.tell(Message::Cancel { id });
    };
    an_answer_from_a_client => Closed, |m| {
        let fail = Message::Fail { id: ASKED + 1, code: FailCode::Io, text: String::new(), used: 0 };
        let answers = [fail, Message::Done { id: ASKED, root: Digest([0; 32]) }];
        let answer = m.rng.pick(&answers);
        m.tell(answer);
    };
    a_packet_number_that_must_not_be => Silence, |m| {
        let pn = (1 << 62) + m.rng.within(0..1 << 62);
        let packet = m.peer.seal_as(&Shape { pn, ..Shape::default() }, &[0x01]);
        m.throw(&packet);
    };
    random_bytes_under_a_true_connection_id => None, |m| for _ in 0..50 {
        let good = m.peer.seal(&[0x01]);
        let noise = m.rng.within(0..1460);
        let packet = [&good[..CID_LEN], &m.bytes(noise)].concat();
        m.throw(&packet);
    };
    a_flipped_bit_anywhere => None, |m| for _ in 0..50 {
        let mut packet = m.peer.seal(&[0x01, 0xff]);
        let bit = m.rng.below(packet.len() * 8);
        packet[bit / 8] ^= 1 << (bit % 8);
        m.throw(&packet);
    };
    packets_repeated_and_turned_around => None, |m| {
        let packets: Vec<_> = (0..20).map(|_| m.peer.seal(&[0x01])).collect();
        for _ in 0..100 {
            let packet = m.rng.pick(&packets);
            m.throw(&packet);
        }
    };
    other_words_under_a_used_number => None, |m| {
        m.say(&[0x01]);
        m.peer.wait(&mut m.server, 500 * MS);
        let shape = Shape { pn: m.peer.next_pn - 1, ..Shape::default() };
        let packet = m.peer.seal_as(&shape, &[0xff]);
        m.throw(&packet);
    };
    a_packet_of_the_epoch_after_next => None, |m| {
        let shape = Shape { pn: m.peer.next_pn + 1, epoch: m.peer.epoch + 2 + m.rng.within(0..3), ..Shape::default() };
        let packet = m.peer.seal_as(&shape, &[0xff]);
        m.throw(&packet);
    };
    reserved_bits => None, |m| for bit in 1..8 {
        let shape = Shape { pn: m.peer.next_pn, flags: 1 << bit, ..Shape::default() };
        let packet = m.peer.seal_as(&shape, &[0xff]);
        m.throw(&packet);
    };
    a_packet_longer_than_was_announced => None, |m| {
        let len = 1473 - 33 + m.rng.below(27);
        m.say(&vec![0xff; len]);
    };
    packets_shorter_than_any => None, |m| for len in 0..33 {
        let packet = m.peer.seal(&[0x01]);
        m.throw(&packet[..len]);
    };
    somebody_elses_connection_id => None, |m| for _ in 0..50 {
        let mut packet = m.peer.seal(&[0xff]);
        let other = m.bytes(CID_LEN as u64);
        packet[..CID_LEN].copy_from_slice(&other);
        m.throw(&packet);
    };
    a_storm_of_challenges => None, |m| for _ in 0..100 {
        let token = m.bytes(8);
        m.say(&[&[0x04][..], &token].concat());
    };
    a_session_that_never_reads => None, |m| {
        m.server.advance(Duration::from_secs(20));
        m.say(&[0x01]);
    };
}
