//! Where clients find this server, as its settings say.

use dpex_core::enrol::{Endpoint, Host};

use crate::config::Settings;
use crate::error::{CliError, CliResult};
use crate::home::Part;

/// The place that is written into answers first.
pub(super) fn host(settings: &Settings) -> CliResult<Host> {
    let host = settings.text("host")?.ok_or_else(|| {
        bad(settings, "host", "it is empty, so nobody could be told where this server is")
            .hint("set the name or address under which others reach this machine")
    })?;
    host.parse().map_err(|e| bad(settings, "host", &format!("{e}")))
}

/// All of them, best first.
pub(super) fn all(settings: &Settings) -> CliResult<Vec<Endpoint>> {
    let port: u16 = settings.value("port")?;
    let first = Endpoint::new(host(settings)?, port).map_err(|e| bad(settings, "port", &e.to_string()))?;
    let also: Vec<String> = settings.value("also")?;
    if also.len() >= 8 {
        return Err(bad(settings, "also", "there are more than seven"));
    }
    let read = |text: &String| {
        let with_port = text.parse::<Endpoint>();
        let alone = || text.parse::<Host>().and_then(|host| Endpoint::new(host, port));
        with_port.or_else(|why| alone().map_err(|_| bad(settings, "also", &format!("`{text}`: {why}"))))
    };
    std::iter::once(Ok(first)).chain(also.iter().map(read)).collect()
}

/// Those that clients are told of when they connect: none, unless there are several, or were; what they were told once must
/// be taken back.
pub(super) fn announced(settings: &Settings, part: &Part) -> CliResult<Vec<Endpoint>> {
    let also: Vec<String> = settings.value("also")?;
    if !also.is_empty() {
        part.remember_places()?;
    } else if !part.has_told_places() {
        return Ok(Vec::new());
    }
    all(settings)
}

fn bad(settings: &Settings, key: &str, why: &str) -> CliError {
    CliError::usage(format!("the setting `{key}` in {}: {why}", settings.source(key)))
}
