//! No two names in a folder that another disk would take for one.
//!
//! A folder that is received means the same wherever it is copied: a name that differs from another there only in case
//! or in how its accents are written is refused. The names of a folder are read once, when first something is made in
//! it, and kept up to date with what this process makes; so a hundred thousand files cost one reading. One that is not in
//! the folder above it is not there, and holds nothing. What others make meanwhile may be missed: this keeps a tree
//! portable, and is not what keeps a file from being replaced.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dpex_core::store::{Existing, StoreError};
use dpex_core::types::SharePath;

use crate::error::is_our_own_trouble;
use crate::fence::Folder;
use crate::folding::fold;
use crate::names::siblings;

/// Names that are remembered, of all folders.
const MOST_NAMES: usize = 1 << 18;

/// A folder and the fold of a name in it.
type Spot = (SharePath, String);

/// What is known of the names in the folders of one store.
#[derive(Debug, Default)]
pub(crate) struct Collisions(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// Each name with its fold, of the folders that were read.
    folders: HashMap<SharePath, BTreeSet<(String, String)>>,
    /// How many names that are.
    count: usize,
    /// The last folder that was found to be there, with all above it. Many names in one cost one look at those.
    settled: Option<SharePath>,
    /// Names that somebody is about to make, and how many are at it.
    under_way: BTreeMap<Spot, BTreeMap<String, usize>>,
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
                self.folders.entry(folder.clone()).or_default();
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
        let names = self.names(root, folder)?;
        let mut tried = std::iter::once(name.to_owned()).chain(siblings(name));
        Ok(tried.find(|name| !names.contains(&(fold(name), name.clone()))).unwrap_or_else(|| name.to_owned()))
    }

    /// Where a name will be made; `None` if it is there.
    fn spot(&mut self, root: &Folder, folder: &SharePath, name: &str) -> Result<Option<Spot>, StoreError> {
        const REFUSED: StoreError =
            StoreError::BadName("another name there differs from it only in case, or in how accents are written");
        let spot = (folder.clone(), fold(name));
        if self.under_way.get(&spot).is_some_and(|names| names.keys().any(|other| other != name)) {
            return Err(REFUSED);
        }
        let names = self.names(root, folder)?;
        let alike = names.range((spot.1.clone(), String::new())..).take_while(|(found, _)| *found == spot.1);
        let alike: Vec<(String, String)> = alike.cloned().collect();
        if alike.iter().any(|(_, other)| other == name) {
            return Ok(None);
        }
        for other in alike {
            if is_there(root, folder, &other.1) {
                return Err(REFUSED);
            }
            self.forget(folder, &other);
        }
        Ok(Some(spot))
    }

    /// The names in a folder, read if they are not known. A folder that is not there has none.
    fn names(&mut self, root: &Folder, folder: &SharePath) -> Result<&BTreeSet<(String, String)>, StoreError> {
        if !self.folders.contains_key(folder) {
            let found = match root.walk(folder.parts()).and_then(|folder| folder.names()) {
                Err(errno) if is_our_own_trouble(errno) => return Err(StoreError::Io(errno.into())),
                found => found.unwrap_or_default(),
            };
            if self.count + found.len() > MOST_NAMES {
                self.folders.clear();
                (self.count, self.settled) = (0, None);
            }
            // What is not text can be no name of ours, and is like none.
            let texts = found.into_iter().filter_map(|(name, _)| String::from_utf8(name).ok());
            let names: BTreeSet<_> = texts.take(MOST_NAMES).map(|name| (fold(&name), name)).collect();
            self.count += names.len();
            self.folders.insert(folder.clone(), names);
        }
        Ok(self.folders.entry(folder.clone()).or_default())
    }

    fn remember(&mut self, folder: &SharePath, name: &str) {
        if self.count < MOST_NAMES
            && let Some(names) = self.folders.get_mut(folder)
            && names.insert((fold(name), name.to_owned()))
        {
            self.count += 1;
        }
    }

    fn forget(&mut self, folder: &SharePath, name: &(String, String)) {
        if self.folders.get_mut(folder).is_some_and(|names| names.remove(name)) {
            self.count -= 1;
        }
        self.settled = None;
    }
}

/// Asked only about a name that is in the way: it may have been removed since the folder was read.
fn is_there(root: &Folder, folder: &SharePath, name: &str) -> bool {
    root.walk(folder.parts()).is_ok_and(|folder| folder.stat(name).is_ok())
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
