//! The random source: always allowed to fail, never answered with zeros.

use openssl::error::ErrorStack;
use openssl::rand::{rand_bytes, rand_priv_bytes};

use crate::aead::PART;
use crate::error::Error;

/// Fills `out` from `source`.
pub(crate) fn fill(source: fn(&mut [u8]) -> Result<(), ErrorStack>, out: &mut [u8]) -> Result<(), Error> {
    for part in out.chunks_mut(PART) {
        source(part).map_err(|_| Error::Random)?;
    }
    Ok(())
}

/// Whose fault the failure of an operation is that draws random bytes for itself: the library says so in ways that
/// change between versions, so ask its sources, the public and the private one, again.
pub(crate) fn blame(otherwise: Error) -> Error {
    let mut probe = [0; 1];
    let asked = fill(rand_bytes, &mut probe).and_then(|()| fill(rand_priv_bytes, &mut probe));
    asked.err().unwrap_or(otherwise)
}

/// A process whose OpenSSL has no random source, for the tests of every file.
#[cfg(test)]
pub(crate) mod failing {
    use std::env;
    use std::process::Command;

    const CONFIG: &str = "openssl_conf = all\n[all]\nrandom = source\n[source]\nrandom = NO-SUCH-DRBG\n";

    /// Runs `body` with a random source, then the calling test, of this name, again in a process without one. `body` is
    /// told which it is.
    pub(crate) fn with_and_without_randomness(test: &str, body: impl FnOnce(bool)) {
        if env::var_os("WITHOUT_RANDOMNESS").is_some() {
            return body(false);
        }
        body(true);
        let dir = tempfile::tempdir().expect("a directory");
        let config = dir.path().join("openssl.cnf");
        std::fs::write(&config, CONFIG).expect("written");
        let me = env::current_exe().expect("this program");
        let again = Command::new(me)
            .args(["--exact", test, "--nocapture"])
            .envs([("WITHOUT_RANDOMNESS", "1".as_ref()), ("OPENSSL_CONF", config.as_os_str())])
            .output()
            .expect("it runs again");
        assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
        assert!(String::from_utf8_lossy(&again.stdout).contains("1 passed"), "no test is called `{test}`");
    }
}

#[cfg(test)]
mod tests {
    use dpex_core::suite::{CipherSuite as _, CryptoError};

    use super::failing::with_and_without_randomness;
    use super::*;
    use crate::SUITE;

    #[test]
    fn a_failing_source_is_an_error() {
        with_and_without_randomness("random::tests::a_failing_source_is_an_error", |random| {
            assert_eq!(SUITE.random(&mut [0; 32]), if random { Ok(()) } else { Err(CryptoError::Rng) });
        });
    }

    #[test]
    fn only_a_failing_source_takes_the_blame() {
        with_and_without_randomness("random::tests::only_a_failing_source_takes_the_blame", |random| {
            let expected = if random { CryptoError::AuthFailed } else { CryptoError::Rng };
            assert_eq!(CryptoError::from(blame(Error::Unwrap)), expected);
        });
    }
}
