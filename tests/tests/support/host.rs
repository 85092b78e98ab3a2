//! What a server and a client need of whoever runs them, at its simplest.

use std::io;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use dpex_core::node::{Host, Record, Stamps};
use dpex_core::store::FileStore;
use dpex_core::types::{EnrolmentId, Timestamp};

/// One shelf for whoever comes.
pub(crate) struct Shelves(pub(crate) Arc<dyn FileStore>);

#[async_trait]
impl Host for Shelves {
    fn shelf(&self, _: EnrolmentId) -> Arc<dyn FileStore> {
        Arc::clone(&self.0)
    }

    async fn keep_stamp(&self, _: EnrolmentId, _: Timestamp) {}

    fn record(&self, _: Record) {}
}

/// Stamps, each later than all before.
#[derive(Default)]
pub(crate) struct Clock(Mutex<Option<Timestamp>>);

impl Clock {
    /// The next stamp.
    pub(crate) fn later(&self, now: Timestamp) -> Timestamp {
        let mut last = self.0.lock().expect("no panic");
        let next = last.map_or(now, |last| now.max(last.successor()));
        *last.insert(next)
    }
}

#[async_trait]
impl Stamps for Clock {
    async fn next(&self, now: Timestamp) -> io::Result<Timestamp> {
        Ok(self.later(now))
    }
}
