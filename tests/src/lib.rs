//! What the tests in `tests/tests` share: the cryptography backends that this build has.

mod built {
    use dpex_core::suite::CipherSuite;

    /// Every backend of this build, by name.
    pub static SUITES: &[&dyn CipherSuite] = &[
        #[cfg(feature = "crypto-awslc")]
        &dpex_crypto_awslc::SUITE,
        #[cfg(feature = "crypto-openssl")]
        &dpex_crypto_openssl::SUITE,
        #[cfg(feature = "crypto-rustcrypto")]
        &dpex_crypto_rustcrypto::SUITE,
    ];
}

mod chosen {
    #[cfg(all(feature = "crypto-awslc", not(any(feature = "crypto-rustcrypto", feature = "crypto-openssl"))))]
    pub use dpex_crypto_awslc::SUITE;
    #[cfg(all(feature = "crypto-openssl", not(feature = "crypto-rustcrypto")))]
    pub use dpex_crypto_openssl::SUITE;
    #[cfg(feature = "crypto-rustcrypto")]
    pub use dpex_crypto_rustcrypto::SUITE;
}

pub use built::SUITES;
/// The one that most tests use; what holds for all of them is in `dpex_core::conformance`.
pub use chosen::SUITE;
