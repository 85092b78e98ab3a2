//! When nothing passes for a while, or for good.

use std::time::Duration;

use dpex_core::engine::{CloseReason, Closer, Failure};
use dpex_core::testing::sweep;
use dpex_core::testing::world::{ClientConfig, ClientId, Outcome, ServerConfig, Standing, Way, World};
use dpex_core::wire::frame::CloseCode;
use dpex_core::wire::message::RequestId;

use crate::support::{KIB, PATIENCE, SEEDS, assert_delivered, assert_whole, finish, ordinary, shelve};

const SIZE: u64 = 1024 * KIB;

/// A transfer under way, which takes at least a tenth of a second, and a moment in the middle of it.
fn in_the_middle(seed: u64, server: ServerConfig, config: ClientConfig) -> (World, ClientId, RequestId) {
    let mut world = World::with_server(seed, server);
    let link = ordinary(world.rng());
    let client = world.client_with(&link, &link, config);
    let path = shelve(&world, "file", SIZE);
    world.connected(client);
    let id = world.get(client, &path, None).expect("connected");
    let whole = Duration::from_secs_f64(SIZE as f64 / link.rate as f64);
    let middle = world.rng().up_to(whole);
    world.run_for(middle);
    (world, client, id)
}

fn dark(world: &mut World, client: ClientId, time: Duration) {
    let from = world.elapsed();
    for way in [Way::Up, Way::Down] {
        world.link_mut(client, way).blackouts = vec![from..from + time];
    }
}

#[test]
fn a_transfer_goes_on_after_five_seconds_of_darkness_and_soon() {
    sweep(SEEDS, |seed| {
        let (mut world, client, id) = in_the_middle(seed, ServerConfig::default(), ClientConfig::default());
        let began = world.elapsed();
        dark(&mut world, client, Duration::from_secs(5));
        finish(&mut world, client, &[id]);
        assert_whole(&world, client, id, "file", SIZE);
        // Probes double their distance: the first after the darkness comes within as long as it lasted. The rest takes
        // no longer than the slowest of these links takes for all of it, and its slow start.
        let took = world.elapsed() - began;
        assert!(took < Duration::from_secs(5 + 6 + 20), "{took:?}\n{world:?}");
        world.assert_quiet();
        assert_delivered(&world, client, "file", SIZE);
    });
}

#[test]
fn darkness_in_one_direction_alone_is_survived_as_well() {
    sweep(SEEDS, |seed| {
        let (mut world, client, id) = in_the_middle(seed, ServerConfig::default(), ClientConfig::default());
        let from = world.elapsed();
        let way = if seed.is_multiple_of(2) { Way::Up } else { Way::Down };
        world.link_mut(client, way).blackouts = vec![from..from + Duration::from_secs(10)];
        finish(&mut world, client, &[id]);
        assert_whole(&world, client, id, "file", SIZE);
        world.assert_quiet();
    });
}

// SES-5, SES-9.
#[test]
fn darkness_longer_than_the_idle_time_out_ends_both_sides_and_frees_what_they_held() {
    sweep(SEEDS, |seed| {
        let [mine, theirs] = [20 + seed % 11, 20 + seed % 7].map(Duration::from_secs);
        let server = ServerConfig { idle: mine, ..ServerConfig::default() };
        let config = ClientConfig { idle: theirs, ..ClientConfig::default() };
        let (mut world, client, id) = in_the_middle(seed, server, config);
        if world[client].outcome(id).is_some() {
            return;
        }
        let from = world.elapsed();
        dark(&mut world, client, PATIENCE);
        let idle = mine.min(theirs);
        world.run_for(idle - Duration::from_secs(1));
        assert_eq!(world[client].standing(), &Standing::Connected, "not before its time");
        assert_eq!(world.server().ended(), []);
        let ended = world
            .run_until(PATIENCE, |world| world.server().sessions().count() == 0 && world[client].session().is_none());
        assert!(ended, "{world:?}");
        let took = world.elapsed() - from;
        // From the last datagram that was under way.
        assert!(took < idle + Duration::from_secs(1), "{took:?}");
        let reason =
            CloseReason { by: Closer::Us, code: CloseCode::Idle, text: "nothing was heard from the peer".to_owned() };
        assert_eq!(world[client].standing(), &Standing::Ended(reason.clone()));
        match world[client].outcome(id) {
            Some(Outcome::Failed(Failure::Disconnected)) => {
                assert_eq!(world[client].store().names(), [], "nothing unfinished has its name");
            }
            // All of it was under way already when it became dark: seed 346.
            Some(Outcome::Finished { .. }) => assert_whole(&world, client, id, "file", SIZE),
            other => panic!("{other:?}\n{world:?}"),
        }
        assert_eq!(world.server().ended(), [(world.person(client), reason)]);
        assert_eq!(world.server().endpoint().sessions(), 0);
    });
}

#[test]
fn a_client_that_vanishes_is_forgotten_after_the_idle_time_out() {
    sweep(SEEDS, |seed| {
        let (mut world, client, _) = in_the_middle(seed, ServerConfig::default(), ClientConfig::default());
        world.vanish(client);
        world.run_for(Duration::from_secs(29));
        assert_eq!(world.server().endpoint().sessions(), 1);
        world.run_for(Duration::from_secs(3));
        assert_eq!(world.server().endpoint().sessions(), 0, "{world:?}");
        assert_eq!(world.server().sessions().count(), 0);
        let [(_, reason)] = world.server().ended() else { panic!("{world:?}") };
        assert_eq!((reason.by, reason.code), (Closer::Us, CloseCode::Idle));
    });
}

#[test]
fn after_a_client_vanished_it_may_come_back_at_once() {
    sweep(SEEDS, |seed| {
        let (mut world, client, _) = in_the_middle(seed, ServerConfig::default(), ClientConfig::default());
        world.vanish(client);
        world.connected(client);
        let path = shelve(&world, "other", 100 * KIB);
        let id = world.get(client, &path, None).expect("connected");
        finish(&mut world, client, &[id]);
        assert_whole(&world, client, id, "other", 100 * KIB);
    });
}
