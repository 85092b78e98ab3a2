//! The passphrase that a private key may be under.

use std::io::IsTerminal as _;
use std::path::Path;

use zeroize::Zeroizing;

use crate::error::{CliError, CliResult};

/// The variable for those who cannot be asked: services and scripts.
pub(crate) const VARIABLE: &str = "DPEX_PASSPHRASE";

/// A passphrase, wiped when it is no longer needed.
pub(crate) type Passphrase = Zeroizing<Vec<u8>>;

/// The passphrase of the key in this file, from the environment or from who sits at the terminal. None if there is
/// neither.
pub(super) fn known(file: &Path) -> Option<Passphrase> {
    from_env().or_else(|| ask(&format!("Passphrase of {}: ", file.display())))
}

/// A new passphrase, asked for twice.
pub(crate) fn chosen() -> CliResult<Passphrase> {
    let passphrase = match from_env() {
        Some(given) => given,
        None => {
            let first = ask("Passphrase for the new private key: ");
            let first = first.ok_or_else(|| {
                CliError::usage("there is no terminal to ask for a passphrase on").hint(format!("set {VARIABLE}"))
            })?;
            if ask("The same again: ").as_ref() != Some(&first) {
                return Err(CliError::usage("these were two different passphrases").hint("try again"));
            }
            first
        }
    };
    if passphrase.is_empty() {
        return Err(CliError::usage("the passphrase is empty").hint("leave out --passphrase to have none"));
    }
    Ok(passphrase)
}

fn from_env() -> Option<Passphrase> {
    use std::os::unix::ffi::OsStringExt as _;
    Some(Zeroizing::new(std::env::var_os(VARIABLE)?.into_vec()))
}

fn ask(prompt: &str) -> Option<Passphrase> {
    // Answers go to stdout and may be piped; who is asked sits at stdin and stderr.
    if !std::io::stdin().is_terminal() {
        return None;
    }
    rpassword::prompt_password(prompt).ok().map(|typed| Zeroizing::new(typed.into_bytes()))
}
