//! What the controllers make of paths, as figures that cannot change unnoticed.
//!
//! `figures.txt` is the table; the test computes it again, holds BBR to its goals, and fails where a figure differs.
//! If the change is meant, `DPEX_FIGURES=write cargo nextest run -p dpex-core figures` writes the table anew; what the
//! commit then shows is what it did. The lines of CUBIC are compared on Linux with the GNU library only: they rest on
//! the C library's cube root.
//!
//! | column | meaning |
//! | --- | --- |
//! | link | what arrived, in wire bytes, of what the link could carry; in per cent, like all that follow but the queue |
//! | file | content of the link's capacity over the whole transfer, from its first packet to its last |
//! | waste | packets dropped for want of room or sent needlessly, of those sent: the path's own losses are none |
//! | queue | mean and maximum, in bandwidth-delay products of the path (of its first rate) |
//! | first | the first flow's part of what arrived |
//!
//! Files are measured whole, flows that meet from the time on when they should have come to terms (two alike after 20
//! seconds, beside CUBIC after 10), and everything else from the second second on, unless the line says otherwise.

use std::fmt::Write as _;
use std::ops::RangeInclusive;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::simulation::{Demand, Flow, Path, Policer, Report, run};
use super::{Bbr, Controller, Cubic};

const TABLE: &str = include_str!("figures.txt");
const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
/// Bytes per second.
const MBIT: u64 = 125_000;
/// Packets in a million.
const PER_CENT: u64 = 10_000;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bbr,
    Cubic,
}

impl Kind {
    fn controller(self, datagram: usize) -> Box<dyn Controller> {
        match self {
            Self::Bbr => Box::new(Bbr::new(datagram)),
            Self::Cubic => Box::new(Cubic::new(datagram)),
        }
    }
}

/// Who shares the path.
#[derive(Clone, Copy)]
enum Flows {
    Alone,
    File(u64),
    /// Two alike, the second so much later.
    Two(Duration),
    /// The flow in question begins so much later than one of CUBIC.
    BesideCubic(Duration),
    /// CUBIC begins so much later than the flow in question.
    BeforeCubic(Duration),
}

/// What BBR must reach; nothing is asked of CUBIC.
#[derive(Clone)]
struct Goals {
    link: f64,
    file: f64,
    waste: f64,
    queue: f64,
    first: RangeInclusive<f64>,
}

const GOALS: Goals = Goals { link: 0.0, file: 0.0, waste: 3.0, queue: 0.5, first: 0.0..=100.0 };

#[derive(Clone)]
struct Scenario {
    name: String,
    path: Path,
    flows: Flows,
    datagram: usize,
    from: Duration,
    until: Duration,
    goals: Goals,
}

struct Figures {
    link: f64,
    file: Option<f64>,
    waste: f64,
    queue: (f64, f64),
    first: Option<f64>,
}

impl Scenario {
    fn new(name: impl Into<String>, path: Path, flows: Flows, goals: Goals) -> Self {
        let from = if matches!(flows, Flows::File(_)) { Duration::ZERO } else { 2 * SECOND };
        Self { name: name.into(), path, flows, datagram: 1200, from, until: 20 * SECOND, goals }
    }

    fn during(self, from: u32, until: u32) -> Self {
        Self { from: from * SECOND, until: until * SECOND, ..self }
    }

    fn flows(&self, kind: Kind) -> Vec<Flow> {
        let flow = |kind: Kind, starts, demand| {
            let controller = kind.controller(self.datagram);
            Flow { controller, starts, demand, datagram: self.datagram }
        };
        let at_once = Duration::ZERO;
        match self.flows {
            Flows::Alone => vec![flow(kind, at_once, Demand::Endless)],
            Flows::File(bytes) => vec![flow(kind, at_once, Demand::File(bytes))],
            Flows::Two(later) => vec![flow(kind, at_once, Demand::Endless), flow(kind, later, Demand::Endless)],
            Flows::BesideCubic(later) => {
                vec![flow(kind, later, Demand::Endless), flow(Kind::Cubic, at_once, Demand::Endless)]
            }
            Flows::BeforeCubic(later) => {
                vec![flow(kind, at_once, Demand::Endless), flow(Kind::Cubic, later, Demand::Endless)]
            }
        }
    }

    fn measure(&self, kind: Kind) -> Figures {
        let flows = self.flows(kind);
        let count = flows.len();
        let report = run(&self.path, flows, self.until);
        let finished = report.finished.first().copied().flatten();
        let during = self.from..finished.unwrap_or(self.until);
        let shares: Vec<f64> = (0..count).map(|flow| report.share(flow, &during)).collect();
        let link: f64 = shares.iter().sum();
        Figures {
            link: link * 100.0,
            file: match self.flows {
                Flows::File(bytes) => Some(bytes as f64 / self.path.rate as f64 / during.end.as_secs_f64() * 100.0),
                _ => None,
            },
            waste: waste(&report, count, &during),
            queue: report.queue(&during),
            first: (count == 2).then(|| shares.first().map_or(0.0, |first| first / link * 100.0)),
        }
    }
}

