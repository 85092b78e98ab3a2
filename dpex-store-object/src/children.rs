//! What is directly in one folder, in the order of names, read from the service as it is needed.
//!
//! A service sorts keys by their bytes, and shows a folder as the key of what is in it, up to the `/`. So `b-c` comes
//! before `b/`, while the folder `b` comes before the file `b-c`. A name is therefore held back until no folder can come
//! that belongs before it: a folder whose name begins it and goes on with a byte below `/` (a space, `-` or `.`, mostly).
//! When that would be too many, the service is asked outright whether those few folders are there.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use dpex_core::store::StoreError;
use dpex_core::types::SharePath;
use object_store::list::{PaginatedListOptions, PaginatedListStore};
use object_store::{Error, ListResult, ObjectMeta, path};

use crate::error::looking_up;
use crate::local::{self, Named};
use crate::names::folder_key;
use crate::service::Service;

/// Keys asked for at a time: what S3 gives at most.
const PAGE: usize = 1_000;
/// Names held back before folders are asked for.
const MOST_HELD: usize = 2_000;

/// What a name in a folder is.
#[derive(Debug, Default)]
pub(crate) struct Child {
    pub(crate) file: Option<ObjectMeta>,
    /// A file of which nothing is known yet.
    pub(crate) is_unread_file: bool,
    pub(crate) is_folder: bool,
    /// Why it can be neither, in a folder of this machine.
    pub(crate) never: Option<&'static str>,
}

/// The children of one folder, from a name on.
#[derive(Debug)]
pub(crate) struct Children {
    folder: SharePath,
    /// The text before every key in it.
    prefix: String,
    next: Next,
    page: usize,
    held: BTreeMap<String, Child>,
    ready: VecDeque<(String, Child)>,
    /// Every name up to this one has been handed out, or lies before the beginning.
    settled: Option<String>,
}

#[derive(Debug)]
enum Next {
    /// The page after this key, or the first.
    After(Option<String>),
    Token(String),
    Nothing,
}

impl Children {
    /// Those of a folder that sort after a name.
    pub(crate) fn after(service: &Service, folder: SharePath, name: Option<&str>) -> Self {
        let prefix = folder_key(&service.prefix, &folder);
        // What belongs to the folder `name` sorts behind `name` itself, so nothing is missed.
        let from = name.map(|name| format!("{prefix}{name}"));
        Self {
            folder,
            prefix,
            next: Next::After(from),
            page: PAGE,
            held: BTreeMap::new(),
            ready: VecDeque::new(),
            settled: name.map(str::to_owned),
        }
    }

    /// The next one, or none. A name that cannot be said is one of neither kind.
    pub(crate) async fn next(&mut self, service: &Service) -> Result<Option<(String, Child)>, StoreError> {
        loop {
            if let Some(child) = self.ready.pop_front() {
                return Ok(Some(child));
            }
            if matches!(self.next, Next::Nothing) {
                return Ok(None);
            }
            match &service.pages {
                Some(pages) => self.read_page(&Arc::clone(pages)).await?,
                None => self.read_all(service).await?,
            }
        }
    }

    fn hold(&mut self, name: String, child: Child) {
        if self.settled.as_ref().is_some_and(|settled| name <= *settled) {
            return;
        }
        let held = self.held.entry(name).or_default();
        held.file = child.file.or(held.file.take());
        held.is_unread_file |= child.is_unread_file;
        held.is_folder |= child.is_folder;
        held.never = held.never.or(child.never);
    }

    /// Hands out all names before this one, or all.
    fn settle(&mut self, before: Option<&str>) {
        let later = before.map_or_else(BTreeMap::new, |before| self.held.split_off(before));
        self.ready.extend(std::mem::replace(&mut self.held, later));
        if let Some((name, _)) = self.ready.back() {
            self.settled = Some(name.clone());
        }
    }

    /// The name of a direct child, seeing its key or the key of what is in it.
    fn name(&self, key: &str) -> Option<String> {
        key.strip_prefix(&self.prefix).filter(|name| !name.is_empty()).map(str::to_owned)
    }

    fn hold_all(&mut self, result: ListResult) {
        for object in result.objects {
            // The key `folder/` itself, which some programs make, is no child.
            let Some(name) = self.name(object.location.as_ref()) else { continue };
            self.hold(name, Child { file: Some(object), ..Child::default() });
        }
        for folder in result.common_prefixes {
            let name = self.name(folder.as_ref()).unwrap_or_default();
            self.hold(name, Child { is_folder: true, ..Child::default() });
        }
    }

