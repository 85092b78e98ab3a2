//! SHA-256 and HMAC-SHA-256 against published vectors.

use data_encoding::HEXLOWER;
use dpex_core::suite::CipherSuite;
use dpex_crypto_rustcrypto::SUITE;

fn hex(text: &str) -> Vec<u8> {
    HEXLOWER.decode(text.as_bytes()).expect("hex")
}

#[test]
fn sha256_gives_the_examples_of_fips_180() {
    let cases: [(&[u8], &str); 3] = [
        (b"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (b"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
        ),
    ];
    for (message, expected) in cases {
        let mut hash = SUITE.sha256();
        hash.update(message);
        assert_eq!(hash.finish().to_string(), expected);
    }
}

#[test]
fn a_forked_hash_goes_its_own_way() {
    let mut trunk = SUITE.sha256();
    trunk.update(b"ab");
    let mut branch = trunk.fork();
    branch.update(b"c");
    trunk.update(b"d");
    let mut plain = SUITE.sha256();
    plain.update(b"abd");
    assert_eq!(branch.finish().to_string(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_eq!(trunk.finish(), plain.finish());
}

#[test]
fn hmac_gives_the_vectors_of_rfc_4231() {
    let long = [0xaa; 131];
    let counting: Vec<u8> = (1..=25).collect();
    let cases: [(&[u8], &[u8], &str); 6] = [
        (&[0x0b; 20], b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
        (b"Jefe", b"what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
        (&[0xaa; 20], &[0xdd; 50], "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
        (&counting, &[0xcd; 50], "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"),
        (
            &long,
            b"Test Using Larger Than Block-Size Key - Hash Key First",
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
        ),
        (
            &long,
            b"This is a test using a larger than block-size key and a larger than block-size data. \
              The key needs to be hashed before being used by the HMAC algorithm.",
            "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
        ),
    ];
    for (key, message, expected) in cases {
        assert_eq!(SUITE.hmac(key).mac(&[message]).as_slice(), hex(expected));
    }
    // Case 5 of the RFC is about truncation.
    let truncated = SUITE.hmac(&[0x0c; 20]).mac(&[b"Test With Truncation"]);
    assert_eq!(&truncated[..16], hex("a3b6167473100ee06e0c796c2955552b"));
}

#[test]
fn hmac_does_not_see_where_parts_meet() {
    let mac = SUITE.hmac(b"key");
    let message: Vec<u8> = (0..=255).collect();
    let whole = mac.mac(&[&message]);
    for cut in [0, 1, 63, 64, 65, 128, 256] {
        let (left, right) = message.split_at(cut);
        assert_eq!(mac.mac(&[left, &[], right]), whole, "cut at {cut}");
    }
}

#[test]
fn an_hmac_key_can_be_used_again_and_may_be_empty() {
    let mac = SUITE.hmac(b"");
    assert_eq!(mac.mac(&[b"message"]), mac.mac(&[b"message"]));
    let empty = mac.mac(&[]);
    assert_eq!(empty.as_slice(), hex("b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"));
}

#[test]
fn random_bytes_differ_from_call_to_call() {
    let (mut first, mut second) = ([0; 32], [0; 32]);
    SUITE.random(&mut first).expect("random");
    SUITE.random(&mut second).expect("random");
    assert_ne!(first, second);
    assert_ne!(first, [0; 32]);
}
