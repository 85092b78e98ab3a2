//! The store itself: a folder to serve from, or one to receive into.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use dpex_core::store::{
    EntryKind, Existing, FileStore, Held, Incoming, ListQuery, Opened, Page, Pages, PartialFile, SourceFile,
    StoreError, Whole,
};
use dpex_core::types::{Fingerprint, Secret, SharePath};
use rustix::fs::{Mode, fstat};
use rustix::io::Errno;
use serde::Deserialize;

use crate::admission::{Admission, Hold};
use crate::blocking::blocking;
use crate::error::broken;
use crate::fence::Folder;
use crate::folders::Folders;
use crate::links::{Found, Links, Lost};
use crate::listing::FsPages;
use crate::place::{Id, Place};
use crate::portable::Rules;
use crate::receiving;
use crate::roots::{self, RootError};
use crate::view::{NOT_FOLLOWED, View, shows_name};
use crate::whole::{Batch, Unsettled};

/// What the owner of the folder may choose: the heading `[store-fs]` of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Options {
    /// Offer, and accept, names that begin with a dot.
    pub hidden: bool,
    /// Accept names that other systems cannot hold.
    pub any_names: bool,
    /// Offer what symbolic links lead to, inside of the shelf and into the roots.
    pub follow_links: bool,
    /// Folders that links may lead into.
    pub roots: Vec<PathBuf>,
}

/// What all shelves of one server have in common: the options, and the roots, opened once.
#[derive(Clone, Debug)]
pub struct Shelves {
    hidden: bool,
    links: Option<Arc<Links>>,
}

impl Shelves {
    /// Opens and checks the roots, if links are to be followed. `keys` is a folder that no root may be, hold or lie in.
    ///
    /// # Errors
    /// Why a root is refused.
    pub fn new(options: &Options, keys: Option<&Path>) -> Result<Self, RootError> {
        let links = options.follow_links.then(|| roots::open(&options.roots, keys)).transpose()?;
        Ok(Self { hidden: options.hidden, links: links.map(Arc::new) })
    }

    /// Opens a shelf. `secret` keys the version stamps: keep it, and a version means the same after a restart.
    ///
    /// # Errors
    /// If `root` cannot be opened, is not a folder, can be written by everybody, or is a link that is not followed.
    pub fn open(&self, root: &Path, secret: Secret<32>) -> io::Result<FsStore> {
        let rules = Rules { hidden: self.hidden, any: false };
        let (hidden, links) = (self.hidden, self.links.clone());
        let view = View { root: self.place(root)?, secret, hidden, links, is_own: false };
        Ok(FsStore { origin: Some(Arc::new((self.clone(), root.to_owned()))), ..FsStore::new(view, rules) })
    }

    /// Opens the folder that has this name, or that a link of this name leads to.
    fn place(&self, root: &Path) -> io::Result<Place> {
        let shelf = match Folder::root(root) {
            Ok(folder) => Place::anchor(Arc::new(folder)),
            Err(error) => self.follow(root).unwrap_or(Err(error))?,
        };
        if Mode::from_raw_mode(fstat(&shelf.folder().0)?.st_mode).contains(Mode::WOTH) {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "everybody can write to this folder"));
        }
        Ok(shelf)
    }

    /// What a shelf that is a link leads to; `None` if it is no link.
    fn follow(&self, root: &Path) -> Option<io::Result<Place>> {
        // Without a trailing slash or dot, as it is opened.
        let target = std::fs::read_link(root.components().collect::<PathBuf>()).ok()?;
        let refused = |why| Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        let Some(links) = &self.links else {
            return Some(refused(NOT_FOLLOWED));
        };
        Some(match links.find(&target, |name| shows_name(name, self.hidden)) {
            Some(Ok(Found::Folder(place, _))) => Ok(place),
            Some(Err(Lost::System(errno))) => Err(errno.into()),
            _ => refused("it is a link, and leads to no folder in one of the `roots`"),
        })
    }
}

