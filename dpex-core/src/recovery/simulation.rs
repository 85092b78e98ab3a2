//! Flows over one bottleneck, for tests of controllers: real sender and receiver state, a rate that may change, a
//! delay, a queue, a policer, and losses and delays drawn from a seed.
//!
//! Everything follows from the arguments: no clock, no threads, whole numbers. A flow sends datagrams of one size; the
//! link carries them with [`HEADERS`] on top.

mod bottleneck;
mod host;
mod rng;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;
use std::time::{Duration, Instant};

pub(super) use bottleneck::Policer;
use bottleneck::{Bottleneck, Offer};
use host::{Packet, Receiver, Sender};
use rng::Rng;

use super::{Ack, Controller};

/// Bytes of IPv4 and UDP.
pub(super) const HEADERS: u64 = 28;
/// What a datagram of DATA holds beside content: a record's and a frame's overhead.
const OVERHEAD: u64 = 33 + 19;
/// How often the state is noted.
const TICK: Duration = Duration::from_millis(10);

/// Time since the beginning.
type Nanos = u64;

/// The path that all flows share.
#[derive(Clone, Debug)]
pub(super) struct Path {
    /// Bytes per second.
    pub(super) rate: u64,
    /// Another rate from then on.
    pub(super) steps: Vec<(Duration, u64)>,
    /// Round trip without queue; half of it each way.
    pub(super) rtt: Duration,
    /// Bytes that fit in the queue.
    pub(super) queue: u64,
    /// What is dropped before the queue.
    pub(super) policer: Option<Policer>,
    /// So many packets in a million are lost behind the queue.
    pub(super) loss: u64,
    /// So many acknowledgements in a million are lost.
    pub(super) ack_loss: u64,
    /// Each packet is held up for up to so long, in order.
    pub(super) jitter: Duration,
    /// So many packets in a million are held up for so long, and overtaken.
    pub(super) late: (u64, Duration),
    /// From then on the way to the receiver takes so much longer.
    pub(super) detour: Option<(Duration, Duration)>,
    /// What decides the rest.
    pub(super) seed: u64,
}

impl Path {
    /// A path that loses nothing but what its queue, of one bandwidth-delay product, cannot hold.
    pub(super) fn plain(rate: u64, rtt: Duration) -> Self {
        let mut path = Self {
            rate,
            steps: Vec::new(),
            rtt,
            queue: 0,
            policer: None,
            loss: 0,
            ack_loss: 0,
            jitter: Duration::ZERO,
            late: (0, Duration::ZERO),
            detour: None,
            seed: 1,
        };
        path.queue = path.bdp();
        path
    }

    /// The bandwidth-delay product of the first rate.
    pub(super) fn bdp(&self) -> u64 {
        (u128::from(self.rate) * self.rtt.as_nanos() / 1_000_000_000) as u64
    }
}

/// What a flow has to send.
#[derive(Clone, Copy, Debug)]
pub(super) enum Demand {
    Endless,
    /// So many bytes of content.
    File(u64),
    /// So many bytes a second.
    Trickle(u64),
}

#[derive(Debug)]
pub(super) struct Flow {
    pub(super) controller: Box<dyn Controller>,
    pub(super) starts: Duration,
    pub(super) demand: Demand,
    pub(super) datagram: usize,
}

impl Flow {
    pub(super) fn endless(controller: impl Controller + 'static) -> Self {
        Self { controller: Box::new(controller), starts: Duration::ZERO, demand: Demand::Endless, datagram: 1200 }
    }
}

/// Content that fits in a datagram.
pub(super) fn content(datagram: usize) -> u64 {
    datagram as u64 - OVERHEAD
}

/// Counts of one flow, in packets, since the beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) sent: u64,
    pub(super) arrived: u64,
    /// Dropped by the full queue, by the policer, and by the path at random.
    pub(super) overflowed: u64,
    pub(super) policed: u64,
    pub(super) lost: u64,
    /// Pieces that arrived for the first time.
    pub(super) useful: u64,
    /// Declared lost, and wrongly so.
    pub(super) declared: u64,
    pub(super) spurious: u64,
    pub(super) probe_timeouts: u64,
}

/// The state at one tick.
#[derive(Clone, Debug)]
struct Note {
    backlog: u64,
    flows: Vec<Counts>,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Report {
    notes: Vec<Note>,
    link: Bottleneck,
    bdp: u64,
    datagrams: Vec<u64>,
    /// When each flow's file had arrived.
    pub(super) finished: Vec<Option<Duration>>,
}

impl Report {
    fn index(time: Duration) -> usize {
        (time.as_nanos() / TICK.as_nanos()) as usize
    }

