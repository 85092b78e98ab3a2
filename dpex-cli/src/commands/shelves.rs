//! Where what is on offer for a person lies.

use std::path::{Path, PathBuf};

use dpex_core::enrol::Slug;

use crate::backends::{Serve, check_place, is_url, server_store};
use crate::config::Settings;
use crate::error::{CliError, CliResult};
use crate::home::People;

/// A folder in the home, or the person's part of an object store.
pub(super) fn shelf(settings: &Settings, people: &People, name: &Slug) -> CliResult<PathBuf> {
    Ok(match bucket(settings)? {
        Some(shelves) => PathBuf::from(below(&shelves, name)),
        None => people.outgoing(name),
    })
}

/// What opens shelves, wherever they lie; `home` holds the keys, which must not be offered.
pub(super) fn opener(settings: &Settings, home: &Path) -> CliResult<Serve> {
    let place = bucket(settings)?.map_or_else(|| home.to_owned(), PathBuf::from);
    server_store(settings, &place, home)
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

/// The slashes behind the scheme stay: `file:///` is the root of this machine.
fn below(shelves: &str, name: &Slug) -> String {
    let (scheme, rest) = shelves.split_once("://").unwrap_or(("", shelves));
    format!("{scheme}://{}/{name}", rest.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_s_shelf_lies_below_the_address_however_it_ends() {
        let alice = "alice".parse().expect("a short name");
        for (shelves, shelf) in [
            ("s3://bucket", "s3://bucket/alice"),
            ("s3://bucket/people//", "s3://bucket/people/alice"),
            ("file:///srv/", "file:///srv/alice"),
            ("file:///", "file:///alice"),
        ] {
            assert_eq!(below(shelves, &alice), shelf);
        }
    }
}
