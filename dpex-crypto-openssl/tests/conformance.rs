//! Everything that a cipher suite must do.

use dpex_crypto_openssl::SUITE;

dpex_core::cipher_suite_cases!(&SUITE);
