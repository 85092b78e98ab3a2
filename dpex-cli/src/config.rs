//! Settings: the defaults in this program < dpex.toml in the home < the environment < what was typed.
//!
//! Every key that exists has a default in `config/*.toml`, so those files are the schema as well as the manual: a key
//! that is not there is an error that names where it was written and the nearest key that exists.

mod layer;
mod template;

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use figment::value::{Dict, Value};
use figment::{Figment, Source};
use serde::de::DeserializeOwned;

use crate::error::{CliError, CliResult};
use crate::home::Role;

pub(crate) use layer::nearest;
pub(crate) use layer::{Layer, typed};
pub(crate) use template::{quoted, settings_file};

/// The commented defaults of a role.
pub(crate) fn manual(role: Role) -> &'static str {
    match role {
        Role::Server => include_str!("../config/server.toml"),
        Role::Client => include_str!("../config/client.toml"),
    }
}

/// All layers of one role's settings, merged, each value with its source.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    figment: Figment,
    schema: Dict,
    /// The settings file, if there is one.
    file: String,
}

/// One effective setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    /// Its name, parts joined by `.`.
    pub(crate) key: String,
    /// Its value.
    pub(crate) value: serde_json::Value,
    /// Where it came from.
    pub(crate) source: String,
}

/// Where a role's settings come from, besides the defaults.
#[derive(Debug)]
pub(crate) struct Sources<'a> {
    /// The file, and whether it must exist.
    pub(crate) file: SettingsFile<'a>,
    /// The environment.
    pub(crate) env: Vec<(OsString, OsString)>,
    /// What was typed: pairs of a key and a layer of one value.
    pub(crate) typed: Vec<Layer>,
}

/// The settings file.
#[derive(Clone, Copy, Debug)]
pub(crate) enum SettingsFile<'a> {
    /// The one in the home, if there is one.
    InHome(&'a Path),
    /// The one that `--config` names.
    Named(&'a Path),
}

impl Settings {
    /// Reads, checks and merges.
    pub(crate) fn load(role: Role, sources: Sources<'_>) -> CliResult<Self> {
        let defaults = Layer::defaults(role)?;
        let schema = defaults.dict().clone();
        let mut figment = Figment::from(defaults);
        let mut file = String::new();
        if let Some(layer) = read_file(sources.file)? {
            file = layer.place();
            layer::check_known(&schema, layer.dict(), &layer.place(), role)?;
            figment = figment.merge(layer);
        }
        let foreign = Layer::defaults(match role {
            Role::Server => Role::Client,
            Role::Client => Role::Server,
        })?;
        for layer in layer::from_env(&schema, foreign.dict(), sources.env)? {
            figment = figment.merge(layer);
        }
        for layer in sources.typed {
            figment = figment.merge(layer);
        }
        let settings = Self { figment, schema, file };
        settings.check_types()?;
        Ok(settings)
    }

    /// A value of the type its key has.
    pub(crate) fn value<T: DeserializeOwned>(&self, key: &str) -> CliResult<T> {
        self.figment.extract_inner(key).map_err(|error| self.wrong(key, &error))
    }

    /// A text that may be empty, which stands for nothing.
    pub(crate) fn text(&self, key: &str) -> CliResult<Option<String>> {
        Ok(Some(self.value::<String>(key)?).filter(|text| !text.is_empty()))
    }

    /// A path; a relative one that was written in a file belongs to that file's folder. Or a URL.
    pub(crate) fn path(&self, key: &str) -> CliResult<PathBuf> {
        let path = PathBuf::from(self.value::<String>(key)?);
        Ok(if crate::backends::is_url(&path) { path } else { self.beside(key, &path) })
    }

    /// What a path that a key holds stands for: a relative one belongs to the folder of the file that the key is set in;
    /// else to that in which the command is run.
    pub(crate) fn beside(&self, key: &str, path: &Path) -> PathBuf {
        let file = self.figment.find_metadata(key).and_then(|m| m.source.as_ref()).and_then(Source::file_path);
        file.and_then(Path::parent).unwrap_or(Path::new("")).join(path)
    }

    /// What a key holds, for a message about it: where it was set.
    pub(crate) fn source(&self, key: &str) -> String {
        // A heading has no source of its own, and only a file can have one where a value should be.
        self.figment.find_metadata(key).map_or_else(|| self.file.clone(), layer::describe)
    }

    /// Every setting, in the order of the names, plain ones before those under a heading.
    pub(crate) fn all(&self) -> CliResult<Vec<Setting>> {
        let mut keys = layer::leaves(&self.schema);
        keys.sort_by_key(|key| (key.contains('.'), key.clone()));
        keys.into_iter().map(|key| Ok(Setting { value: self.value(&key)?, source: self.source(&key), key })).collect()
    }

    /// Every value must be of its default's kind, also those that this command does not read.
    fn check_types(&self) -> CliResult {
        for key in layer::leaves(&self.schema) {
            let kind = layer::plain;
            let (Some(default), Ok(value)) = (find(&self.schema, &key), self.figment.find_value(&key)) else {
                return Err(CliError::usage(format!("the setting `{key}` in {} is a heading", self.source(&key))));
            };
            if kind(default) != kind(&value) {
                let message = format!("the setting `{key}` in {} must be {}", self.source(&key), layer::kind(default));
                return Err(CliError::usage(message).hint(format!("the default is {}", layer::show(default))));
            }
        }
        Ok(())
    }

    fn wrong(&self, key: &str, error: &figment::Error) -> CliError {
        CliError::usage(format!("the setting `{key}` in {} is not usable: {}", self.source(key), error.kind))
    }
}

fn read_file(file: SettingsFile<'_>) -> CliResult<Option<Layer>> {
    let (path, optional) = match file {
        SettingsFile::InHome(path) => (path, true),
        SettingsFile::Named(path) => (path, false),
    };
    match std::fs::read_to_string(path) {
        Ok(text) => Layer::from_file(path, &text).map(Some),
        // A home that cannot be is told by whoever first wants to write to it.
        Err(error) if optional && matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(CliError::usage(format!("there is no settings file {}", path.display()))
                .hint("check the path after --config, or leave it out to use the dpex.toml in the home"))
        }
        Err(error) => Err(CliError::disk("read the settings file", path, &error)),
    }
}

fn find<'a>(dict: &'a Dict, key: &str) -> Option<&'a Value> {
    match key.split_once('.') {
        Some((heading, rest)) => find(dict.get(heading)?.as_dict()?, rest),
        None => dict.get(key),
    }
}

#[cfg(test)]
mod tests;
