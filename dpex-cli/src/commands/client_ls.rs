//! `dpex client ls`: what is on offer.

use dpex_core::store::{Entry, EntryKind, FileStore};
use dpex_core::types::SharePath;
use serde_json::json;

use super::client_get::compare::{self, Verdict};
use super::client_get::{looked_at, store};
use super::connection::Prospect;
use super::{Context, failures, runtime};
use crate::args::LsArgs;
use crate::error::{Blame, CliError, CliResult};
use crate::home::{Ledger, Role};
use crate::ui::{Table, Ui, escape, minute, size};

/// Runs it.
pub(super) fn run(context: &Context, args: &LsArgs) -> CliResult {
    let settings = context.settings(Role::Client)?;
    let path = shelf_path(args.path.as_deref().unwrap_or(""))?;
    let prospect = Prospect::find(context, &settings, &args.server)?;
    let here = if args.new {
        let to = looked_at(&settings, args.to.as_deref())?;
        let ledger = context.home.part(Role::Client).fetched(prospect.name(), &to)?;
        Some((store(&settings, &to)?, ledger))
    } else {
        None
    };
    let listed = runtime::connected(prospect.connect(context, &settings), async |client| {
        let listed = client.list(&path, here.is_some()).await;
        prospect.learn(context, client).await;
        let (entries, skipped) = listed.map_err(|e| failures::listing(&e, &path, client))?;
        match &here {
            Some((store, ledger)) => Ok((new(&**store, ledger, entries).await?, skipped)),
            None => Ok((entries, skipped)),
        }
    });
    let (entries, skipped) = runtime::block_on(listed)?;
    show(context.ui, args.long, &entries)?;
    if entries.is_empty() && !context.ui.json {
        context.ui.say(if args.new { "nothing is new" } else { "nothing is on offer here" });
    }
    match skipped {
        0 => Ok(()),
        n => Err(CliError::new(Blame::Partial, failures::left_out(n)).hint(failures::LEFT_OUT_HINT)),
    }
}

/// The files that are not here yet, or are others than those here.
async fn new(store: &dyn FileStore, ledger: &Ledger, entries: Vec<Entry>) -> CliResult<Vec<Entry>> {
    let file = |entry: &Entry| match entry.kind {
        EntryKind::File(meta) => Some((entry.path.clone(), meta)),
        EntryKind::Folder(_) => None,
    };
    let files: Vec<_> = entries.iter().filter_map(file).collect();
    let verdicts = compare::judge_all(store, ledger, &files).await?;
    let files = files.into_iter().zip(verdicts).filter(|(_, verdict)| *verdict != Verdict::Here);
    Ok(files.map(|((path, meta), _)| Entry { path, kind: EntryKind::File(meta) }).collect())
}

/// A path as a person types it.
pub(super) fn shelf_path(typed: &str) -> CliResult<SharePath> {
    let trimmed = typed.strip_prefix("./").unwrap_or(typed);
    let trimmed = trimmed.strip_suffix('/').unwrap_or(trimmed);
    let trimmed = if trimmed == "." { "" } else { trimmed };
    SharePath::parse(trimmed).map_err(|e| {
        CliError::usage(format!("`{typed}` is not a name on a server: {e}"))
            .hint("names are as `dpex client ls` shows them: relative, with `/` between folders")
    })
}

fn show(ui: Ui, long: bool, entries: &[Entry]) -> CliResult {
    if ui.json {
        return entries.iter().try_for_each(|entry| ui.record("entry", fields(entry)));
    }
    if !long {
        let lines = entries.iter().map(|e| format!("{}{}\n", escape(e.path.as_str()), mark(e)));
        return ui.answer(&lines.collect::<String>());
    }
    if entries.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(&["SIZE", "CHANGED", "NAME"]);
    for entry in entries {
        let (bytes, mtime) = match &entry.kind {
            EntryKind::File(meta) => (size(meta.size), meta.mtime),
            EntryKind::Folder(mtime) => ("-".to_owned(), *mtime),
        };
        table.row([bytes, minute(mtime), format!("{}{}", entry.path, mark(entry))]);
    }
    ui.answer(&table.render())
}

fn mark(entry: &Entry) -> &'static str {
    match entry.kind {
        EntryKind::File(_) => "",
        EntryKind::Folder(_) => "/",
    }
}

fn fields(entry: &Entry) -> serde_json::Value {
    let path = entry.path.as_str();
    match &entry.kind {
        EntryKind::File(m) => json!({
            "path": path, "kind": "file", "size": m.size, "exec": m.exec,
            "mtime": { "secs": m.mtime.secs(), "nanos": m.mtime.nanos() },
        }),
        EntryKind::Folder(mtime) => json!({
            "path": path, "kind": "folder", "mtime": { "secs": mtime.secs(), "nanos": mtime.nanos() },
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::shelf_path;

    #[test]
    fn a_path_is_read_as_people_type_it() {
        for (typed, path) in [("", ""), (".", ""), ("./", ""), ("a/b/", "a/b"), ("./a", "a")] {
            assert_eq!(shelf_path(typed).expect("valid").as_str(), path, "{typed:?}");
        }
        assert_eq!(shelf_path("../x").expect_err("refused").blame().exit_code(), 2);
        assert_eq!(shelf_path("/etc").expect_err("refused").blame().exit_code(), 2);
    }
}