fn waste(report: &Report, flows: usize, during: &std::ops::Range<Duration>) -> f64 {
    let counts = (0..flows).map(|flow| report.counts(flow, during));
    let (wasted, sent) = counts.fold((0, 0), |(wasted, sent), counts| {
        (wasted + counts.overflowed + counts.policed + counts.spurious, sent + counts.sent)
    });
    wasted as f64 * 100.0 / sent.max(1) as f64
}

impl Figures {
    fn line(&self, name: &str, kind: Kind) -> String {
        let kind = if kind == Kind::Bbr { "bbr" } else { "cubic" };
        let optional = |figure: Option<f64>| figure.map_or("-".to_owned(), |figure| format!("{figure:.1}"));
        let Self { link, file, waste, queue: (mean, max), first } = self;
        let (file, first) = (optional(*file), optional(*first));
        format!("{name:<48} {kind:<5} {link:>6.1} {file:>6} {waste:>6.2} {mean:>6.2} {max:>6.2} {first:>6}")
    }

    /// What of the goals is missed.
    fn missed(&self, goals: &Goals) -> Vec<&'static str> {
        [
            ("link", self.link < goals.link),
            ("file", self.file.is_some_and(|file| file < goals.file)),
            ("waste", self.waste > goals.waste),
            ("queue", self.queue.0 > goals.queue),
            ("first", self.first.is_some_and(|first| !goals.first.contains(&first))),
        ]
        .into_iter()
        .filter_map(|(what, missed)| missed.then_some(what))
        .collect()
    }
}

fn path(mbit: u64, rtt: u32) -> Path {
    Path::plain(mbit * MBIT, rtt * MS)
}

/// The same with a queue of so many tenths of a bandwidth-delay product.
fn queued(path: Path, tenths: u64) -> Path {
    Path { queue: path.bdp() * tenths / 10, ..path }
}

fn losses() -> Vec<Scenario> {
    let mut all = Vec::new();
    for (tenths, link) in [(0, 98.0), (1, 97.0), (5, 95.0), (10, 92.0), (20, 90.0), (50, 85.0)] {
        let path = Path { loss: tenths * PER_CENT / 10, ..path(200, 80) };
        let name = format!("200 Mbit/s, 80 ms, {:.1} % lost", tenths as f64 / 10.0);
        all.push(Scenario::new(name, path, Flows::Alone, Goals { link, ..GOALS }).during(2, 14));
    }
    let lossy = Path { loss: 5 * PER_CENT, ..path(100, 150) };
    let goals = Goals { link: 85.0, ..GOALS };
    all.push(Scenario::new("100 Mbit/s, 150 ms, 5 % lost", lossy, Flows::Alone, goals).during(2, 20));
    let far = Path { loss: PER_CENT, ..path(100, 300) };
    all.push(Scenario::new("100 Mbit/s, 300 ms, 1 % lost", far, Flows::Alone, Goals { link: 92.0, ..GOALS }));
    all
}

fn files() -> Vec<Scenario> {
    const SIZE: u64 = 256 << 20;
    let file = |name: &str, path: Path, file| {
        let until = Duration::from_secs(if file > 0.0 { 90 } else { 60 });
        let goals = Goals { file, ..GOALS };
        Scenario { until, ..Scenario::new(format!("256 MiB, {name}"), path, Flows::File(SIZE), goals) }
    };
    let lossy = |per_cent: u64, path: Path| Path { loss: per_cent * PER_CENT, ..path };
    let policed = Path { policer: Some(Policer { rate: 50 * MBIT, burst: 1_000_000 }), ..path(200, 80) };
    vec![
        file("200 Mbit/s, 80 ms", path(200, 80), 86.0),
        file("200 Mbit/s, 80 ms, 1 % lost", lossy(1, path(200, 80)), 86.0),
        file("100 Mbit/s, 150 ms, 5 % lost", lossy(5, path(100, 150)), 75.0),
        file("200 Mbit/s, 80 ms, queue 0.5", queued(path(200, 80), 5), 86.0),
        file("200 Mbit/s, 80 ms, queue 0.1", queued(path(200, 80), 1), 75.0),
        file("200 Mbit/s, 80 ms, queue 0.1, 1 % lost", lossy(1, queued(path(200, 80), 1)), 75.0),
        file("200 Mbit/s, 80 ms, policed to 50, 1 MB", policed, 20.0),
    ]
}

