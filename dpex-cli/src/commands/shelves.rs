//! Where what is on offer for a person lies.

use std::path::PathBuf;

use dpex_core::enrol::Slug;

use crate::backends::{check_place, is_url};
use crate::config::Settings;
use crate::error::{CliError, CliResult};
use crate::home::People;

/// A folder in the home, or the person's part of an object store.
pub(super) fn shelf(settings: &Settings, people: &People, name: &Slug) -> CliResult<PathBuf> {
    Ok(match bucket(settings)? {
        Some(shelves) => PathBuf::from(format!("{}/{name}", shelves.trim_end_matches('/'))),
        None => people.outgoing(name),
    })
}

/// The URL below which everybody's shelf lies, if that is an object store.
pub(super) fn bucket(settings: &Settings) -> CliResult<Option<String>> {
    let Some(shelves) = settings.text("shelves")? else { return Ok(None) };
    check_place(&PathBuf::from(&shelves))?;
    if !is_url(&PathBuf::from(&shelves)) {
        let place = settings.source("shelves");
        return Err(CliError::usage(format!("the setting `shelves` in {place} is `{shelves}`"))
            .hint("it is the URL of an object store, such as s3://bucket/prefix, or empty for a folder in the home"));
    }
    Ok(Some(shelves))
}
