//! RSA work as jobs: they take milliseconds, so the engine hands them out and takes the results back.

use std::fmt;
use std::sync::Arc;

use crate::seal::{OpenedInit, ResponseTerms, SessionSecrets};
use crate::suite::{CipherSuite, CryptoError, IdentityKey, PublicKey};
use crate::wire::packet::HANDSHAKE_LEN;

/// Names a job within the machine that made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub(super) u64);

/// A public-key operation to be carried out away from the engine.
#[derive(Debug)]
pub struct CryptoJob {
    pub(super) id: JobId,
    pub(super) task: Task,
}

pub(super) enum Task {
    Verify { key: Arc<dyn PublicKey>, message: Vec<u8>, signature: Vec<u8> },
    Sign { key: Arc<dyn IdentityKey>, message: Vec<u8> },
    Respond { key: Arc<dyn IdentityKey>, init: Box<OpenedInit>, terms: ResponseTerms },
}

/// The result of a job.
#[derive(Debug)]
pub struct CryptoDone {
    pub(super) id: JobId,
    pub(super) outcome: Outcome,
}

pub(super) type Response = (Box<[u8; HANDSHAKE_LEN]>, Option<Box<SessionSecrets>>);

pub(super) enum Outcome {
    Verified(bool),
    Signed(Result<Vec<u8>, CryptoError>),
    Responded(Result<Response, CryptoError>),
}

impl CryptoJob {
    /// Carries it out: up to a millisecond for a verification, tens of milliseconds for a signature.
    #[must_use]
    pub fn run(self, suite: &'static dyn CipherSuite) -> CryptoDone {
        let outcome = match self.task {
            Task::Verify { key, message, signature } => Outcome::Verified(key.verify(&message, &signature).is_ok()),
            Task::Sign { key, message } => Outcome::Signed(key.sign(&message)),
            Task::Respond { key, init, terms } => Outcome::Responded(respond(suite, &*key, *init, &terms)),
        };
        CryptoDone { id: self.id, outcome }
    }
}

fn respond(
    suite: &'static dyn CipherSuite,
    key: &dyn IdentityKey,
    init: OpenedInit,
    terms: &ResponseTerms,
) -> Result<Response, CryptoError> {
    let resp = init.respond(suite, terms)?;
    let signature = key.sign(&resp.message())?;
    let (datagram, secrets) = resp.finish(&signature)?;
    Ok((datagram, secrets.map(Box::new)))
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Verify { .. } => "Verify",
            Self::Sign { .. } => "Sign",
            Self::Respond { .. } => "Respond",
        })
    }
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Verified(ok) => write!(f, "Verified({ok})"),
            Self::Signed(r) => write!(f, "Signed(ok: {})", r.is_ok()),
            Self::Responded(r) => write!(f, "Responded(ok: {})", r.is_ok()),
        }
    }
}
