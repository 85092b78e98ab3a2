//! Many people at once: what a byte costs the server, and what a session takes of its memory, as their number grows.

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::contestant::{Dpex, Ground};
use crate::measured::peak_memory;

/// Downloads by each number of people, and prints a line for each. A server of its own for each number: its peak of memory
/// is what is measured.
pub(crate) fn run(ground: &Ground<'_>, program: &Path, crypto: &str, numbers: &[usize]) -> Outcome {
    println!(
        "{:>8}{:>10}{:>10}{:>18}{:>18}{:>14}{:>16}",
        "clients", "time", "MB/s", "server CPU/GiB", "clients CPU/GiB", "server peak", "a session more"
    );
    let mut first = None;
    for number in numbers {
        let crowd = Dpex::crowd(ground, &format!("crowd of {number}"), program, crypto, *number)?;
        let before = crowd.times()?;
        let began = Instant::now();
        let children = crowd
            .streams()
            .map(|mut command| Ok(command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?))
            .collect::<Outcome<Vec<Child>>>()?;
        for child in children {
            let ended = child.wait_with_output()?;
            if !ended.status.success() {
                return Err(format!("a client failed: {}", String::from_utf8_lossy(&ended.stderr)).into());
            }
        }
        let took = began.elapsed();
        let (server, clients) = crowd.times()?.since(&before);
        let bytes = (ground.load.bytes() * *number as u64) as f64;
        let each = |time: Duration| time.as_secs_f64() / bytes * f64::from(1 << 30);
        let peak = peak_memory(crowd.server())?;
        let (fewest, least) = *first.get_or_insert((*number, peak));
        let more = if *number > fewest {
            format!("{:.2} MiB", (peak.saturating_sub(least)) as f64 / (number - fewest) as f64 / f64::from(1 << 20))
        } else {
            "-".into()
        };
        println!(
            "{number:>8}{:>8.2} s{:>10.1}{:>16.3} s{:>16.3} s{:>10.1} MiB{more:>16}",
            took.as_secs_f64(),
            bytes / took.as_secs_f64() / 1e6,
            each(server),
            each(clients),
            peak as f64 / f64::from(1 << 20),
        );
        drop(crowd);
        fs::remove_dir_all(ground.dir.join(format!("crowd of {number}")))?;
    }
    Ok(())
}
