//! What every store promises.

use std::sync::Arc;

use dpex_core::conformance::store::{Abilities, Backend};
use dpex_core::store::FileStore;
use dpex_store_object::{ObjectStoreShelf, Options};

use crate::support::{BUCKET, run};

mod memory {
    use super::*;

    struct Memory(Arc<ObjectStoreShelf>);

    impl Backend for Memory {
        fn store(&self) -> Arc<dyn FileStore> {
            self.0.clone()
        }

        fn abilities(&self) -> Abilities {
            BUCKET
        }
    }

    fn memory() -> Memory {
        Memory(Arc::new(ObjectStoreShelf::receive("memory://", &Options::default()).expect("a good address")))
    }

    dpex_core::file_store_cases!(run, memory);
}

mod folder {
    use super::*;
    use crate::folder::Yard;

    impl Backend for Yard {
        fn store(&self) -> Arc<dyn FileStore> {
            self.store.clone()
        }

        fn abilities(&self) -> Abilities {
            Abilities { keeps_mtime: false, keeps_exec: false, lists_as_opened: true, ..BUCKET }
        }

        fn finish(self) {
            self.assert_outside_is_untouched();
        }
    }

    dpex_core::file_store_cases!(run, Yard::new);
}

mod s3 {
    use super::*;
    use crate::server::Server;
    use crate::support::receive;

    struct S3 {
        _server: Server,
        store: Arc<ObjectStoreShelf>,
    }

    impl Backend for S3 {
        fn store(&self) -> Arc<dyn FileStore> {
            self.store.clone()
        }

        fn abilities(&self) -> Abilities {
            BUCKET
        }
    }

    fn s3() -> S3 {
        let server = Server::start();
        let store = receive(&server);
        S3 { _server: server, store }
    }

    dpex_core::file_store_cases!(run, s3);
}
