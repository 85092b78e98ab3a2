//! Somebody with the server's keys breaks one rule towards one client, while another client fetches a file from the true
//! server: nothing wrong is published, every request ends, and the other one never notices.

use std::time::Duration;

use dpex_core::engine::{CloseReason, Closer};
use dpex_core::store::{Entry, EntryKind, ListQuery, Meta};
use dpex_core::testing::world::{ClientId, Hold, LinkConfig, Outcome, Rng, Standing, World};
use dpex_core::testing::{Scripted, sweep};
use dpex_core::types::{Digest, SharePath, Timestamp, Version};
use dpex_core::wire::frame::{self, CloseCode};
use dpex_core::wire::message::{FailCode, Message, RequestId};

use crate::support::{KIB, MS, SEEDS, assert_whole, finish, ordinary, path, shelve};

/// What must come of it.
enum Reaction {
    /// The session is closed with a word.
    Closed,
    /// The request fails, the session goes on.
    Failed,
}

/// How the bad server may speak. The client has asked for a file of [`SIZE`] bytes and for a page.
struct Mouth<'a> {
    peer: &'a mut Scripted,
    client: Hold<'a>,
    rng: &'a mut Rng,
}

/// The request for the file.
const FILE: u64 = 0;
/// The request for the page.
const PAGE: u64 = 1;
/// The size of the file that is offered: three blocks and a bit.
const SIZE: u64 = 3 * BLOCK + 100;
const BLOCK: u64 = 1 << 16;

impl Mouth<'_> {
    fn say(&mut self, payload: &[u8]) {
        self.peer.say(&mut self.client, payload);
    }

    fn tell(&mut self, message: Message) {
        self.peer.tell(&mut self.client, &[message]);
    }

    fn data(&mut self, transfer: u64, offset: u64, bytes: &[u8]) {
        self.peer.data(&mut self.client, transfer, offset, bytes);
    }

    /// The offer, taken.
    fn offer(&mut self) {
        self.tell(offer(FILE, SIZE));
        self.peer.wait(&mut self.client, 500 * MS);
    }
}

fn offer(id: u64, size: u64) -> Message {
    let meta = Meta { size, mtime: Timestamp::EPOCH, exec: false, version: Version([7; 16]) };
    Message::Offer { id, meta, block_log2: 16 }
}

fn sums(first: u64, count: usize) -> Message {
    Message::Sums { id: FILE, first, values: vec![Digest([0; 32]); count] }
}

fn page(names: &[&str]) -> Message {
    let entries = names.iter().map(|name| Entry { path: path(name), kind: EntryKind::Folder(Timestamp::EPOCH) });
    Message::Page { id: PAGE, entries: entries.collect(), more: true, skipped: 0 }
}

