//! One flow over one bottleneck, for tests of controllers: real sender and receiver state, a rate, a delay, a queue.
//!
//! Nothing is random here; what is lost or held up is the test's choice, by packet number.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::{Ack, Controller, MAX_ACK_RANGES, Pacer, Received, RttEstimator, SentPackets};

/// The path and the tricks it plays.
pub(super) struct Path {
    /// Bytes per second.
    pub(super) rate: u64,
    /// Round trip without queue; half of it each way.
    pub(super) rtt: Duration,
    /// Bytes that fit in the queue.
    pub(super) queue: u64,
    /// Is this packet lost behind the queue?
    pub(super) drops: fn(u64) -> bool,
    /// How long this packet is held up behind the queue.
    pub(super) holds: fn(u64) -> Duration,
}

impl Path {
    /// A path that loses nothing but what its queue, of one bandwidth-delay product, cannot hold.
    pub(super) fn plain(rate: u64, rtt: Duration) -> Self {
        let bdp = rate * u64::try_from(rtt.as_millis()).expect("short") / 1000;
        Self { rate, rtt, queue: bdp, drops: |_| false, holds: |_| Duration::ZERO }
    }
}

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// Bytes that arrived after the warm-up.
    pub(super) arrived: u64,
    /// The same as a share of what the link could carry.
    pub(super) share: f64,
    /// Packets sent, declared lost, really dropped, and wrongly declared lost.
    pub(super) sent: u64,
    pub(super) lost: u64,
    pub(super) dropped: u64,
    pub(super) spurious: u64,
    pub(super) probe_timeouts: u64,
    /// The longest the queue was after the warm-up, in bytes.
    pub(super) peak_queue: u64,
    pub(super) acks: u64,
}

const DATAGRAM: usize = 1200;

/// Sends as fast as the controller lets it; measures from `warm_up` to `end`.
pub(super) fn run(path: &Path, controller: &mut dyn Controller, warm_up: Duration, end: Duration) -> Report {
    let start = Instant::now();
    let mut now = start;
    let mut report = Report::default();
    let mut rtt = RttEstimator::new(Duration::from_millis(333));
    let (mut sent, mut received, mut pacer) = (SentPackets::<()>::new(), Received::new(), Pacer::new(now));
    let mut arrivals: BTreeMap<(Instant, u64), ()> = BTreeMap::new();
    let mut acks: BTreeMap<(Instant, u64), Ack> = BTreeMap::new();
    let mut link_free = start;
    let mut probes = 0;

    while now < start + end {
        let measured = now >= start + warm_up;
        // Everything that is due now.
        while let Some(((_, pn), ())) =
            arrivals.first_key_value().filter(|((at, _), ())| *at <= now).map(|(k, v)| (*k, *v))
        {
            arrivals.pop_first();
            received.on_packet(now, pn, true, path.rtt);
            report.arrived += if measured { DATAGRAM as u64 } else { 0 };
            acknowledge(&mut received, now, path, &mut acks, &mut report);
        }
        received.on_timeout(now);
        acknowledge(&mut received, now, path, &mut acks, &mut report);
        while let Some(entry) = acks.first_entry().filter(|entry| entry.key().0 <= now) {
            let ack = entry.remove();
            let outcome = sent.on_ack(now, &ack, &mut rtt).expect("only sent packets arrive");
            report.lost += outcome.lost.len() as u64;
            report.spurious += outcome.spurious as u64;
            outcome.inform(now, controller);
            received.on_ack_of_ack(ack.largest.saturating_sub(1000));
        }
        if sent.timeout(&rtt).is_some_and(|due| due <= now) {
            let outcome = sent.on_timeout(now, &rtt);
            report.lost += outcome.lost.len() as u64;
            report.probe_timeouts += u64::from(outcome.probes > 0);
            probes += outcome.probes;
            outcome.inform(now, controller);
        }
        // Send what may be sent.
        pacer.set_rate(now, controller.pacing_rate(&rtt));
        let mut release = None;
        while probes > 0 || sent.bytes_in_flight() + DATAGRAM as u64 <= controller.window() {
            release = pacer.next_release(now, DATAGRAM);
            if probes == 0 && release.is_some() {
                break;
            }
            probes = probes.saturating_sub(1);
            let pn = sent.on_sent(now, DATAGRAM, true, ());
            controller.on_sent(now, DATAGRAM, sent.bytes_in_flight());
            pacer.on_sent(now, DATAGRAM);
            report.sent += 1;
            let waiting = link_free.saturating_duration_since(now).as_secs_f64() * path.rate as f64;
            report.peak_queue = report.peak_queue.max(if measured { waiting as u64 } else { 0 });
            if waiting > path.queue as f64 {
                report.dropped += 1;
                continue;
            }
            link_free = link_free.max(now) + Duration::from_secs_f64(DATAGRAM as f64 / path.rate as f64);
            if (path.drops)(pn) {
                report.dropped += 1;
            } else {
                arrivals.insert((link_free + path.rtt / 2 + (path.holds)(pn), pn), ());
            }
        }
        // And on to what comes next.
        let next = [
            arrivals.first_key_value().map(|((at, _), ())| *at),
            acks.first_key_value().map(|((at, _), _)| *at),
            received.timeout(),
            sent.timeout(&rtt),
            release,
        ];
        now = next.into_iter().flatten().min().expect("a sender with data always waits for something").max(now);
    }
    report.share = report.arrived as f64 / (path.rate as f64 * (end - warm_up).as_secs_f64());
    report
}

fn acknowledge(
    received: &mut Received,
    now: Instant,
    path: &Path,
    acks: &mut BTreeMap<(Instant, u64), Ack>,
    report: &mut Report,
) {
    if received.ack_now()
        && let Some(ack) = received.ack(now, MAX_ACK_RANGES)
    {
        report.acks += 1;
        acks.insert((now + path.rtt / 2, report.acks), ack);
    }
}
