//! Files that are to be compared or fetched, and have not been begun.

use dpex_core::store::FileStore;
use dpex_core::types::Fingerprint;

use super::job::Wish;
use super::room;
use crate::error::CliResult;

/// They are begun in the order of the listing; those that are compared do not wait for those that are fetched, nor these
/// for them.
pub(super) struct Waiting {
    /// The last of each is the first to be begun.
    compared: Vec<Wish>,
    fetched: Vec<Wish>,
    /// How many bytes are to be fetched. A server's numbers: any of them may come.
    bytes: u128,
}

impl Waiting {
    /// Files in the order in which they are to be begun.
    pub(super) fn new(wishes: Vec<Wish>) -> Self {
        let mut waiting = Self { compared: Vec::new(), fetched: Vec::new(), bytes: 0 };
        wishes.into_iter().rev().for_each(|wish| waiting.put_first(wish));
        waiting
    }

    /// Takes up one that is to be begun before all others of its kind.
    pub(super) fn put_first(&mut self, wish: Wish) {
        if wish.compare {
            self.compared.push(wish);
        } else {
            self.bytes += u128::from(wish.meta.size);
            self.fetched.push(wish);
        }
    }

    /// The next to be compared.
    pub(super) fn next_compared(&mut self) -> Option<Wish> {
        self.compared.pop()
    }

    /// The next to be fetched.
    pub(super) fn next_fetched(&mut self) -> Option<Wish> {
        let wish = self.fetched.pop()?;
        self.bytes -= u128::from(wish.meta.size);
        Some(wish)
    }

    pub(super) fn len(&self) -> usize {
        self.compared.len() + self.fetched.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Is there room for what is to be fetched, and for so many bytes more?
    ///
    /// # Errors
    /// Those of [`room::check`].
    pub(super) async fn check_room(&mut self, store: &dyn FileStore, more: u128, origin: &Fingerprint) -> CliResult {
        room::check(store, &mut self.fetched, self.bytes + more, origin).await
    }

    /// All of them.
    pub(super) fn into_wishes(self) -> impl Iterator<Item = Wish> {
        self.compared.into_iter().chain(self.fetched)
    }
}

#[cfg(test)]
mod tests {
    use dpex_core::store::{Existing, Meta};
    use dpex_core::types::{SharePath, Timestamp, Version};

    use super::*;

    fn wish(name: &str, size: u64, compare: bool) -> Wish {
        let meta = Meta { size, mtime: Timestamp::EPOCH, exec: false, version: Version([0; 16]) };
        Wish::new(SharePath::parse(name).expect("a name"), meta, Existing::Keep, compare)
    }

    #[test]
    fn what_is_compared_and_what_is_fetched_do_not_wait_for_each_other() {
        let mut waiting =
            Waiting::new(vec![wish("a", 1, true), wish("b", 2, false), wish("c", 3, true), wish("d", 4, false)]);
        let name = |wish: Option<Wish>| wish.map(|wish| wish.path.to_string());
        assert_eq!((waiting.len(), waiting.bytes), (4, 6));
        assert_eq!(name(waiting.next_fetched()).as_deref(), Some("b"));
        assert_eq!(name(waiting.next_compared()).as_deref(), Some("a"));
        waiting.put_first(wish("e", u64::MAX, false));
        assert_eq!((waiting.len(), waiting.bytes), (3, u128::from(u64::MAX) + 4));
        assert_eq!(name(waiting.next_fetched()).as_deref(), Some("e"));
        assert_eq!(name(waiting.next_fetched()).as_deref(), Some("d"));
        assert_eq!((name(waiting.next_fetched()), waiting.bytes), (None, 0));
        assert_eq!(name(waiting.next_compared()).as_deref(), Some("c"));
        assert!(waiting.is_empty());
    }
}
