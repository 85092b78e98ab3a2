//! INITs that no honest client sends and answers that no honest server gives, in the middle of other people's traffic:
//! silence, and whoever is honest gets in after.

use std::time::Duration;

use dpex_core::engine::Rejection;
use dpex_core::seal::Cookies;
use dpex_core::testing::scripted::{Acquaintance, Answer, Victim as _, offer};
use dpex_core::testing::sweep;
use dpex_core::testing::world::{ClientId, Hold, Rng, Standing, Way, World};
use dpex_core::types::Timestamp;

use crate::support::{KIB, MS, SEEDS, assert_whole, finish, ordinary, shelve};

/// Longer than a round trip and a signature.
const SOON: Duration = Duration::from_millis(800);

/// Somebody sends the server what he likes, along a client's path, while another fetches a file.
fn knocks(knock: impl Fn(&mut World, ClientId, &Acquaintance, &mut Rng) + Sync) {
    sweep(SEEDS, |seed| {
        let mut world = World::new(seed);
        let paths = [ordinary(world.rng()), ordinary(world.rng())];
        let [honest, bad] = [0, 1].map(|n| world.client(&paths[n]));
        let size = world.rng().within(1..300) * KIB;
        let file = shelve(&world, "file", size);
        world.connected(honest);
        let id = world.get(honest, &file, None).expect("connected");
        let a_while = world.rng().up_to(500 * MS);
        world.run_for(a_while);
        let (keys, mut rng) = (world.acquaintance(bad), world.rng().fork());
        world.seize(bad, Way::Down);
        knock(&mut world, bad, &keys, &mut rng);
        finish(&mut world, honest, &[id]);
        assert_whole(&world, honest, id, "file", size);
        // The same person with good manners gets in.
        let peer = world.possess(bad);
        assert_eq!(peer.heard.strange, 0);
    });
}

/// Nothing comes back, and this is what the server says of it.
fn is_dropped(world: &mut World, client: ClientId, init: &[u8]) -> Option<Rejection> {
    let before = world.server().rejections().len();
    assert_eq!(sent(world, client, init), Vec::<Vec<u8>>::new(), "{world:?}");
    let person = world.person(client);
    let rejected = &world.server().rejections()[before..];
    assert!(rejected.len() <= 1 && rejected.iter().all(|(whose, _)| *whose == person), "{rejected:?}");
    rejected.first().map(|(_, why)| why.clone())
}

fn sent(world: &mut World, client: ClientId, datagram: &[u8]) -> Vec<Vec<u8>> {
    let to = world[client].address();
    let mut hold = world.hold(client);
    hold.deliver(to, datagram);
    hold.advance(SOON);
    hold.take_sent_to(to)
}

#[test]
fn an_init_that_was_answered_is_answered_once() {
    knocks(|world, bad, keys, _| {
        let stamp = world.stamp(bad);
        let (init, _) = keys.init(stamp);
        assert_eq!(sent(world, bad, &init).len(), 1);
        assert!(matches!(is_dropped(world, bad, &init), Some(Rejection::Stale { .. })));
    });
}

#[test]
fn an_init_older_than_the_last_is_dropped() {
    knocks(|world, bad, keys, rng| {
        let (early, late) = (world.stamp(bad), world.stamp(bad));
        assert_eq!(sent(world, bad, &keys.init(late).0).len(), 1);
        let stamps = [early, Timestamp::new(1 + (rng.draw() >> 40) as i64, 0).expect("a time"), late];
        for stamp in stamps {
            assert!(matches!(is_dropped(world, bad, &keys.init(stamp).0), Some(Rejection::Stale { .. })));
            // The bucket of this person fills again.
            world.run_for(SOON);
        }
    });
}

#[test]
fn stolen_secrets_without_the_key_are_noted_and_not_answered() {
    knocks(|world, bad, keys, _| {
        let (init, _) = keys.stolen().init(world.stamp(bad));
        assert!(matches!(is_dropped(world, bad, &init), Some(Rejection::BadSignature)));
    });
}

#[test]
fn an_enrolment_that_is_not_known_is_not_answered() {
    knocks(|world, bad, keys, _| {
        let (init, _) = keys.another().init(world.stamp(bad));
        assert!(is_dropped(world, bad, &init).is_none());
    });
}

#[test]
fn a_changed_init_is_not_answered() {
    knocks(|world, bad, keys, rng| {
        for _ in 0..20 {
            let (mut init, _) = keys.init(world.stamp(bad));
            // Not in mac2, which counts under load only.
            let bit = rng.below(1184 * 8);
            init[bit / 8] ^= 1 << (bit % 8);
            assert!(is_dropped(world, bad, &init).is_none(), "bit {bit}");
        }
    });
}

#[test]
fn an_init_of_another_length_is_not_answered() {
    knocks(|world, bad, keys, rng| {
        let (init, _) = keys.init(world.stamp(bad));
        for _ in 0..10 {
            let len = rng.below(1472);
            if len != init.len() {
                let other: Vec<_> = init.iter().copied().cycle().take(len).collect();
                assert!(is_dropped(world, bad, &other).is_none(), "{len} bytes");
            }
        }
    });
}

