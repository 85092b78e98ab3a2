//! The private key on disk: PKCS#8 in PEM, as every other tool reads it.

use std::path::Path;
use std::sync::Arc;

use data_encoding::BASE64;
use dpex_core::suite::{CipherSuite, IdentityKey};
use zeroize::Zeroizing;

use super::secret_file;
use crate::error::{Blame, CliError, CliResult};

const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";

/// Reads the identity; it is an error if there is none.
pub(crate) fn load_identity(suite: &dyn CipherSuite, path: &Path) -> CliResult<Arc<dyn IdentityKey>> {
    let unusable = |why: &str| {
        CliError::usage(format!("the private key in {} cannot be used: {why}", path.display()))
            .hint("put the file back from a backup; without it this identity is lost and everybody must enrol again")
    };
    let pem = secret_file::read(path)?.ok_or_else(|| unusable("the file is gone"))?;
    let der = decode(&pem).ok_or_else(|| unusable("it is not an unencrypted PKCS#8 PEM file"))?;
    suite.identity_from_pkcs8(&der).map_err(|e| unusable(&e.to_string()))
}

/// Writes the identity.
pub(crate) fn store_identity(key: &dyn IdentityKey, path: &Path) -> CliResult {
    let der = key
        .to_pkcs8()
        .map_err(|e| CliError::new(Blame::Internal, format!("failed to write down the new private key: {e}")))?;
    secret_file::write(path, &encode(&der))
}

fn encode(der: &[u8]) -> Zeroizing<Vec<u8>> {
    let body = Zeroizing::new(BASE64.encode(der));
    let mut pem = Zeroizing::new(Vec::with_capacity(body.len() + body.len() / 32 + 64));
    pem.extend_from_slice(BEGIN.as_bytes());
    for line in body.as_bytes().chunks(64) {
        pem.push(b'\n');
        pem.extend_from_slice(line);
    }
    pem.push(b'\n');
    pem.extend_from_slice(END.as_bytes());
    pem.push(b'\n');
    pem
}

fn decode(pem: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let text = std::str::from_utf8(pem).ok()?;
    let (_, after) = text.split_once(BEGIN)?;
    let (body, _) = after.split_once(END)?;
    let mut packed = Zeroizing::new(Vec::with_capacity(body.len()));
    packed.extend(body.bytes().filter(|b| !b.is_ascii_whitespace()));
    BASE64.decode(&packed).ok().map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pem_survives_the_round_trip_at_every_length() {
        for len in [0, 1, 47, 48, 49, 2374] {
            let der: Vec<u8> = (0..len).map(|i: u32| i.to_le_bytes()[0]).collect();
            let pem = encode(&der);
            assert_eq!(decode(&pem).expect("our own form").as_slice(), der, "{len}");
            assert!(pem.split(|b| *b == b'\n').all(|line| line.len() <= 64), "{len}");
        }
    }

    #[test]
    fn what_is_not_an_unencrypted_private_key_is_refused() {
        for text in [
            "",
            "-----BEGIN PRIVATE KEY-----\nAAAA\n",
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
            "-----BEGIN PRIVATE KEY-----\nA?AA\n-----END PRIVATE KEY-----\n",
        ] {
            assert!(decode(text.as_bytes()).is_none(), "{text}");
        }
    }
}