/// Why a shelf is not opened: there is none of that name, or it must not be one.
fn is_no_shelf(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidInput, NotADirectory, NotFound, PermissionDenied};

    matches!(error.kind(), InvalidInput | NotADirectory | NotFound | PermissionDenied)
        || matches!(Errno::from_io_error(error), Some(Errno::LOOP | Errno::MLINK))
}

/// One folder of the local file system.
///
/// Its futures must be polled inside a tokio runtime; the constructors block for a moment and need none.
#[derive(Clone, Debug)]
pub struct FsStore {
    view: Arc<View>,
    /// How a shelf is opened, and by which name.
    origin: Option<Arc<(Shelves, PathBuf)>>,
    unsettled: Arc<Unsettled>,
    admission: Admission,
}

impl FsStore {
    /// One shelf by itself, as [`Shelves`] opens it.
    ///
    /// # Errors
    /// Those of [`Shelves::new`] and [`Shelves::open`].
    pub fn serve(root: &Path, secret: Secret<32>, options: Options) -> io::Result<Self> {
        let shelves = Shelves::new(&options, None).map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e))?;
        shelves.open(root, secret)
    }

    /// A folder to receive into, made for good if it is missing. It may be named through a link, since whoever runs this names it.
    /// No link in it is followed. What it says of versions is for itself alone.
    ///
    /// # Errors
    /// If `root` cannot be made or opened.
    pub fn receive(root: &Path, options: Options) -> io::Result<Self> {
        let root = Place::anchor(Arc::new(Folder::root_made(root)?));
        let rules = Rules { hidden: options.hidden, any: options.any_names };
        let secret = Secret::new([0; 32]);
        Ok(Self::new(View { root, secret, hidden: options.hidden, links: None, is_own: true }, rules))
    }

    fn new(view: View, rules: Rules) -> Self {
        Self { view: Arc::new(view), origin: None, unsettled: Arc::default(), admission: Admission::new(rules) }
    }
}

#[async_trait]
impl FileStore for FsStore {
    async fn list(&self, query: &ListQuery) -> Result<Page, StoreError> {
        let (view, query) = (Arc::clone(&self.view), query.clone());
        blocking(move || view.list(&query)).await
    }

    fn pages(&self, query: &ListQuery) -> Option<Box<dyn Pages>> {
        Some(Box::new(FsPages::new(Arc::clone(&self.view), query.clone())))
    }

    async fn open(&self, path: &SharePath) -> Result<Arc<dyn SourceFile>, StoreError> {
        let (view, path) = (Arc::clone(&self.view), path.clone());
        blocking(move || view.open(&path)).await.map(|file| Arc::new(file) as Arc<dyn SourceFile>)
    }

    async fn is_in_place(&self) -> Result<bool, StoreError> {
        let Some(origin) = self.origin.clone() else { return Ok(true) };
        let view = Arc::clone(&self.view);
        blocking(move || {
            let (shelves, name) = &*origin;
            let id = |folder: &Folder| fstat(&folder.0).map(|stat| Id::of(&stat)).map_err(|e| StoreError::Io(e.into()));
            match shelves.place(name) {
                Ok(place) => Ok(id(place.folder())? == id(view.root.folder())?),
                Err(error) if is_no_shelf(&error) => Ok(false),
                // A disk that fails says nothing of what lies on it.
                Err(error) => Err(StoreError::Io(error)),
            }
        })
        .await
    }

    fn gathers(&self) -> bool {
        true
    }

    async fn open_all(&self, paths: &[SharePath], whole: u64) -> Vec<Result<Opened, StoreError>> {
        let (view, paths) = (Arc::clone(&self.view), paths.to_vec());
        all(paths.len(), move || view.open_all(&paths, whole)).await
    }

    async fn look(&self, paths: &[SharePath]) -> Vec<Result<Option<EntryKind>, StoreError>> {
        let (view, paths) = (Arc::clone(&self.view), paths.to_vec());
        all(paths.len(), move || view.look_all(&paths)).await
    }

