//! The private key on disk: PKCS#8 in PEM, as every other tool reads it, under a passphrase if its owner wants one.

use std::path::Path;
use std::sync::Arc;

use dpex_core::keyfile::{self, KeyFileError};
use dpex_core::suite::{CipherSuite, IdentityKey};

use super::passphrase::{self, Passphrase, VARIABLE};
use super::secret_file;
use crate::error::{Blame, CliError, CliResult};

/// Reads the identity; it is an error if there is none.
pub(crate) fn load_identity(suite: &dyn CipherSuite, path: &Path) -> CliResult<Arc<dyn IdentityKey>> {
    let unusable = |why: &str| CliError::usage(format!("the private key in {} cannot be used: {why}", path.display()));
    let lost =
        "put the file back from a backup; without it this identity is lost and everybody must enrol again".to_owned();
    let pem = secret_file::read(path)?.ok_or_else(|| unusable("the file is gone").hint(lost.clone()))?;
    let der = keyfile::decode(suite, &pem, || passphrase::known(path)).map_err(|error| {
        let hint = match error {
            KeyFileError::Locked => {
                format!("run this in a terminal, name a file with --passphrase-file, or set {VARIABLE}")
            }
            KeyFileError::WrongPassphrase => "type the one that it was made with; nobody else can open it".to_owned(),
            KeyFileError::Encryption => "write it anew with `openssl pkcs8 -topk8 -v2 aes-256-cbc`".to_owned(),
            KeyFileError::Malformed | KeyFileError::Crypto(_) => lost.clone(),
        };
        unusable(&error.to_string()).hint(hint)
    })?;
    suite.identity_from_pkcs8(&der).map_err(|e| unusable(&e.to_string()).hint(lost))
}

/// Writes the identity.
pub(crate) fn store_identity(
    suite: &dyn CipherSuite,
    key: &dyn IdentityKey,
    path: &Path,
    passphrase: Option<&Passphrase>,
) -> CliResult {
    let failed = |e: String| CliError::new(Blame::Internal, format!("failed to write down the new private key: {e}"));
    let der = key.to_pkcs8().map_err(|e| failed(e.to_string()))?;
    let passphrase = passphrase.map(|passphrase| passphrase.as_slice());
    let pem = keyfile::encode(suite, &der, passphrase).map_err(|e| failed(e.to_string()))?;
    secret_file::write(path, &pem)
}
