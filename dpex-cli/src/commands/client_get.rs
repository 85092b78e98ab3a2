//! `dpex client get` and `getall`: files, folders and patterns into a folder, verified.

mod choose;
mod tally;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use dpex_core::node::{Client, FetchEvent, Target};
use dpex_core::store::{Entry, EntryKind, Existing, FileStore, ListQuery, Meta, StoreError};
use dpex_core::types::SharePath;
use tokio::sync::mpsc;

use super::connection::Prospect;
use super::{Context, failures, runtime};
use crate::args::{GetArgs, GetallArgs, Receiving, WhichServer};
use crate::backends;
use crate::config::Settings;
use crate::error::{CliError, CliResult};
use crate::home::Role;
use crate::ui::{self, Transfer, Transfers};

use choose::Wanted;
use tally::Tally;

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
    let store = backends::receive_into(&settings, &to)?;
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
    let mut transfers = Transfers::begin(context.ui, sizes.sum(), Instant::now());
    let mut waiting = Vec::new();
    for entry in chosen.entries {
        match entry.kind {
            EntryKind::Folder(_) => make_folder(&**store, &entry.path, &transfers, &mut tally).await?,
            EntryKind::File(meta) => waiting.push((entry.path, meta)),
        }
    }
    waiting.reverse();
    let job = Job { client, store, existing };
    job.run(waiting, &mut transfers, &mut tally).await?;
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
    /// Fetches files, the last of `waiting` first, a bounded number at a time.
    async fn run(&self, mut waiting: Vec<(SharePath, Meta)>, shown: &mut Transfers, tally: &mut Tally) -> CliResult {
        let (events, mut happened) = mpsc::channel(AT_ONCE);
        let mut under_way: BTreeMap<SharePath, Transfer> = BTreeMap::new();
        loop {
            while under_way.len() < AT_ONCE && !tally.is_hopeless() {
                let Some((path, meta)) = waiting.pop() else { break };
                let line = shown.start(path.as_str(), meta.size, 0)?;
                match self.look_before(&path, &meta).await {
                    Ok(()) => {
                        self.begin(path.clone(), events.clone());
                        under_way.insert(path, line);
                    }
                    Err(e) => shown.end(&line, &tally.not_stored(&path, &e))?,
                }
            }
            if under_way.is_empty() {
                return Ok(());
            }
            let Some((path, event)) = happened.recv().await else { return Ok(()) };
            let Some(line) = under_way.get_mut(&path) else { continue };
            let end = match event {
                FetchEvent::Offered(_) => continue,
                FetchEvent::Progress(written) => {
                    shown.advance(line, written, Instant::now())?;
                    continue;
                }
                FetchEvent::Finished { path: name, root, size } => tally.finished(&path, &name, root, size),
                FetchEvent::Failed(failure) => tally.failed(&path, &failure),
            };
            shown.end(line, &end)?;
            under_way.remove(&path);
        }
    }

    /// What is here already need not be asked for.
    async fn look_before(&self, path: &SharePath, meta: &Meta) -> Result<(), StoreError> {
        let query = ListQuery { path: path.clone(), after: None, limit: 1, recursive: false };
        let here = self.store.list(&query).await.ok().and_then(|page| page.entries.into_iter().next());
        match here {
            Some(Entry { path: found, kind: EntryKind::File(m) }) if found == *path => {
                if (m.size, m.mtime) == (meta.size, meta.mtime) {
                    Err(StoreError::Same)
                } else if self.existing == Existing::Keep {
                    Err(StoreError::Exists)
                } else {
                    Ok(())
                }
            }
            _ => Ok(()),
        }
    }

    fn begin(&self, path: SharePath, events: mpsc::Sender<(SharePath, FetchEvent)>) {
        let target = Target { store: Arc::clone(self.store), path: path.clone(), existing: self.existing };
        let mut fetch = self.client.fetch(path.clone(), target);
        tokio::spawn(async move {
            while let Some(event) = fetch.next().await {
                if events.send((path.clone(), event)).await.is_err() {
                    return;
                }
            }
        });
    }
}

/// The reason of a store, for the tally's use.
fn words(error: &StoreError) -> String {
    failures::store_reason(error)
}
