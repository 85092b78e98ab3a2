//! No two names in a folder that another disk would take for one.
//!
//! A folder that is received means the same wherever it is copied: a name that differs from another there only in case,
//! in how its accents are written or in what is not seen of it is refused. The names of a folder are read once, when
//! first something is made in it, and kept up to date with what this process makes; so a hundred thousand files cost
//! one reading. One that is not in the folder above it is not there, and holds nothing. What others make meanwhile may
//! be missed: this keeps a tree portable, and is not what keeps a file from being replaced.
//!
//! Only hashes of names are kept, so that all of the longest listing find room. Where one is met that is like the name
//! in question, the folder is read again, and its names are compared themselves.

use std::collections::hash_map::{HashMap, RandomState};
use std::collections::{BTreeMap, HashSet};
use std::hash::BuildHasher as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dpex_core::store::{Existing, StoreError};
use dpex_core::types::SharePath;

use crate::error::is_our_own_trouble;
use crate::fence::Folder;
use crate::folding::fold;
use crate::names::siblings;

/// Names and folders that are remembered: as many as a listing has. Those of the folder that is looked at are always.
const MOST_NAMES: usize = 1 << 20;

/// A folder and the fold of a name in it.
type Spot = (SharePath, String);

/// What is known of the names in the folders of one store.
#[derive(Debug, Default)]
pub(crate) struct Collisions(Mutex<Known>);

#[derive(Debug)]
struct Known {
    /// The names in the folders that were read.
    folders: HashMap<SharePath, Names>,
    /// How many names and folders that are.
    count: usize,
    /// How many it may be.
    most: usize,
    /// A peer that chooses names cannot choose their hashes.
    keys: RandomState,
    /// The last folder that was found to be there, with all above it. Many names in one cost one look at those.
    settled: Option<SharePath>,
    /// Names that somebody is about to make, and how many are at it.
    under_way: BTreeMap<Spot, BTreeMap<String, usize>>,
}

impl Default for Known {
    fn default() -> Self {
        let (folders, under_way) = (HashMap::new(), BTreeMap::new());
        Self { folders, count: 0, most: MOST_NAMES, keys: RandomState::new(), settled: None, under_way }
    }
}

/// The names in one folder.
#[derive(Debug, Default)]
struct Names {
    /// A hash of each name, and one of its fold.
    hashes: HashSet<u64>,
    count: usize,
}

/// What a hash is of. A name may be another's fold.
#[derive(Clone, Copy, Debug, Hash)]
enum Of {
    Name,
    Fold,
}

