//! Every system call of a reception fails, or is the last one before a crash or a power cut, each in turn and in every way.
//! Then the machine is started again, and whatever happened: no name shows what is not whole, nothing is held that is not
//! there, what was promised to last has lasted, a second run arrives, and it leaves nothing behind.
#![cfg(target_os = "linux")]

mod ground;
mod story;

use std::collections::BTreeSet;

use dpex_core::store::{FileStore as _, StoreError};
use dpex_store_fs::faults::{Fault, Plan};
use rustix::io::Errno;
use tokio::runtime::Runtime;

use crate::ground::Ground;
use crate::story::{ALICE, BESIDE, Log, Story};

/// What happens at a call, and to the machine afterwards.
#[derive(Clone, Copy, Debug)]
enum Way {
    Fail(Errno),
    Crash(Fault),
    PowerCut(u64),
    /// It fails, what is held is asked for in the same boot, and then the power goes.
    FailThenPowerCut,
}

const WAYS: [Way; 15] = [
    Way::Fail(Errno::IO),
    Way::Fail(Errno::NOSPC),
    Way::Fail(Errno::DQUOT),
    Way::Fail(Errno::ROFS),
    Way::Fail(Errno::INTR),
    Way::Crash(Fault::Cut),
    Way::Crash(Fault::Tear),
    Way::PowerCut(0),
    Way::PowerCut(1),
    Way::PowerCut(2),
    Way::PowerCut(3),
    Way::PowerCut(4),
    Way::PowerCut(5),
    Way::PowerCut(6),
    Way::FailThenPowerCut,
];

impl Way {
    fn fault(self) -> Fault {
        match self {
            Self::Fail(errno) => Fault::Fail(errno),
            Self::Crash(fault) => fault,
            Self::PowerCut(seed) if seed % 2 == 1 => Fault::Tear,
            Self::PowerCut(_) => Fault::Cut,
            Self::FailThenPowerCut => Fault::Fail(Errno::IO),
        }
    }

    /// Is this how such a call may fail, in the words of the joint?
    fn explains(self, call: &str, result: &Result<(), StoreError>) -> bool {
        match (self, result) {
            (Self::Fail(Errno::INTR), result) => result.is_ok(),
            (_, Ok(())) => true,
            // What only looks never says so in earnest.
            (Self::Fail(Errno::NOSPC | Errno::DQUOT), Err(error)) if call != "look" => {
                matches!(error, StoreError::Full)
            }
            (Self::Fail(Errno::NOSPC | Errno::DQUOT), Err(StoreError::Full)) => true,
            (_, Err(error)) => matches!(error, StoreError::Io(_)),
        }
    }
}

/// A run under a plan, and what it came to.
fn run(runtime: &Runtime, ground: &Ground, plan: &Plan, story: Story) -> (Log, Result<(), StoreError>) {
    let _installed = plan.install();
    let mut log = Log::default();
    let result = match ground.store() {
        Ok(store) => runtime.block_on(story.act(&store, &mut log)),
        Err(error) => Err(StoreError::Io(error)),
    };
    (log, result)
}

/// Every call of the story in every way. `least` is how many calls there are at least, so that none goes missing unseen.
fn sweep(story: Story, is_plain: bool, least: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime can be made");
    let plan_for = |fault, ground: &Ground| {
        let plan = Plan::new(fault, &ground.graves());
        if is_plain { plan.on_a_plain_disk() } else { plan }
    };
    let calls = {
        let ground = Ground::new();
        story.prepare(&runtime, &ground);
        let plan = plan_for(None, &ground);
        let (log, result) = run(&runtime, &ground, &plan, story);
        result.expect("nothing fails without a fault");
        plan.lose_power(0);
        check(&runtime, &ground, story, &log, is_plain);
        plan.trace()
    };
    let mut points = 0;
    for number in 0..calls.len() {
        for way in WAYS {
            let ground = Ground::new();
            story.prepare(&runtime, &ground);
            let plan = plan_for(Some((number, way.fault())), &ground);
            let (mut log, result) = run(&runtime, &ground, &plan, story);
            let trace = plan.trace();
            assert_eq!(trace.get(..number), calls.get(..number), "a run is the same until its fault");
            let what = format!("{story:?}, call {number} ({}), {way:?}: {result:?}", calls[number]);
            eprintln!("{what}");
            assert!(way.explains(calls[number], &result), "{what}");
            match way {
                Way::Fail(_) | Way::Crash(_) => {}
                Way::PowerCut(seed) => plan.lose_power(seed),
                Way::FailThenPowerCut => {
                    let installed = plan.install();
                    let store = ground.store().expect("opens");
                    let held = runtime.block_on(store.held(&story.incoming().path, &ALICE));
                    log.promised.extend(held.ok().flatten().into_iter().flat_map(|held| held.values.into_keys()));
                    drop((store, installed));
                    plan.lose_power(0);
                }
            }
            drop(plan);
            check(&runtime, &ground, story, &log, is_plain);
            points += 1;
        }
    }
    println!("{story:?}: {} calls in {} ways: {points} cut points", calls.len(), WAYS.len());
    assert_eq!(points, calls.len() * WAYS.len());
    assert!(calls.len() >= least, "only {} calls", calls.len());
}

