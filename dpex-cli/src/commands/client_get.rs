//! `dpex client get` and `getall`: files, folders and patterns into a folder, verified.

mod choose;
pub(super) mod compare;
mod job;
mod room;
mod stdout;
mod tally;
mod target;
mod waiting;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use dpex_core::store::{Entry, EntryKind, Existing, FileStore, Leftover, Meta, StoreError};
use dpex_core::types::{Fingerprint, SharePath};
use tokio::time::timeout;

use super::connection::Prospect;
use super::line::Line;
use super::{Context, failures, runtime};
use crate::args::{GetArgs, GetallArgs, Receiving, WhichServer};
use crate::backends;
use crate::config::Settings;
use crate::error::{CliError, CliResult};
use crate::home::{Ledger, Role};
use crate::ui::{self, Transfers, Ui};

use choose::Wanted;
use compare::Verdict;
use job::{Job, Wish};
use stdout::Stdout;
use tally::Tally;
use target::Target as Folder;
use waiting::Waiting;

/// What stands for standard output.
const STDOUT: &str = "-";

/// Folders made in one go; between two Ctrl-C is heard.
const FOLDERS_AT_ONCE: usize = 1000;

/// How long a command that ends early waits for the disk.
const LAST_FLUSH: Duration = Duration::from_secs(2);

/// Runs `dpex client get`.
pub(super) fn get(context: &Context, args: &GetArgs) -> CliResult {
    run(context, Wanted::Words(&args.names), &args.receiving, &args.server, false)
}

/// Runs `dpex client getall`.
pub(super) fn getall(context: &Context, args: &GetallArgs) -> CliResult {
    run(context, Wanted::Everything, &args.receiving, &args.server, args.verify)
}

fn run(context: &Context, wanted: Wanted<'_>, receiving: &Receiving, which: &WhichServer, verify: bool) -> CliResult {
    let settings = context.settings(Role::Client)?;
    let patience = patience(&settings, receiving)?;
    let to = target(&settings, receiving.to.as_deref())?;
    if is_stdout(&to) && context.ui.json {
        return Err(CliError::usage("--to - and --json would both write to standard output")
            .hint("leave one of them out: with --to -, what is said goes to standard error"));
    }
    wanted.check()?;
    let prospect = Prospect::find(context, &settings, which)?;
    let stdout = is_stdout(&to).then(Stdout::default);
    let mut plan = Plan {
        existing: existing(&settings, receiving)?,
        leftover: if receiving.keep_changed_part { Leftover::Keep } else { Leftover::Replace },
        verify,
        store: match &stdout {
            Some(stdout) => Arc::new(stdout.clone()),
            None => store(&settings, &to)?,
        },
        ledger: context.home.part(Role::Client).fetched(prospect.name(), &to)?,
        stdout,
    };
    let connect = Line::connect(context, &settings, &prospect, patience);
    let store = Arc::clone(&plan.store);
    let tally = runtime::block_on(async {
        let ended = runtime::lasting(connect, async |line| {
            let fetched = plan.fetch(context, line, prospect.origin(), &wanted).await;
            // Also of a command that fails, what it has fetched is remembered.
            plan.ledger.flush()?;
            fetched
        });
        settled(ended.await, &*store, context.ui, LAST_FLUSH).await
    });
    plan.ledger.flush()?;
    tally?.conclude(context.ui)
}

/// Makes what was published durable where a command ends early, as by Ctrl-C: unless the disk needs longer than `most`.
async fn settled<T>(ended: CliResult<T>, store: &dyn FileStore, ui: Ui, most: Duration) -> CliResult<T> {
    // One that comes to its end has done so, and told whether it worked.
    if ended.is_err() && !matches!(timeout(most, store.settle()).await, Ok(Ok(()))) {
        ui.say("the disk was not done in time: a power cut may take the small files that came last");
    }
    ended
}

fn existing(settings: &Settings, receiving: &Receiving) -> CliResult<Existing> {
    if receiving.overwrite {
        return Ok(Existing::Overwrite);
    }
    if receiving.rename {
        return Ok(Existing::Rename);
    }
    let word: String = settings.value("existing")?;
    match word.as_str() {
        "keep" => Ok(Existing::Keep),
        "overwrite" => Ok(Existing::Overwrite),
        "rename" => Ok(Existing::Rename),
        other => {
            Err(CliError::usage(format!("the setting `existing` in {} is `{other}`", settings.source("existing")))
                .hint("it is one of: keep, overwrite, rename"))
        }
    }
}

