//! The people of these tests, and what they send each other. Their keys are known to the whole world.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use dpex_core::conformance::suite as conformance;
use dpex_core::enrol::{Answer, ClientGrant, DocumentError, Policy, Request, ServerGrant, Terms, Uid};
use dpex_core::suite::{CipherSuite, IdentityKey};
use dpex_core::types::{Secret, Timestamp};
use dpex_tests::SUITE;

pub(crate) const DAY: Duration = Duration::from_secs(86_400);
pub(crate) const ALICE_UID: &str = "b9e72d87-ac05-4563-bc32-9c2bf2738f93";
pub(crate) const KNOCK: [u8; 32] = [0x55; 32];

/// 2026-11-22T13:41:48Z.
pub(crate) fn now() -> Timestamp {
    Timestamp::new(1_795_354_908, 999_999_999).expect("valid")
}

pub(crate) fn suite() -> &'static dyn CipherSuite {
    &SUITE
}

/// A loaded key. Loading checks the key's factors, which takes longer than everything else here.
macro_rules! person {
    ($(#[$doc:meta])* $name:ident: $der:ident) => {
        $(#[$doc])*
        pub(crate) fn $name() -> Arc<dyn IdentityKey> {
            static KEY: LazyLock<Arc<dyn IdentityKey>> = LazyLock::new(|| {
                suite().identity_from_pkcs8(conformance::$der).expect("a good key")
            });
            KEY.clone()
        }
    };
}

person! {
    /// The client: 4096 bits.
    alice: RSA4096
}
person! {
    /// The server: 3072 bits.
    bob: RSA3072
}
person! {
    /// Whoever else is about.
    mallory: RSA3072_OTHER
}

pub(crate) fn alice_uid() -> Uid {
    ALICE_UID.parse().expect("valid")
}

pub(crate) fn request_of(key: &dyn IdentityKey, name: &str) -> Request {
    Request::create(suite(), key, alice_uid(), name, now()).expect("made")
}

pub(crate) fn terms() -> Terms {
    Terms {
        server_name: "Bob's files".parse().expect("valid"),
        endpoints: vec!["files.example.org:9473".parse().expect("valid"), "[2001:db8::1]:9473".parse().expect("valid")],
        first_use_before: now().plus(30 * DAY),
        policy: Policy::default(),
    }
}

pub(crate) fn answer_to(request: &Request) -> (Answer, ServerGrant) {
    answer_by(&*bob(), request)
}

pub(crate) fn answer_by(server: &dyn IdentityKey, request: &Request) -> (Answer, ServerGrant) {
    Answer::create(suite(), server, request, &Secret::new(KNOCK), &terms(), now()).expect("made")
}

pub(crate) fn read(text: impl AsRef<[u8]>) -> Result<Request, DocumentError> {
    Request::read(suite(), text.as_ref(), now())
}

/// What alice makes of a text.
pub(crate) fn open(own: &Request, text: impl AsRef<[u8]>) -> Result<ClientGrant, DocumentError> {
    Answer::open(suite(), &*alice(), own, text.as_ref(), now())
}
