//! What is received, how an earlier run left it, and what may be seen of it.

use std::collections::BTreeSet;
use std::fs::{File, FileTimes};
use std::os::unix::fs::FileExt as _;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use dpex_core::conformance::store::support::{newer, path};
use dpex_core::store::{Existing, FileStore, Incoming, Leftover, PartialFile, StoreError, Verified, Whole};
use dpex_core::transfer::{Geometry, block_value};
use dpex_core::types::{Fingerprint, Version};
use dpex_store_fs::FsStore;
use tokio::runtime::Runtime;

use crate::ground::{Ground, Shown};

pub(crate) const ALICE: Fingerprint = Fingerprint([1; 32]);
const BLOCK: usize = 1 << 16;
/// A small file in the folder of the large one.
pub(crate) const BESIDE: &str = "d/e/p";
const OLD: &[u8] = b"what was there before";
/// Small files: whose name is taken is replaced or numbered.
const SMALL: [(&str, Existing); 5] = [
    ("p1", Existing::Keep),
    ("d/p2", Existing::Keep),
    ("p3", Existing::Overwrite),
    ("p4", Existing::Rename),
    ("p5", Existing::Overwrite),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Story {
    Anew,
    Resumed,
    Torn,
    Edited,
    Overwriting,
    Renaming,
    Keeping,
    Discarding,
    Putting,
    /// A batch of small files makes the folders, and a large file is received before they have settled.
    Among,
    Folders,
}

/// What the store said in a run, and has to stand by.
#[derive(Default)]
pub(crate) struct Log {
    /// Blocks that a checkpoint made held.
    pub(crate) promised: BTreeSet<u64>,
    /// Names that are there for good.
    pub(crate) lasting: BTreeSet<String>,
    /// And those of folders.
    pub(crate) folders: BTreeSet<String>,
    /// It was said to be not wanted any more.
    pub(crate) is_discarded: bool,
}

/// Four blocks: the third is zeros, the last one short.
pub(crate) fn content() -> Vec<u8> {
    let byte = |n: usize| if n / BLOCK == 2 { 0 } else { u8::try_from(n % 251).expect("below 251") };
    (0..3 * BLOCK + 1000).map(byte).collect()
}

pub(crate) fn geometry() -> Geometry {
    Geometry::new(content().len() as u64, 16)
}

pub(crate) fn incoming() -> Incoming {
    Incoming { origin: ALICE, block_log2: 16, ..newer("a", content().len() as u64, Existing::Keep) }
}

async fn write(part: &dyn PartialFile, index: u64) -> Result<(), StoreError> {
    let block = geometry().block(index).expect("inside");
    let at = usize::try_from(block.offset).expect("small");
    let data = Bytes::copy_from_slice(&content()[at..at + block.len]);
    part.write(Verified { index, offset: block.offset, value: block_value(&block, &data) }, data).await
}

/// One of them is zeros, which are not written.
fn small(name: &str) -> String {
    if name == "d/p2" { "\0".repeat(5000) } else { format!("the small file {name}") }
}

fn smalls() -> Vec<Whole> {
    SMALL.iter().map(|&(name, existing)| whole(name, existing)).collect()
}

fn whole(name: &str, existing: Existing) -> Whole {
    let content = Bytes::from(small(name));
    Whole { incoming: newer(name, content.len() as u64, existing), content }
}

impl Story {
    pub(crate) fn incoming(self) -> Incoming {
        let (existing, leftover) = match self {
            Self::Overwriting => (Existing::Overwrite, Leftover::Replace),
            Self::Renaming => (Existing::Rename, Leftover::Replace),
            Self::Keeping => (Existing::Keep, Leftover::Keep),
            _ => (Existing::Keep, Leftover::Replace),
        };
        let path = if self == Self::Among { path("d/e/a") } else { incoming().path };
        Incoming { path, existing, leftover, ..incoming() }
    }

    /// The name of the part.
    pub(crate) fn part(self) -> String {
        format!("{}.part", self.incoming().path)
    }

    /// Before any fault.
    pub(crate) fn prepare(self, runtime: &Runtime, ground: &Ground) {
        match self {
            Self::Overwriting | Self::Renaming => ground.write("a", OLD),
            Self::Putting => ["p3", "p4"].iter().for_each(|name| ground.write(name, OLD)),
            Self::Resumed => runtime.block_on(leave(ground, incoming().meta.version)),
            Self::Keeping => runtime.block_on(leave(ground, Version([3; 16]))),
            Self::Torn => {
                runtime.block_on(leave(ground, incoming().meta.version));
                let part = File::options().write(true).open(ground.at("a.part")).expect("there");
                part.write_all_at(&[0; 100], 3 * BLOCK as u64).expect("lost");
            }
            Self::Edited => {
                runtime.block_on(leave(ground, incoming().meta.version));
                let part = File::options().write(true).open(ground.at("a.part")).expect("there");
                part.write_all_at(b"edited", 9).expect("edited");
                let sidecar = File::open(ground.at(".a.dpexpart")).expect("there");
                let before = SystemTime::now() - Duration::from_secs(100);
                sidecar.set_times(FileTimes::new().set_modified(before)).expect("set");
            }
            Self::Anew | Self::Discarding | Self::Among | Self::Folders => {}
        }
    }

    /// What is done under a fault.
    pub(crate) async fn act(self, store: &FsStore, log: &mut Log) -> Result<(), StoreError> {
        match self {
            Self::Putting => {
                for answer in store.put_all(smalls()).await {
                    answer?;
                }
                store.settle().await?;
                log.lasting.extend(["p1", "d/p2", "p3", "p4", "p4 (2)", "p5"].map(String::from));
                return Ok(());
            }
            Self::Folders => {
                store.make_folder(&path("x/y/z")).await?;
                for made in store.make_folders(&[path("x/y"), path("x/y/z")]).await {
                    made?;
                }
                store.settle().await?;
                log.folders.insert("x/y/z".to_owned());
                return Ok(());
            }
            // Whatever becomes of it. It is not settled: the large file is reported first.
            Self::Among => drop(store.put_all(vec![whole(BESIDE, Existing::Keep)]).await),
            _ => {}
        }
        let (part, mut here) = begin(store, self.incoming()).await?;
        for step in [Some(2), Some(0), None, Some(3), None, Some(1)] {
            match step {
                Some(index) if here.insert(index) => write(&*part, index).await?,
                Some(_) => {}
                None => {
                    part.checkpoint().await?;
                    log.promised.extend(&here);
                }
            }
        }
        if self == Self::Discarding {
            log.is_discarded = true;
            return part.discard().await;
        }
        let name = part.commit().await?;
        log.lasting.insert(name.to_string());
        Ok(())
    }

    /// A second run, without faults, to the end.
    pub(crate) async fn recover(self, store: &FsStore) {
        match self {
            Self::Putting => {
                for answer in store.put_all(smalls()).await {
                    assert!(matches!(answer, Ok(_) | Err(StoreError::Same)), "{answer:?}");
                }
                store.settle().await.expect("settled");
            }
            Self::Folders => store.make_folder(&path("x/y/z")).await.expect("made"),
            Self::Among => {
                for answer in store.put_all(vec![whole(BESIDE, Existing::Keep)]).await {
                    assert!(matches!(answer, Ok(_) | Err(StoreError::Same)), "{answer:?}");
                }
                store.settle().await.expect("settled");
                self.finish(store).await;
            }
            _ => self.finish(store).await,
        }
    }

    async fn finish(self, store: &FsStore) {
        match begin(store, self.incoming()).await {
            Ok((part, here)) => {
                for index in (0..4).filter(|index| !here.contains(index)) {
                    write(&*part, index).await.expect("written");
                }
                part.commit().await.expect("committed");
            }
            Err(error) => assert!(matches!(error, StoreError::Same), "{error}"),
        }
    }

    /// May this be seen, before, between and after?
    pub(crate) fn may_show(self, name: &str, file: &Shown) -> bool {
        let is_old = file.content == OLD;
        match (self, name) {
            (Self::Overwriting | Self::Renaming, "a") if is_old => true,
            (Self::Renaming, "a") => false,
            (Self::Putting, "p3" | "p4") if is_old => true,
            (Self::Keeping, "a (2).part") => {
                file.content.len() == content().len() && file.content[..BLOCK] == content()[..BLOCK]
            }
            _ => self.is_arrived(name, file),
        }
    }

    /// Is this what was to come, with its time?
    pub(crate) fn is_arrived(self, name: &str, file: &Shown) -> bool {
        let content = match (self, name) {
            (Self::Putting, "p4 (2)") => small("p4").into_bytes(),
            (Self::Putting, "p4") => return false,
            (Self::Putting, name) if SMALL.iter().any(|(small, _)| *small == name) => small(name).into_bytes(),
            (Self::Renaming, "a (2)") | (Self::Among, "d/e/a") => content(),
            (Self::Among, BESIDE) => small(BESIDE).into_bytes(),
            (Self::Among | Self::Putting | Self::Folders | Self::Renaming, _) => return false,
            (_, "a") => content(),
            _ => return false,
        };
        file.content == content && file.mtime == incoming().meta.mtime
    }

    /// What is there at the end.
    pub(crate) fn leaves(self) -> &'static [&'static str] {
        match self {
            Self::Anew | Self::Resumed | Self::Torn | Self::Edited | Self::Overwriting | Self::Discarding => &["a"],
            Self::Renaming => &["a", "a (2)"],
            Self::Keeping => &["a", "a (2).part"],
            Self::Putting => &["d", "d/p2", "p1", "p3", "p4", "p4 (2)", "p5"],
            Self::Among => &["d", "d/e", "d/e/a", BESIDE],
            Self::Folders => &["x", "x/y", "x/y/z"],
        }
    }
}

/// Goes on with what is held of this version, and says which blocks those are.
async fn begin(store: &FsStore, incoming: Incoming) -> Result<(Box<dyn PartialFile>, BTreeSet<u64>), StoreError> {
    let held = store.held(&incoming.path, &incoming.origin).await?;
    let held = held.filter(|held| held.version == incoming.meta.version);
    let here = held.iter().flat_map(|held| held.values.keys().copied()).collect();
    Ok((store.receive(&Incoming { held, ..incoming }).await?, here))
}

/// As a run leaves it that was killed after a checkpoint and one more block.
async fn leave(ground: &Ground, version: Version) {
    let store = ground.store().expect("opens");
    let mut incoming = incoming();
    incoming.meta.version = version;
    let part = store.receive(&incoming).await.expect("free");
    write(&*part, 0).await.expect("written");
    part.checkpoint().await.expect("on the disk");
    write(&*part, 3).await.expect("written");
}
