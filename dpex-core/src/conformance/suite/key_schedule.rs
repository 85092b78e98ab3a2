//! The protocol's key schedule on this backend, against the vectors of PROTOCOL.md, section 14.

use super::Suite;
use crate::kdf::{Prk, hh};
use crate::types::{Digest, Secret};

const TH1: [u8; 32] = [0x11; 32];
const TH3: [u8; 32] = [0x33; 32];

fn hex<const N: usize>(text: &str) -> [u8; N] {
    super::unhex(text).try_into().expect("the right length")
}

/// `N` bytes counting up from `first`.
fn counting(first: u8) -> [u8; 32] {
    std::array::from_fn(|i| first + u8::try_from(i).expect("below 32"))
}

fn psk(suite: Suite) -> Prk {
    Prk::from_secret(suite, &Secret::new(counting(0x00)))
}

fn context(suite: Suite) -> Digest {
    hh(suite, "context", &[&[0xaa; 32], &[0xbb; 32], &[0xcc; 16], &[0xdd; 32]])
}

fn prk0(suite: Suite) -> (Prk, Secret<32>) {
    Prk::extract(suite, &counting(0x40), &psk(suite).derive("hs", context(suite).as_bytes()))
}

fn prk1(suite: Suite) -> (Prk, Secret<32>) {
    Prk::extract(suite, &counting(0x80), &prk0(suite).1)
}

fn master(suite: Suite) -> Prk {
    let ee = Secret::new(hex("1cf579aba45a10ba1d1ef06d91fca2aa9ed0a1150515653155405d0b18cb9a67"));
    let (prk2, bytes) = Prk::extract(suite, prk1(suite).1.expose(), &ee);
    assert_eq!(bytes.expose(), &hex("4119baed6ccc3aa6724eea9492cf490e7bd45756e9aad346f0230745b6751cf6"));
    Prk::from_secret(suite, &prk2.derive("master", &TH3))
}

/// Who is meeting whom.
pub fn the_context_is_known(suite: Suite) {
    assert_eq!(context(suite).to_string(), "4e5350e632c78d276ed961b73b37ca9b3867bc6f11f3b545edfe08e045e25e75");
}

/// What lets an INIT through.
pub fn the_gates_are_known(suite: Suite) {
    let tag = psk(suite).derive_mac(suite, "tag", context(suite).as_bytes()).mac(&[&counting(0x40)]);
    assert_eq!(tag[..16], hex::<16>("57ea57a700b440fa46c85a5c10769cff"));
    let knock = Prk::from_secret(suite, &Secret::new([0x55; 32]));
    let mac1key = knock.derive("mac1", b"");
    assert_eq!(mac1key.expose(), &hex("84a33989ec1fac374afd005ff299f0b6a11fedaadf38689ea3d6adc0fdeb3d1e"));
}

/// Of both messages.
pub fn the_handshake_keys_are_known(suite: Suite) {
    let (prk0, bytes) = prk0(suite);
    assert_eq!(bytes.expose(), &hex("5ee013c0165be296b623bc33f9f02d0c673e6f3048753446baa59c7c2f7789c2"));
    let k_init = prk0.derive("init key", context(suite).as_bytes());
    assert_eq!(k_init.expose(), &hex("90bc5bb353c4432c03e87caa7e03f7fa3da4ccf19531cfd3307e804be25df7c3"));
    assert_eq!(prk0.expand::<8>("rid", context(suite).as_bytes()), hex("d2152886aacba229"));
    let (prk1, bytes) = prk1(suite);
    assert_eq!(bytes.expose(), &hex("8a00e285f8afa3b0dc60f25e9d0f31a817f3e5776e57a1fb8e59615c35356cec"));
    let k_r1 = prk1.derive("resp key 1", &TH1);
    assert_eq!(k_r1.expose(), &hex("39c859c6282743b34f970605dd7f0f2326901900455196e90dd4121cc310be81"));
}

/// Traffic, header protection, connection id.
pub fn the_session_keys_are_known(suite: Suite) {
    let master = master(suite);
    let c2s = master.derive("c2s", &TH3);
    assert_eq!(c2s.expose(), &hex("a8ed5a30a7e3ac3b02515790d45916c57c0109cbc34baf3600e976b8dfaa32f4"));
    let s2c = master.derive("s2c", &TH3);
    assert_eq!(s2c.expose(), &hex("4e098b5e69f49f5c11aa645f9c39a8eb82dc177671635902360c5ce16043818e"));
    let hp = master.derive("hp c2s", &TH3);
    assert_eq!(hp.expose(), &hex("833ec45e28ff3fd93d08fb26fb9596361ee1d5aff313e7759708344224d82c60"));
    assert_eq!(master.expand::<8>("cid c2s", &[0; 4]), hex("7636f001a517c4e7"));
}

/// One record with the payload `hello`.
pub fn the_record_is_known(suite: Suite) {
    let master = master(suite);
    let epoch = Prk::from_secret(suite, &master.derive("c2s", &TH3));
    let (key, iv) = (epoch.derive("key", b""), epoch.expand::<12>("iv", b""));
    assert_eq!(key.expose(), &hex("6bb523551709a700ad2079f6514bfaf2f0b3e36cc2816a4e30ffb83dd1b643fb"));
    assert_eq!(iv, hex("19bc850324688428a6d2c3e3"));

    let mut header = [0; 17];
    header[..8].copy_from_slice(&master.expand::<8>("cid c2s", &[0; 4]));
    header[16] = 1;
    let mut nonce = iv;
    nonce[11] ^= 1;
    let mut payload = *b"hello";
    let tag = suite.aead(&key).expect("a key").seal(&nonce, &header, &mut payload).expect("sealed");

    let mut sample = [[0; 16]];
    sample[0][..5].copy_from_slice(&payload);
    sample[0][5..].copy_from_slice(&tag[..11]);
    suite.block(&master.derive("hp c2s", &TH3)).expect("a key").encrypt(&mut sample).expect("encrypted");
    for (byte, mask) in header[8..].iter_mut().zip(sample[0]) {
        *byte ^= mask;
    }
    let record = [&header[..], &payload, &tag].concat();
    assert_eq!(super::hex(&record), "7636f001a517c4e7103fd78e6cbf5a4f96818586c2e56b5f65a0f415e50a6bc6a0bf1b3d7891");
}