fn queues() -> Vec<Scenario> {
    let mut all = Vec::new();
    for (tenths, link) in [(1, 90.0), (2, 94.0), (5, 95.0), (10, 95.0), (20, 95.0), (100, 95.0)] {
        let name = format!("50 Mbit/s, 20 ms, queue {:.1}", tenths as f64 / 10.0);
        let path = queued(path(50, 20), tenths);
        all.push(Scenario::new(name, path, Flows::Alone, Goals { link, ..GOALS }));
    }
    let small = Path { queue: 20_000, ..path(1, 40) };
    all.push(Scenario::new("1 Mbit/s, 40 ms, queue 4.0", small, Flows::Alone, Goals { link: 95.0, ..GOALS }));
    all.push(Scenario::new("10 Mbit/s, 40 ms", path(10, 40), Flows::Alone, Goals { link: 95.0, ..GOALS }));
    let lan = Scenario::new("1 Gbit/s, 1 ms", path(1000, 1), Flows::Alone, Goals { link: 95.0, ..GOALS });
    all.push(lan.during(1, 2));
    let host = Path { queue: 4_000_000, ..Path::plain(2_000_000_000, Duration::from_micros(100)) };
    // Bandwidth-delay products mean nothing here.
    let goals = Goals { link: 95.0, queue: 20.0, ..GOALS };
    let host =
        Scenario { datagram: 65_000, ..Scenario::new("16 Gbit/s, 0.1 ms, 65,000 bytes", host, Flows::Alone, goals) };
    all.push(host.during(1, 2));
    all
}

fn changes() -> Vec<Scenario> {
    let mut all = Vec::new();
    for (a, b, goals) in
        [(100, 10, Goals { link: 90.0, queue: 0.1, ..GOALS }), (10, 100, Goals { link: 90.0, queue: 2.5, ..GOALS })]
    {
        let path = Path { steps: vec![(10 * SECOND, b * MBIT)], queue: 100 * MBIT / 25, ..path(a, 40) };
        let name = |when| format!("{a} to {b} Mbit/s, 40 ms, {when}");
        all.push(Scenario::new(name("all"), path.clone(), Flows::Alone, Goals { queue: 0.5, ..GOALS }));
        all.push(Scenario::new(name("from 2 s after"), path, Flows::Alone, goals).during(12, 20));
    }
    for (rtt, burst, link) in [(20, 100_000, 23.0), (80, 100_000, 20.0), (80, 1_000_000, 23.0)] {
        let path = Path { policer: Some(Policer { rate: 50 * MBIT, burst }), ..path(200, rtt) };
        let name = format!("200 Mbit/s, {rtt} ms, policed to 50, {} kB", burst / 1000);
        all.push(Scenario::new(name, path, Flows::Alone, Goals { link, ..GOALS }).during(2, 20));
    }
    let base = || path(100, 40);
    for (name, path, link) in [
        ("jitter of 2 ms", Path { jitter: 2 * MS, ..base() }, 94.0),
        // 87 to 93 over six seeds.
        ("jitter of 10 ms", Path { jitter: 10 * MS, ..base() }, 85.0),
        ("2 % late by 20 ms", Path { late: (2 * PER_CENT, 20 * MS), ..base() }, 95.0),
        ("10 % of acknowledgements lost", Path { ack_loss: 10 * PER_CENT, ..base() }, 95.0),
        ("from 10 s on 80 ms", Path { detour: Some((10 * SECOND, 40 * MS)), ..base() }, 80.0),
    ] {
        all.push(Scenario::new(format!("100 Mbit/s, 40 ms, {name}"), path, Flows::Alone, Goals { link, ..GOALS }));
    }
    all
}

fn two_alike() -> Vec<Scenario> {
    let mut all = Vec::new();
    let fair = Goals { link: 95.0, first: 40.0..=60.0, ..GOALS };
    for (mbit, rtt, tenths, later) in [
        (100, 40, 10, 0),
        (100, 40, 10, 5),
        (50, 20, 10, 5),
        (200, 80, 10, 0),
        (200, 80, 10, 5),
        (100, 40, 20, 5),
        (50, 20, 5, 5),
        (20, 80, 5, 5),
        (100, 40, 3, 5),
        (50, 20, 2, 5),
    ] {
        let name = format!("two, {mbit} Mbit/s, {rtt} ms, queue {:.1}, {later} s later", tenths as f64 / 10.0);
        let path = queued(path(mbit, rtt), tenths);
        all.push(Scenario::new(name, path, Flows::Two(later * SECOND), fair.clone()).during(20, 40));
    }
    // What the first has in flight is five queues: its probes hit the second before it can hear of them. That one holds
    // its own, and hardly gains on it.
    let shallow = Goals { link: 95.0, first: 0.0..=85.0, ..GOALS };
    let path = queued(path(100, 40), 2);
    all.push(
        Scenario::new("two, 100 Mbit/s, 40 ms, queue 0.2, 5 s later", path, Flows::Two(5 * SECOND), shallow)
            .during(20, 40),
    );
    all
}