    async fn read_all(&mut self, service: &Service) -> Result<(), StoreError> {
        self.next = Next::Nothing;
        if let Some(root) = &service.folder {
            for named in local::names(root.join(self.folder.as_str())).await? {
                match named {
                    Named::File(name) => self.hold(name, Child { is_unread_file: true, ..Child::default() }),
                    Named::Folder(name) => self.hold(name, Child { is_folder: true, ..Child::default() }),
                    Named::Never(name, why) => self.hold(name, Child { never: Some(why), ..Child::default() }),
                }
            }
        } else {
            let folder = path::Path::parse(&self.prefix).map_err(|e| looking_up(&e.into()))?;
            let result = service.objects.list_with_delimiter(Some(&folder)).await.map_err(|e| looking_up(&e))?;
            self.hold_all(result);
        }
        self.settle(None);
        Ok(())
    }

    async fn read_page(&mut self, pages: &Arc<dyn PaginatedListStore>) -> Result<(), StoreError> {
        let (offset, page_token) = match &self.next {
            Next::After(key) => (key.clone(), None),
            Next::Token(token) => (None, Some(token.clone())),
            Next::Nothing => return Ok(()),
        };
        let options = PaginatedListOptions {
            offset,
            delimiter: Some(Cow::Borrowed(path::DELIMITER)),
            max_keys: Some(self.page),
            page_token,
            ..PaginatedListOptions::default()
        };
        let page = match pages.list_paginated(prefix(&self.prefix), options).await {
            Ok(page) => page,
            Err(error) => return self.step_over(error),
        };
        self.page = (self.page * 4).min(PAGE);
        self.next = page.page_token.map_or(Next::Nothing, Next::Token);
        self.hold_all(page.result);
        if matches!(self.next, Next::Nothing) {
            self.settle(None);
            return Ok(());
        }
        let Some(last) = self.held.last_key_value().map(|(name, _)| name.clone()) else { return Ok(()) };
        if self.held.len() < MOST_HELD {
            let first = fronts(&last).next().unwrap_or(&last).to_owned();
            self.settle(Some(&first));
            return Ok(());
        }
        for front in fronts(&last) {
            if self.settled.as_deref().is_none_or(|settled| front > settled)
                && is_folder(pages, &format!("{}{front}/", self.prefix)).await?
            {
                self.hold(front.to_owned(), Child { is_folder: true, ..Child::default() });
            }
        }
        // The last one itself stays: the folder of its very name may still come.
        self.settle(Some(&last));
        Ok(())
    }

    /// The library refuses a page for one key in it that is no path, and tells that key. So the page is made smaller
    /// until the key is alone in it; then it is counted and passed by.
    fn step_over(&mut self, error: Error) -> Result<(), StoreError> {
        let key = match &error {
            Error::InvalidPath {
                source: path::Error::EmptySegment { path } | path::Error::BadSegment { path, .. },
            } => path,
            _ => return Err(looking_up(&error)),
        };
        if self.page > 1 {
            self.page = (self.page / 8).max(1);
            return Ok(());
        }
        let last = if key.ends_with('/') { "\u{10ffff}" } else { "" };
        self.next = Next::After(Some(format!("{key}{last}")));
        let name = self.name(key).unwrap_or_default();
        self.hold(name, Child::default());
        Ok(())
    }
}

/// Is there anything in a folder? The key ends with a `/`.
pub(crate) async fn is_folder(pages: &Arc<dyn PaginatedListStore>, key: &str) -> Result<bool, StoreError> {
    let options = PaginatedListOptions { max_keys: Some(1), ..PaginatedListOptions::default() };
    match pages.list_paginated(prefix(key), options).await {
        Ok(page) => Ok(!page.result.objects.is_empty() || page.page_token.is_some()),
        // There is, and it cannot be said.
        Err(Error::InvalidPath { .. }) => Ok(true),
        Err(error) => Err(looking_up(&error)),
    }
}

fn prefix(key: &str) -> Option<&str> {
    Some(key).filter(|key| !key.is_empty())
}

/// The names of folders that belong before this name and whose keys come after its key, shortest first.
fn fronts(name: &str) -> impl Iterator<Item = &str> {
    let low = |(at, byte): (usize, u8)| (at > 0 && byte < b'/').then(|| &name[..at]);
    name.bytes().enumerate().filter_map(low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folders_that_may_come_late_are_those_that_begin_the_name() {
        assert_eq!(fronts("a-b.c d").collect::<Vec<_>>(), ["a", "a-b", "a-b.c"]);
        assert_eq!(fronts("report").count(), 0);
        assert_eq!(fronts("-a").count(), 0, "an empty name is no folder");
        assert_eq!(fronts("ä.é").collect::<Vec<_>>(), ["ä"]);
    }
}
