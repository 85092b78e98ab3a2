//! Listings: empty, long, and of what is not there.

use std::time::Duration;

use dpex_core::store::{ListQuery, Page};
use dpex_core::testing::sweep;
use dpex_core::testing::world::{ClientId, LinkConfig, Outcome, World};
use dpex_core::types::SharePath;
use dpex_core::wire::message::FailCode;

use crate::support::{SEEDS, assert_refused, finish, ordinary, path};

fn page(world: &mut World, client: ClientId, path: &SharePath, after: Option<SharePath>) -> Page {
    let query = ListQuery { path: path.clone(), after, limit: 1000, recursive: true };
    let id = world.list(client, query, 1).expect("connected");
    finish(world, client, &[id]);
    match world[client].outcome(id) {
        Some(Outcome::Page(page)) => page.clone(),
        other => panic!("{other:?}\n{world:?}"),
    }
}

#[test]
fn an_empty_shelf_has_an_empty_listing() {
    sweep(SEEDS, |seed| {
        let mut world = World::new(seed);
        let link = ordinary(world.rng());
        let client = world.client(&link);
        world.connected(client);
        assert_eq!(page(&mut world, client, &SharePath::ROOT, None), Page::default());
        world.assert_quiet();
    });
}

#[test]
fn a_folder_that_is_not_there_is_told_as_not_found() {
    sweep(SEEDS, |seed| {
        let mut world = World::new(seed);
        let link = ordinary(world.rng());
        let client = world.client(&link);
        world.connected(client);
        let query = ListQuery { path: path("nothing"), after: None, limit: 10, recursive: false };
        let id = world.list(client, query, 1).expect("connected");
        finish(&mut world, client, &[id]);
        assert_refused(&world, client, id, FailCode::NotFound);
        world.assert_quiet();
    });
}

#[test]
fn a_listing_of_twenty_thousand_names_comes_in_pages_and_is_complete_although_datagrams_are_lost() {
    let names: Vec<_> = (0..20_000).map(|i| path(&format!("folder {}/a file named {i:05}", i / 1000))).collect();
    sweep(0..40, |seed| {
        let mut world = World::new(seed);
        let rate = world.rng().within(1_000_000..10_000_000);
        let link = LinkConfig { rate, loss: world.rng().unit() * 0.1, ..ordinary(world.rng()) };
        let client = world.client(&link);
        for name in &names {
            world.server().store().put(name, "");
        }
        let want = world.server().store().names();
        assert_eq!(want.len(), 20_020, "files and folders");
        world.connected(client);
        let mut got: Vec<SharePath> = Vec::new();
        loop {
            let page = page(&mut world, client, &SharePath::ROOT, got.last().cloned());
            assert!(!page.entries.is_empty(), "a page that promises more brings more");
            got.extend(page.entries.into_iter().map(|entry| entry.path));
            if !page.more {
                break;
            }
        }
        assert!(got == want, "{} instead of {}", got.len(), want.len());
        world.assert_quiet();
    });
}

#[test]
fn what_a_server_leaves_out_is_counted_once_and_named_once_although_pages_are_cut_by_their_length() {
    let name = |i: usize| path(&format!("{i:04} {}", "long ".repeat(40)));
    sweep(0..20, |seed| {
        let mut world = World::new(seed);
        let link = LinkConfig { rate: 10_000_000, ..ordinary(world.rng()) };
        let client = world.client(&link);
        for i in 0..2_000 {
            world.server().store().put(&name(i), "");
            // In a row, singly, and at the very end.
            if i % 100 < 3 || i % 10 == 7 || i == 1_999 {
                world.server().store().hide_unreadable(&name(i));
            }
        }
        world.connected(client);
        let (mut entries, mut skipped, mut pages, mut after) = (0, 0, 0, None);
        loop {
            let page = page(&mut world, client, &SharePath::ROOT, after);
            entries += page.entries.len() as u64;
            skipped += page.skipped;
            pages += 1;
            after = page.entries.last().map(|entry| entry.path.clone());
            if !page.more {
                break;
            }
        }
        assert_eq!((entries, skipped), (1_739, 261));
        assert!(pages > 2_000 * 200 / 65_536, "{pages}");
        world.assert_quiet();
    });
}

#[test]
fn a_long_listing_comes_in_one_go_and_takes_few_round_trips() {
    let names: Vec<_> = (0..20_000).map(|i| path(&format!("folder {}/a file named {i:05}", i / 1000))).collect();
    sweep(0..20, |seed| {
        let mut world = World::new(seed);
        let delay = Duration::from_millis(40);
        let link = LinkConfig { rate: 25_000_000, delay, loss: world.rng().unit() * 0.02, ..LinkConfig::default() };
        let client = world.client(&link);
        for name in &names {
            world.server().store().put(name, "");
        }
        let want = world.server().store().names();
        world.connected(client);
        let begun = world.elapsed();
        let query = ListQuery { path: SharePath::ROOT, after: None, limit: 1000, recursive: true };
        let id = world.list(client, query, u64::MAX).expect("connected");
        finish(&mut world, client, &[id]);
        let Some(Outcome::Page(listed)) = world[client].outcome(id) else { panic!("{world:?}") };
        assert!(listed.entries.iter().map(|entry| &entry.path).eq(&want) && !listed.more);
        // Some 45 pages, of which each used to cost a round trip and more.
        let trips = (world.elapsed() - begun).as_secs_f64() / (2.0 * delay.as_secs_f64());
        assert!(trips < 20.0, "{trips} round trips");
        world.assert_quiet();
    });
}
