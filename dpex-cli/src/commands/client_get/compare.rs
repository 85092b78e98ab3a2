//! Is a file here already? First by what was remembered and what can be looked at, and only in doubt by its content.

use std::sync::Arc;

use dpex_core::engine::Failure;
use dpex_core::node::{Client, hash_of};
use dpex_core::store::{EntryKind, FileStore, Meta, StoreError};
use dpex_core::types::SharePath;

use crate::error::CliResult;
use crate::home::{Fetched, Ledger};

/// Names looked up at a time.
const AT_ONCE: usize = 1000;

/// What can be said of a file without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing of that name is here, or nothing that is a file.
    Missing,
    /// It is here.
    Here,
    /// A file of that name and size is here; only its content can tell.
    Unsure,
    /// A file of that name is here, and it is another.
    Other,
}

/// Compares a file on the server with what has its name here, and with what is remembered of it.
pub(crate) fn judge(meta: &Meta, here: Option<&EntryKind>, fetched: Option<&Fetched>) -> Verdict {
    let Some(EntryKind::File(here)) = here else { return Verdict::Missing };
    // As it was when it had arrived: then it is what was fetched.
    let untouched = fetched.filter(|fetched| (fetched.size, fetched.mtime) == (here.size, here.mtime));
    match untouched {
        Some(fetched) if fetched.version == meta.version => Verdict::Here,
        // Nothing is remembered, or something else was here meanwhile: like others that look quickly.
        None if (here.size, here.mtime) == (meta.size, meta.mtime) => Verdict::Here,
        _ if here.size == meta.size => Verdict::Unsure,
        _ => Verdict::Other,
    }
}

/// Looks at many files. One verdict a file, in their order.
pub(crate) async fn judge_all(
    store: &dyn FileStore,
    ledger: &Ledger,
    files: &[(SharePath, Meta)],
) -> CliResult<Vec<Verdict>> {
    let mut verdicts = Vec::with_capacity(files.len());
    for files in files.chunks(AT_ONCE) {
        let paths: Vec<SharePath> = files.iter().map(|(path, _)| path.clone()).collect();
        let here = store.look(&paths).await;
        // What cannot be looked at is met again, and told, when it is received.
        let here = here.into_iter().map(|found| found.ok().flatten()).chain(std::iter::repeat(None));
        let files = files.iter().zip(here);
        verdicts.extend(files.map(|((path, meta), here)| judge(meta, here.as_ref(), ledger.get(path))));
    }
    Ok(verdicts)
}

/// What is to be remembered of files that have arrived under these names: what each is here. Nothing of one that is not.
pub(super) async fn remembered(
    store: &dyn FileStore,
    names: &[SharePath],
    metas: impl Iterator<Item = &Meta>,
) -> Vec<Option<Fetched>> {
    if names.is_empty() {
        return Vec::new();
    }
    let here = store.look(names).await.into_iter().map(|found| found.ok().flatten()).chain(std::iter::repeat(None));
    let remembered = |(meta, here): (&Meta, _)| match here {
        // Whatever has another size came by other means.
        Some(EntryKind::File(here)) if here.size == meta.size => {
            Some(Fetched { version: meta.version, size: here.size, mtime: here.mtime })
        }
        _ => None,
    };
    metas.zip(here).map(remembered).collect()
}

/// Why two files could not be compared.
#[derive(Debug)]
pub(crate) enum Unknown {
    /// The one on the server could not be had.
    There(Failure),
    /// The one here could not be read.
    Here(StoreError),
}

/// Does a file here have the content of the one on the server? Both are read whole, each where it is.
pub(crate) async fn is_same(client: &Client, store: &Arc<dyn FileStore>, path: &SharePath) -> Result<bool, Unknown> {
    let here = async {
        let file = store.open(path).await.map_err(Unknown::Here)?;
        let hash = hash_of(&*file).await.map_err(Unknown::Here)?;
        Ok((file.meta().size, hash))
    };
    let there = async {
        let (meta, root) = client.hash(path.clone()).await.map_err(Unknown::There)?;
        Ok((meta.size, root))
    };
    let (here, there) = tokio::try_join!(here, there)?;
    Ok(here == there)
}

#[cfg(test)]
mod tests {
    use dpex_core::types::{Timestamp, Version};

    use super::*;

    fn meta(size: u64, secs: i64, version: u8) -> Meta {
        let mtime = Timestamp::new(secs, 0).expect("valid");
        Meta { size, mtime, exec: false, version: Version([version; 16]) }
    }

    fn here(size: u64, secs: i64) -> EntryKind {
        EntryKind::File(meta(size, secs, 0))
    }

    fn fetched(size: u64, secs: i64, version: u8) -> Fetched {
        Fetched { version: Version([version; 16]), size, mtime: Timestamp::new(secs, 0).expect("valid") }
    }

    #[test]
    fn a_file_is_judged_by_what_is_remembered_and_what_is_here() {
        let there = meta(5, 10, 1);
        let folder = EntryKind::Folder(Timestamp::EPOCH);
        for (here, fetched, verdict, why) in [
            (None, None, Verdict::Missing, "never fetched"),
            (None, Some(fetched(5, 10, 1)), Verdict::Missing, "fetched and removed"),
            (Some(folder), None, Verdict::Missing, "the store will say what is in the way"),
            (Some(here(5, 10)), None, Verdict::Here, "of the same size and time"),
            (Some(here(5, 11)), None, Verdict::Unsure, "of another time"),
            (Some(here(6, 10)), None, Verdict::Other, "of another size"),
            (Some(here(5, 10)), Some(fetched(5, 10, 1)), Verdict::Here, "as it was fetched"),
            (Some(here(5, 99)), Some(fetched(5, 99, 1)), Verdict::Here, "the folder keeps no times"),
            (Some(here(5, 10)), Some(fetched(5, 10, 0)), Verdict::Unsure, "changed there within its size and time"),
            (Some(here(5, 9)), Some(fetched(5, 9, 0)), Verdict::Unsure, "changed there within its size"),
            (Some(here(4, 9)), Some(fetched(4, 9, 0)), Verdict::Other, "changed there"),
            (Some(here(5, 12)), Some(fetched(5, 10, 1)), Verdict::Unsure, "touched here"),
            (Some(here(7, 12)), Some(fetched(5, 10, 1)), Verdict::Other, "changed here"),
            (Some(here(5, 10)), Some(fetched(4, 9, 0)), Verdict::Here, "put here by other means"),
        ] {
            assert_eq!(judge(&there, here.as_ref(), fetched.as_ref()), verdict, "{why}");
        }
    }
}