impl Collisions {
    /// Admits a name to be made, and those of the folders above it, until what is returned is dropped.
    ///
    /// # Errors
    /// [`StoreError::BadName`] if one of them differs from another only in case or accents, [`StoreError::Io`] if this
    /// process has no descriptors left. A folder that cannot be read is left to whoever makes something there.
    pub(crate) fn check(
        self: &Arc<Self>,
        root: &Folder,
        path: &SharePath,
        existing: Existing,
    ) -> Result<Admitted, StoreError> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Ok(Admitted { collisions: Arc::clone(self), made: Vec::new() });
        };
        let mut known = self.known();
        let mut made = known.missing(root, &parent)?;
        let name = known.published(root, &parent, name, existing)?;
        if let Some(spot) = known.spot(root, &parent, &name)? {
            made.push((spot, name));
        }
        for (spot, name) in &made {
            *known.under_way.entry(spot.clone()).or_default().entry(name.clone()).or_default() += 1;
        }
        drop(known);
        Ok(Admitted { collisions: Arc::clone(self), made })
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Those names of a folder and of the ones above it that are to be made.
    fn missing(&mut self, root: &Folder, path: &SharePath) -> Result<Vec<(Spot, String)>, StoreError> {
        let mut missing = Vec::new();
        if self.is_settled(path) {
            return Ok(missing);
        }
        let mut folder = SharePath::ROOT;
        for part in path.parts() {
            if let Some(spot) = self.spot(root, &folder, part)? {
                missing.push((spot, part.to_owned()));
            }
            folder = folder.join(part).unwrap_or_default();
            if !missing.is_empty() {
                // It is not there, and holds nothing.
                self.know_empty(&folder);
            }
        }
        if missing.is_empty() {
            self.settled = Some(folder);
        }
        Ok(missing)
    }

    /// Is a folder known to be there, with all above it? If one inside of it is, so is this one.
    fn is_settled(&self, folder: &SharePath) -> bool {
        self.settled.as_ref().is_some_and(|settled| settled.starts_with(folder))
    }

    /// The name that a file of this name will get, as far as is known.
    fn published(
        &mut self,
        root: &Folder,
        folder: &SharePath,
        name: &str,
        existing: Existing,
    ) -> Result<String, StoreError> {
        if existing != Existing::Rename {
            return Ok(name.to_owned());
        }
        let keys = self.keys.clone();
        let names = self.names(root, folder)?;
        let mut tried = std::iter::once(name.to_owned()).chain(siblings(name));
        Ok(tried.find(|name| !names.has(&keys, Of::Name, name)).unwrap_or_else(|| name.to_owned()))
    }

    /// Where a name will be made; `None` if it is there.
    fn spot(&mut self, root: &Folder, folder: &SharePath, name: &str) -> Result<Option<Spot>, StoreError> {
        const REFUSED: StoreError = StoreError::BadName(
            "another name there differs from it only in case, in how accents are written, or in what is not seen",
        );
        let spot = (folder.clone(), fold(name));
        if self.under_way.get(&spot).is_some_and(|names| names.keys().any(|other| other != name)) {
            return Err(REFUSED);
        }
        let keys = self.keys.clone();
        let names = self.names(root, folder)?;
        if names.has(&keys, Of::Name, name) {
            return Ok(None);
        }
        if !names.has(&keys, Of::Fold, &spot.1) {
            return Ok(Some(spot));
        }
        // It may have been removed since the folder was read.
        let found = self.read(root, folder)?;
        if found.iter().any(|other| other == name) {
            return Ok(None);
        }
        if found.iter().any(|other| fold(other) == spot.1) {
            return Err(REFUSED);
        }
        self.settled = None;
        Ok(Some(spot))
    }

    /// The names in a folder, read if they are not known. A folder that is not there has none.
    fn names(&mut self, root: &Folder, folder: &SharePath) -> Result<&Names, StoreError> {
        if !self.folders.contains_key(folder) {
            self.read(root, folder)?;
        }
        Ok(self.folders.entry(folder.clone()).or_default())
    }

    /// Reads the names in a folder, in place of what was known of it.
    fn read(&mut self, root: &Folder, folder: &SharePath) -> Result<Vec<String>, StoreError> {
        let found = match root.walk(folder.parts()).and_then(|folder| folder.names()) {
            Err(errno) if is_our_own_trouble(errno) => return Err(StoreError::Io(errno.into())),
            found => found.unwrap_or_default(),
        };
        // What is not text can be no name of ours, and is like none.
        let found: Vec<String> = found.into_iter().filter_map(|(name, _)| String::from_utf8(name).ok()).collect();
        let mut names = Names::default();
        for name in &found {
            names.insert(&self.keys, name);
        }
        self.know(folder, names);
        Ok(found)
    }

    fn know_empty(&mut self, folder: &SharePath) {
        if !self.folders.contains_key(folder) {
            self.know(folder, Names::default());
        }
    }

    /// Keeps what is in a folder.
    fn know(&mut self, folder: &SharePath, names: Names) {
        self.count += 1 + names.count;
        if let Some(before) = self.folders.insert(folder.clone(), names) {
            self.count -= 1 + before.count;
        }
        self.make_room(folder);
    }

    fn remember(&mut self, folder: &SharePath, name: &str) {
        if let Some(names) = self.folders.get_mut(folder)
            && names.insert(&self.keys, name)
        {
            self.count += 1;
            self.make_room(folder);
        }
    }

    /// Forgets all other folders if there is too much: whatever is asked of one of them, it is read again.
    fn make_room(&mut self, folder: &SharePath) {
        if self.count > self.most && self.folders.len() > 1 {
            self.folders.retain(|other, _| other == folder);
            self.count = self.folders.values().map(|names| 1 + names.count).sum();
        }
    }
}

