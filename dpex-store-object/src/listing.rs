//! One page of a subtree, in the order of [`SharePath`]: a walk over the folders, depth first.
//!
//! A walk that stopped at the end of a page is kept for the next one, so that a large folder is read once and not once
//! for every page. A page that begins elsewhere walks again from its cursor, with one request for each folder above it.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use dpex_core::store::{Entry, EntryKind, ListQuery, Meta, Page, StoreError};
use dpex_core::types::{Secret, SharePath, Timestamp};
use object_store::{Attributes, ObjectMeta};

use crate::attributes::meta;
use crate::children::{Child, Children, is_folder};
use crate::error::{is_missing, looking_up};
use crate::names::{all_shown, folder_key, is_shown, key};
use crate::service::Service;

/// Walks kept for their next page: one for each of so many people who list at the same time.
const MOST_KEPT: usize = 8;
/// After this a walk is begun anew: what it read before may be long gone.
const KEPT_FOR: Duration = Duration::from_secs(60);

/// The walks that were interrupted by the end of a page.
#[derive(Debug, Default)]
pub(crate) struct Kept(Mutex<VecDeque<(Instant, Walk)>>);

impl Kept {
    fn take(&self, query: &ListQuery) -> Option<Walk> {
        let after = query.after.as_ref()?;
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(since, _)| since.elapsed() < KEPT_FOR);
        let is_it = |walk: &Walk| {
            walk.path == query.path && walk.recursive == query.recursive && walk.last.as_ref() == Some(after)
        };
        let at = kept.iter().position(|(_, walk)| is_it(walk))?;
        kept.remove(at).map(|(_, walk)| walk)
    }

    fn keep(&self, walk: Walk) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == MOST_KEPT {
            kept.pop_front();
        }
        kept.push_back((Instant::now(), walk));
    }
}

/// Answers a query.
pub(crate) async fn list(
    service: &Service,
    secret: &Secret<32>,
    kept: &Kept,
    query: &ListQuery,
) -> Result<Page, StoreError> {
    let view = View { service, secret };
    let mut walk = match kept.take(query) {
        Some(walk) => walk,
        None => match view.begin(query).await? {
            Begun::Folder(walk) => walk,
            Begun::File(page) => return Ok(page),
        },
    };
    let mut page = Page::default();
    while page.entries.len() < query.limit.max(1) {
        let Some((entry, skipped)) = walk.next(&view).await? else {
            page.skipped += walk.skipped;
            return Ok(page);
        };
        page.skipped += skipped;
        page.entries.push(entry);
    }
    walk.last = page.entries.last().map(|entry| entry.path.clone());
    walk.peeked = walk.next(&view).await?;
    if walk.peeked.is_some() {
        page.more = true;
        kept.keep(walk);
    } else {
        page.skipped += walk.skipped;
    }
    Ok(page)
}

struct View<'a> {
    service: &'a Service,
    secret: &'a Secret<32>,
}

enum Begun {
    Folder(Walk),
    /// The query names a file.
    File(Page),
}

impl View<'_> {
    async fn begin(&self, query: &ListQuery) -> Result<Begun, StoreError> {
        if !all_shown(&query.path) {
            return Err(StoreError::NotFound);
        }
        if let Some(root) = &self.service.folder
            && crate::local::has_link(root, &query.path).await?
        {
            return Err(StoreError::NotFound);
        }
        let mut walk = Walk {
            path: query.path.clone(),
            recursive: query.recursive,
            levels: Vec::new(),
            peeked: None,
            skipped: 0,
            last: query.after.clone(),
        };
        walk.start(self.service, query.after.as_ref());
        walk.peeked = walk.next(self).await?;
        if walk.peeked.is_some() || walk.skipped > 0 || self.is_folder(&query.path).await? {
            return Ok(Begun::Folder(walk));
        }
        let meta = self.file(&query.path).await?.ok_or(StoreError::NotFound)?;
        let is_wanted = query.after.as_ref().is_none_or(|after| *after < query.path);
        let entry = Entry { path: query.path.clone(), kind: EntryKind::File(meta) };
        Ok(Begun::File(Page { entries: is_wanted.then_some(entry).into_iter().collect(), ..Page::default() }))
    }

    /// Is there a folder, perhaps with nothing in it that may be shown?
    async fn is_folder(&self, path: &SharePath) -> Result<bool, StoreError> {
        if path.is_root() {
            return Ok(true);
        }
        has_children(self.service, path).await
    }

    async fn file(&self, path: &SharePath) -> Result<Option<Meta>, StoreError> {
        let key = key(&self.service.prefix, path).ok_or(StoreError::NotFound)?;
        match self.service.head(&key).await {
            Ok(found) => Ok(Some(meta(&found.meta, &found.attributes, self.secret))),
            Err(e) if is_missing(&e) => Ok(None),
            Err(e) => Err(looking_up(&e)),
        }
    }

    fn listed(&self, object: &ObjectMeta) -> Meta {
        meta(object, &Attributes::new(), self.secret)
    }
}

/// Is there anything in a folder, whatever it is? For a folder of this machine: is it there?
pub(crate) async fn has_children(service: &Service, path: &SharePath) -> Result<bool, StoreError> {
    if let Some(pages) = &service.pages {
        return is_folder(pages, &folder_key(&service.prefix, path)).await;
    }
    if let Some(root) = &service.folder {
        let folder = root.join(path.as_str());
        return Ok(tokio::task::spawn_blocking(move || folder.is_dir()).await.unwrap_or(false));
    }
    Ok(Children::after(service, path.clone(), None).next(service).await?.is_some())
}