#[test]
fn an_authentic_init_that_is_malformed_is_noted_and_not_answered() {
    knocks(|world, bad, keys, rng| {
        let (init, _) = keys.init(world.stamp(bad));
        let (head, _) = keys.init_payload(&init);
        let nonsense = (0..500).map(|_| rng.draw().to_le_bytes()[0] | 0x80).collect();
        let init = keys.sealed_init(&head, nonsense);
        assert!(matches!(is_dropped(world, bad, &init), Some(Rejection::Malformed(_))));
    });
}

#[test]
fn a_share_of_low_order_is_not_answered() {
    knocks(|world, bad, keys, _| {
        let (init, _) = keys.init(world.stamp(bad));
        let init = keys.altered_init(&init, |payload| payload[..32].fill(0));
        is_dropped(world, bad, &init);
    });
}

#[test]
fn who_has_nothing_in_common_is_refused_and_signed_so() {
    knocks(|world, bad, keys, rng| {
        let other = |rng: &mut Rng| u16::try_from(rng.within(2..0xfff0)).expect("small");
        let offers = [offer(other(rng), 1), offer(1, other(rng))];
        let offer = rng.pick(&offers);
        let (init, mut pending) = keys.init_with(world.stamp(bad), &offer, None);
        let resp = sent(world, bad, &init).pop().expect("an answer");
        let proof = pending.open_resp(&resp).expect("an answer to this INIT");
        keys.server.public().verify(proof.message(), proof.signature()).expect("signed by the server");
        assert!(proof.into_secrets().is_none(), "a refusal");
    });
}

/// A client waits for an answer; somebody who can speak in the server's place gives others first.
fn answers(answer: impl Fn(&Acquaintance, &[u8], &mut Rng) -> Vec<u8> + Sync, warnings: u64) {
    sweep(SEEDS, |seed| {
        let mut world = World::new(seed);
        let link = ordinary(world.rng());
        let client = world.client(&link);
        let (keys, mut rng) = (world.acquaintance(client), world.rng().fork());
        let server = world.server().address();
        world.connect(client);
        let mut hold = world.seize(client, Way::Up);
        hold.advance(SOON);
        let init = hold.take_sent_to(server).pop().expect("an INIT");
        for _ in 0..5 {
            hold.deliver(server, &answer(&keys, &init, &mut rng));
        }
        hold.advance(SOON);
        assert_eq!(world[client].standing(), &Standing::Connecting, "{world:?}");
        assert_eq!(world[client].key_warnings(), warnings, "{world:?}");
        assert!(world.link_stats(client, Way::Up).datagrams <= 3, "it asks no more often for it\n{world:?}");
        // Then the true server speaks: to the last INIT, or to the one it had.
        let mut hold = world.hold(client);
        let init = latest(&mut hold, server);
        hold.deliver(server, &Answer::honest().to(&keys, &init));
        hold.advance(SOON);
        assert_eq!(world[client].standing(), &Standing::Connected, "{world:?}");
    });
}

fn latest(hold: &mut Hold<'_>, server: std::net::SocketAddr) -> Vec<u8> {
    for _ in 0..10 {
        if let Some(init) = hold.take_sent_to(server).pop() {
            return init;
        }
        hold.advance(SOON);
    }
    panic!("the client goes on asking");
}

#[test]
fn a_changed_answer_is_ignored() {
    answers(
        |keys, init, rng| {
            let mut answer = Answer::honest().to(keys, init);
            let bit = rng.below(answer.len() * 8);
            answer[bit / 8] ^= 1 << (bit % 8);
            answer
        },
        0,
    );
}

#[test]
fn an_answer_to_another_init_is_ignored() {
    answers(
        |keys, _, rng| {
            let stamp = Timestamp::new(1 + (rng.draw() >> 40) as i64, 0).expect("a time");
            Answer::honest().to(keys, &keys.init(stamp).0)
        },
        0,
    );
}

#[test]
fn an_answer_by_another_key_is_ignored_with_a_warning() {
    answers(|keys, init, _| Answer::honest().to(&keys.stolen(), init), 1);
}

#[test]
fn a_choice_that_was_not_offered_is_ignored() {
    answers(
        |keys, init, rng| {
            let other = u16::try_from(rng.within(2..0xffff)).expect("small");
            let (version, suite) = rng.pick(&[(other, 1), (1, other), (0, 0)]);
            Answer { version, suite, ..Answer::honest() }.to(keys, init)
        },
        0,
    );
}

#[test]
fn an_answer_with_a_share_of_low_order_is_ignored() {
    answers(|keys, init, _| Answer { share: Some([0; 32]), ..Answer::honest() }.to(keys, init), 0);
}

#[test]
fn cookies_by_somebody_else_do_not_keep_the_answer_out() {
    answers(
        |keys, init, _| {
            let cookies = Cookies::new(std::time::Instant::now(), keys.suite).expect("random bytes");
            let from = "10.0.0.1:50000".parse().expect("an address");
            cookies.reply(&keys.another().knock(), init, from).expect("an INIT").to_vec()
        },
        0,
    );
}