    /// What a flow counted in that time, which lies within the simulation's.
    pub(super) fn counts(&self, flow: usize, during: &Range<Duration>) -> Counts {
        let last = self.notes.len() - 1;
        let [from, until] = [during.start, during.end].map(|time| self.notes[Self::index(time).min(last)].flows[flow]);
        Counts {
            sent: until.sent - from.sent,
            arrived: until.arrived - from.arrived,
            overflowed: until.overflowed - from.overflowed,
            policed: until.policed - from.policed,
            lost: until.lost - from.lost,
            useful: until.useful - from.useful,
            declared: until.declared - from.declared,
            spurious: until.spurious - from.spurious,
            probe_timeouts: until.probe_timeouts - from.probe_timeouts,
        }
    }

    /// What a flow's arrived packets are of the link's capacity, in wire bytes.
    pub(super) fn share(&self, flow: usize, during: &Range<Duration>) -> f64 {
        let arrived = self.counts(flow, during).arrived * (self.datagrams[flow] + HEADERS);
        arrived as f64 / self.link.carries(nanos(during.start), nanos(during.end)) as f64
    }

    /// Mean and maximum of the queue, in bandwidth-delay products of the path's first rate.
    pub(super) fn queue(&self, during: &Range<Duration>) -> (f64, f64) {
        let last = self.notes.len() - 1;
        let notes = &self.notes[Self::index(during.start).min(last)..=Self::index(during.end).min(last)];
        let mean = notes.iter().map(|note| note.backlog as f64).sum::<f64>() / notes.len() as f64;
        let max = notes.iter().map(|note| note.backlog).max().unwrap_or(0) as f64;
        (mean / self.bdp as f64, max / self.bdp as f64)
    }
}

fn nanos(time: Duration) -> Nanos {
    u64::try_from(time.as_nanos()).expect("a simulation is short")
}

enum What {
    Arrival { flow: usize, packet: Packet },
    Ack { flow: usize, ack: Ack },
}

/// Something that happens, in order of time and then of its making.
struct Event {
    at: (Nanos, u64),
    what: What,
}

impl PartialEq for Event {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}
impl Eq for Event {}
impl PartialOrd for Event {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Event {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.at.cmp(&other.at)
    }
}

struct Ends {
    sender: Sender,
    receiver: Receiver,
    starts: Nanos,
    started: bool,
    file: Option<u64>,
    counts: Counts,
    loss: Rng,
    hold: Rng,
    ack_loss: Rng,
    /// When the last packet that kept its place arrives.
    last_arrival: Nanos,
}

struct World<'a> {
    path: &'a Path,
    start: Instant,
    link: Bottleneck,
    ends: Vec<Ends>,
    events: BinaryHeap<Reverse<Event>>,
    made: u64,
}

/// Lets the flows send until `end`, or until all have sent their files.
pub(super) fn run(path: &Path, flows: Vec<Flow>, end: Duration) -> Report {
    let start = Instant::now();
    let steps: Vec<_> =
        std::iter::once((0, path.rate)).chain(path.steps.iter().map(|(at, rate)| (nanos(*at), *rate))).collect();
    let datagrams = flows.iter().map(|flow| flow.datagram as u64).collect();
    let mut world = World {
        path,
        start,
        link: Bottleneck::new(&steps, path.queue, path.policer),
        ends: flows.into_iter().enumerate().map(|(n, flow)| Ends::new(start, n as u64, flow, path)).collect(),
        events: BinaryHeap::new(),
        made: 0,
    };
    let mut notes = Vec::new();
    let mut finished = vec![None; world.ends.len()];
    while let Some(now) = world.next() {
        while notes.len() as u64 * nanos(TICK) <= now.min(nanos(end)) {
            notes.push(world.note(notes.len() as u64 * nanos(TICK)));
        }
        if now >= nanos(end) {
            break;
        }
        for (n, ends) in world.ends.iter().enumerate() {
            if finished[n].is_none() && ends.file.is_some_and(|pieces| ends.receiver.new_pieces == pieces) {
                finished[n] = Some(Duration::from_nanos(now));
            }
        }
        if finished.iter().all(Option::is_some) {
            break;
        }
        world.step(now);
    }
    notes.push(world.note(nanos(end)));
    Report { notes, link: world.link, bdp: path.bdp(), datagrams, finished }
}

