//! The servers this client knows: one file each.

use std::fs;
use std::io;
use std::path::PathBuf;

use dpex_core::enrol::{ClientGrant, Slug};
use dpex_core::types::Timestamp;
use serde::{Deserialize, Serialize};

use super::{modes, record, secret_file};
use crate::error::{CliError, CliResult};

/// What is kept of one server.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KnownServer {
    /// When the eight words were compared.
    #[serde(with = "record::moment")]
    pub(crate) confirmed: Option<Timestamp>,
    /// Keys, secrets and addresses.
    pub(crate) grant: ClientGrant,
}

/// All of them.
#[derive(Clone, Debug)]
pub(crate) struct KnownServers {
    dir: PathBuf,
}

impl KnownServers {
    /// The servers in `dir`, which need not exist.
    pub(super) fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// One server.
    pub(crate) fn get(&self, name: &Slug) -> CliResult<Option<KnownServer>> {
        if self.dir.is_dir() {
            modes::check_private_folder(&self.dir)?;
        }
        record::load(&self.file(name))
    }

    /// All of them, by name.
    pub(crate) fn all(&self) -> CliResult<Vec<(Slug, KnownServer)>> {
        let failed = |e: io::Error| CliError::disk("list", &self.dir, &e);
        let entries = match fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut servers = Vec::new();
        for entry in entries {
            let file_name = entry.map_err(failed)?.file_name();
            let stem = file_name.to_str().and_then(|name| name.strip_suffix(".json"));
            let Some(name) = stem.and_then(|stem| Slug::parse(stem).ok()) else { continue };
            if let Some(server) = self.get(&name)? {
                servers.push((name, server));
            }
        }
        servers.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(servers)
    }

    /// Adds a server, or replaces what is kept of one.
    pub(crate) fn put(&self, name: &Slug, server: &KnownServer) -> CliResult {
        secret_file::create_folder(&self.dir)?;
        record::store(&self.file(name), server)
    }

    fn file(&self, name: &Slug) -> PathBuf {
        self.dir.join(format!("{name}.json"))
    }
}
