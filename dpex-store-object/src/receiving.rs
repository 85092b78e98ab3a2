//! The beginning of a reception: may the name be taken, and by whom.

use std::collections::HashSet;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dpex_core::store::{Existing, Incoming, StoreError};
use dpex_core::types::{Secret, SharePath};

use crate::attributes::meta;
use crate::error::{is_missing, looking_up};
use crate::listing::has_children;
use crate::local::{has_link, is_staged};
use crate::names::{check, key, siblings};
use crate::service::Service;

/// Folders remembered as free of files that would be in the way.
const MOST_REMEMBERED: usize = 4_096;

/// The names under reception in this process, and what is known of folders.
#[derive(Debug, Default)]
pub(crate) struct Names(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    taken: HashSet<SharePath>,
    /// No object has the name of one of these.
    folders: HashSet<SharePath>,
}

/// A name that nobody else in this process receives, until this is dropped.
#[derive(Debug)]
pub(crate) struct Claim {
    names: Arc<Names>,
    path: SharePath,
}

impl Names {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn claim(self: &Arc<Self>, path: &SharePath) -> Result<Claim, StoreError> {
        if !self.known().taken.insert(path.clone()) {
            return Err(StoreError::Busy);
        }
        Ok(Claim { names: Arc::clone(self), path: path.clone() })
    }

    fn remember(&self, folder: SharePath) {
        let folders = &mut self.known().folders;
        if folders.len() < MOST_REMEMBERED {
            folders.insert(folder);
        }
    }

    /// A file has this name now.
    pub(crate) fn is_file(&self, path: &SharePath) {
        self.known().folders.remove(path);
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.names.known().taken.remove(&self.path);
    }
}

/// Checks what can be checked before the first byte. Gives the name to use, and the claims on it and the one asked for.
pub(crate) async fn begin(
    service: &Service,
    names: &Arc<Names>,
    incoming: &Incoming,
) -> Result<(SharePath, Vec<Claim>), StoreError> {
    let path = &incoming.path;
    check_name(service, path)?;
    // Nothing of an upload that was broken off stays.
    if incoming.held.as_ref().is_some_and(|held| !held.values.is_empty()) {
        return Err(StoreError::Gone);
    }
    let Some(parent) = path.parent() else { return Err(StoreError::Exists) };
    if let Some(root) = &service.folder
        && has_link(root, path).await?
    {
        return Err(StoreError::Exists);
    }
    let claim = names.claim(path)?;
    check_folders(service, names, &parent).await?;
    match look(service, path, Some(incoming)).await? {
        Found::Nothing => Ok((path.clone(), vec![claim])),
        Found::Folder => Err(StoreError::Exists),
        Found::File if incoming.existing == Existing::Overwrite => Ok((path.clone(), vec![claim])),
        Found::File if incoming.existing == Existing::Rename => {
            let (sibling, its_claim) = free_sibling(service, names, incoming).await?;
            Ok((sibling, vec![claim, its_claim]))
        }
        Found::File => Err(StoreError::Exists),
    }
}

/// Checks that a folder could be there. There is nothing to make: it is there when something is in it.
pub(crate) async fn make_folder(service: &Service, names: &Arc<Names>, path: &SharePath) -> Result<(), StoreError> {
    check_name(service, path)?;
    if let Some(root) = &service.folder
        && has_link(root, path).await?
    {
        return Err(StoreError::Exists);
    }
    check_folders(service, names, path).await
}

fn check_name(service: &Service, path: &SharePath) -> Result<(), StoreError> {
    check(path)?;
    if key(&service.prefix, path).is_none() {
        return Err(StoreError::BadName("with the prefix before it, it is too long for a bucket"));
    }
    if service.folder.is_some() && path.file_name().is_some_and(is_staged) {
        return Err(StoreError::BadName("it looks like an unfinished file"));
    }
    Ok(())
}

/// A bucket would take `f` and `f/x`; a folder tree would not, and whoever lists it would lose one.
async fn check_folders(service: &Service, names: &Names, path: &SharePath) -> Result<(), StoreError> {
    let mut folder = SharePath::ROOT;
    for part in path.parts() {
        folder = folder.join(part).map_err(|e| StoreError::Io(io::Error::other(e)))?;
        if names.known().folders.contains(&folder) {
            continue;
        }
        if is_file(service, &folder).await? {
            return Err(StoreError::Exists);
        }
        names.remember(folder.clone());
    }
    Ok(())
}

async fn is_file(service: &Service, path: &SharePath) -> Result<bool, StoreError> {
    Ok(look_at_file(service, path, None).await? == Found::File)
}

/// What has a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Nothing,
    File,
    Folder,
}

/// Looks at what has a name; [`StoreError::Same`] if it is the very file that would be received.
pub(crate) async fn look(
    service: &Service,
    path: &SharePath,
    incoming: Option<&Incoming>,
) -> Result<Found, StoreError> {
    match look_at_file(service, path, incoming).await? {
        Found::Nothing if has_children(service, path).await? => Ok(Found::Folder),
        found => Ok(found),
    }
}

async fn look_at_file(service: &Service, path: &SharePath, incoming: Option<&Incoming>) -> Result<Found, StoreError> {
    let Some(key) = key(&service.prefix, path) else { return Ok(Found::Nothing) };
    let found = match service.head(&key).await {
        Err(e) if is_missing(&e) => return Ok(Found::Nothing),
        found => found.map_err(|e| looking_up(&e))?,
    };
    // The version is of no interest, so the key of its hash is not either.
    let there = meta(&found.meta, &found.attributes, &Secret::new([0; 32]));
    // Without metadata the time is that of the bucket, and only by accident that of a file.
    let is_same = |incoming: &Incoming| {
        let name = path.file_name().unwrap_or_default();
        service.keeps_attributes && incoming.seems_here(name, there.size, there.mtime)
    };
    if incoming.is_some_and(is_same) { Err(StoreError::Same) } else { Ok(Found::File) }
}

/// The first free name that nobody receives; a second run that renames finds what the first one wrote.
async fn free_sibling(
    service: &Service,
    names: &Arc<Names>,
    incoming: &Incoming,
) -> Result<(SharePath, Claim), StoreError> {
    for sibling in siblings(&incoming.path) {
        let Ok(claim) = names.claim(&sibling) else { continue };
        if look(service, &sibling, Some(incoming)).await? == Found::Nothing {
            return Ok((sibling, claim));
        }
    }
    Err(StoreError::Exists)
}
