//! The bodies for fuzzers, run with inputs that have some shape, and some that have none.

use dpex_core::testing::fuzz;
use dpex_core::wire::message::{self, Message};
use proptest::prelude::*;

use super::support::*;

fn bytes_up_to(len: usize) -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..len)
}

/// Bytes that are often frames: a known type, then small numbers.
fn framelike() -> impl Strategy<Value = Vec<u8>> {
    let kind = prop_oneof![
        Just(0x00u8),
        Just(0x01),
        Just(0x02),
        Just(0x04),
        Just(0x11),
        Just(0x12),
        Just(0x13),
        Just(0x14),
        any::<u8>()
    ];
    let number = prop_oneof![0u8..64, Just(0x40), Just(0x80), Just(0xff), any::<u8>()];
    let frame = (kind, proptest::collection::vec(number, 0..24)).prop_map(|(kind, rest)| [vec![kind], rest].concat());
    proptest::collection::vec(frame, 0..8).prop_map(|frames| frames.concat())
}

/// Messages of every type about few requests, encoded and then perhaps damaged.
fn messagelike() -> impl Strategy<Value = Vec<u8>> {
    let small = 0u64..4;
    let message = prop_oneof![
        small.clone().prop_map(list),
        (small.clone(), "[a-e](/e)?").prop_map(|(id, name)| get(id, &name)),
        (small.clone(), prop_oneof![Just(0u64), Just(5), Just(70_000), Just((1 << 62) - 1)], 16u8..25)
            .prop_map(|(id, size, log2)| offer(id, size, log2)),
        (small.clone(), 0u64..4, 1usize..5).prop_map(|(id, first, n)| Message::Sums {
            id,
            first,
            values: vec![root(&[]); n]
        }),
        small.clone().prop_map(|id| Message::Done { id, root: root(&[]) }),
        small.clone().prop_map(|id| Message::Got { id, root: root(&[]) }),
        small.clone().prop_map(|id| Message::Cancel { id }),
        (small.clone(), 0u64..100_000).prop_map(|(id, used)| Message::Fail {
            id,
            code: message::FailCode::Io,
            text: String::new(),
            used
        }),
        small.clone().prop_map(|id| Message::Page { id, entries: Vec::new(), more: true, skipped: 0 }),
        Just(Message::Notice { text: "x".into() }),
        proptest::option::of(small).prop_map(|id| Message::Unknown { id }),
    ];
    let damage = proptest::option::weighted(0.2, (any::<prop::sample::Index>(), any::<u8>()));
    (message, damage).prop_map(|(message, damage)| {
        let mut out = Vec::new();
        message::encode(&message, &mut out);
        let mut cbor = out.split_off(4);
        if let Some((at, byte)) = damage {
            let at = at.index(cbor.len());
            cbor[at] = byte;
        }
        cbor
    })
}

/// A way to look at an enrolment, and few, small or textual bytes for it.
fn enrolmentlike() -> impl Strategy<Value = Vec<u8>> {
    let number = prop_oneof![0u8..16, any::<u8>()];
    let rest = prop_oneof![
        4 => proptest::collection::vec(number, 0..20),
        1 => "[0-9][{\\[\"]?[a-z0-9:, ]{0,12}[\"}\\]]?".prop_map(String::into_bytes),
        1 => bytes_up_to(300),
    ];
    (0u8..7, rest).prop_map(|(what, rest)| [vec![what], rest].concat())
}

/// Lines that often are names of something.
fn namelike() -> impl Strategy<Value = Vec<u8>> {
    let line = "[a-z0-9:.]{0,6}(/|\\.|-|::|\u{e9}| )?[A-Za-z0-9.]{0,5}(:[0-9]{1,5}|\\PC)?|\\PC{0,70}";
    proptest::collection::vec(line, 0..6).prop_map(|lines| lines.join("\n").into_bytes())
}

/// A script of steps that mostly make sense; how many of a hundred do not is `rude`.
fn script(rude: u32) -> impl Strategy<Value = Vec<u8>> {
    let with = |step: u8, bytes: Vec<u8>| {
        let len = u8::try_from(bytes.len().min(255)).expect("at most 255");
        [vec![step, len, 0], bytes.into_iter().take(255).collect()].concat()
    };
    let polite = prop_oneof![
        2 => (0u8..3).prop_map(|step| vec![step, 0, 0]),
        4 => (3u8..5, 0u8..11).prop_map(|(step, n)| vec![step, n, 0]),
        1 => (5u8..7, 0u8..2).prop_map(|(step, n)| vec![step, n, 0]),
        8 => (13u8..16, any::<u8>(), any::<u8>()).prop_map(|(step, a, b)| vec![step, a, b]),
    ];
    let impolite = prop_oneof![
        (any::<u8>(), any::<u8>()).prop_map(|(a, b)| vec![10, a, b]),
        framelike().prop_map(move |bytes| with(12, bytes)),
        messagelike().prop_map(move |bytes| with(9, bytes)),
        (bytes_up_to(250), any::<u8>()).prop_map(move |(bytes, b)| {
            let mut step = with(11, bytes);
            step[2] = b;
            step
        }),
        bytes_up_to(40).prop_map(move |bytes| with(7, bytes)),
    ];
    let step = prop_oneof![100 - rude => polite, rude => impolite];
    (any::<u8>(), proptest::collection::vec(step, 0..80))
        .prop_map(|(role, steps)| [vec![role], steps.concat()].concat())
}

/// A thousand, unless the environment asks for more.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(1000)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_no_packet(bytes in bytes_up_to(1500)) {
        fuzz::packet(&bytes);
    }

    #[test]
    fn any_bytes_are_no_init(bytes in bytes_up_to(1300)) {
        fuzz::init(&bytes);
    }

    #[test]
    fn any_bytes_are_no_answer(bytes in bytes_up_to(1300)) {
        fuzz::response(&bytes);
    }

    #[test]
    fn any_bytes_are_frames_or_refused(bytes in prop_oneof![bytes_up_to(300), framelike()]) {
        fuzz::frames(&bytes);
    }

    #[test]
    fn any_bytes_are_a_message_or_refused(bytes in prop_oneof![bytes_up_to(300), messagelike()]) {
        fuzz::control_message(&bytes);
    }

    #[test]
    fn any_bytes_are_an_enrolment_or_refused(bytes in prop_oneof![enrolmentlike(), bytes_up_to(300)]) {
        fuzz::enrolment(&bytes);
    }

    #[test]
    fn any_bytes_are_names_or_refused(bytes in prop_oneof![namelike(), bytes_up_to(100)]) {
        fuzz::names(&bytes);
    }

    #[test]
    fn no_script_harms_a_session(script in prop_oneof![script(1), script(10), script(50), bytes_up_to(600)]) {
        fuzz::session(&script);
    }
}

#[test]
fn scripts_that_once_found_something() {
    for script in [&[0u8][..], &[1]] {
        fuzz::session(script);
    }
}