impl Ends {
    fn new(start: Instant, n: u64, flow: Flow, path: &Path) -> Self {
        let file = match flow.demand {
            Demand::File(bytes) => Some(bytes.div_ceil(content(flow.datagram))),
            Demand::Endless | Demand::Trickle(_) => None,
        };
        Self {
            starts: nanos(flow.starts),
            started: false,
            file,
            sender: Sender::new(start, flow),
            receiver: Receiver::new(path.rtt),
            counts: Counts::default(),
            loss: Rng::new(path.seed, 3 * n),
            hold: Rng::new(path.seed, 3 * n + 1),
            ack_loss: Rng::new(path.seed, 3 * n + 2),
            last_arrival: 0,
        }
    }
}

impl World<'_> {
    fn at(&self, now: Nanos) -> Instant {
        self.start + Duration::from_nanos(now)
    }

    /// When something happens next.
    fn next(&self) -> Option<Nanos> {
        let timers = self.ends.iter().map(|ends| self.wake(ends));
        timers.chain(self.events.peek().map(|event| event.0.at.0)).min()
    }

    fn wake(&self, ends: &Ends) -> Nanos {
        if !ends.started {
            return ends.starts;
        }
        let timers = [ends.sender.timeout(), ends.receiver.timeout()];
        let next = timers.into_iter().flatten().min();
        next.map_or(Nanos::MAX, |at| nanos(at.saturating_duration_since(self.start)))
    }

    fn step(&mut self, now: Nanos) {
        while let Some(Reverse(event)) = self.events.peek()
            && event.at.0 <= now
        {
            let Some(Reverse(event)) = self.events.pop() else { return };
            let flow = self.handle(now, event.what);
            self.drive(now, flow);
        }
        for flow in 0..self.ends.len() {
            if self.wake(&self.ends[flow]) <= now {
                self.drive(now, flow);
            }
        }
    }

    fn handle(&mut self, now: Nanos, what: What) -> usize {
        let time = self.at(now);
        match what {
            What::Arrival { flow, packet } => {
                let ends = &mut self.ends[flow];
                ends.counts.arrived += 1;
                ends.counts.useful += u64::from(ends.receiver.on_packet(time, &packet));
                flow
            }
            What::Ack { flow, ack } => {
                self.ends[flow].sender.on_ack(time, &ack);
                flow
            }
        }
    }

    /// Lets both ends of a flow send what they may.
    fn drive(&mut self, now: Nanos, flow: usize) {
        let time = self.at(now);
        let delay = nanos(self.path.rtt / 2);
        if let Some(ack) = self.ends[flow].receiver.poll_ack(time)
            && !self.ends[flow].ack_loss.chance(self.path.ack_loss)
        {
            self.push(now + delay, What::Ack { flow, ack });
        }
        if now < self.ends[flow].starts {
            return;
        }
        self.ends[flow].started = true;
        while let Some(packet) = self.ends[flow].sender.poll_packet(time) {
            let ends = &mut self.ends[flow];
            ends.counts.sent += 1;
            match self.link.offer(now, ends.sender.datagram as u64 + HEADERS) {
                Offer::Overflows => ends.counts.overflowed += 1,
                Offer::Policed => ends.counts.policed += 1,
                Offer::Passes(_) if ends.loss.chance(self.path.loss) => ends.counts.lost += 1,
                Offer::Passes(at) => {
                    let detour =
                        self.path.detour.filter(|(from, _)| nanos(*from) <= now).map_or(0, |(_, by)| nanos(by));
                    let at = ends.arrival(at + delay + detour, self.path);
                    self.push(at, What::Arrival { flow, packet });
                }
            }
        }
    }

    fn push(&mut self, at: Nanos, what: What) {
        self.made += 1;
        self.events.push(Reverse(Event { at: (at, self.made), what }));
    }

    fn note(&self, at: Nanos) -> Note {
        let flows = self.ends.iter().map(|ends| {
            let host::Tally { declared, spurious, probe_timeouts } = ends.sender.tally;
            Counts { declared, spurious, probe_timeouts, ..ends.counts }
        });
        Note { backlog: self.link.backlog(at), flows: flows.collect() }
    }
}

impl Ends {
    /// What the path adds to a packet that would arrive then.
    fn arrival(&mut self, at: Nanos, path: &Path) -> Nanos {
        if self.hold.chance(path.late.0) {
            return at + nanos(path.late.1);
        }
        self.last_arrival = self.last_arrival.max(at + self.hold.below(nanos(path.jitter)));
        self.last_arrival
    }
}
