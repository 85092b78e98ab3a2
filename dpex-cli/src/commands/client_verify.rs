//! `dpex client verify`: what is here against what the server has, by content.

use std::sync::Arc;

use dpex_core::node::Client;
use dpex_core::store::{Entry, EntryKind, FileStore};
use dpex_core::types::SharePath;
use serde_json::json;
use tokio::task::JoinSet;

use super::client_get::compare::{self, Unknown};
use super::client_get::{looked_at, store};
use super::client_ls::shelf_path;
use super::connection::Prospect;
use super::{Context, failures, runtime};
use crate::args::VerifyArgs;
use crate::error::{Blame, CliError, CliResult};
use crate::home::Role;
use crate::ui::{Ui, Waiting, escape};

/// Files compared at once.
const AT_ONCE: usize = 8;

/// Runs it.
pub(super) fn run(context: &Context, args: &VerifyArgs) -> CliResult {
    let settings = context.settings(Role::Client)?;
    let path = shelf_path(args.path.as_deref().unwrap_or(""))?;
    let to = looked_at(&settings, args.to.as_deref())?;
    let store = store(&settings, &to)?;
    let prospect = Prospect::find(context, &settings, &args.server)?;
    let verified = runtime::connected(prospect.connect(context, &settings), async |client| {
        let listed = client.list(&path, true).await;
        prospect.learn(context, client).await;
        let (entries, skipped) = listed.map_err(|e| failures::listing(&e, &path, client))?;
        let count = verify_all(context.ui, client, &store, entries).await?;
        Ok(Count { skipped, ..count })
    });
    runtime::block_on(verified)?.conclude(context.ui)
}

/// What is said of a file.
#[derive(Clone, Debug)]
enum Finding {
    Same,
    Differs,
    Missing,
    Unknown(Blame, String),
}

/// How many were found how.
#[derive(Debug, Default)]
struct Count {
    same: u64,
    differs: u64,
    missing: u64,
    unknown: u64,
    /// Entries that the server could not list.
    skipped: u64,
    /// The first reason why something is not known.
    first: Option<(Blame, String)>,
}

/// Compares every file, a few at a time, and names what differs.
async fn verify_all(ui: Ui, client: &Client, store: &Arc<dyn FileStore>, entries: Vec<Entry>) -> CliResult<Count> {
    let _waiting = Waiting::begin(ui, "comparing");
    let mut files = entries.into_iter().filter(|entry| matches!(entry.kind, EntryKind::File(_))).map(|e| e.path);
    let (mut tasks, mut count) = (JoinSet::new(), Count::default());
    loop {
        while tasks.len() < AT_ONCE {
            let Some(path) = files.next() else { break };
            let (client, store) = (client.clone(), Arc::clone(store));
            tasks.spawn(async move { (verify(&client, &store, &path).await, path) });
        }
        let Some(joined) = tasks.join_next().await else { return Ok(count) };
        let (finding, path) = joined.map_err(|e| CliError::new(Blame::Internal, format!("a task failed: {e}")))?;
        count.add(ui, &path, finding)?;
    }
}

async fn verify(client: &Client, store: &Arc<dyn FileStore>, path: &SharePath) -> Finding {
    match store.look(std::slice::from_ref(path)).await.pop() {
        Some(Ok(Some(EntryKind::File(_)))) => {}
        Some(Ok(_)) | None => return Finding::Missing,
        Some(Err(error)) => return Finding::Unknown(Blame::Disk, failures::store_reason(&error)),
    }
    match compare::is_same(client, store, path).await {
        Ok(true) => Finding::Same,
        Ok(false) => Finding::Differs,
        Err(Unknown::Here(error)) => Finding::Unknown(Blame::Disk, failures::store_reason(&error)),
        Err(Unknown::There(failure)) => {
            let (blame, why) = failures::explain(&failure);
            Finding::Unknown(blame, why)
        }
    }
}

impl Count {
    fn add(&mut self, ui: Ui, path: &SharePath, finding: Finding) -> CliResult {
        let (word, why) = match &finding {
            Finding::Same => ("same", ""),
            Finding::Differs => ("differs", ""),
            Finding::Missing => ("missing", ""),
            Finding::Unknown(_, why) => ("unknown", why.as_str()),
        };
        match &finding {
            Finding::Same => self.same += 1,
            Finding::Differs => self.differs += 1,
            Finding::Missing => self.missing += 1,
            Finding::Unknown(blame, why) => {
                self.unknown += 1;
                self.first.get_or_insert_with(|| (*blame, format!("failed to compare `{path}`: {why}")));
            }
        }
        if ui.json {
            return ui.record("verified", json!({ "path": path.as_str(), "result": word, "why": why }));
        }
        match finding {
            Finding::Same => Ok(()),
            _ if why.is_empty() => ui.answer(&format!("{word}  {}\n", escape(path.as_str()))),
            _ => ui.answer(&format!("{word}  {}  {}\n", escape(path.as_str()), escape(why))),
        }
    }

    fn conclude(self, ui: Ui) -> CliResult {
        let Self { same, differs, missing, unknown, skipped, first } = self;
        if !ui.json {
            let mut sentence = format!("{same} the same");
            for (count, word) in [(differs, "differ"), (missing, "missing here"), (unknown, "not compared")] {
                if count > 0 {
                    sentence = format!("{sentence}, {count} {word}");
                }
            }
            ui.say(&sentence);
        }
        if differs > 0 {
            let files =
                if differs == 1 { "1 file here differs".to_owned() } else { format!("{differs} files here differ") };
            return Err(CliError::new(Blame::Verification, format!("{files} from the server's"))
                .hint("`dpex client getall --verify --overwrite` fetches them again"));
        }
        if let Some((blame, message)) = first {
            return Err(failures::with_hint(CliError::new(blame, message)));
        }
        if missing > 0 {
            return Err(CliError::new(Blame::Partial, format!("{missing} on the server and not here"))
                .hint("`dpex client getall` fetches what is missing"));
        }
        match skipped {
            0 => Ok(()),
            n => Err(CliError::new(Blame::Partial, failures::left_out(n)).hint(failures::LEFT_OUT_HINT)),
        }
    }
}