fn tell(reaction: &Reaction, breaks: impl Fn(&mut Mouth<'_>) + Sync) {
    sweep(SEEDS, |seed| {
        let mut world = World::new(seed);
        let lossy = LinkConfig { loss: world.rng().unit() * 0.1, ..ordinary(world.rng()) };
        let honest = world.client(&lossy);
        let bad_path = ordinary(world.rng());
        let lured = world.client(&bad_path);
        let size = world.rng().within(1..300) * KIB;
        let file = shelve(&world, "file", size);
        world.connected(honest);
        let id = world.get(honest, &file, None).expect("connected");

        let mut peer = world.lure(lured);
        let asked = [
            world.get(lured, &path("wanted"), None),
            world.list(lured, ListQuery { path: path("folder"), after: None, limit: 3, recursive: true }, 1),
        ]
        .map(|asked| asked.expect("connected"));
        let mut rng = world.rng().fork();
        let mut mouth = Mouth { peer: &mut peer, client: world.hold(lured), rng: &mut rng };
        let a_while = mouth.rng.up_to(1000 * MS);
        mouth.peer.wait(&mut mouth.client, a_while);
        mouth.peer.ack(&mut mouth.client);
        breaks(&mut mouth);
        for _ in 0..4 {
            mouth.peer.wait(&mut mouth.client, Duration::from_millis(1100));
            mouth.peer.ack(&mut mouth.client);
        }
        assert_reaction(&world, lured, asked, &peer, reaction);

        finish(&mut world, honest, &[id]);
        assert_whole(&world, honest, id, "file", size);
    });
}

fn assert_reaction(world: &World, lured: ClientId, asked: [RequestId; 2], peer: &Scripted, want: &Reaction) {
    assert_eq!(peer.heard.strange, 0, "{world:?}");
    assert_eq!(world[lured].store().names(), Vec::<SharePath>::new(), "nothing was published\n{world:?}");
    let has_failed = |id| matches!(world[lured].outcome(id), Some(Outcome::Failed(_)));
    assert!(has_failed(asked[0]), "{world:?}");
    match want {
        Reaction::Closed => {
            let standing = world[lured].standing();
            let by_us =
                matches!(standing, Standing::Ended(CloseReason { by: Closer::Us, code: CloseCode::Protocol, .. }));
            assert!(by_us, "{standing:?}\n{world:?}");
            assert_eq!(peer.heard.close(), Some(CloseCode::Protocol), "{world:?}");
            assert!(world[lured].outcome(asked[1]).is_some(), "every request has ended\n{world:?}");
        }
        Reaction::Failed => assert_eq!(world[lured].standing(), &Standing::Connected, "{world:?}"),
    }
}

/// One story for each rule.
macro_rules! stories {
    ($($name:ident => $reaction:ident, $breaks:expr;)+) => { $(
        #[test]
        fn $name() {
            tell(&Reaction::$reaction, $breaks);
        }
    )+ };
}

stories! {
    credit_from_a_server => Closed, |m| m.say(&[0x13, 7]);
    an_unknown_frame_from_a_server => Closed, |m| {
        let kind = u8::try_from(m.rng.within(0x15..0x40)).expect("small");
        m.say(&[kind, 0, 0, 0]);
    };
    a_request_from_a_server => Closed, |m| m.tell(Message::Get { id: 9, path: path("x"), resume: None });
    an_acknowledgement_of_what_a_client_never_sent => Closed, |m| {
        let beyond = 10_000 + m.rng.within(0..1 << 40);
        let (range, mut payload) = (beyond..beyond + 1, Vec::new());
        frame::put_ack(&mut payload, Duration::ZERO, std::slice::from_ref(&range), 1100);
        m.say(&payload);
    };
    an_answer_to_what_was_never_asked => Closed, |m| {
        let id = 2 + m.rng.within(0..1 << 50);
        let fail = Message::Fail { id, code: FailCode::Io, text: String::new(), used: 0 };
        let answers = [offer(id, SIZE), Message::Done { id, root: Digest([0; 32]) }, fail];
        let answer = m.rng.pick(&answers);
        m.tell(answer);
    };
    content_of_what_was_never_asked => Closed, |m| {
        let id = 2 + m.rng.within(0..1 << 50);
        m.data(id, 0, b"x");
    };
    content_for_a_page => Closed, |m| m.data(PAGE, 0, b"x");
    an_offer_for_a_page => Closed, |m| m.tell(offer(PAGE, SIZE));
    a_page_for_a_file => Closed, |m| {
        m.tell(Message::Page { id: FILE, entries: Vec::new(), more: false, skipped: 0 });
    };
    values_before_the_offer => Closed, |m| m.tell(sums(0, 1));
    done_before_the_offer => Closed, |m| m.tell(Message::Done { id: FILE, root: Digest([0; 32]) });
    an_offer_that_comes_twice => Closed, |m| {
        m.offer();
        m.tell(offer(FILE, SIZE));
    };
    values_of_blocks_that_are_not_there => Closed, |m| {
        m.offer();
        let first = m.rng.within(3..1 << 40);
        m.tell(sums(first, 2));
    };
    values_that_were_told => Closed, |m| {
        m.offer();
        let again = m.rng.within(0..3);
        m.tell(sums(0, 3));
        m.tell(sums(again, 1));
    };
    content_outside_the_file => Closed, |m| {
        m.offer();
        let beyond = SIZE + m.rng.within(0..1 << 60);
        m.data(FILE, beyond, b"x");
    };
    content_across_two_blocks => Closed, |m| {
        m.offer();
        let at = BLOCK * m.rng.within(1..4) - m.rng.within(1..50);
        m.data(FILE, at, &[0; 50]);
    };
    content_beyond_the_credit => Closed, |m| {
        m.tell(offer(FILE, 1 << 50));
        m.peer.wait(&mut m.client, 500 * MS);
        // One byte of each block takes the credit of a whole one.
        let blocks = m.peer.heard.max_data / BLOCK;
        let from = m.rng.within(0..1 << 30);
        for block in 0..=blocks {
            m.data(FILE, (from + block) * BLOCK, b"x");
        }
    };
    a_failure_that_used_more_than_there_was => Closed, |m| {
        let used = m.peer.heard.max_data + 1 + m.rng.within(0..1 << 40);
        m.tell(Message::Fail { id: FILE, code: FailCode::Io, text: String::new(), used });
    };
    entries_outside_the_folder => Closed, |m| {
        let names = ["etc", "folders", "folder", "fold/er"];
        let name = m.rng.pick(&names);
        m.tell(page(&[name]));
    };
    entries_out_of_order => Closed, |m| m.tell(page(&["folder/b", "folder/a"]));
    more_entries_than_were_asked_for => Closed, |m| {
        m.tell(page(&["folder/a", "folder/b", "folder/c", "folder/d"]));
    };
    wrong_content => Failed, |m| {
        m.offer();
        m.tell(sums(0, 4));
        for block in 0..4 {
            for piece in 0..BLOCK.div_ceil(1024) {
                let at = block * BLOCK + piece * 1024;
                let len = usize::try_from(SIZE.saturating_sub(at).min(1024)).expect("small");
                if len > 0 {
                    m.data(FILE, at, &vec![0x55; len]);
                    // As fast as the slowest path is.
                    m.peer.wait(&mut m.client, 10 * MS);
                }
            }
        }
        m.tell(Message::Done { id: FILE, root: Digest([0; 32]) });
    };
    a_failure_with_a_text_that_deceives => Failed, |m| {
        let text = "\u{1b}[2Jok\u{202e}\n".repeat(1 + m.rng.below(99));
        m.tell(Message::Fail { id: FILE, code: FailCode::Io, text, used: 0 });
    };
}
