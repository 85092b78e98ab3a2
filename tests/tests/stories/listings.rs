//! Listings: empty, long, and of what is not there.

use dpex_core::store::{ListQuery, Page};
use dpex_core::testing::sweep;
use dpex_core::testing::world::{ClientId, LinkConfig, Outcome, World};
use dpex_core::types::SharePath;
use dpex_core::wire::message::FailCode;

use crate::support::{SEEDS, assert_refused, finish, ordinary, path};

fn page(world: &mut World, client: ClientId, path: &SharePath, after: Option<SharePath>) -> Page {
    let query = ListQuery { path: path.clone(), after, limit: 1000, recursive: true };
    let id = world.list(client, query).expect("connected");
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
        let id = world.list(client, query).expect("connected");
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
