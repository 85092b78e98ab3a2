//! One page of a subtree, in the order of [`SharePath`]: a walk over the folders, depth first.
//!
//! A walk that stopped at the end of a page is kept for the next one, with that page, so that a large folder is read
//! once and not once for every page: also when the next one begins after any entry of this one, since whoever asked may
//! have had no room for all of them. A page that begins elsewhere walks again from its cursor, with one request for each
//! folder above it.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use dpex_core::store::{Entry, EntryKind, LeftOut, ListQuery, MAX_NAMED, Meta, Page, StoreError};
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

/// A page of no more entries fits into any message of whoever asked, so nobody comes back into the middle of it.
const FEW: usize = 40;

/// The walks that may be gone on with.
#[derive(Debug, Default)]
pub(crate) struct Kept(Mutex<VecDeque<Stopped>>);

/// A walk that came to the end of a page, and that page: who could use only its front comes back for the rest.
#[derive(Debug)]
struct Stopped {
    since: Instant,
    /// Where the page began.
    after: Option<SharePath>,
    page: Vec<Found>,
    walk: Walk,
}

impl Stopped {
    /// How many entries of the page come before what is asked for, if this walk can answer at all.
    fn position(&self, query: &ListQuery) -> Option<usize> {
        let after = query.after.as_ref()?;
        if self.walk.path != query.path || self.walk.recursive != query.recursive {
            return None;
        }
        if self.after.as_ref() == Some(after) {
            return Some(0);
        }
        self.page.binary_search_by(|(entry, _)| entry.path.cmp(after)).ok().map(|at| at + 1)
    }
}

impl Kept {
    fn take(&self, query: &ListQuery) -> Option<Walk> {
        let mut kept = self.fresh();
        let (at, position) = kept.iter().enumerate().find_map(|(at, stopped)| Some((at, stopped.position(query)?)))?;
        let Stopped { mut page, mut walk, .. } = kept.remove(at)?;
        for found in page.drain(position..).rev() {
            walk.ahead.push_front(found);
        }
        Some(walk)
    }

    fn keep(&self, query: &ListQuery, page: Vec<Found>, walk: Walk) {
        let mut kept = self.fresh();
        if kept.len() == MOST_KEPT {
            kept.pop_front();
        }
        kept.push_back(Stopped { since: Instant::now(), after: query.after.clone(), page, walk });
    }

    fn fresh(&self) -> MutexGuard<'_, VecDeque<Stopped>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|stopped| stopped.since.elapsed() < KEPT_FOR);
        kept
    }
}

