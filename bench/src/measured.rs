//! How long something took, and what it cost.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Outcome;

/// One fetch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measured {
    /// From the start of the process to its end.
    pub(crate) time: Duration,
    /// Processor time of the one that fetches.
    pub(crate) client: Duration,
    /// Processor time of the one that serves.
    pub(crate) server: Duration,
}

impl Measured {
    /// Runs a command that fetches from this server; it must succeed.
    pub(crate) fn run(command: &mut Command, server: u32) -> Outcome<Self> {
        let (own, served) = (times("self")?.of_children, times(&server.to_string())?.all());
        let start = Instant::now();
        let ended =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?.wait_with_output()?;
        let time = start.elapsed();
        if !ended.status.success() {
            let said = String::from_utf8_lossy(&ended.stderr);
            // One of many files may have said thousands.
            let last = said.lines().rev().take(10).collect::<Vec<_>>();
            return Err(format!("{command:?} failed: {}", last.into_iter().rev().collect::<Vec<_>>().join("; ")).into());
        }
        // A server that forks knows what a child cost when it has waited for it.
        std::thread::sleep(Duration::from_millis(100));
        Ok(Self {
            time,
            client: times("self")?.of_children.saturating_sub(own),
            server: times(&server.to_string())?.all().saturating_sub(served),
        })
    }

    /// As one line of JSON.
    pub(crate) fn json(&self, name: &str, round: usize) -> serde_json::Value {
        serde_json::json!({
            "name": name,
            "round": round,
            "seconds": self.time.as_secs_f64(),
            "client_cpu_seconds": self.client.as_secs_f64(),
            "server_cpu_seconds": self.server.as_secs_f64(),
        })
    }
}

/// A process that is killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Server(Child);

impl Server {
    /// Starts it.
    pub(crate) fn start(command: &mut Command) -> Outcome<Self> {
        Ok(Self(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?))
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// Waits until `ready`, for 20 s at most.
    pub(crate) fn wait(&mut self, mut ready: impl FnMut() -> bool) -> Outcome {
        for _ in 0..400 {
            if ready() {
                return Ok(());
            }
            if let Some(status) = self.0.try_wait()? {
                return Err(format!("a server ended early: {status}").into());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Err("a server does not come up".into())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that ended by itself is no reason to fail: the race has its results.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Processor time of a process.
pub(crate) fn processor_time(process: u32) -> Outcome<Duration> {
    Ok(times(&process.to_string())?.all())
}

/// Processor time of all processes that this one has started and that have ended.
pub(crate) fn children_time() -> Outcome<Duration> {
    Ok(times("self")?.of_children)
}

/// The most memory that a process ever had, in bytes.
pub(crate) fn peak_memory(process: u32) -> Outcome<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no such figure")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
}

/// What a process and the children that it waited for have used.
struct Times {
    own: Duration,
    of_children: Duration,
}

impl Times {
    fn all(&self) -> Duration {
        self.own + self.of_children
    }
}

/// From `/proc/PID/stat`, whose second field is a name in brackets that may hold anything.
fn times(process: &str) -> Outcome<Times> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    let fields: Vec<&str> = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
    let tick = rustix::param::clock_ticks_per_second();
    let of = |at: usize| -> Outcome<Duration> {
        let ticks = fields.get(at).ok_or("/proc has a form that is not known here")?.parse::<u64>()?;
        Ok(Duration::from_secs_f64(ticks as f64 / tick as f64))
    };
    Ok(Times { own: of(11)? + of(12)?, of_children: of(13)? + of(14)? })
}
