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
    use std::pin::pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::task::{Context, Wake, Waker};

    use dpex_core::testing::MemNet;
    use dpex_core::transport::Transport;

    #[derive(Default)]
    struct Woken(AtomicBool);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    /// Runs a future that only ever waits for itself; one that would wait for ever is a failure.
    fn run(future: impl Future<Output = ()>) {
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let mut future = pin!(future);
        while future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
            assert!(woken.0.swap(false, Ordering::SeqCst), "waits for something that nobody will send");
        }
    }

    fn sockets() -> impl Fn() -> Arc<dyn Transport> {
        let net = MemNet::new();
        move || net.bind("127.0.0.1:0".parse().expect("a literal address")).expect("a free port")
    }

    dpex_core::transport_cases!(run, sockets);
}