/// An entry, and what was left out since the one before.
type Found = (Entry, LeftOut);

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
    let (mut page, mut all, mut left_out, mut room) = (Page::default(), Vec::new(), LeftOut::default(), MAX_NAMED);
    while all.len() < query.limit.max(1) {
        let Some(mut found) = walk.next(&view).await? else { break };
        left_out.extend(&found.1);
        // It may be kept for long, and whoever comes back for it has named these.
        room -= found.1.truncate(room);
        page.entries.push(found.0.clone());
        all.push(found);
    }
    // One more proves that there are more.
    match walk.next(&view).await? {
        Some(found) => {
            page.more = true;
            walk.ahead.push_front(found);
        }
        None => left_out.extend(&walk.take_left_out()),
    }
    page.leave_out(left_out);
    if page.more || all.len() > FEW {
        kept.keep(query, all, walk);
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
        if !self.is_fenced(&query.path).await? {
            return Err(StoreError::NotFound);
        }
        let mut walk = Walk {
            path: query.path.clone(),
            recursive: query.recursive,
            levels: Vec::new(),
            ahead: VecDeque::new(),
            left_out: LeftOut::default(),
            is_blind: match &query.after {
                Some(after) => !self.is_listed(after).await?,
                None => false,
            },
        };
        walk.start(self.service, query.after.as_ref());
        let first = walk.next(self).await?;
        walk.ahead.extend(first);
        if !walk.ahead.is_empty() || walk.left_out.count() > 0 || self.is_folder(&query.path).await? {
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

    /// Is this an entry of a listing?
    async fn is_listed(&self, path: &SharePath) -> Result<bool, StoreError> {
        Ok(self.is_fenced(path).await? && (self.is_folder(path).await? || self.file(path).await?.is_some()))
    }

    /// May there be something of this name to be shown, and is no part of it a link?
    async fn is_fenced(&self, path: &SharePath) -> Result<bool, StoreError> {
        Ok(all_shown(path)
            && match &self.service.folder {
                Some(root) => !crate::local::has_link(root, path).await?,
                None => true,
            })
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
    /// Read ahead.
    ahead: VecDeque<Found>,
    /// Since the last entry.
    left_out: LeftOut,
    /// What is left out before the next entry does not count: it began where nothing is on offer, and whoever may choose
    /// where could find by numbers what names there are (NAM-14).
    is_blind: bool,
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

    async fn next(&mut self, view: &View<'_>) -> Result<Option<Found>, StoreError> {
        if let Some(found) = self.ahead.pop_front() {
            return Ok(Some(found));
        }
        while let Some((folder, children)) = self.levels.last_mut() {
            let Some((name, child)) = children.next(view.service).await? else {
                self.levels.pop();
                continue;
            };
            if !is_shown(&name) {
                continue;
            }
            let folder = folder.clone();
            let Some(entry) = self.entry(view, &folder, &name, child).await? else { continue };
            return Ok(Some((entry, self.take_left_out())));
        }
        Ok(None)
    }

    /// What was left out since the last entry.
    fn take_left_out(&mut self) -> LeftOut {
        let left_out = std::mem::take(&mut self.left_out);
        if std::mem::take(&mut self.is_blind) { LeftOut::default() } else { left_out }
    }

    fn leave(&mut self, folder: &SharePath, name: &str, why: &str) {
        self.left_out.add(why, || if folder.is_root() { name.to_owned() } else { format!("{folder}/{name}") });
    }

    async fn entry(
        &mut self,
        view: &View<'_>,
        folder: &SharePath,
        name: &str,
        child: Child,
    ) -> Result<Option<Entry>, StoreError> {
        let is_file = child.file.is_some() || child.is_unread_file;
        if let Some(why) = child.never {
            self.leave(folder, name, why);
            return Ok(None);
        }
        let path = match folder.join(name) {
            Ok(path) if is_file || child.is_folder => path,
            Ok(_) => {
                self.leave(folder, name, "its key is no path");
                return Ok(None);
            }
            Err(why) => {
                self.leave(folder, name, &why.to_string());
                return Ok(None);
            }
        };
        let kind = if child.is_folder {
            // The object that has the folder's name cannot be shown beside it.
            if is_file {
                self.leave(folder, name, "a folder has the same name");
            }
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
    use dpex_core::store::Skipped;
    use object_store::ObjectStoreExt as _;
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
        assert_eq!(page.named, [Skipped { name: "d".into(), why: "a folder has the same name".into() }]);
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
    async fn a_walk_goes_on_after_any_entry_of_its_page_and_counts_again_what_stands_behind_it() {
        let keys: Vec<_> = (10..99).map(|n| format!("p/{n}")).chain(["p/50/x".into()]).collect();
        let service = bucket(&keys.iter().map(String::as_str).collect::<Vec<_>>()).await;
        let (secret, kept) = (Secret::new([1; 32]), Kept::default());
        let all = list(&service, &secret, &kept, &query(None, 500)).await.expect("lists");
        let late = Path::parse("p/60a").expect("a key");
        for limit in [60, 500] {
            list(&service, &secret, &kept, &query(Some("10"), limit)).await.expect("lists");
            // A walk that is begun anew would see this one.
            service.objects.put_opts(&late, "x".into(), Default::default()).await.expect("memory takes it");
            for (after, skipped) in [("10", 1), ("30", 1), ("50", 0), ("50/x", 0)] {
                let page = list(&service, &secret, &kept, &query(Some(after), 500)).await.expect("lists");
                let want: Vec<_> = names(&all).into_iter().skip_while(|name| *name != after).skip(1).collect();
                assert_eq!(names(&page), want, "after {after}");
                assert_eq!((page.skipped, page.named.len() as u64), (skipped, skipped), "after {after}");
            }
            service.objects.delete(&late).await.expect("memory forgets it");
        }
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
