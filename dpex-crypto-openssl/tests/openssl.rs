//! Against the `openssl` program, where there is one: keys, signatures and wrapped keys cross over in both directions.
//! Without it these tests say so and pass; the backends' own crossing tests do not depend on it.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Arc, LazyLock};

use dpex_core::suite::{CipherSuite, IdentityKey};
use dpex_core::types::Secret;
use dpex_crypto_openssl::SUITE;
use tempfile::TempDir;

static IDENTITY: LazyLock<Arc<dyn IdentityKey>> =
    LazyLock::new(|| SUITE.generate_identity(3072).expect("a generated key"));

/// A directory with this suite's `key.der` and `pub.der` in it, or nothing if there is no OpenSSL.
fn workshop() -> Option<TempDir> {
    if !Command::new("openssl").arg("version").output().is_ok_and(|out| out.status.success()) {
        eprintln!("skipped: no `openssl` program");
        return None;
    }
    let dir = tempfile::tempdir().expect("a directory");
    write(&dir, "key.der", &IDENTITY.to_pkcs8().expect("encoded"));
    write(&dir, "pub.der", IDENTITY.public().spki());
    Some(dir)
}

fn write(dir: &TempDir, name: &str, bytes: &[u8]) {
    std::fs::write(dir.path().join(name), bytes).expect("written");
}

fn read(dir: &TempDir, name: &str) -> Vec<u8> {
    std::fs::read(dir.path().join(name)).expect("read")
}

/// Runs a command line without quoting, in `dir`.
fn openssl(dir: &Path, line: &str) -> Output {
    Command::new("openssl").args(line.split_whitespace()).current_dir(dir).output().expect("started")
}

fn succeed(dir: &TempDir, line: &str) -> Vec<u8> {
    let out = openssl(dir.path(), line);
    assert!(out.status.success(), "openssl {line}: {}", String::from_utf8_lossy(&out.stderr));
    out.stdout
}

const PSS: &str = "-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32 -sigopt rsa_mgf1_md:sha256";
/// The label is `label` in hexadecimal.
const OAEP: &str = "-pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256 -pkeyopt rsa_mgf1_md:sha256 \
                    -pkeyopt rsa_oaep_label:6c6162656c";

#[test]
fn openssl_accepts_our_keys_and_writes_them_the_same() {
    let Some(dir) = workshop() else { return };
    succeed(&dir, "pkey -inform DER -in key.der -check -noout");
    succeed(&dir, "pkey -inform DER -in key.der -pubout -outform DER -out again.pub.der");
    assert_eq!(read(&dir, "again.pub.der"), read(&dir, "pub.der"));
    succeed(&dir, "pkcs8 -topk8 -nocrypt -inform DER -in key.der -outform DER -out again.der");
    assert_eq!(read(&dir, "again.der"), read(&dir, "key.der"));
}

#[test]
fn signatures_cross_over() {
    let Some(dir) = workshop() else { return };
    write(&dir, "message", b"message");
    write(&dir, "ours", &IDENTITY.sign(b"message").expect("signed"));
    succeed(&dir, &format!("dgst -sha256 {PSS} -verify pub.der -keyform DER -signature ours message"));
    succeed(&dir, &format!("dgst -sha256 {PSS} -sign key.der -keyform DER -out theirs message"));
    assert_eq!(IDENTITY.public().verify(b"message", &read(&dir, "theirs")), Ok(()));

    // OpenSSL's own default is the longest salt that fits, which must not verify.
    let longest = PSS.replace("saltlen:32", "saltlen:max");
    succeed(&dir, &format!("dgst -sha256 {longest} -sign key.der -keyform DER -out theirs message"));
    assert!(IDENTITY.public().verify(b"message", &read(&dir, "theirs")).is_err());
}

#[test]
fn wrapped_keys_cross_over() {
    let Some(dir) = workshop() else { return };
    let secret = Secret::new([0x42; 32]);
    write(&dir, "ours", &IDENTITY.public().wrap(b"label", secret.expose()).expect("wrapped"));
    succeed(&dir, &format!("pkeyutl -decrypt -inkey key.der -keyform DER -in ours -out opened {OAEP}"));
    assert_eq!(read(&dir, "opened"), secret.expose());
    succeed(&dir, &format!("pkeyutl -encrypt -pubin -inkey pub.der -keyform DER -in opened -out theirs {OAEP}"));
    assert_eq!(IDENTITY.unwrap(b"label", &read(&dir, "theirs")), Ok(secret.expose().to_vec().into()));
}
