//! Whatever it is told, in whatever order: no panic, a window of two datagrams, a rate that is not zero.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Event {
    Sent { bytes: usize, in_flight: u64 },
    Ack { bytes: u64, delivered: u64, prior: u64, in_flight: u64, rtt: Option<u64>, rate: Option<(u64, u64, bool)> },
    Lost { packets: u8, bytes: u64, tx_in_flight: u64, lost: u64, persistent: bool, app_limited: bool },
    Spurious { ago: u64 },
    Datagram { bytes: usize },
}

/// Mostly what happens, and sometimes what never should.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![0..10_000_u64, 0..10_000_000_u64, any::<u64>(), Just(0), Just(u64::MAX)]
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        (any::<u16>(), number()).prop_map(|(bytes, in_flight)| Event::Sent { bytes: bytes.into(), in_flight }),
        (
            number(),
            number(),
            number(),
            number(),
            proptest::option::of(number()),
            proptest::option::of((number(), number(), any::<bool>())),
        )
            .prop_map(|(bytes, delivered, prior, in_flight, rtt, rate)| Event::Ack {
                bytes,
                delivered,
                prior,
                in_flight,
                rtt,
                rate
            }),
        (any::<u8>(), number(), number(), number(), any::<bool>(), any::<bool>()).prop_map(
            |(packets, bytes, tx_in_flight, lost, persistent, app_limited)| Event::Lost {
                packets: packets % 8,
                bytes,
                tx_in_flight,
                lost,
                persistent,
                app_limited
            }
        ),
        (0..10_000_u64).prop_map(|ago| Event::Spurious { ago }),
        prop_oneof![1200..65_536_usize, any::<usize>()].prop_map(|bytes| Event::Datagram { bytes }),
    ]
}

fn tell(bbr: &mut Bbr, now: Instant, delivered: &mut u64, event: &Event) {
    match *event {
        Event::Sent { bytes, in_flight } => bbr.on_sent(now, bytes, in_flight),
        Event::Ack { bytes, delivered: total, prior, in_flight, rtt, rate } => {
            // Half of them tell a history that makes sense, so that every state is reached.
            let sane = total % 2 == 0;
            *delivered = if sane { delivered.saturating_add(bytes) } else { total };
            let prior_delivered = if sane { delivered.saturating_sub(prior % 100_000) } else { prior };
            let rate = rate.map(|(delivered, lost, app_limited)| RateSample {
                delivered,
                interval: Duration::from_nanos(prior),
                app_limited,
                prior_delivered,
                tx_in_flight: in_flight,
                lost,
                rtt: Duration::from_nanos(prior),
            });
            let ack = AckEvent {
                bytes,
                largest: total,
                largest_sent: now,
                prior_in_flight: in_flight,
                in_flight,
                lost: 0,
                delivered: *delivered,
                prior_delivered,
                rtt_sample: rtt.map(|rtt| if rtt == u64::MAX { Duration::MAX } else { Duration::from_nanos(rtt) }),
                smoothed_rtt: RTT,
                min_rtt: RTT,
                round: 0,
                rate,
            };
            bbr.on_ack(now, &ack);
        }
        Event::Lost { packets, bytes, tx_in_flight, lost, persistent, app_limited } => {
            let sample =
                LostSample { pn: 0, bytes, sent: now, tx_in_flight, lost, prior_delivered: *delivered, app_limited };
            let loss = LossEvent {
                bytes,
                packets: vec![sample; packets.into()],
                largest: 0,
                next_pn: 1,
                prior_in_flight: tx_in_flight,
                in_flight: 0,
                persistent,
                round: 0,
            };
            bbr.on_congestion(now, &loss);
        }
        Event::Spurious { ago } => {
            let declared = now.checked_sub(Duration::from_millis(ago)).unwrap_or(now);
            bbr.on_spurious(now, &SpuriousLoss { pn: 0, bytes: 1200, sent: declared, declared });
        }
        Event::Datagram { bytes } => bbr.on_datagram_size(bytes),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn it_stays_whole(events in proptest::collection::vec((event(), 0..400_u64), 1..200), datagram in any::<usize>()) {
        let mut bbr = Bbr::new(datagram);
        let (start, mut now, mut delivered) = (Instant::now(), Instant::now(), 0);
        for (event, millis) in &events {
            // Time may even go back.
            now = if *millis == 399 { start } else { now + Duration::from_millis(*millis) };
            tell(&mut bbr, now, &mut delivered, event);
            prop_assert!(bbr.window() >= 2 * bbr.datagram, "{bbr:?}");
            for rtt in [Duration::ZERO, RTT, Duration::from_secs(1 << 40)] {
                prop_assert!(bbr.pacing_rate(&RttEstimator::new(rtt)) > 0, "{bbr:?}");
            }
        }
    }
}
