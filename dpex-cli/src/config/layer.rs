//! One layer of settings: some values from one source, and whether such keys exist at all.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;

use figment::providers::{Format as _, Toml};
use figment::value::{Dict, Map, Num, Value};
use figment::{Metadata, Profile, Provider, Source};

use super::manual;
use crate::error::{Blame, CliError, CliResult};
use crate::home::Role;

/// Every variable of ours begins so.
const PREFIX: &str = "DPEX_";
/// Variables that are flags, not settings.
const FLAGS: [&str; 3] = ["DPEX_HOME", "DPEX_CONFIG", crate::home::PASSPHRASE_VARIABLE];

/// Values from one source.
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    dict: Dict,
    metadata: Metadata,
}

impl Layer {
    /// What holds if nobody says otherwise.
    pub(super) fn defaults(role: Role) -> CliResult<Self> {
        let dict = Toml::from_str(manual(role))
            .map_err(|e| CliError::new(Blame::Internal, format!("the built-in settings are damaged: {e}")))?;
        Ok(Self { dict, metadata: Metadata::named("the default") })
    }

    /// A file's text.
    pub(super) fn from_file(path: &Path, text: &str) -> CliResult<Self> {
        let dict = Toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| text.bytes().take(span.start).filter(|b| *b == b'\n').count() + 1);
            CliError::usage(format!("{}, line {line}, is not TOML: {}", path.display(), error.message()))
                .hint("`dpex config server --defaults` prints a settings file to compare with")
        })?;
        Ok(Self { dict, metadata: Metadata::from("file", Source::File(path.to_owned())) })
    }

    /// One value under a key that may have headings.
    fn one(key: &str, value: Value, name: String) -> Self {
        let mut parts = key.rsplit('.');
        let last = parts.next().unwrap_or(key);
        let innermost = Dict::from([(last.to_owned(), value)]);
        let dict = parts.fold(innermost, |inner, heading| Dict::from([(heading.to_owned(), Value::from(inner))]));
        Self { dict, metadata: Metadata::named(name) }
    }

    /// The values.
    pub(super) fn dict(&self) -> &Dict {
        &self.dict
    }

    /// Where they came from.
    pub(super) fn place(&self) -> String {
        describe(&self.metadata)
    }
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        self.metadata.clone()
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Map::from([(Profile::Default, self.dict.clone())]))
    }
}

/// A setting that was typed as a flag.
pub(crate) fn typed(flag: &str, key: &str, value: impl Into<Value>) -> Layer {
    Layer::one(key, value.into(), flag.to_owned())
}

/// The variables of ours, one layer each. Keys of the other role are none of this one's business, and no mistake.
pub(super) fn from_env(schema: &Dict, foreign: &Dict, env: Vec<(OsString, OsString)>) -> CliResult<Vec<Layer>> {
    let mut layers = Vec::new();
    let known: BTreeSet<String> = leaves(schema).into_iter().collect();
    let others: BTreeSet<String> = leaves(foreign).into_iter().collect();
    for (name, value) in env {
        let Some(name) = name.to_str() else { continue };
        let Some(rest) = name.strip_prefix(PREFIX) else { continue };
        if FLAGS.contains(&name) {
            continue;
        }
        let key = rest.to_ascii_lowercase().replace("__", ".").replace('_', "-");
        if !known.contains(&key) {
            if others.contains(&key) {
                continue;
            }
            return Err(unknown(
                &key,
                &format!("the environment variable {name}"),
                known.union(&others),
                "`dpex config` lists all settings",
            ));
        }
        let Some(default) = super::find(schema, &key) else { continue };
        let value = value.to_str().and_then(|text| parse_like(default, text)).ok_or_else(|| {
            CliError::usage(format!("the environment variable {name} must be {}", kind(default)))
                .hint(format!("the default is {}", show(default)))
        })?;
        layers.push(Layer::one(&key, value, format!("the environment variable {name}")));
    }
    Ok(layers)
}

