//! `dpex server set`: on which terms somebody may come in, and how fast all are served.

use std::fs;
use std::path::Path;

use dpex_core::types::Timestamp;
use jiff::tz::TimeZone;
use serde_json::json;
use toml_edit::{Array, DocumentMut, value};

use super::{Context, lookup};
use crate::args::{SetArgs, Until};
use crate::control;
use crate::error::{Blame, CliError, CliResult};
use crate::home::{Part, Role, write_secret};
use crate::limit::Limit;

/// Runs it.
pub(super) fn run(context: &Context, args: &SetArgs) -> CliResult {
    let part = context.home.part(Role::Server);
    part.check()?;
    if args.until.is_none() && args.limit.is_empty() && args.sessions.is_none() {
        return Err(CliError::usage("there is nothing to change").hint("name --until, --limit or --sessions"));
    }
    match &args.name {
        Some(name) => set_person(context, &part, args, name)?,
        None => set_all(context, &part, args)?,
    }
    if !control::refresh(&part, context.ui) {
        context.ui.detail("No server was told: none runs.");
    }
    Ok(())
}

fn set_person(context: &Context, part: &Part, args: &SetArgs, name: &str) -> CliResult {
    let terms = {
        let _lock = part.lock()?;
        let people = part.people();
        let (slug, mut person) = lookup::person(&people, name)?;
        if let Some(until) = args.until {
            person.terms.until = end_of(until)?;
        }
        if !args.limit.is_empty() {
            person.terms.limit = texts(&args.limit);
        }
        if args.sessions.is_some() {
            person.terms.sessions = args.sessions;
        }
        people.put(&slug, &person)?;
        person.terms
    };
    let fields = json!({
        "until": terms.until.map(Timestamp::secs), "limit": terms.limit, "sessions": terms.sessions,
    });
    super::write_down(context, part, "changed", name, fields.clone());
    if context.ui.json {
        let mut fields = fields;
        fields["name"] = name.into();
        context.ui.record("set", fields)?;
    }
    let until = terms.until.map_or_else(|| "for good".into(), |at| format!("until {}", crate::ui::minute(at)));
    let limit = if terms.limit.is_empty() { "no limit".into() } else { format!("limit {}", terms.limit.join(", ")) };
    let sessions = terms.sessions.map_or_else(String::new, |n| format!(", {n} connections at once"));
    context.ui.say(&format!("`{name}` may come in {until}, {limit}{sessions}."));
    Ok(())
}

fn set_all(context: &Context, part: &Part, args: &SetArgs) -> CliResult {
    let limit = texts(&args.limit);
    let named = context.config.clone().unwrap_or_else(|| part.settings_file());
    // What a link leads to is written, not the link: it may be kept elsewhere for a reason.
    let path = fs::canonicalize(&named).unwrap_or(named);
    {
        let _lock = part.lock()?;
        write_limit(&path, &limit)?;
    }
    super::write_down_of_nobody(context, part, "limit-changed", json!({ "limit": limit }));
    if context.ui.json {
        context.ui.record("set", json!({ "limit": limit }))?;
    }
    let now = if limit.is_empty() { "none".into() } else { limit.join(", ") };
    context.ui.say(&format!("The limit for all together is {now}. It is written in {}.", path.display()));
    Ok(())
}

/// `none` alone is no limit at all.
fn texts(limits: &[Limit]) -> Vec<String> {
    let texts: Vec<String> = limits.iter().map(Limit::to_string).collect();
    if texts == ["none"] { Vec::new() } else { texts }
}

/// The moment after the last day.
pub(super) fn end_of(until: Until) -> CliResult<Option<Timestamp>> {
    let Until::Day(day) = until else { return Ok(None) };
    let end = day.tomorrow().and_then(|next| next.to_zoned(TimeZone::system()));
    let end = end.map_err(|_| CliError::usage(format!("{day} is too far away")).hint("use `never` for no last day"))?;
    Timestamp::new(end.timestamp().as_second(), 0).map(Some).ok_or_else(|| CliError::usage("that day is no moment"))
}

/// Sets one key and leaves everything else in the file, comments and all, as the owner wrote it.
fn write_limit(path: &Path, limit: &[String]) -> CliResult {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(e) => return Err(CliError::disk("read", path, &e)),
    };
    let mut document: DocumentMut = text.parse().map_err(|e: toml_edit::TomlError| {
        CliError::usage(format!("{} is not TOML: {}", path.display(), e.message())).hint("mend it first")
    })?;
    document["limit"] = value(limit.iter().map(String::as_str).collect::<Array>());
    write_secret(path, document.to_string().as_bytes())
        .map_err(|e| CliError::new(Blame::Disk, e.message().to_owned()).hint(e.hint_text().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_written_into_the_settings_and_their_comments_stay() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("dpex.toml");
        let text = "# mine\nport = 9473\n\n# limit = []\n\n[store-fs]\n# more\nhidden = true\n";
        fs::write(&path, text).expect("written");
        for limits in [vec!["20M".to_owned(), "08:00-18:00 2M".to_owned()], Vec::new()] {
            write_limit(&path, &limits).expect("written");
            let now = fs::read_to_string(&path).expect("text");
            let document: DocumentMut = now.parse().expect("TOML");
            let read: Vec<_> = document["limit"].as_array().expect("a list").iter().map(|v| v.as_str()).collect();
            assert_eq!(read, limits.iter().map(|limit| Some(limit.as_str())).collect::<Vec<_>>());
            assert!(now.contains("# mine") && now.contains("# more") && now.contains("# limit = []"), "{now}");
            assert_eq!(document["store-fs"]["hidden"].as_bool(), Some(true));
        }
    }

    #[test]
    fn the_last_day_is_over_when_the_next_one_begins() {
        let day = jiff::civil::date(2027, 1, 31);
        let end = end_of(Until::Day(day)).expect("a day").expect("an end");
        let next = jiff::civil::date(2027, 2, 1).to_zoned(TimeZone::system()).expect("a day");
        assert_eq!(end.secs(), next.timestamp().as_second());
        assert_eq!(end_of(Until::Never).expect("never"), None);
    }
}
