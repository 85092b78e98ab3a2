//! The parts this program was built with: the only file that knows about features.
//!
//! A backend is a row in a table, name and constructor; settings choose among the rows by name.

use dpex_core::suite::CipherSuite;

use crate::config::{Settings, nearest};
use crate::error::{CliError, CliResult};

/// A name and what it stands for.
type Row<T> = (&'static str, T);

/// How a cryptography backend is had.
type MakeCrypto = fn() -> &'static dyn CipherSuite;

const CRYPTO: &[Row<MakeCrypto>] = &[
    #[cfg(feature = "crypto-rustcrypto")]
    ("rustcrypto", || &dpex_crypto_rustcrypto::SUITE),
];

/// The cryptography backend that the settings name.
pub(crate) fn crypto(settings: &Settings) -> CliResult<&'static dyn CipherSuite> {
    Ok(choose("crypto", CRYPTO, settings)?())
}

/// Finds the row that the setting `joint` names.
fn choose<T: Copy>(joint: &str, rows: &[Row<T>], settings: &Settings) -> CliResult<T> {
    let name: String = settings.value(joint)?;
    if let Some((_, constructor)) = rows.iter().find(|(row, _)| *row == name) {
        return Ok(*constructor);
    }
    let names: Vec<&str> = rows.iter().map(|(row, _)| *row).collect();
    let has = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let error = CliError::usage(format!("this build has no {joint} backend `{name}` (it has: {has})"));
    let place = settings.source(joint);
    Err(match nearest(&name, names.iter().copied()) {
        Some(near) => error.hint(format!("did you mean `{near}`? The name comes from {place}")),
        None => error.hint(format!("rebuild with `--features {joint}-{name}`, or change `{joint}` in {place}")),
    })
}