fn beside_cubic() -> Vec<Scenario> {
    let mut all = Vec::new();
    for (mbit, rtt, tenths, most) in [
        (20, 20, 10, 75.0),
        (50, 30, 10, 75.0),
        (100, 40, 10, 75.0),
        (100, 40, 5, 85.0),
        (100, 40, 20, 75.0),
        (100, 40, 100, 75.0),
    ] {
        // The queue is CUBIC's: it fills whatever there is.
        let goals = Goals { link: 95.0, queue: 10.0, first: 10.0..=most, ..GOALS };
        let path = queued(path(mbit, rtt), tenths);
        let name = |who| format!("{mbit} Mbit/s, {rtt} ms, queue {:.1}, {who}", tenths as f64 / 10.0);
        let flows = [(Flows::BeforeCubic(5 * SECOND), "then CUBIC"), (Flows::BesideCubic(5 * SECOND), "after CUBIC")];
        for (flows, who) in flows {
            all.push(Scenario::new(name(who), path.clone(), flows, goals.clone()).during(10, 30));
        }
    }
    all
}

/// Each scenario with whom it is measured for, in the order of the table; `None` is an empty line.
fn lines() -> Vec<Option<(Scenario, Kind)>> {
    let groups = [losses(), files(), queues(), changes(), two_alike(), beside_cubic()];
    let mut lines = Vec::new();
    for group in groups {
        lines.push(None);
        for scenario in group {
            let compared = !matches!(scenario.flows, Flows::BesideCubic(_) | Flows::BeforeCubic(_));
            lines.push(Some((scenario.clone(), Kind::Bbr)));
            lines.extend(compared.then_some(Some((scenario, Kind::Cubic))));
        }
    }
    lines
}

/// Measures everything, on as many threads as there are.
fn measure(lines: &[Option<(Scenario, Kind)>]) -> Vec<Option<Figures>> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let measured: Vec<Mutex<Option<Figures>>> = lines.iter().map(|_| Mutex::new(None)).collect();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((line, figures)) = {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    lines.get(at).zip(measured.get(at))
                } {
                    if let Some((scenario, kind)) = line {
                        *figures.lock().expect("no measurement panics") = Some(scenario.measure(*kind));
                    }
                }
            });
        }
    });
    measured.into_iter().map(|figures| figures.into_inner().expect("no measurement panics")).collect()
}

#[test]
fn the_figures_are_those_of_the_table_and_bbr_reaches_its_goals() {
    let columns = ["link", "file", "waste", "queue", "max", "first"].map(|column| format!("{column:>6}"));
    let mut table = format!("{:<48} {:<5} {}\n", "", "", columns.join(" "));
    let mut missed = String::new();
    let lines = lines();
    for (line, figures) in lines.iter().zip(measure(&lines)) {
        let (Some((scenario, kind)), Some(figures)) = (line, figures) else {
            table.push('\n');
            continue;
        };
        let text = figures.line(&scenario.name, *kind);
        let misses = figures.missed(&scenario.goals);
        if *kind == Kind::Bbr && !misses.is_empty() {
            let _ = writeln!(missed, "{text}: {}", misses.join(", "));
        }
        let _ = writeln!(table, "{text}");
    }
    if std::env::var_os("DPEX_FIGURES").is_some_and(|wish| wish == "write") {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/src/recovery/figures.txt");
        std::fs::write(file, &table).expect("the sources can be written");
    } else {
        let differences = differences(TABLE, &table);
        assert!(differences.is_empty(), "not figures.txt (DPEX_FIGURES=write makes it so):\n{differences}");
    }
    assert!(missed.is_empty(), "goals missed:\n{missed}");
}

/// The lines that differ, old above new.
fn differences(old: &str, new: &str) -> String {
    let everywhere = cfg!(all(target_os = "linux", target_env = "gnu"));
    let compared = |line: &&str| everywhere || !(line.contains("cubic ") || line.contains("CUBIC"));
    let (old, new): (Vec<_>, Vec<_>) = (old.lines().filter(compared).collect(), new.lines().filter(compared).collect());
    let mut text = String::new();
    for at in 0..old.len().max(new.len()) {
        let (was, is) = (old.get(at).copied().unwrap_or_default(), new.get(at).copied().unwrap_or_default());
        if was != is {
            let _ = write!(text, "- {was}\n+ {is}\n");
        }
    }
    text
}
