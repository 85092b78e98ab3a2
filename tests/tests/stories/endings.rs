//! How sessions end: on purpose, from either side, in the middle of something.

use std::time::Duration;

use dpex_core::engine::{Closer, Failure};
use dpex_core::testing::sweep;
use dpex_core::testing::world::{LinkConfig, Outcome, Standing, World};
use dpex_core::wire::frame::CloseCode;

use crate::support::{KIB, SEEDS, assert_delivered, assert_whole, finish, ordinary, shelve};

#[test]
fn a_server_that_shuts_down_in_the_middle_tells_its_clients_why() {
    sweep(SEEDS, |seed| {
        let mut world = World::new(seed);
        // A CLOSE that a full queue drops is seldom repeated (seed 327); losing it is another story.
        let link = LinkConfig { queue: 10_000 * KIB, ..ordinary(world.rng()) };
        let client = world.client(&link);
        let path = shelve(&world, "file", 1024 * KIB);
        world.connected(client);
        let id = world.get(client, &path, None).expect("connected");
        // Before the server has heard of the session, it is nobody's business that it ends.
        world.run_until(Duration::from_secs(10), |world| world.server().log().count() > 0);
        let middle = world.rng().up_to(Duration::from_secs_f64(1_048_576.0 / link.rate as f64));
        world.run_for(middle);
        if world[client].outcome(id).is_some() {
            return;
        }
        let began = world.elapsed();
        world.shut_down();
        let over = |world: &World| world.server().endpoint().sessions() == 0 && world[client].session().is_none();
        assert!(world.run_until(Duration::from_secs(20), over), "{world:?}");
        assert!(world.elapsed() - began < Duration::from_secs(5), "{world:?}");
        match world[client].standing() {
            Standing::Ended(reason) => assert_eq!((reason.by, reason.code), (Closer::Peer, CloseCode::Shutdown)),
            other => panic!("{other:?}\n{world:?}"),
        }
        assert!(matches!(world[client].outcome(id), Some(Outcome::Failed(Failure::Disconnected))));
        assert!(world[client].store().read(&path).is_none(), "nothing unfinished has its name");
        let [(_, reason)] = world.server().ended() else { panic!("{world:?}") };
        assert_eq!((reason.by, reason.code), (Closer::Us, CloseCode::Shutdown));
    });
}

#[test]
fn an_end_is_reached_on_both_sides_although_closes_are_lost() {
    sweep(SEEDS, |seed| {
        let mut world = World::new(seed);
        let link = LinkConfig { loss: world.rng().unit() * 0.3, ..ordinary(world.rng()) };
        let client = world.client(&link);
        let path = shelve(&world, "file", 1024 * KIB);
        world.connected(client);
        world.get(client, &path, None).expect("connected");
        let middle = world.rng().up_to(Duration::from_secs(1));
        world.run_for(middle);
        if seed.is_multiple_of(2) {
            world.shut_down();
        } else {
            world.close(client);
        }
        // A lost CLOSE costs the other side its idle time-out and no more.
        world.run_for(Duration::from_secs(32));
        assert_eq!(world.server().endpoint().sessions(), 0, "{world:?}");
        assert!(world[client].session().is_none(), "{world:?}");
    });
}

#[test]
fn a_client_that_is_done_says_so_and_the_server_lets_go_at_once() {
    sweep(SEEDS, |seed| {
        let mut world = World::new(seed);
        let link = ordinary(world.rng());
        let client = world.client(&link);
        let path = shelve(&world, "file", 50 * KIB);
        world.connected(client);
        let id = world.get(client, &path, None).expect("connected");
        finish(&mut world, client, &[id]);
        assert_whole(&world, client, id, "file", 50 * KIB);
        let flushed = |world: &World| world[client].session().is_some_and(|session| session.is_flushed());
        assert!(world.run_until(Duration::from_secs(10), flushed));
        world.close(client);
        world.run_for(link.delay * 2 + Duration::from_millis(300));
        assert_eq!(world.server().endpoint().sessions(), 0, "{world:?}");
        assert_delivered(&world, client, "file", 50 * KIB);
        let [(_, reason)] = world.server().ended() else { panic!("{world:?}") };
        assert_eq!((reason.by, reason.code), (Closer::Peer, CloseCode::Ok));
    });
}

// LOS-2.
#[test]
fn who_asks_whether_the_server_has_heard_knows_after_one_round_trip() {
    sweep(SEEDS, |seed| {
        let mut world = World::new(seed);
        // So fast that nothing takes any time but the way; and the server has nothing to say for a while.
        let link = LinkConfig { rate: 1 << 30, queue: 10_000 * KIB, ..ordinary(world.rng()) };
        world.server_mut().disk_mut().latency = Duration::from_secs(5);
        let client = world.client(&link);
        let path = shelve(&world, "file", 50 * KIB);
        world.connected(client);
        world.run_for(Duration::from_secs(1));
        world.get(client, &path, None).expect("connected");
        if seed.is_multiple_of(2) {
            // It is said already, and on its way.
            world.run_for(Duration::from_millis(1).min(link.delay / 2));
        }
        let (asked, sent) = (world.elapsed(), world[client].session().expect("connected").sent_bytes());
        world.flush(client);
        let flushed = |world: &World| world[client].session().is_some_and(|session| session.is_flushed());
        assert!(!flushed(&world));
        assert!(world.run_until(Duration::from_secs(10), flushed), "{world:?}");
        let took = world.elapsed() - asked;
        assert!(took < link.delay * 2 + Duration::from_millis(5), "{took:?}\n{world:?}");
        let sent = world[client].session().expect("connected").sent_bytes() - sent;
        assert!(sent < 300, "{sent} bytes for one question\n{world:?}");
    });
}

// SES-6.
#[test]
fn a_session_in_which_nothing_is_asked_is_kept_by_an_owner_that_asks_for_signs_of_life() {
    sweep(SEEDS, |seed| {
        let mut world = World::new(seed);
        let link = ordinary(world.rng());
        let client = world.client(&link);
        world.connected(client);
        for second in 0..120 {
            world.run_for(Duration::from_secs(1));
            let silence = world.silence(client).unwrap_or_else(|| panic!("ended after {second} s\n{world:?}"));
            assert!(silence < Duration::from_secs(6), "a server that is there is not taken for dead: {silence:?}");
            if silence >= Duration::from_secs(3) {
                world.probe(client);
            }
        }
        assert_eq!(world.server().endpoint().sessions(), 1, "{world:?}");
        let path = shelve(&world, "file", 50 * KIB);
        let id = world.get(client, &path, None).expect("connected");
        finish(&mut world, client, &[id]);
        assert_whole(&world, client, id, "file", 50 * KIB);
    });
}

#[test]
fn a_session_in_which_nothing_is_asked_ends_silently_on_both_sides() {
    sweep(SEEDS, |seed| {
        let mut world = World::new(seed);
        let link = ordinary(world.rng());
        let client = world.client(&link);
        world.connected(client);
        world.run_for(Duration::from_secs(35));
        assert_eq!(world.server().endpoint().sessions(), 0, "{world:?}");
        assert!(matches!(world[client].standing(), Standing::Ended(reason) if reason.code == CloseCode::Idle));
    });
}
