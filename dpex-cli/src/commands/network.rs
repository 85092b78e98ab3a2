//! The commands that speak to the other side. Their arguments are settled; what they do comes with the node.

use crate::error::{CliError, CliResult};

/// `dpex demo`
pub(super) fn demo() -> CliResult {
    not_yet("demo")
}

/// `dpex client ls`
pub(super) fn ls() -> CliResult {
    not_yet("client ls")
}

/// `dpex client get`
pub(super) fn get() -> CliResult {
    not_yet("client get")
}

/// `dpex client getall`
pub(super) fn getall() -> CliResult {
    not_yet("client getall")
}

/// `dpex server serve`
pub(super) fn serve() -> CliResult {
    not_yet("server serve")
}

fn not_yet(command: &str) -> CliResult {
    Err(CliError::usage(format!("`dpex {command}` is not in this build yet")))
}
