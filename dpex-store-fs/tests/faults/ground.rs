//! Where a story happens: a folder with somebody else's files in it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use dpex_core::conformance::store::support::names;
use dpex_core::store::FileStore as _;
use dpex_core::transfer::block_value;
use dpex_core::types::{Secret, SharePath, Timestamp};
use dpex_store_fs::{FsStore, Options};
use tempfile::TempDir;

use crate::story::{ALICE, Story, content, geometry};

/// What is there from the beginning and has nothing to do with it.
const BYSTANDERS: [&str; 5] = [".hidden", "a.txt", "b.part", "folder/.b.dpexpart", "folder/mine"];

pub(crate) struct Ground(TempDir);

/// A file as a peer would see it.
pub(crate) struct Shown {
    pub(crate) content: Vec<u8>,
    pub(crate) mtime: Timestamp,
}

impl Ground {
    pub(crate) fn new() -> Self {
        // In memory if there is such a place: nothing here waits for a disk.
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() };
        let ground = Self(folder.expect("a temporary folder"));
        std::fs::create_dir(ground.graves()).expect("made");
        for name in BYSTANDERS {
            ground.write(name, name.as_bytes());
        }
        ground
    }

    fn root(&self) -> PathBuf {
        self.0.path().join("root")
    }

    pub(crate) fn graves(&self) -> PathBuf {
        self.0.path().join("graves")
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    /// Writes a file as its owner would.
    pub(crate) fn write(&self, name: &str, content: &[u8]) {
        let at = self.at(name);
        std::fs::create_dir_all(at.parent().expect("below the root")).expect("made");
        std::fs::write(&at, content).expect("written");
        let long_ago = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
        std::fs::File::options().append(true).open(at).and_then(|file| file.set_modified(long_ago)).expect("set");
    }

    pub(crate) fn store(&self) -> io::Result<FsStore> {
        self.store_at("")
    }

    /// One of a folder below.
    pub(crate) fn store_at(&self, name: &str) -> io::Result<FsStore> {
        FsStore::receive(&self.at(name), Options::default())
    }

    /// What a peer would be shown, without the bystanders.
    pub(crate) async fn shown(&self) -> BTreeMap<String, Shown> {
        let store = FsStore::serve(&self.root(), Secret::new([5; 32]), Options::default()).expect("opens");
        let mut shown = BTreeMap::new();
        for name in names(&store, "").await {
            if name.ends_with('/') || BYSTANDERS.contains(&name.as_str()) {
                continue;
            }
            let file = store.open(&SharePath::parse(&name).expect("valid")).await.expect("opens");
            let len = usize::try_from(file.meta().size).expect("small");
            let content = file.read_at(0, len).await.expect("readable").to_vec();
            shown.insert(name, Shown { content, mtime: file.meta().mtime });
        }
        shown
    }

    /// The blocks that are held, each of which is seen to be in the part.
    pub(crate) async fn held_truly(&self, story: Story) -> BTreeSet<u64> {
        let store = self.store().expect("opens");
        let Some(held) = store.held(&story.incoming().path, &ALICE).await.expect("looked") else {
            return BTreeSet::new();
        };
        let part = std::fs::read(self.at(&story.part())).expect("there");
        assert_eq!(part.len(), content().len());
        for (&index, &value) in &held.values {
            let block = geometry().block(index).expect("inside");
            let at = usize::try_from(block.offset).expect("small");
            assert_eq!(block_value(&block, &part[at..at + block.len]), value, "block {index} is held and not there");
        }
        held.values.into_keys().collect()
    }

    /// Every name but those of the bystanders.
    pub(crate) fn tree(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut todo = vec![self.root()];
        while let Some(here) = todo.pop() {
            for entry in std::fs::read_dir(here).expect("readable") {
                let at = entry.expect("readable").path();
                let name = at.strip_prefix(self.root()).expect("below").to_str().expect("text").to_owned();
                if at.is_dir() {
                    todo.push(at);
                }
                if !BYSTANDERS.contains(&name.as_str()) && name != "folder" {
                    found.push(name);
                }
            }
        }
        found.sort();
        found
    }

    pub(crate) fn is_empty(&self, name: &str) -> bool {
        std::fs::metadata(self.at(name)).is_ok_and(|meta| meta.len() == 0)
    }

    pub(crate) fn assert_bystanders_are_untouched(&self) {
        for name in BYSTANDERS {
            assert_eq!(std::fs::read(self.at(name)).expect("there"), name.as_bytes());
        }
    }
}