impl Names {
    fn has(&self, keys: &RandomState, of: Of, text: &str) -> bool {
        self.hashes.contains(&keys.hash_one((of, text)))
    }

    /// Whether it is new.
    fn insert(&mut self, keys: &RandomState, name: &str) -> bool {
        let is_new = self.hashes.insert(keys.hash_one((Of::Name, name)));
        self.hashes.insert(keys.hash_one((Of::Fold, &*fold(name))));
        self.count += usize::from(is_new);
        is_new
    }
}

/// Names that may be made: while this lives, no other that a disk would take for one of them is admitted.
#[derive(Debug)]
pub(crate) struct Admitted {
    collisions: Arc<Collisions>,
    made: Vec<(Spot, String)>,
}

impl Admitted {
    /// This path has been made, with the folders above it.
    pub(crate) fn made(&self, path: &SharePath) {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return };
        let mut known = self.collisions.known();
        if !known.is_settled(&parent) {
            let mut folder = SharePath::ROOT;
            for part in parent.parts() {
                known.remember(&folder, part);
                folder = folder.join(part).unwrap_or_default();
            }
            known.settled = Some(parent.clone());
        }
        known.remember(&parent, name);
    }

    /// The same of a folder. What is made in it next need not look at those above, nor at a new one itself.
    pub(crate) fn made_folder(&self, path: &SharePath) {
        self.made(path);
        let mut known = self.collisions.known();
        known.settled = Some(path.clone());
        let is_new = self.made.last().is_some_and(|((above, _), name)| above.join(name).as_ref() == Ok(path));
        if is_new && known.count < MOST_NAMES {
            known.folders.entry(path.clone()).or_default();
        }
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut known = self.collisions.known();
        for (spot, name) in &self.made {
            if let Some(names) = known.under_way.get_mut(spot) {
                if let Some(count) = names.get_mut(name).filter(|count| **count > 1) {
                    *count -= 1;
                } else {
                    names.remove(name);
                }
                if names.is_empty() {
                    known.under_way.remove(spot);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    /// A folder on the disk, and what is known of it.
    struct Tree {
        dir: TempDir,
        root: Folder,
        collisions: Arc<Collisions>,
    }

    impl Tree {
        fn knowing_at_most(most: usize) -> Self {
            let dir = tempfile::tempdir().expect("a folder");
            let root = Folder::root(dir.path()).expect("opens");
            let known = Known { most, ..Known::default() };
            Self { dir, root, collisions: Arc::new(Collisions(Mutex::new(known))) }
        }

        /// Makes a file and the folders above it, if its name is admitted.
        fn make(&self, name: &str) -> bool {
            let path = SharePath::parse(name).expect("a name");
            let Ok(admitted) = self.collisions.check(&self.root, &path, Existing::Keep) else { return false };
            let file = self.dir.path().join(name);
            std::fs::create_dir_all(file.parent().expect("a folder")).expect("writable");
            std::fs::write(file, "").expect("writable");
            admitted.made(&path);
            true
        }

        fn counts(&self) -> (usize, usize) {
            let known = self.collisions.known();
            (known.count, known.folders.values().map(|names| 1 + names.count).sum())
        }
    }

    // NAM-12.
    #[test]
    fn names_are_told_apart_however_many_are_known_already() {
        for most in [0, 1, 4, 10, 1000] {
            let tree = Tree::knowing_at_most(most);
            for n in 0..10 {
                assert!(tree.make(&format!("{n}")) && tree.make(&format!("folder {n}/x")));
            }
            for folder in ["", "folder 3/", "new/", "deep/er/"] {
                assert!(tree.make(&format!("{folder}README")));
                assert!(!tree.make(&format!("{folder}readme")), "{folder:?} of {most}");
                assert!(tree.make(&format!("{folder}README")), "which is there");
            }
            assert!(!tree.make("Folder 5/y") && !tree.make("DEEP/z"));
            let (counted, known) = tree.counts();
            assert_eq!(counted, known);
            assert!(known <= most.max(30), "{known} of {most}: no folder here has more");
        }
    }
}
