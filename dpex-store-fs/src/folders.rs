//! Folders that are made for their own sake, many in one go: those above are walked to once for all that lie in them.

use dpex_core::store::StoreError;
use dpex_core::types::SharePath;

use crate::fence::{Durable, Folder};
use crate::receiving::making;
use crate::sys;
use crate::whole::Unsettled;

/// Makes one folder after the other. The last one and those above it are kept open. Each is as good as an open file in
/// it: whoever moves the folder away takes along what is made in it.
pub(crate) struct Folders<'a> {
    root: &'a Folder,
    unsettled: &'a Unsettled,
    /// From the one in the root down, each with its name.
    trail: Vec<(String, Folder)>,
}

impl<'a> Folders<'a> {
    pub(crate) fn new(root: &'a Folder, unsettled: &'a Unsettled) -> Self {
        Self { root, unsettled, trail: Vec::new() }
    }

    /// Makes a folder and those above it; existing ones are fine.
    pub(crate) fn make(&mut self, path: &SharePath) -> Result<(), StoreError> {
        let durable = if sys::SYNCS_DISKS { Durable::Later } else { Durable::Now };
        let known = path.parts().zip(&self.trail).take_while(|(part, (name, _))| part == name).count();
        self.trail.truncate(known);
        for part in path.parts().skip(known) {
            let inside = self.last().enter_or_make(part, durable).map_err(making)?;
            self.trail.push((part.to_owned(), inside));
        }
        match durable {
            Durable::Now => Ok(()),
            // Those that were here may be a killed run's, and no more durable than new ones.
            Durable::Later => self.unsettled.add_disk(self.last()),
        }
    }

    fn last(&self) -> &Folder {
        self.trail.last().map_or(self.root, |(_, folder)| folder)
    }
}