/// How long to go on without progress.
fn patience(settings: &Settings, receiving: &Receiving) -> CliResult<Duration> {
    let (text, source) = match &receiving.timeout {
        Some(text) => (text.clone(), "--timeout".to_owned()),
        None => (settings.value("timeout")?, settings.source("timeout")),
    };
    let seconds = text.trim().parse().ok().map(Duration::from_secs);
    let parsed = seconds.or_else(|| Duration::try_from(text.parse::<jiff::SignedDuration>().ok()?).ok());
    parsed.filter(|time| *time >= Duration::from_secs(1)).ok_or_else(|| {
        CliError::usage(format!("`{text}` in {source} is not a time of at least a second"))
            .hint("write it as 90s, 10m or 1h")
    })
}

/// The folder to receive into.
fn target(settings: &Settings, typed: Option<&Path>) -> CliResult<PathBuf> {
    match typed {
        Some(dir) => Ok(dir.to_owned()),
        None => settings.path("to"),
    }
}

/// The folder that is looked at, by a command that receives nothing.
pub(super) fn looked_at(settings: &Settings, typed: Option<&Path>) -> CliResult<PathBuf> {
    let to = target(settings, typed)?;
    if is_stdout(&to) {
        return Err(CliError::usage("--to - holds no files to compare with").hint("name a folder with --to DIR"));
    }
    Ok(to)
}

fn is_stdout(to: &Path) -> bool {
    to == Path::new(STDOUT)
}

/// What opens that folder.
pub(super) fn store(settings: &Settings, to: &Path) -> CliResult<Arc<dyn FileStore>> {
    Ok(Arc::new(Folder::new(to.to_owned(), backends::client_store(settings, to)?)?))
}

/// What to do with files, and where.
struct Plan {
    existing: Existing,
    leftover: Leftover,
    /// Compare also what seems to be here.
    verify: bool,
    store: Arc<dyn FileStore>,
    ledger: Ledger,
    /// The same, if it is standard output. It takes just one file.
    stdout: Option<Stdout>,
}

impl Plan {
    async fn fetch(
        &mut self,
        context: &Context,
        line: &mut Line<'_>,
        origin: Fingerprint,
        wanted: &Wanted<'_>,
    ) -> CliResult<Tally> {
        let chosen = wanted.choose(line.client()).await?;
        if self.stdout.is_some() {
            check_single(&chosen.entries, &chosen.unmatched)?;
        }
        for word in &chosen.unmatched {
            ui::not_fetched(context.ui, word, tally::NOT_OFFERED)?;
        }
        let mut tally = Tally::begin(chosen.unmatched, chosen.skipped);
        let sizes = chosen.entries.iter().map(|e| if let EntryKind::File(m) = &e.kind { m.size } else { 0 });
        // A server's numbers: any of them may come.
        let bytes = sizes.fold(0, u64::saturating_add);
        let mut transfers = Transfers::begin(context.ui, bytes, Instant::now());
        if matches!(wanted, Wanted::Everything) {
            // Night after night nearly all of it is here.
            transfers = transfers.tersely();
        }
        let (mut folders, mut files) = (Vec::new(), Vec::new());
        for entry in chosen.entries {
            match entry.kind {
                EntryKind::Folder(_) => folders.push(entry.path),
                EntryKind::File(meta) => files.push((entry.path, meta)),
            }
        }
        let prepared = self.prepare(files, folders, origin, &mut transfers, &mut tally);
        // Nothing is awaited of the server meanwhile, and a slow disk is no silence of it.
        let waiting = line.client().kept_during(prepared).await?;
        line.progressed();
        let job = Job {
            line: &mut *line,
            store: &self.store,
            stdout: self.stdout.as_ref(),
            origin,
            leftover: self.leftover,
            ledger: &mut self.ledger,
        };
        let not_begun = job.run(waiting, &mut transfers, &mut tally).await?;
        tally.not_begun(not_begun);
        if let Err(error) = self.store.settle().await {
            tally.not_settled(&error);
        }
        transfers.finish()?;
        if let Some(reason) = line.client().ended() {
            tally.disconnected(super::connection::ended(Some(&reason)));
        }
        Ok(tally)
    }

