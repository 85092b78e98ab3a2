//! `dpex server log`: who got what.

use dpex_core::types::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::{Context, lookup};
use crate::args::{LogArgs, Since};
use crate::error::{Blame, CliError, CliResult};
use crate::home::{Audit, Fault, Role};
use crate::ui::{Ui, escape, minute, size};

/// Runs it.
pub(super) fn run(context: &Context, args: &LogArgs) -> CliResult {
    let part = context.home.part(Role::Server);
    part.check()?;
    let audit = part.audit();
    if args.verify {
        return verify(context.ui, &audit);
    }
    let since = args.since.map(moment).transpose()?;
    let (mut shown, mut is_known) = (0_u64, false);
    audit.read(|line, value| {
        let at = value["at"].as_str().and_then(|at| at.parse::<jiff::Timestamp>().ok());
        let is_late = since.is_none_or(|since| at.is_some_and(|at| at >= since));
        let is_theirs = args.name.as_ref().is_none_or(|name| value["person"] == name.as_str());
        is_known |= is_theirs;
        if !is_late || !is_theirs {
            return Ok(());
        }
        if context.ui.json {
            shown += 1;
            return context.ui.answer(line);
        }
        let Some(words) = told(value, context.ui.verbose) else { return Ok(()) };
        shown += 1;
        let at = at.and_then(|at| Timestamp::new(at.as_second(), 0)).map_or_else(|| "?".into(), minute);
        let person = value["person"].as_str().map(|person| format!("{}: ", escape(person))).unwrap_or_default();
        context.ui.answer(&format!("{at}  {person}{words}"))
    })?;
    if shown == 0 {
        if let Some(name) = args.name.as_ref().filter(|_| !is_known) {
            // A name that somebody had once is in the log; this one is neither there nor among the people.
            lookup::person(&part.people(), name)?;
        }
        let verbose = if context.ui.verbose { "" } else { " (-v shows connections and listings, too)" };
        context.ui.say(&format!("There is nothing to show{verbose}."));
    }
    Ok(())
}

fn moment(since: Since) -> CliResult<jiff::Timestamp> {
    let far = |_| CliError::usage("that is too long ago");
    match since {
        Since::Day(day) => Ok(day.to_zoned(TimeZone::system()).map_err(far)?.timestamp()),
        Since::Ago(span) => Ok(jiff::Zoned::now().checked_sub(span).map_err(far)?.timestamp()),
    }
}

/// A line in words; `None` for what only somebody who asked for more wants to see.
fn told(value: &Value, verbose: bool) -> Option<String> {
    let text = |key: &str| escape(value[key].as_str().unwrap_or("?")).into_owned();
    let bytes = |key: &str| size(value[key].as_u64().unwrap_or(0));
    let took = value["seconds"].as_f64().map(|seconds| format!(" in {seconds:.1} s")).unwrap_or_default();
    let kind = value["type"].as_str().unwrap_or("?");
    Some(match kind {
        "got" if value["sent"].as_u64() < value["size"].as_u64() => {
            format!("got {} ({}, of which {} were sent{took})", text("path"), bytes("size"), bytes("sent"))
        }
        "got" => format!("got {} ({}{took})", text("path"), bytes("size")),
        "not-got" if value["sent"].is_null() => {
            format!("did not get {}: {} (by {})", text("path"), text("why"), text("by"))
        }
        "not-got" => {
            format!("did not get {}: {} (by {}), after {}{took}", text("path"), text("why"), text("by"), bytes("sent"))
        }
        "enrolled" => "was enrolled".into(),
        "replaced" => "was enrolled anew".into(),
        "confirmed" => "the words were compared".into(),
        "revoked" => "access was ended".into(),
        "changed" => "the terms were changed".into(),
        "torn" => format!("a line torn by a crash was cut off ({})", bytes("bytes")),
        "lost" => format!("{} lines could not be written", value["lines"]),
        "too-many" => format!("made {} more lines than anybody may, which are left out", value["lines"]),
        "rekeyed" => "a new secret was made".into(),
        "gate-renewed" => "the first gate's secret was changed".into(),
        "limit-changed" => "the limit for all was changed".into(),
        "connected" if verbose => format!("connected from {}", text("from")),
        "moved" if verbose => format!("moved from {} to {}", text("from"), text("to")),
        "renewed" if verbose => "came with the new secrets".into(),
        "disconnected" if verbose => format!("disconnected{took}"),
        "listed" if verbose => format!(
            "listed {} names in {}",
            value["entries"],
            escape(&format!("/{}", value["path"].as_str().unwrap_or("?")))
        ),
        "server-started" if verbose => format!("the server was started, on {}", text("address")),
        "started" if verbose => format!("began {} ({})", text("path"), bytes("size")),
        "server-stopped" if verbose => "the server ended".into(),
        _ if verbose => escape(kind).into_owned(),
        _ => return None,
    })
}

fn verify(ui: Ui, audit: &Audit) -> CliResult {
    let report = audit.verify()?;
    for Fault { file, line, what } in &report.faults {
        if ui.json {
            ui.record("fault", json!({ "file": file.display().to_string(), "line": line, "what": what }))?;
        } else {
            ui.answer(&format!("{}, line {line}: {what}", file.display()))?;
        }
    }
    if !report.faults.is_empty() {
        return Err(CliError::new(Blame::Verification, "the log is not as it was written")
            .hint("if nobody of yours has changed it, somebody who can write to this home has"));
    }
    if ui.json {
        return ui.record("verified", json!({ "lines": report.lines, "first": report.first, "hash": report.head }));
    }
    let from = if report.first > 1 { format!(", from number {} on", report.first) } else { String::new() };
    ui.answer(&format!("{} lines{from}, unbroken; the last one's hash is {}", report.lines, report.head))
}