    async fn make_folder(&self, path: &SharePath) -> Result<(), StoreError> {
        let (this, path) = (self.clone(), path.clone());
        blocking(move || this.make_admitted(&mut Folders::new(this.view.root.folder(), &this.unsettled), &path)).await
    }

    async fn make_folders(&self, paths: &[SharePath]) -> Vec<Result<(), StoreError>> {
        let (this, paths) = (self.clone(), paths.to_vec());
        all(paths.len(), move || {
            let mut folders = Folders::new(this.view.root.folder(), &this.unsettled);
            paths.iter().map(|path| this.make_admitted(&mut folders, path)).collect()
        })
        .await
    }

    async fn held(&self, path: &SharePath, origin: &Fingerprint) -> Result<Option<Held>, StoreError> {
        let (view, path, origin, rules) = (Arc::clone(&self.view), path.clone(), *origin, self.admission.rules);
        blocking(move || receiving::held(view.root.folder(), &path, &origin, rules)).await
    }

    async fn receive(&self, incoming: &Incoming) -> Result<Box<dyn PartialFile>, StoreError> {
        let (view, incoming, admission) = (Arc::clone(&self.view), incoming.clone(), self.admission.clone());
        blocking(move || {
            let hold = admission.admit(view.root.folder(), &incoming.path, incoming.existing)?;
            let part = receiving::begin(view.root.shared(), &incoming, admission.rules)?;
            // The folders are there now, whatever becomes of the file.
            hold.made(&incoming.path.parent().unwrap_or_default());
            Ok(hold.until_received(Box::new(part)))
        })
        .await
    }

    async fn put_all(&self, files: Vec<Whole>) -> Vec<Result<SharePath, StoreError>> {
        let (this, count) = (self.clone(), files.len());
        all(count, move || this.put_admitted(files)).await
    }

    async fn settle(&self) -> Result<(), StoreError> {
        let unsettled = Arc::clone(&self.unsettled);
        blocking(move || unsettled.settle()).await
    }

    async fn room(&self) -> Option<u64> {
        let view = Arc::clone(&self.view);
        blocking(move || receiving::room(view.root.folder())).await.ok().flatten()
    }
}

impl FsStore {
    /// Makes a folder if its name is admitted.
    fn make_admitted(&self, folders: &mut Folders<'_>, path: &SharePath) -> Result<(), StoreError> {
        let hold = self.admission.admit(self.view.root.folder(), path, Existing::Keep)?;
        folders.make(path)?;
        hold.made_folder(path);
        Ok(())
    }

    /// Receives those of these files whose names are admitted.
    fn put_admitted(&self, files: Vec<Whole>) -> Vec<Result<SharePath, StoreError>> {
        let root = self.view.root.folder();
        let (mut holds, mut admitted) = (Vec::with_capacity(files.len()), Vec::with_capacity(files.len()));
        for file in files {
            let hold = self.admission.admit(root, &file.incoming.path, file.incoming.existing);
            if hold.is_ok() {
                admitted.push(file);
            }
            holds.push(hold);
        }
        let mut put = Batch::new(root, self.admission.rules, &self.unsettled).put(admitted).into_iter();
        let answer = |hold: Result<Hold, StoreError>| {
            let hold = hold?;
            let name = put.next().unwrap_or_else(|| Err(broken(io::ErrorKind::Other, "it was not taken up")))?;
            hold.made(&name);
            Ok(name)
        };
        holds.into_iter().map(answer).collect()
    }
}

/// One task for many answers. If it could not be run, that is the answer to each.
async fn all<T: Send + 'static>(
    count: usize,
    work: impl FnOnce() -> Vec<Result<T, StoreError>> + Send + 'static,
) -> Vec<Result<T, StoreError>> {
    match blocking(move || Ok(work())).await {
        Ok(answers) => answers,
        Err(error) => {
            let same = || Err(broken(io::ErrorKind::Other, "the runtime is shutting down"));
            std::iter::once(Err(error)).chain(std::iter::repeat_with(same)).take(count).collect()
        }
    }
}