/// After the machine was started again.
fn check(runtime: &Runtime, ground: &Ground, story: Story, log: &Log, is_plain: bool) {
    let shown = runtime.block_on(ground.shown());
    for (name, file) in &shown {
        if is_plain && name == &story.part() && file.content.is_empty() {
            continue;
        }
        assert!(story.may_show(name, file), "{name} shows {} bytes", file.content.len());
    }
    for name in &log.lasting {
        assert!(shown.contains_key(name), "{name} is gone");
    }
    for name in &log.folders {
        assert!(ground.at(name).is_dir(), "{name} is gone");
    }
    let is_here = shown.iter().any(|(name, file)| name != BESIDE && story.is_arrived(name, file));
    let held: BTreeSet<u64> = runtime.block_on(ground.held_truly(story));
    if !is_here && !log.is_discarded {
        assert!(held.is_superset(&log.promised), "promised {:?}, held {held:?}", log.promised);
    }
    {
        let plan = Plan::new(None, &ground.graves());
        let _installed = if is_plain { plan.on_a_plain_disk() } else { plan }.install();
        let store = ground.store().expect("opens");
        runtime.block_on(story.recover(&store));
    }
    ground.assert_bystanders_are_untouched();
    let mut left = ground.tree();
    if is_plain {
        // As documented: where files have names from the first, an empty one may stay.
        left.retain(|name| *name != story.part() || !ground.is_empty(name));
    }
    assert_eq!(left, story.leaves(), "what is there at the end");
    for (name, file) in runtime.block_on(ground.shown()) {
        assert!(story.may_show(&name, &file) || is_plain && file.content.is_empty(), "{name}");
    }
}

/// The folder to receive into is made, with the one above it: it is there for good before anything is received.
#[test]
fn a_new_folder_to_receive_into() {
    const NEW: &str = "new/target";
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime can be made");
    let made = |fault| {
        let ground = Ground::new();
        let plan = Plan::new(fault, &ground.graves());
        let installed = plan.install();
        let result = ground.store_at(NEW).map(drop).map_err(StoreError::Io);
        drop(installed);
        (ground, plan, result)
    };
    let (_, plan, result) = made(None);
    result.expect("nothing fails without a fault");
    let calls = plan.trace();
    assert_eq!(calls.iter().filter(|call| **call == "sync").count(), 3, "{calls:?}");
    for number in 0..=calls.len() {
        for way in WAYS {
            let (ground, plan, result) = made(Some((number, way.fault())));
            let what = format!("call {number} of {calls:?}, {way:?}: {result:?}");
            let is_interrupted = matches!(way, Way::Fail(Errno::INTR));
            assert_eq!(result.is_ok(), number == calls.len() || is_interrupted, "{what}");
            match way {
                // In the same boot: what is received now is there for good, whoever made the folders.
                Way::Fail(_) | Way::FailThenPowerCut if number < calls.len() => {
                    let installed = plan.install();
                    let store = ground.store_at(NEW).unwrap_or_else(|e| panic!("{what}, and then {e}"));
                    runtime.block_on(Story::Anew.act(&store, &mut Log::default())).expect("received");
                    drop((store, installed));
                    plan.lose_power(0);
                    assert!(ground.at("new/target/a").is_file(), "{what}: and then received");
                }
                Way::Fail(_) | Way::FailThenPowerCut | Way::Crash(_) => {}
                Way::PowerCut(_) => plan.lose_power(0),
            }
            assert!(result.is_err() || ground.at(NEW).is_dir(), "{what}");
            ground.store_at(NEW).unwrap_or_else(|e| panic!("{what}, and at last {e}"));
            ground.assert_bystanders_are_untouched();
        }
    }
}

macro_rules! sweeps {
    ($($name:ident: $story:ident, $plain:literal, $least:literal;)+) => {
        $(#[test] fn $name() { sweep(Story::$story, $plain, $least); })+
    };
}

sweeps! {
    a_file_begun_anew: Anew, false, 59;
    a_file_begun_anew_on_a_plain_disk: Anew, true, 60;
    a_file_gone_on_with: Resumed, false, 62;
    a_file_gone_on_with_of_which_a_block_was_lost: Torn, false, 66;
    a_file_gone_on_with_that_somebody_edited: Edited, false, 68;
    a_file_in_place_of_another: Overwriting, false, 60;
    a_file_beside_another: Renaming, false, 62;
    a_file_begun_anew_that_keeps_the_old_part: Keeping, false, 85;
    a_file_given_up: Discarding, false, 54;
    many_small_files: Putting, false, 42;
    many_small_files_on_a_plain_disk: Putting, true, 62;
    a_large_file_where_small_ones_were_to_come: Among, false, 80;
    a_large_file_where_small_ones_were_to_come_on_a_plain_disk: Among, true, 89;
    folders: Folders, false, 17;
}
