//! The folder of what a person is offered. It may become another one while the server runs: its owner moves it away,
//! makes it anew, restores it, or has a link lead elsewhere. What is open would go on showing the old one.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use dpex_core::enrol::Slug;
use dpex_core::store::{FileStore, StoreError};
use dpex_core::types::Secret;
use serde_json::json;

use crate::backends::{self, Serve};
use crate::commands::Context;
use crate::error::{Blame, CliError, CliResult};
use crate::home;

/// Where it is, and how it is opened.
pub(super) struct Place {
    pub(super) name: Slug,
    pub(super) root: PathBuf,
    pub(super) secret: Secret<32>,
    pub(super) open: Arc<Serve>,
    pub(super) context: Context,
}

impl Place {
    /// Opens what is there now.
    pub(super) fn open(&self) -> CliResult<Arc<dyn FileStore>> {
        if !self.is_bucket() {
            home::check_shelf(&self.root)?;
        }
        (self.open)(&self.root, self.secret.clone())
    }

    /// The same, while others go on.
    pub(super) async fn open_aside(self: Arc<Self>) -> CliResult<Arc<dyn FileStore>> {
        aside(move || self.open()).await
    }

    /// Can nobody but the owner change what is offered?
    ///
    /// # Errors
    /// If that cannot be said now.
    pub(super) async fn is_closed(&self) -> Result<bool, StoreError> {
        if self.is_bucket() {
            return Ok(true);
        }
        let root = self.root.clone();
        match aside(move || home::check_shelf(&root)).await {
            Ok(()) => Ok(true),
            Err(error) if error.blame() == Blame::Disk => Err(StoreError::Io(io::Error::other(error.message()))),
            Err(_) => Ok(false),
        }
    }

    fn is_bucket(&self) -> bool {
        backends::is_url(&self.root)
    }

    /// Tells the owner that it cannot be served.
    pub(super) fn tell_refused(&self, refused: &CliError) {
        let Self { name, root, context, .. } = self;
        let (why, mut hint) = (refused.message(), refused.hint_text().to_owned());
        if !self.is_bucket() && root.symlink_metadata().is_err_and(|e| e.kind() == io::ErrorKind::NotFound) {
            hint = format!("make it again with `mkdir {}`", root.display());
        }
        if context.ui.json {
            context.log.record("shelf-refused", &json!({ "person": name.as_str(), "why": why, "hint": hint }));
        } else {
            context.log.warn(&format!("{name}: nothing is on offer: {why}\nhint: {hint}"));
        }
    }

    /// Tells the owner that it is served, and what was not so before.
    pub(super) fn tell_served(&self, what: &str) {
        let Self { name, root, context, .. } = self;
        if context.ui.json {
            context.log.record("shelf-served", &json!({ "person": name.as_str(), "folder": root, "what": what }));
        } else {
            context.log.say(&format!("{name}: {} is {what}", root.display()));
        }
    }
}

async fn aside<T: Send + 'static>(work: impl FnOnce() -> CliResult<T> + Send + 'static) -> CliResult<T> {
    let failed = |e| CliError::new(Blame::Internal, format!("a task failed: {e}"));
    tokio::task::spawn_blocking(work).await.map_err(failed)?
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").field("root", &self.root).finish_non_exhaustive()
    }
}
