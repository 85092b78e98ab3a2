//! Everything that a file store must do, once with stored and once with deflated entries.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use dpex_core::conformance::store::{Abilities, Backend, Planted};
use dpex_core::store::FileStore;
use dpex_core::types::Secret;
use dpex_store_zip::{Options, ZipStore};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// A folder with a zip file in it.
struct Shelf {
    folder: tempfile::TempDir,
    method: CompressionMethod,
}

impl Shelf {
    fn new(method: CompressionMethod) -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder"), method }
    }

    fn zip(&self) -> PathBuf {
        self.folder.path().join("shelf.zip")
    }
}

impl Backend for Shelf {
    fn store(&self) -> Arc<dyn FileStore> {
        let store = ZipStore::serve(&self.zip(), Secret::new([7; 32]), Options::default());
        Arc::new(store.expect("a zip file was planted"))
    }

    fn abilities(&self) -> Abilities {
        Abilities { receives: false, keeps_mtime: false, resumes: false, ..Abilities::ALL }
    }

    fn plant(&self, tree: &[Planted]) {
        let new = self.folder.path().join("new.zip");
        let mut zip = ZipWriter::new(File::create(&new).expect("creatable"));
        let mut folders = Vec::new();
        for Planted { path, content, exec, .. } in tree {
            let mode = if *exec { 0o755 } else { 0o644 };
            let options = SimpleFileOptions::default().compression_method(self.method).unix_permissions(mode);
            if let Some(content) = content {
                zip.start_file(path.as_str(), options).expect("a new name");
                zip.write_all(content).expect("writable");
            } else if !folders.contains(&path) {
                zip.add_directory(path.as_str(), SimpleFileOptions::default()).expect("a new name");
                folders.push(path);
            }
        }
        zip.finish().expect("writable");
        fs::rename(new, self.zip()).expect("in one folder");
    }
}

fn run(future: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime can be made").block_on(future);
}

mod stored {
    use super::{CompressionMethod, Shelf, run};

    fn shelf() -> Shelf {
        Shelf::new(CompressionMethod::Stored)
    }

    dpex_core::file_store_cases!(run, shelf);
}

mod deflated {
    use super::{CompressionMethod, Shelf, run};

    fn shelf() -> Shelf {
        Shelf::new(CompressionMethod::Deflated)
    }

    dpex_core::file_store_cases!(run, shelf);
}
