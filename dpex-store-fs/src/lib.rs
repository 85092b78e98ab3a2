//! A [`FileStore`](dpex_core::store::FileStore) over one folder of the local file system.
//!
//! * **Fenced.** Every name is walked part by part through directory handles with `O_NOFOLLOW`, so that the system
//!   follows no symbolic link below the root, not even one that points inside, and no race can make it so. A shelf whose
//!   owner wants links followed has them read and walked in the same steps, into the roots that the owner lists and
//!   nowhere else. Only regular files and folders are listed or opened.
//! * **Whole.** A file is received as `NAME.part` and takes its name in one `rename` after it is complete and on disk.
//!   Small files come without parts, many at once, and take their names when all of them are on disk; the names are there
//!   for good after [`settle`](dpex_core::store::FileStore::settle).
//! * **Honest.** A file is read through one descriptor and checked after every read; what was written is told to the
//!   disk before its name exists. What an interrupted reception left is counted as held only if it was on the disk before
//!   the journal said so, or was read back.
//!
//! What is left behind: by a reception that is broken off, `NAME.part` and `.NAME.dpexpart`, which the next reception of
//! `NAME` goes on with, replaces, or keeps as `NAME (2).part`; by a crash in the wrong instant, one of the two alone, or a
//! hidden draft of a small file, all of which the next reception of `NAME` takes away.
//!
//! What it refuses to do: follow links when it receives, make links, set modes beyond "executable or not", preallocate.
//! Every system call that may wait runs on tokio's blocking threads.

#[cfg(not(unix))]
compile_error!("dpex-store-fs needs a Unix: directory handles, O_NOFOLLOW and flock are what its promises rest on");

mod admission;
mod blocking;
mod collisions;
mod deed;
mod error;
mod fence;
mod folders;
mod folding;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod journal;
mod leftover;
mod links;
mod listing;
mod made_up;
mod many;
mod names;
mod partial;
mod parts;
mod place;
pub mod portable;
mod publish;
mod receiving;
mod roots;
mod source;
mod store;
mod sys;
mod view;
mod whole;

pub use roots::RootError;
pub use store::{FsStore, Options, Shelves};
#[cfg(feature = "faults")]
pub use sys::faults;
