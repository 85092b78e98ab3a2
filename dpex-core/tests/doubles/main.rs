//! The test doubles of the three joints do what every backend must: they stand in for it in all other tests.

mod suite {
    use dpex_core::testing::NullSuite;

    dpex_core::cipher_suite_cases!(behaviour: NullSuite::leak(1));
}

mod humble;

mod store {
    use std::sync::Arc;

    use dpex_core::conformance::store::Backend;
    use dpex_core::store::FileStore;
    use dpex_core::testing::{MemStore, ready};

    struct Memory(MemStore);

    impl Backend for Memory {
        fn store(&self) -> Arc<dyn FileStore> {
            Arc::new(self.0.clone())
        }
    }

    fn memory() -> Memory {
        Memory(MemStore::new())
    }

    dpex_core::file_store_cases!(ready, memory);
}

mod transport {
    use std::sync::Arc;

    use dpex_core::testing::{MemNet, run_alone};
    use dpex_core::transport::Transport;

    fn sockets() -> impl Fn() -> Arc<dyn Transport> {
        let net = MemNet::new();
        move || net.bind("127.0.0.1:0".parse().expect("a literal address")).expect("a free port")
    }

    dpex_core::transport_cases!(run_alone, sockets);
}
