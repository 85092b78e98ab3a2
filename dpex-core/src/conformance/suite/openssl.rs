//! Against the `openssl` program, where there is one: keys, key files, signatures and wrapped messages cross over in both
//! directions. Without it these cases say so and pass; the crossing of the backends with each other does not need it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use super::{RSA3072, Suite};
use crate::keyfile;
use crate::suite::IdentityKey;

const PSS: &str = "-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32 -sigopt rsa_mgf1_md:sha256";
/// The label is `label` in hexadecimal.
const OAEP: &str = "-pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256 -pkeyopt rsa_mgf1_md:sha256 \
                    -pkeyopt rsa_oaep_label:6c6162656c";

/// A folder with this suite's `key.der` and `pub.der` in it, which goes when this does.
struct Workshop {
    folder: PathBuf,
    identity: Arc<dyn IdentityKey>,
}

impl Workshop {
    /// None if there is no OpenSSL.
    fn open(suite: Suite, name: &str) -> Option<Self> {
        if !Command::new("openssl").arg("version").output().is_ok_and(|out| out.status.success()) {
            eprintln!("skipped: no `openssl` program");
            return None;
        }
        let folder = std::env::temp_dir().join(format!("dpex-{}-{name}-{}", suite.name(), std::process::id()));
        std::fs::create_dir(&folder).expect("a new folder");
        let this = Self { folder, identity: suite.identity_from_pkcs8(RSA3072).expect("a key") };
        this.write("key.der", &this.identity.to_pkcs8().expect("encoded"));
        this.write("pub.der", this.identity.public().spki());
        Some(this)
    }

    fn at(&self, name: &str) -> PathBuf {
        Path::join(&self.folder, name)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.at(name), bytes).expect("written");
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.at(name)).expect("read")
    }

    /// Runs a command line without quoting.
    fn run(&self, line: &str) -> Output {
        Command::new("openssl").args(line.split_whitespace()).current_dir(&self.folder).output().expect("started")
    }

    fn succeed(&self, line: &str) {
        let out = self.run(line);
        assert!(out.status.success(), "openssl {line}: {}", String::from_utf8_lossy(&out.stderr));
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        // What is left of it is in the way of nobody.
        _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Byte by byte.
pub fn openssl_accepts_our_keys_and_writes_them_the_same(suite: Suite) {
    let Some(shop) = Workshop::open(suite, "keys") else { return };
    shop.succeed("pkey -inform DER -in key.der -check -noout");
    shop.succeed("pkey -inform DER -in key.der -pubout -outform DER -out again.pub.der");
    assert_eq!(shop.read("again.pub.der"), shop.read("pub.der"));
    shop.succeed("pkcs8 -topk8 -nocrypt -inform DER -in key.der -outform DER -out again.der");
    assert_eq!(shop.read("again.der"), shop.read("key.der"));
}

/// With and without a passphrase.
pub fn openssl_reads_our_key_files_and_we_read_its(suite: Suite) {
    let Some(shop) = Workshop::open(suite, "files") else { return };
    let der = shop.read("key.der");
    shop.write("plain.pem", &keyfile::encode(suite, &der, None).expect("encoded"));
    shop.write("locked.pem", &keyfile::encode(suite, &der, Some(b"secret")).expect("encoded"));
    for (name, pass) in [("plain.pem", ""), ("locked.pem", "-passin pass:secret")] {
        shop.succeed(&format!("pkey -in {name} {pass} -outform DER -out again.rsa.der"));
        shop.succeed(&format!("pkcs8 -topk8 -nocrypt -in {name} {pass} -outform DER -out again.der"));
        assert_eq!(shop.read("again.der"), der, "{name}");
    }
    assert!(!shop.run("pkey -in locked.pem -passin pass:wrong -noout").status.success());
    for line in ["-nocrypt", "-v2 aes-256-cbc -passout pass:secret", "-v2 aes-256-cbc -iter 1000 -passout pass:secret"]
    {
        shop.succeed(&format!("pkcs8 -topk8 {line} -inform DER -in key.der -out theirs.pem"));
        let opened = keyfile::decode(suite, &shop.read("theirs.pem"), || Some(b"secret".to_vec().into()));
        assert_eq!(opened.expect("read").as_slice(), der, "{line}");
    }
}

/// A salt of another length does not.
pub fn signatures_cross_over_to_openssl(suite: Suite) {
    let Some(shop) = Workshop::open(suite, "signatures") else { return };
    shop.write("message", b"message");
    shop.write("ours", &shop.identity.sign(b"message").expect("signed"));
    shop.succeed(&format!("dgst -sha256 {PSS} -verify pub.der -keyform DER -signature ours message"));
    for salt in ["0", "31", "33", "64"] {
        let other = PSS.replace("saltlen:32", &format!("saltlen:{salt}"));
        let out = shop.run(&format!("dgst -sha256 {other} -verify pub.der -keyform DER -signature ours message"));
        assert!(!out.status.success(), "our salt has 32 bytes, not {salt}");
    }
    shop.succeed(&format!("dgst -sha256 {PSS} -sign key.der -keyform DER -out theirs message"));
    assert_eq!(shop.identity.public().verify(b"message", &shop.read("theirs")), Ok(()));

    // OpenSSL's own default is the longest salt that fits, which must not verify.
    let longest = PSS.replace("saltlen:32", "saltlen:max");
    shop.succeed(&format!("dgst -sha256 {longest} -sign key.der -keyform DER -out theirs message"));
    assert!(shop.identity.public().verify(b"message", &shop.read("theirs")).is_err());
}

/// Under the same label.
pub fn wrapped_messages_cross_over_to_openssl(suite: Suite) {
    let Some(shop) = Workshop::open(suite, "wrapped") else { return };
    shop.write("ours", &shop.identity.public().wrap(b"label", &[0x42; 32]).expect("wrapped"));
    shop.succeed(&format!("pkeyutl -decrypt -inkey key.der -keyform DER -in ours -out opened {OAEP}"));
    assert_eq!(shop.read("opened"), [0x42; 32]);
    shop.succeed(&format!("pkeyutl -encrypt -pubin -inkey pub.der -keyform DER -in opened -out theirs {OAEP}"));
    assert_eq!(shop.identity.unwrap(b"label", &shop.read("theirs")).expect("opened").as_slice(), [0x42; 32]);
}
