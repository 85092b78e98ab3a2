//! The passphrase that a private key may be under.

use std::io::IsTerminal as _;
use std::path::Path;
use std::sync::OnceLock;

use zeroize::Zeroizing;

use crate::error::{CliError, CliResult};

/// The variable for those who cannot be asked: services and scripts.
pub(crate) const VARIABLE: &str = "DPEX_PASSPHRASE";

/// A passphrase, wiped when it is no longer needed.
pub(crate) type Passphrase = Zeroizing<Vec<u8>>;

/// What was handed over in another way: in a file that was named, or by the command that started this one.
static HANDED: OnceLock<Passphrase> = OnceLock::new();

/// Uses this one. The first that was handed over counts.
pub(crate) fn hand_over(passphrase: Passphrase) {
    let _ = HANDED.set(passphrase);
}

/// Reads it from the first line of a file that nobody else can read.
pub(crate) fn hand_over_file(path: &Path) -> CliResult {
    let Some(text) = super::secret_file::read(path)? else {
        return Err(CliError::usage(format!("there is no passphrase file {}", path.display()))
            .hint("check the path after --passphrase-file"));
    };
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    hand_over(Zeroizing::new(line.strip_suffix(b"\r").unwrap_or(line).to_vec()));
    Ok(())
}

/// The passphrase of the key in this file: handed over, from the environment, or from who sits at the terminal. None if
/// there is none of these.
pub(crate) fn known(file: &Path) -> Option<Passphrase> {
    handed().or_else(|| ask(&format!("Passphrase of {}: ", file.display())))
}

/// A new passphrase, asked for twice.
pub(crate) fn chosen() -> CliResult<Passphrase> {
    let passphrase = match handed() {
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

fn handed() -> Option<Passphrase> {
    use std::os::unix::ffi::OsStringExt as _;
    if let Some(handed) = HANDED.get() {
        return Some(handed.clone());
    }
    Some(Zeroizing::new(std::env::var_os(VARIABLE)?.into_vec()))
}

fn ask(prompt: &str) -> Option<Passphrase> {
    // Answers go to stdout and may be piped; who is asked sits at stdin and stderr.
    if !std::io::stdin().is_terminal() {
        return None;
    }
    rpassword::prompt_password(prompt).ok().map(|typed| Zeroizing::new(typed.into_bytes()))
}