    /// Looks at what is here and makes the folders. Returns what is to be fetched.
    async fn prepare(
        &self,
        files: Vec<(SharePath, Meta)>,
        folders: Vec<SharePath>,
        origin: Fingerprint,
        shown: &mut Transfers,
        tally: &mut Tally,
    ) -> CliResult<Waiting> {
        // Before the folders are made: nothing needs to be looked for in one that is not there.
        let mut waiting = Waiting::new(self.wishes(files, shown, tally).await?);
        waiting.check_room(&*self.store, 0, &origin).await?;
        self.make_folders(&folders, shown, tally).await?;
        Ok(waiting)
    }

    async fn make_folders(&self, paths: &[SharePath], shown: &mut Transfers, tally: &mut Tally) -> CliResult {
        if self.stdout.is_some() {
            return Ok(());
        }
        for paths in paths.chunks(FOLDERS_AT_ONCE) {
            for (path, made) in paths.iter().zip(self.store.make_folders(paths).await) {
                if let Err(e) = made {
                    let line = shown.start(path.as_str(), 0, 0)?;
                    shown.end(&line, &tally.not_stored(path, &e))?;
                }
            }
        }
        Ok(())
    }

    /// What is to be done for files: nothing for those that are here, or are kept as they are.
    async fn wishes(
        &self,
        files: Vec<(SharePath, Meta)>,
        shown: &mut Transfers,
        tally: &mut Tally,
    ) -> CliResult<Vec<Wish>> {
        let verdicts = compare::judge_all(&*self.store, &self.ledger, &files).await?;
        let mut wishes = Vec::new();
        for ((path, meta), verdict) in files.into_iter().zip(verdicts) {
            let end = match verdict {
                Verdict::Here if !self.verify => tally.same(),
                Verdict::Other if self.existing == Existing::Keep => tally.differs(&path),
                _ => {
                    let compare = matches!(verdict, Verdict::Here | Verdict::Unsure);
                    wishes.push(Wish::new(path, meta, self.existing, compare));
                    continue;
                }
            };
            let line = shown.start(path.as_str(), meta.size, 0)?;
            shown.end(&line, &end)?;
        }
        Ok(wishes)
    }
}

/// Standard output takes one file and nothing else.
fn check_single(entries: &[Entry], unmatched: &[String]) -> CliResult {
    let files = entries.iter().filter(|entry| matches!(entry.kind, EntryKind::File(_))).count();
    if entries.len() == 1 && files == 1 && unmatched.is_empty() || entries.is_empty() {
        return Ok(());
    }
    Err(CliError::usage("--to - takes exactly one file").hint("name one file, as `dpex client ls` lists it"))
}

/// The reason of a store, for the tally's use.
fn words(error: &StoreError) -> String {
    failures::store_reason(error)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;
    use dpex_core::store::{Incoming, ListQuery, Page, PartialFile, SourceFile};

    use super::*;
    use crate::error::Blame;

    /// Counts how often it is to settle, and does so at once or never.
    #[derive(Debug, Default)]
    struct Slow {
        asked: AtomicUsize,
        is_stuck: bool,
    }

    #[async_trait]
    impl FileStore for Slow {
        async fn list(&self, _: &ListQuery) -> Result<Page, StoreError> {
            Err(StoreError::NotFound)
        }

        async fn open(&self, _: &SharePath) -> Result<Arc<dyn SourceFile>, StoreError> {
            Err(StoreError::NotFound)
        }

        async fn make_folder(&self, _: &SharePath) -> Result<(), StoreError> {
            Err(StoreError::Full)
        }

        async fn receive(&self, _: &Incoming) -> Result<Box<dyn PartialFile>, StoreError> {
            Err(StoreError::Full)
        }

        async fn settle(&self) -> Result<(), StoreError> {
            self.asked.fetch_add(1, Ordering::Relaxed);
            if self.is_stuck { std::future::pending().await } else { Ok(()) }
        }
    }

    #[test]
    fn a_command_that_ends_early_makes_durable_what_came_and_waits_for_no_stuck_disk() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let end = |ended: CliResult, is_stuck| {
            let store = Slow { is_stuck, ..Slow::default() };
            let ui = Ui { quiet: true, ..Ui::default() };
            let ended = runtime.block_on(settled(ended, &store, ui, Duration::from_millis(20)));
            (ended.map_or_else(|e| e.blame().exit_code(), |()| 0), store.asked.into_inner())
        };
        let early = |blame| Err(CliError::new(blame, "ended"));
        assert_eq!(end(early(Blame::Interrupted), false), (130, 1));
        assert_eq!(end(early(Blame::Interrupted), true), (130, 1));
        assert_eq!(end(early(Blame::Disk), false), (6, 1));
        assert_eq!(end(Ok(()), true), (0, 0), "it has settled already");
    }
}
