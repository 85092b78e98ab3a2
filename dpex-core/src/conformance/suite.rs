//! The cases of joint 1, [`CipherSuite`].
//!
//! [`cipher_suite_cases!`](crate::cipher_suite_cases) expands all of them. A suite without real cryptography takes the
//! behaviour alone (`behaviour: SUITE`): round trips, what is refused, what a failure leaves behind. A real one takes the
//! published vectors besides: those of the standards, Wycheproof, the protocol's own known answers, the one encoding of
//! its keys, key files, and the `openssl` program where there is one.

pub mod aead;
pub mod agreement;
pub mod hash;
pub mod identity;
pub mod key_files;
pub mod key_schedule;
pub mod openssl;
pub mod public_keys;
pub mod standards;
pub mod wycheproof;

use std::sync::Arc;

use crate::suite::{CipherSuite, IdentityKey};

/// A suite under test.
pub type Suite = &'static dyn CipherSuite;

/// The test key of 3072 bits.
pub const RSA3072: &[u8] = include_bytes!("suite/data/rsa3072.pk8.der");
/// Its public half.
pub const RSA3072_SPKI: &[u8] = include_bytes!("suite/data/rsa3072.spki.der");
/// Another key of that size.
pub const RSA3072_OTHER: &[u8] = include_bytes!("suite/data/rsa3072-other.pk8.der");
/// The test key of 4096 bits.
pub const RSA4096: &[u8] = include_bytes!("suite/data/rsa4096.pk8.der");

/// A public key that is too short.
pub const RSA2048_SPKI: &[u8] = include_bytes!("suite/data/rsa2048.spki.der");
/// A public key with an exponent of 3.
pub const RSA3072_E3_SPKI: &[u8] = include_bytes!("suite/data/rsa3072-e3.spki.der");

/// Two identities of 3072 bits. To make them takes seconds, so a suite that can read the test keys is given those.
fn identities(suite: Suite) -> [Arc<dyn IdentityKey>; 2] {
    [RSA3072, RSA3072_OTHER].map(|der| {
        suite
            .identity_from_pkcs8(der)
            .or_else(|_| suite.generate_identity(3072))
            .expect("a suite has identities of 3072 bits")
    })
}

fn unhex(text: &str) -> Vec<u8> {
    data_encoding::HEXLOWER.decode(text.as_bytes()).expect("hex")
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

/// Expands to one `#[test]` for each case. The argument is an expression of type `&'static dyn CipherSuite`.
#[macro_export]
macro_rules! cipher_suite_cases {
    (behaviour: $suite:expr) => {
        $crate::cipher_suite_cases!(@behaviour);

        fn cipher_suite_under_test() -> $crate::conformance::suite::Suite {
            $suite
        }
    };
    (@behaviour) => {
        $crate::cipher_suite_cases! { @each hash:
            a_forked_hash_goes_its_own_way,
            a_mac_does_not_see_where_parts_meet,
            a_mac_depends_on_key_and_message_and_can_be_used_again,
            random_bytes_differ_from_call_to_call,
        }
        $crate::cipher_suite_cases! { @each aead:
            what_is_sealed_opens_at_every_length,
            one_flipped_bit_anywhere_fails_and_leaves_zeros,
            another_key_does_not_open,
            one_key_serves_many_messages_whatever_failed_between,
            the_same_message_under_another_nonce_is_another_ciphertext,
            blocks_do_not_depend_on_their_neighbours,
        }
        $crate::cipher_suite_cases! { @each agreement:
            both_sides_reach_the_same_secret,
            a_third_share_leads_elsewhere,
            a_zero_share_is_refused,
        }
        $crate::cipher_suite_cases! { @each identity:
            a_signature_verifies_under_its_key_and_message_only,
            a_flip_in_any_byte_of_a_signature_is_refused,
            a_signature_of_another_length_is_refused,
            a_wrapped_message_opens_under_its_key_and_label_only,
            messages_of_every_length_that_fits_are_wrapped_and_longer_ones_are_not,
            an_empty_label_is_a_label_like_any_other,
            a_broken_wrapped_message_fails_in_one_way,
            keys_come_back_as_they_were_stored,
            a_generated_key_works_and_survives_storing,
            no_other_size_is_made,
            what_is_no_key_is_refused,
            debug_output_shows_no_key,
        }
    };
    ($suite:expr) => {
        $crate::cipher_suite_cases!(behaviour: $suite);
        $crate::cipher_suite_cases! { @each standards:
            sha256_gives_the_examples_of_fips_180,
            hmac_gives_the_vectors_of_rfc_4231,
            gcm_gives_the_aes_256_vectors_of_its_specification,
            blocks_give_the_aes_256_example_of_fips_197,
            x25519_gives_the_vectors_of_rfc_7748,
            shares_of_low_order_are_refused,
            two_signatures_and_two_wrappings_differ,
            keys_of_4096_bits_have_the_documented_sizes,
            signatures_with_another_salt_or_padding_are_refused,
            private_keys_that_are_short_odd_or_inconsistent_are_refused,
            a_flip_anywhere_in_a_private_key_is_refused,
        }
        $crate::cipher_suite_cases! { @each wycheproof:
            aes_256_gcm,
            hmac_sha_256,
            hkdf_sha_256,
            x25519,
            rsa_pss,
            rsa_pss_keys_of_another_kind_are_refused,
            rsa_oaep,
        }
        $crate::cipher_suite_cases! { @each key_schedule:
            the_context_is_known,
            the_gates_are_known,
            the_handshake_keys_are_known,
            the_session_keys_are_known,
            the_record_is_known,
        }
        $crate::cipher_suite_cases! { @each public_keys:
            the_canonical_form_is_accepted,
            keys_of_another_size_or_exponent_are_refused,
            other_encodings_of_the_same_key_are_refused,
            a_flip_in_the_frame_never_passes_as_the_same_key,
        }
        $crate::cipher_suite_cases! { @each key_files:
            a_key_file_comes_back,
            a_key_file_under_a_passphrase_comes_back_and_under_no_other,
            the_key_files_of_others_are_read,
        }
        $crate::cipher_suite_cases! { @each openssl:
            openssl_accepts_our_keys_and_writes_them_the_same,
            openssl_reads_our_key_files_and_we_read_its,
            signatures_cross_over_to_openssl,
            wrapped_messages_cross_over_to_openssl,
        }
    };
    (@each $group:ident: $($case:ident,)+) => {
        mod $group {
            $(
                #[test]
                fn $case() {
                    $crate::conformance::suite::$group::$case(super::cipher_suite_under_test());
                }
            )+
        }
    };
}
