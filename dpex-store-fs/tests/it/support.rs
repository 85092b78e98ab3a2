//! What the tests share: what would do for any store, and a folder with a world around it.

use std::path::Path;

pub(crate) use dpex_core::conformance::store::support::{
    at, deliver, fetch, incoming, label, left_out, list_all, names, newer, path, put, query, walk_all,
};
use dpex_core::types::Secret;
use dpex_store_fs::{FsStore, Options};
use tempfile::TempDir;

/// Runs a future to its end on a runtime of its own.
pub(crate) fn run(future: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime can be made").block_on(future);
}

/// A folder with a store in it and a world outside that must not notice.
pub(crate) struct Yard {
    pub(crate) around: TempDir,
    pub(crate) store: FsStore,
}

impl Yard {
    pub(crate) fn new() -> Self {
        Self::with(Options::default())
    }

    pub(crate) fn with(options: Options) -> Self {
        let around = TempDir::new().expect("a temporary folder");
        std::fs::create_dir(around.path().join("outside")).expect("made");
        std::fs::write(around.path().join("outside/secret"), "secret").expect("written");
        let store = FsStore::receive(&around.path().join("root"), options).expect("opens");
        Self { around, store }
    }

    /// The same folder as another process would open it, to serve from it.
    pub(crate) fn serve(&self) -> FsStore {
        FsStore::serve(&self.root(), Secret::new([5; 32]), Options::default()).expect("opens")
    }

    pub(crate) fn root(&self) -> std::path::PathBuf {
        self.around.path().join("root")
    }

    pub(crate) fn at(&self, name: &str) -> std::path::PathBuf {
        self.root().join(name)
    }

    pub(crate) fn outside(&self) -> std::path::PathBuf {
        self.around.path().join("outside")
    }

    /// Writes a file as its owner would.
    pub(crate) fn write(&self, name: &str, content: &str) {
        let at = self.at(name);
        std::fs::create_dir_all(at.parent().expect("below the root")).expect("made");
        std::fs::write(at, content).expect("written");
    }

    pub(crate) fn link(&self, target: impl AsRef<Path>, name: &str) {
        std::os::unix::fs::symlink(target, self.at(name)).expect("linked");
    }

    /// What really is in the root, unsorted by any rule of ours.
    pub(crate) fn on_disk(&self) -> Vec<String> {
        tree(&self.root())
    }

    /// Nothing but the root and what was outside from the beginning, as it was.
    pub(crate) fn assert_outside_is_untouched(&self) {
        let mut around: Vec<_> = tree(self.around.path());
        around.retain(|name| !name.starts_with("root"));
        assert_eq!(around, ["outside", "outside/secret"]);
        assert_eq!(std::fs::read(self.outside().join("secret")).expect("there"), b"secret");
    }
}

/// Everything below a folder, links not followed.
fn tree(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut todo = vec![folder.to_owned()];
    while let Some(here) = todo.pop() {
        for entry in std::fs::read_dir(here).expect("readable") {
            let entry = entry.expect("readable");
            let name = entry.path();
            found.push(name.strip_prefix(folder).expect("below").to_string_lossy().into_owned());
            if entry.file_type().expect("known").is_dir() {
                todo.push(name);
            }
        }
    }
    found.sort();
    found
}

/// Gives up for this thread, and for those it starts from now on, what lets root read and write everything. False, and a
/// word about it, if permissions are still no obstacle.
pub(crate) fn humble() -> bool {
    #[cfg(target_os = "linux")]
    {
        use rustix::thread::{CapabilitySet, capabilities, set_capabilities};

        let mut mine = capabilities(None).expect("known");
        mine.effective.remove(CapabilitySet::DAC_OVERRIDE | CapabilitySet::DAC_READ_SEARCH);
        set_capabilities(None, mine).expect("less is always granted");
    }
    let is_almighty = is_almighty();
    if is_almighty {
        eprintln!("skipped: this process may read and write everything");
    }
    !is_almighty
}

/// Are permissions no obstacle to this thread? True for root.
pub(crate) fn is_almighty() -> bool {
    let folder = TempDir::new().expect("a temporary folder");
    let file = folder.path().join("locked");
    std::fs::write(&file, "x").expect("written");
    chmod(&file, 0o000);
    std::fs::read(&file).is_ok()
}

pub(crate) fn chmod(file: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;

    std::fs::set_permissions(file, std::fs::Permissions::from_mode(mode)).expect("the mode is set");
}
