//! A file that is served: one object at one version.

use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use dpex_core::store::{Meta, SourceFile, StoreError};
use dpex_core::types::{Secret, SharePath};
use object_store::path::Path;
use object_store::{GetOptions, ObjectMeta};

use crate::attributes::{bare, meta};
use crate::error::{looking_up, reading};
use crate::local::{has_link, is_staged};
use crate::names::{all_shown, key};
use crate::service::Service;

/// The open file. Every read asks for the version that was opened, and looks at which one came (XFR-12).
#[derive(Debug)]
pub(crate) struct ObjectSource {
    service: Arc<Service>,
    key: Path,
    opened: ObjectMeta,
    meta: Meta,
}

impl ObjectSource {
    pub(crate) async fn open(
        service: &Arc<Service>,
        path: &SharePath,
        secret: &Secret<32>,
    ) -> Result<Self, StoreError> {
        let is_possible = !path.is_root() && all_shown(path);
        let key = key(&service.prefix, path).filter(|_| is_possible).ok_or(StoreError::NotFound)?;
        if let Some(root) = &service.folder
            && (path.file_name().is_some_and(is_staged) || has_link(root, path).await?)
        {
            return Err(StoreError::NotFound);
        }
        let found = service.head(&key).await.map_err(|e| looking_up(&e))?;
        let meta = meta(&found.meta, &found.attributes, secret);
        Ok(Self { service: Arc::clone(service), key, opened: found.meta, meta })
    }

    /// Is this the object that was opened?
    fn is_opened(&self, object: &ObjectMeta) -> bool {
        let tag = |object: &ObjectMeta| object.e_tag.as_deref().map(|tag| bare(tag).to_owned());
        object.size == self.opened.size
            && object.last_modified.timestamp() == self.opened.last_modified.timestamp()
            && tag(object) == tag(&self.opened)
    }

    async fn read(&self, offset: u64, len: usize) -> Result<Bytes, StoreError> {
        let end = offset.checked_add(len as u64).filter(|&end| end <= self.meta.size);
        let Some(end) = end else {
            return Err(StoreError::Io(io::Error::new(io::ErrorKind::InvalidInput, "a read past the end of the file")));
        };
        if len == 0 {
            return Ok(Bytes::new());
        }
        let options = GetOptions {
            if_match: self.opened.e_tag.clone(),
            range: Some((offset..end).into()),
            ..GetOptions::default()
        };
        let found = self.service.objects.get_opts(&self.key, options).await.map_err(|e| reading(&e))?;
        if !self.is_opened(&found.meta) || found.range != (offset..end) {
            return Err(StoreError::Changed);
        }
        let bytes = found.bytes().await.map_err(|e| reading(&e))?;
        // A file of this machine may have been written to while it was read.
        if self.service.folder.is_some() {
            let now = self.service.head(&self.key).await.map_err(|e| reading(&e))?;
            if !self.is_opened(&now.meta) {
                return Err(StoreError::Changed);
            }
        }
        if bytes.len() != len {
            return Err(StoreError::Changed);
        }
        Ok(bytes)
    }
}

#[async_trait]
impl SourceFile for ObjectSource {
    fn meta(&self) -> &Meta {
        &self.meta
    }

    async fn read_at(&self, offset: u64, len: usize) -> Result<Bytes, StoreError> {
        self.service.told(self.read(offset, len).await)
    }
}