/// Every key of `dict` must be one of the schema's.
pub(super) fn check_known(schema: &Dict, dict: &Dict, place: &str, role: Role) -> CliResult {
    let known: BTreeSet<String> = leaves(schema).into_iter().collect();
    let headings: BTreeSet<&String> =
        schema.iter().filter(|(_, v)| v.as_dict().is_some()).map(|(key, _)| key).collect();
    let written =
        leaves(dict).into_iter().chain(dict.iter().filter(|(_, v)| v.as_dict().is_some()).map(|(k, _)| k.clone()));
    for key in written {
        if known.contains(&key) || headings.contains(&key) {
            continue;
        }
        return Err(unknown(&key, place, known.iter(), &format!("`dpex config {role} --defaults` lists all settings")));
    }
    Ok(())
}

fn unknown<'a>(key: &str, place: &str, known: impl Iterator<Item = &'a String>, otherwise: &str) -> CliError {
    let error = CliError::usage(format!("unknown setting `{key}` in {place}"));
    match nearest(key, known.map(String::as_str)) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error.hint(otherwise),
    }
}

/// The candidate that is most alike, if any is alike enough to be worth a word.
pub(crate) fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let scored = candidates.map(|candidate| (strsim::jaro_winkler(word, candidate), candidate));
    scored.filter(|(score, _)| *score >= 0.75).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, candidate)| candidate)
}

/// The keys that hold values, parts joined by `.`.
pub(super) fn leaves(dict: &Dict) -> Vec<String> {
    let mut keys = Vec::new();
    for (key, value) in dict {
        match value.as_dict() {
            Some(inner) => keys.extend(leaves(inner).into_iter().map(|rest| format!("{key}.{rest}"))),
            None => keys.push(key.clone()),
        }
    }
    keys
}

/// Where a value came from, for people.
pub(super) fn describe(metadata: &Metadata) -> String {
    match &metadata.source {
        Some(Source::File(path)) => path.display().to_string(),
        _ => metadata.name.clone().into_owned(),
    }
}

/// The kinds of values that settings have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    Switch,
    List,
    Other,
}

/// What kind a value is.
pub(super) fn plain(value: &Value) -> Kind {
    match value {
        Value::String(..) | Value::Char(..) => Kind::Text,
        Value::Num(_, number) if !matches!(number, Num::F32(_) | Num::F64(_)) => Kind::Number,
        Value::Bool(..) => Kind::Switch,
        Value::Array(_, all) if all.iter().all(|value| plain(value) == Kind::Text) => Kind::List,
        _ => Kind::Other,
    }
}

/// What kind a value is, in words.
pub(super) fn kind(value: &Value) -> &'static str {
    match plain(value) {
        Kind::Text => "a text in quotation marks",
        Kind::Number => "a whole number",
        Kind::Switch => "true or false",
        Kind::List => "a list of texts, such as [\"one\", \"two\"]",
        Kind::Other => "something else",
    }
}

/// A value as it is written in a settings file.
pub(super) fn show(value: &Value) -> String {
    match value {
        Value::String(_, text) => format!("{text:?}"),
        Value::Bool(_, switch) => switch.to_string(),
        Value::Array(_, all) => format!("[{}]", all.iter().map(show).collect::<Vec<_>>().join(", ")),
        other => other.to_i128().map_or_else(|| "something else".into(), |number| number.to_string()),
    }
}

/// Reads a variable's text as a value of the default's kind.
fn parse_like(default: &Value, text: &str) -> Option<Value> {
    Some(match plain(default) {
        Kind::Text => Value::from(text),
        Kind::Number => Value::from(text.parse::<u64>().ok()?),
        Kind::Switch => Value::from(text.parse::<bool>().ok()?),
        Kind::List => list(text)?,
        Kind::Other => return None,
    })
}

/// A list, written as in a settings file.
fn list(text: &str) -> Option<Value> {
    let mut dict: Dict = Toml::from_str(&format!("list = {text}")).ok()?;
    dict.remove("list").filter(|list| dict.is_empty() && plain(list) == Kind::List)
}
