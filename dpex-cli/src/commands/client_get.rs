//! `dpex client get` and `getall`: files, folders and patterns into a folder, verified.

mod choose;
mod tally;
mod target;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use dpex_core::engine::Failure;
use dpex_core::node::{Client, Fetch, FetchEvent, Target};
use dpex_core::store::{Entry, EntryKind, Existing, FileStore, ListQuery, Meta, StoreError};
use dpex_core::types::{Digest, SharePath};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::connection::Prospect;
use super::{Context, failures, runtime};
use crate::args::{GetArgs, GetallArgs, Receiving, WhichServer};
use crate::backends;
use crate::config::Settings;
use crate::error::{Blame, CliError, CliResult};
use crate::home::Role;
use crate::ui::{self, Transfer, Transfers};

use choose::Wanted;
use tally::Tally;
use target::Target as Folder;

/// Files under way at once.
const AT_ONCE: usize = 256;

/// Runs `dpex client get`.
pub(super) fn get(context: &Context, args: &GetArgs) -> CliResult {
    run(context, Wanted::Words(&args.names), &args.receiving, &args.server)
}

/// Runs `dpex client getall`.
pub(super) fn getall(context: &Context, args: &GetallArgs) -> CliResult {
    run(context, Wanted::Everything, &args.receiving, &args.server)
}

fn run(context: &Context, wanted: Wanted<'_>, receiving: &Receiving, which: &WhichServer) -> CliResult {
    let settings = context.settings(Role::Client)?;
    let existing = existing(&settings, receiving)?;
    let to = target(&settings, receiving)?;
    wanted.check()?;
    let prospect = Prospect::find(context, &settings, which)?;
    let store: Arc<dyn FileStore> = Arc::new(Folder::new(to.clone(), backends::client_store(&settings, &to)?)?);
    let tally = runtime::block_on(runtime::connected(prospect.connect(context, &settings), async |client| {
        fetch_all(context, client, &wanted, &store, existing).await
    }))?;
    tally.conclude(context.ui)
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

fn target(settings: &Settings, receiving: &Receiving) -> CliResult<PathBuf> {
    match &receiving.to {
        Some(dir) => Ok(dir.clone()),
        None => settings.path("to"),
    }
}

async fn fetch_all(
    context: &Context,
    client: &Client,
    wanted: &Wanted<'_>,
    store: &Arc<dyn FileStore>,
    existing: Existing,
) -> CliResult<Tally> {
    let chosen = wanted.choose(client).await?;
    for word in &chosen.unmatched {
        ui::not_fetched(context.ui, word, tally::NOT_OFFERED)?;
    }
    let mut tally = Tally::begin(chosen.unmatched, chosen.skipped);
    let sizes = chosen.entries.iter().map(|e| if let EntryKind::File(m) = &e.kind { m.size } else { 0 });
    // A server's numbers: any of them may come.
    let bytes = sizes.fold(0, u64::saturating_add);
    let mut transfers = Transfers::begin(context.ui, bytes, Instant::now());
    let mut waiting = Vec::new();
    for entry in chosen.entries {
        match entry.kind {
            EntryKind::Folder(_) => make_folder(&**store, &entry.path, &transfers, &mut tally).await?,
            EntryKind::File(meta) => waiting.push((entry.path, meta)),
        }
    }
    waiting.reverse();
    let job = Job { client, store, existing };
    let not_begun = job.run(waiting, &mut transfers, &mut tally).await?;
    tally.not_begun(not_begun);
    transfers.finish();
    if let Some(reason) = client.ended() {
        tally.disconnected(super::connection::ended(Some(&reason)));
    }
    Ok(tally)
}

async fn make_folder(store: &dyn FileStore, path: &SharePath, shown: &Transfers, tally: &mut Tally) -> CliResult {
    if let Err(e) = store.make_folder(path).await {
        let line = shown.start(path.as_str(), 0, 0)?;
        shown.end(&line, &tally.not_stored(path, &e))?;
    }
    Ok(())
}

/// Many files into one store.
struct Job<'a> {
    client: &'a Client,
    store: &'a Arc<dyn FileStore>,
    existing: Existing,
}

