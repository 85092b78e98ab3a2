//! What every store promises.

use std::sync::Arc;

use dpex_core::conformance::store::Backend;
use dpex_core::store::FileStore;

use crate::support::{Yard, run};

impl Backend for Yard {
    fn store(&self) -> Arc<dyn FileStore> {
        Arc::new(self.store.clone())
    }

    fn finish(self) {
        self.assert_outside_is_untouched();
    }
}

dpex_core::file_store_cases!(run, Yard::new);
