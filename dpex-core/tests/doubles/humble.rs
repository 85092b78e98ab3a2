//! Stores that can do less, and the cases that show what they do instead: one that only serves, and one that takes blocks
//! in their order alone and cannot tell that two receive the same file.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use dpex_core::conformance::store::support::at;
use dpex_core::conformance::store::{Abilities, Backend, Planted};
use dpex_core::store::{FileStore, Incoming, ListQuery, Page, PartialFile, SourceFile, StoreError, Verified};
use dpex_core::testing::{MemStore, ready};
use dpex_core::types::SharePath;

mod serving_only {
    use super::*;

    #[derive(Debug)]
    struct Served(MemStore);

    #[async_trait]
    impl FileStore for Served {
        async fn list(&self, query: &ListQuery) -> Result<Page, StoreError> {
            self.0.list(query).await
        }

        async fn open(&self, path: &SharePath) -> Result<Arc<dyn SourceFile>, StoreError> {
            self.0.open(path).await
        }

        async fn make_folder(&self, path: &SharePath) -> Result<(), StoreError> {
            if path.is_root() { Ok(()) } else { Err(StoreError::BadName("nothing is received here")) }
        }

        async fn receive(&self, _: &Incoming) -> Result<Box<dyn PartialFile>, StoreError> {
            Err(StoreError::BadName("nothing is received here"))
        }
    }

    struct Shelf(MemStore);

    impl Backend for Shelf {
        fn store(&self) -> Arc<dyn FileStore> {
            Arc::new(Served(self.0.clone()))
        }

        fn abilities(&self) -> Abilities {
            Abilities { receives: false, resumes: false, ..Abilities::ALL }
        }

        fn plant(&self, tree: &[Planted]) {
            for old in self.0.names() {
                self.0.remove(&old);
            }
            for Planted { path, content, mtime, exec } in tree {
                match content {
                    Some(content) => self.0.put_with(path, content.clone(), *mtime, *exec),
                    None => self.0.folder(path),
                }
            }
        }
    }

    fn shelf() -> Shelf {
        Shelf(MemStore::new())
    }

    dpex_core::file_store_cases!(ready, shelf);
}

mod in_order {
    use super::*;

    #[derive(Clone, Debug)]
    struct Queue(MemStore);

    #[async_trait]
    impl FileStore for Queue {
        async fn list(&self, query: &ListQuery) -> Result<Page, StoreError> {
            self.0.list(query).await
        }

        async fn open(&self, path: &SharePath) -> Result<Arc<dyn SourceFile>, StoreError> {
            self.0.open(path).await
        }

        async fn make_folder(&self, path: &SharePath) -> Result<(), StoreError> {
            self.0.make_folder(path).await
        }

        async fn receive(&self, incoming: &Incoming) -> Result<Box<dyn PartialFile>, StoreError> {
            // Asked whether it may be, and given back: nobody is kept out.
            self.0.receive(incoming).await?.discard().await?;
            Ok(Box::new(Part { store: self.0.clone(), incoming: incoming.clone(), content: Mutex::default() }))
        }
    }

    #[derive(Debug)]
    struct Part {
        store: MemStore,
        incoming: Incoming,
        content: Mutex<Vec<u8>>,
    }

    #[async_trait]
    impl PartialFile for Part {
        async fn write(&self, Verified { offset, .. }: Verified, data: Bytes) -> Result<(), StoreError> {
            let mut content = self.content.lock().expect("nobody panicked");
            let here = content.len() as u64;
            if offset != here || here + data.len() as u64 > self.incoming.meta.size {
                return Err(StoreError::Io(std::io::Error::other("blocks are taken in their order only")));
            }
            content.extend_from_slice(&data);
            Ok(())
        }

        async fn checkpoint(&self) -> Result<(), StoreError> {
            Ok(())
        }

        async fn commit(self: Box<Self>) -> Result<SharePath, StoreError> {
            let content = Bytes::from(self.content.into_inner().expect("nobody panicked"));
            let part = self.store.receive(&self.incoming).await?;
            part.write(at(0), content).await?;
            part.commit().await
        }

        async fn discard(self: Box<Self>) -> Result<(), StoreError> {
            Ok(())
        }
    }

    impl Backend for Queue {
        fn store(&self) -> Arc<dyn FileStore> {
            Arc::new(self.clone())
        }

        fn abilities(&self) -> Abilities {
            Abilities { one_receiver_at_a_time: false, writes_in_any_order: false, resumes: false, ..Abilities::ALL }
        }
    }

    fn queue() -> Queue {
        Queue(MemStore::new())
    }

    dpex_core::file_store_cases!(ready, queue);
}