/// A walk over a subtree.
#[derive(Debug)]
struct Walk {
    path: SharePath,
    recursive: bool,
    /// The folders it is in, innermost last.
    levels: Vec<(SharePath, Children)>,
    /// Read ahead, with what was skipped before it.
    peeked: Option<(Entry, u64)>,
    /// Skipped since the last entry.
    skipped: u64,
    /// The last entry of the page before.
    last: Option<SharePath>,
}

impl Walk {
    /// Goes to where everything after the cursor begins.
    fn start(&mut self, service: &Service, after: Option<&SharePath>) {
        let mut folder = self.path.clone();
        let Some(after) = after.filter(|after| **after > folder) else {
            self.levels.push((folder.clone(), Children::after(service, folder, None)));
            return;
        };
        if !after.starts_with(&folder) {
            return;
        }
        for part in after.parts().skip(folder.parts().count()) {
            self.levels.push((folder.clone(), Children::after(service, folder.clone(), Some(part))));
            let Ok(inside) = folder.join(part) else { return };
            folder = inside;
            if !self.recursive || !is_shown(part) {
                return;
            }
        }
        // The cursor may itself be a folder: what is in it comes after it.
        self.levels.push((folder.clone(), Children::after(service, folder, None)));
    }

    /// The next entry and how many were skipped since the one before.
    async fn next(&mut self, view: &View<'_>) -> Result<Option<(Entry, u64)>, StoreError> {
        if let Some(peeked) = self.peeked.take() {
            return Ok(Some(peeked));
        }
        while let Some((folder, children)) = self.levels.last_mut() {
            let Some((name, child)) = children.next(view.service).await? else {
                self.levels.pop();
                continue;
            };
            if !is_shown(&name) {
                continue;
            }
            let path = folder.join(&name).ok();
            let Some(entry) = self.entry(view, path, child).await? else { continue };
            return Ok(Some((entry, std::mem::take(&mut self.skipped))));
        }
        Ok(None)
    }

    async fn entry(
        &mut self,
        view: &View<'_>,
        path: Option<SharePath>,
        child: Child,
    ) -> Result<Option<Entry>, StoreError> {
        let is_file = child.file.is_some() || child.is_unread_file;
        let Some(path) = path.filter(|_| is_file || child.is_folder) else {
            self.skipped += 1;
            return Ok(None);
        };
        let kind = if child.is_folder {
            // The object that has the folder's name cannot be shown beside it.
            self.skipped += u64::from(is_file);
            if self.recursive {
                self.levels.push((path.clone(), Children::after(view.service, path.clone(), None)));
            }
            EntryKind::Folder(Timestamp::EPOCH)
        } else if let Some(object) = child.file {
            EntryKind::File(view.listed(&object))
        } else {
            // Gone since the folder was read, perhaps.
            let Some(meta) = view.file(&path).await? else { return Ok(None) };
            EntryKind::File(meta)
        };
        Ok(Some(Entry { path, kind }))
    }
}

#[cfg(test)]
mod tests {
    use object_store::path::Path;

    use super::*;
    use crate::address::Address;
    use crate::options::Options;

    /// A bucket with these keys in it, and a prefix `p`.
    async fn bucket(keys: &[&str]) -> Service {
        let address = Address::parse("memory:///p").expect("a good address");
        let service = Service::connect(&address, &Options::default(), false).expect("memory is always there");
        for key in keys {
            let key = Path::parse(key).expect("a key");
            service.objects.put_opts(&key, "x".into(), Default::default()).await.expect("memory takes it");
        }
        service
    }

    fn query(after: Option<&str>, limit: usize) -> ListQuery {
        let after = after.map(|after| SharePath::parse(after).expect("a valid path"));
        ListQuery { path: SharePath::ROOT, after, limit, recursive: true }
    }

    fn names(page: &Page) -> Vec<&str> {
        page.entries.iter().map(|entry| entry.path.as_str()).collect()
    }

    #[tokio::test]
    async fn an_object_that_has_the_name_of_a_folder_is_counted_and_the_folder_shown() {
        let service = bucket(&["p/a", "p/d", "p/d/x", "p/e"]).await;
        let page = list(&service, &Secret::new([1; 32]), &Kept::default(), &query(None, 9)).await.expect("lists");
        assert_eq!(names(&page), ["a", "d", "d/x", "e"]);
        assert!(matches!(page.entries[1].kind, EntryKind::Folder(_)));
        assert_eq!(page.skipped, 1);
    }

    #[tokio::test]
    async fn a_walk_is_kept_for_the_page_that_goes_on_and_for_no_other() {
        let service = bucket(&["p/a", "p/b", "p/c"]).await;
        let (secret, kept) = (Secret::new([1; 32]), Kept::default());
        let page = list(&service, &secret, &kept, &query(None, 1)).await.expect("lists");
        assert_eq!((names(&page), page.more), (vec!["a"], true));
        assert!(kept.take(&query(Some("b"), 1)).is_none(), "another place");
        assert!(kept.take(&ListQuery { recursive: false, ..query(Some("a"), 1) }).is_none(), "another question");
        let page = list(&service, &secret, &kept, &query(Some("a"), 9)).await.expect("lists");
        assert_eq!((names(&page), page.more), (vec!["b", "c"], false));
        assert!(kept.take(&query(Some("a"), 1)).is_none(), "it was used");
        assert!(kept.take(&query(Some("c"), 1)).is_none(), "there is nothing to go on with");
    }

    #[tokio::test]
    async fn only_so_many_walks_are_kept() {
        let service = bucket(&["p/a", "p/b"]).await;
        let (secret, kept) = (Secret::new([1; 32]), Kept::default());
        for _ in 0..3 * MOST_KEPT {
            list(&service, &secret, &kept, &query(None, 1)).await.expect("lists");
        }
        assert_eq!(kept.0.lock().expect("nobody panicked").len(), MOST_KEPT);
    }
}
