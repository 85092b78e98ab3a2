//! Key files: this suite's own, and those that others wrote.

use super::{RSA3072, Suite, identities};
use crate::keyfile::{self, KeyFileError};

fn pass(word: &str) -> impl FnOnce() -> Option<zeroize::Zeroizing<Vec<u8>>> {
    let word = zeroize::Zeroizing::new(word.as_bytes().to_vec());
    move || Some(word)
}

/// Nobody is asked for a passphrase.
pub fn a_key_file_comes_back(suite: Suite) {
    for identity in identities(suite) {
        let der = identity.to_pkcs8().expect("encoded");
        let file = keyfile::encode(suite, &der, None).expect("encoded");
        let read = keyfile::decode(suite, &file, || panic!("it has no passphrase")).expect("read");
        assert_eq!(read, der);
        assert_eq!(file.as_slice(), keyfile::encode(suite, &der, None).expect("encoded").as_slice());
    }
}

/// The same key twice makes two files, because salt and initial vector are drawn anew.
pub fn a_key_file_under_a_passphrase_comes_back_and_under_no_other(suite: Suite) {
    let first = keyfile::encode(suite, RSA3072, Some(b"correct horse")).expect("encoded");
    let second = keyfile::encode(suite, RSA3072, Some(b"correct horse")).expect("encoded");
    assert_ne!(first, second);
    assert_eq!(keyfile::decode(suite, &first, pass("correct horse")).expect("read").as_slice(), RSA3072);
    for wrong in ["", "correct horsf", "correct horse "] {
        let error = keyfile::decode(suite, &first, pass(wrong)).expect_err("refused");
        assert_eq!(error, KeyFileError::WrongPassphrase, "{wrong:?}");
    }
    assert_eq!(keyfile::decode(suite, &first, || None).expect_err("refused"), KeyFileError::Locked);
}

/// As `openssl pkcs8` writes them; and what dpex does not read is named.
pub fn the_key_files_of_others_are_read(suite: Suite) {
    let plain = keyfile::decode(suite, include_bytes!("data/rsa3072.pem"), || None).expect("read");
    assert_eq!(plain.as_slice(), RSA3072);
    let locked: &[u8] = include_bytes!("data/rsa3072.enc.pem");
    assert_eq!(keyfile::decode(suite, locked, pass("correct horse")).expect("read").as_slice(), RSA3072);
    assert_eq!(keyfile::decode(suite, locked, pass("wrong")).expect_err("refused"), KeyFileError::WrongPassphrase);
    let others: [(&[u8], KeyFileError); 3] = [
        (include_bytes!("data/rsa3072.aes128.pem"), KeyFileError::Encryption),
        (include_bytes!("data/rsa3072.scrypt.pem"), KeyFileError::Encryption),
        (include_bytes!("data/rsa3072.pkcs1.pem"), KeyFileError::Malformed),
    ];
    for (file, why) in others {
        assert_eq!(keyfile::decode(suite, file, pass("correct horse")).expect_err("refused"), why);
    }
}
