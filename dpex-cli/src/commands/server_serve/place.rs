//! The folder of what a person is offered. It may become another one while the server runs: its owner moves it away,
//! makes it anew, restores it, or has a link lead elsewhere. What is open would go on showing the old one.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use dpex_core::enrol::Slug;
use dpex_core::store::FileStore;
use dpex_core::types::Secret;
use serde_json::json;

use crate::backends::{self, Serve};
use crate::commands::Context;
use crate::error::{CliError, CliResult};
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

    /// Is what was opened still what is there, and may it still be served?
    pub(super) fn is_fit(&self, files: &dyn FileStore) -> bool {
        self.is_bucket() || home::check_shelf(&self.root).is_ok() && files.is_in_place()
    }

    fn is_bucket(&self) -> bool {
        backends::is_url(&self.root)
    }

    /// Tells the owner that it cannot be served.
    pub(super) fn tell_refused(&self, refused: &CliError) {
        let Self { name, root, context, .. } = self;
        let (why, mut hint) = (refused.message(), refused.hint_text().to_owned());
        if !self.is_bucket() && root.symlink_metadata().is_err() {
            hint = format!("make it again with `mkdir {}`", root.display());
        }
        if context.ui.json {
            context.log.record("shelf-refused", &json!({ "person": name.as_str(), "why": why, "hint": hint }));
        } else {
            context.log.warn(&format!("{name}: nothing is on offer: {why}\nhint: {hint}"));
        }
    }

    /// Tells the owner that another folder is served from now on, or one that could not be before.
    pub(super) fn tell_exchanged(&self) {
        let Self { name, root, context, .. } = self;
        if context.ui.json {
            context.log.record("shelf-exchanged", &json!({ "person": name.as_str(), "folder": root }));
        } else {
            context.log.say(&format!("{name}: {} is another folder now, and is on offer", root.display()));
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").field("root", &self.root).finish_non_exhaustive()
    }
}
