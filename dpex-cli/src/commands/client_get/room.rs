//! Will all of it fit? To be known before the first byte is asked for; and again before the first byte of a file that was
//! compared first, since until then nobody knew that it would be fetched.

use dpex_core::store::FileStore;
use dpex_core::types::Fingerprint;

use super::job::{BLOCK, Wish};
use crate::error::{Blame, CliError, CliResult};
use crate::ui::size;

/// What to do where there is too little.
pub(super) const HINT: &str = "make room, choose another folder with --to DIR, or fetch less at a time";

/// Compares the bytes that are needed, of which these files are a part, with the room there is. What is here in part
/// has its room already; that is looked at only if there seems to be too little, and then kept in the wish.
///
/// # Errors
/// If there is less room than is needed. A store that cannot tell is asked by writing.
pub(super) async fn check(
    store: &dyn FileStore,
    wishes: &mut [Wish],
    mut needed: u128,
    origin: &Fingerprint,
) -> CliResult {
    let Some(room) = store.room().await else { return Ok(()) };
    for wish in wishes.iter_mut().filter(|wish| wish.meta.size > BLOCK) {
        if needed <= u128::from(room) {
            break;
        }
        // Whoever else receives it is met later.
        wish.held = store.held(&wish.path, origin).await.ok().flatten();
        let held = wish.held.iter().filter(|held| held.version == wish.meta.version);
        let here: u128 = held.map(|held| (held.values.len() as u128) << held.block_log2).sum();
        needed -= here.min(u128::from(wish.meta.size));
    }
    if needed <= u128::from(room) {
        return Ok(());
    }
    let needed = u64::try_from(needed).unwrap_or(u64::MAX);
    let message = format!("the disk has room for {}, and {} are needed", size(room), size(needed));
    Err(CliError::new(Blame::Disk, message).hint(HINT))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use async_trait::async_trait;
    use dpex_core::store::{Existing, Held, Incoming, ListQuery, Meta, Page, PartialFile, SourceFile, StoreError};
    use dpex_core::types::{Digest, SharePath, Timestamp, Version};

    use super::*;

    const MIB: u64 = 1 << 20;
    const VERSION: Version = Version([1; 16]);

    /// Has so much room, and four blocks of every file in version 1.
    #[derive(Debug)]
    struct Tight(u64);

    #[async_trait]
    impl FileStore for Tight {
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

        async fn held(&self, _: &SharePath, _: &Fingerprint) -> Result<Option<Held>, StoreError> {
            let values = (0..4).map(|index| (index, Digest([0; 32]))).collect();
            Ok(Some(Held { version: VERSION, block_log2: 20, values }))
        }

        async fn room(&self) -> Option<u64> {
            Some(self.0)
        }
    }

    fn fits(room: u64, files: &[(u64, Version)]) -> bool {
        fits_beside(room, files, 0)
    }

    fn fits_beside(room: u64, files: &[(u64, Version)], more: u64) -> bool {
        let wish = |&(size, version): &(u64, Version)| {
            let meta = Meta { size, mtime: Timestamp::EPOCH, exec: false, version };
            Wish::new(SharePath::parse("a").expect("a name"), meta, Existing::Keep, false)
        };
        let mut wishes: Vec<Wish> = files.iter().map(wish).collect();
        let needed = files.iter().map(|(size, _)| u128::from(*size)).sum::<u128>() + u128::from(more);
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime can be made");
        runtime.block_on(check(&Tight(room), &mut wishes, needed, &Fingerprint([0; 32]))).is_ok()
    }

    #[test]
    fn what_is_here_in_part_needs_only_the_room_that_is_missing() {
        let file = (10 * MIB, VERSION);
        assert!(fits(6 * MIB, &[file]) && !fits(6 * MIB - 1, &[file]));
        // Each would fit by itself, and both only because of what is here of them.
        assert!(fits(12 * MIB, &[file, file]) && !fits(12 * MIB - 1, &[file, file]));
        let other = (10 * MIB, Version([2; 16]));
        assert!(fits(10 * MIB, &[other]) && !fits(10 * MIB - 1, &[other]), "of another version nothing is of use");
        assert!(fits(MIB, &[(MIB, VERSION)]) && !fits(MIB - 1, &[(MIB, VERSION)]), "small files are here or not");
        assert!(fits(0, &[(3 * MIB, VERSION)]), "the last block may be short");
        assert!(!fits(u64::MAX, &[(u64::MAX, VERSION), (u64::MAX, VERSION)]), "a server may say anything");
        assert!(fits(0, &[]));
        let more = |room| fits_beside(room, &[file], 2 * MIB);
        assert!(more(8 * MIB) && !more(8 * MIB - 1), "what is under way needs its room, too");
    }
}
