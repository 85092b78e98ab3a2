//! Two that share a link: what each leaves the other.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::contestant::Streaming;

/// What the beginning of both is left out of the shares.
const SETTLING: Duration = Duration::from_secs(5);

/// Both fetch at once until the first of them is done; prints what each got from five seconds on until then.
pub(crate) fn run(dir: &Path, one: &dyn Streaming, other: &dyn Streaming, rounds: usize) -> Outcome {
    println!("{:<22}{:>12}{:>10}", "together", "MB/s", "share");
    for round in 0..rounds {
        let paths = [dir.join(format!("one-{round}")), dir.join(format!("other-{round}"))];
        let start = |who: &dyn Streaming, into: &Path| -> Outcome<Child> {
            let child = who.stream().stdin(Stdio::null()).stdout(File::create(into)?).stderr(Stdio::inherit()).spawn();
            Ok(child?)
        };
        let mut children = [start(one, &paths[0])?, start(other, &paths[1])?];
        let sizes = || -> Outcome<[u64; 2]> { Ok([fs::metadata(&paths[0])?.len(), fs::metadata(&paths[1])?.len()]) };
        std::thread::sleep(SETTLING);
        let (began, before) = (Instant::now(), sizes()?);
        while children[0].try_wait()?.is_none() && children[1].try_wait()?.is_none() {
            std::thread::sleep(Duration::from_millis(20));
        }
        let (took, after) = (began.elapsed().as_secs_f64(), sizes()?);
        for child in &mut children {
            // One of them has ended by itself.
            let _ = child.kill();
            child.wait()?;
        }
        let got = [after[0] - before[0], after[1] - before[1]];
        let all = (got[0] + got[1]).max(1) as f64;
        for (who, got) in [one, other].into_iter().zip(got) {
            let (rate, share) = (got as f64 / took / 1e6, got as f64 / all * 100.0);
            println!("{:<22}{rate:>12.2}{share:>8.0} %", who.name());
        }
        for path in &paths {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}