impl Job<'_> {
    /// Fetches files, the last of `waiting` first, a bounded number at a time. Returns how many were not begun.
    async fn run(
        &self,
        mut waiting: Vec<(SharePath, Meta)>,
        shown: &mut Transfers,
        tally: &mut Tally,
    ) -> CliResult<usize> {
        let (progress, mut news) = mpsc::channel(AT_ONCE);
        let mut fetches = JoinSet::new();
        let mut under_way: BTreeMap<SharePath, Transfer> = BTreeMap::new();
        let mut doubtful = BTreeSet::new();
        loop {
            while under_way.len() < AT_ONCE && !tally.is_hopeless() {
                let Some((path, meta)) = waiting.pop() else { break };
                let line = shown.start(path.as_str(), meta.size, 0)?;
                match self.look_before(&path, &meta).await {
                    Here::Same => shown.end(&line, &tally.same())?,
                    Here::Other if self.existing == Existing::Keep => shown.end(&line, &tally.differs(&path))?,
                    here => {
                        doubtful.extend((here == Here::Doubtful).then(|| path.clone()));
                        fetches.spawn(follow(self.fetch(&path), path.clone(), progress.clone()));
                        under_way.insert(path, line);
                    }
                }
            }
            // Each task ends when its file does, so this waits for nothing that nobody will send.
            let (path, end) = tokio::select! {
                Some((path, written)) = news.recv() => {
                    if let Some(line) = under_way.get_mut(&path) {
                        shown.advance(line, written, Instant::now())?;
                    }
                    continue;
                }
                joined = fetches.join_next() => match joined {
                    Some(ended) => ended.map_err(|e| CliError::new(Blame::Internal, format!("a task failed: {e}")))?,
                    None => return Ok(waiting.len()),
                },
            };
            let Some(line) = under_way.remove(&path) else { continue };
            let was_doubtful = doubtful.remove(&path);
            let end = match end {
                Err(Failure::Store(StoreError::Exists)) if was_doubtful => tally.differs(&path),
                Ok(Arrived { name, root, size }) => tally.finished(&path, &name, root, size),
                Err(failure) => tally.failed(&path, &failure),
            };
            shown.end(&line, &end)?;
        }
    }

    /// What is here already need not be asked for. Like others that look quickly, this compares time and size, and reads
    /// nothing.
    async fn look_before(&self, path: &SharePath, meta: &Meta) -> Here {
        let query = ListQuery { path: path.clone(), after: None, limit: 1, recursive: false };
        let here = self.store.list(&query).await.ok().and_then(|page| page.entries.into_iter().next());
        match here {
            Some(Entry { path: found, kind: EntryKind::File(m) }) if found == *path => {
                match (m.size == meta.size, m.mtime == meta.mtime) {
                    (true, true) => Here::Same,
                    (true, false) => Here::Doubtful,
                    (false, _) => Here::Other,
                }
            }
            _ => Here::Nothing,
        }
    }

    fn fetch(&self, path: &SharePath) -> Fetch {
        let target = Target { store: Arc::clone(self.store), path: path.clone(), existing: self.existing };
        self.client.fetch(path.clone(), target)
    }
}

/// What has a file's name here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Here {
    /// Nothing, or nothing that is a file.
    Nothing,
    /// A file of the same time and size.
    Same,
    /// A file of the same size and another time, as far as a listing tells: a bucket's tells when the object came into
    /// it. Only the offer tells the file's own time, and the store then whether it is the same.
    Doubtful,
    /// Another file.
    Other,
}

/// A file that is complete, verified and under its name.
struct Arrived {
    name: SharePath,
    root: Digest,
    size: u64,
}

/// Passes on how far a file has come, until it ends.
async fn follow(
    mut fetch: Fetch,
    path: SharePath,
    progress: mpsc::Sender<(SharePath, u64)>,
) -> (SharePath, Result<Arrived, Failure>) {
    let end = loop {
        match fetch.next().await {
            Some(FetchEvent::Offered(_)) => {}
            Some(FetchEvent::Progress(written)) => {
                // If nobody listens any more, the command is over and this task with it.
                let _ = progress.send((path.clone(), written)).await;
            }
            Some(FetchEvent::Finished { path: name, root, size }) => break Ok(Arrived { name, root, size }),
            Some(FetchEvent::Failed(failure)) => break Err(failure),
            None => break Err(Failure::Disconnected),
        }
    };
    (path, end)
}

/// The reason of a store, for the tally's use.
fn words(error: &StoreError) -> String {
    failures::store_reason(error)
}
