//! The known answers of PROTOCOL.md, section 14, with a real backend: what three implementations agree on.

use std::time::Instant;

use data_encoding::HEXLOWER;
use dpex_core::kdf::Prk;
use dpex_core::seal::{
    Direction, Knock, Opener, PairKeys, Peering, Sealer, SessionSecrets, Stage0, Stage1, Stage2, TrafficSecret,
};
use dpex_core::suite::CipherSuite;
use dpex_core::types::{Digest, EnrolmentId, Fingerprint, Secret};
use dpex_tests::SUITE;

const TH1: Digest = Digest([0x11; 32]);
const TH3: Digest = Digest([0x33; 32]);

fn hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}

fn unhex(text: &str) -> Vec<u8> {
    HEXLOWER.decode(text.as_bytes()).expect("hexadecimal")
}

fn counting<const N: usize>(from: u8) -> [u8; N] {
    std::array::from_fn(|i| from + u8::try_from(i).expect("short"))
}

fn peering() -> Peering {
    Peering {
        server: Fingerprint([0xaa; 32]),
        client: Fingerprint([0xbb; 32]),
        enrolment: EnrolmentId([0xcc; 16]),
        exchange: Digest([0xdd; 32]),
    }
}

fn pair() -> PairKeys {
    PairKeys::new(&SUITE, &Secret::new(counting(0)), &peering())
}

fn stage0() -> Stage0 {
    pair().stage0(&SUITE, &counting(0x40))
}

fn stage1() -> Stage1 {
    stage0().stage1(&SUITE, &counting(0x80))
}

fn ee() -> Secret {
    let mut base = [0; 32];
    base[0] = 9;
    Secret::new(x25519_dalek::x25519([0x77; 32], base))
}

fn stage2() -> Stage2 {
    stage1().stage2(&SUITE, &ee())
}

fn secrets() -> SessionSecrets {
    stage2().session(&SUITE, &TH3)
}

#[test]
fn the_context_and_the_tag_are_as_documented() {
    let ctx = "4e5350e632c78d276ed961b73b37ca9b3867bc6f11f3b545edfe08e045e25e75";
    assert_eq!(peering().context(&SUITE).to_string(), ctx);
    assert_eq!(pair().context().to_string(), ctx);
    let tag = pair().tag(&counting::<32>(0x40));
    assert_eq!(hex(&tag), "57ea57a700b440fa46c85a5c10769cff");
    assert!(pair().tag_matches(&counting::<32>(0x40), &tag));
}

#[test]
fn the_first_stage_is_as_documented() {
    assert_eq!(hex(stage0().secret().expose()), "5ee013c0165be296b623bc33f9f02d0c673e6f3048753446baa59c7c2f7789c2");
    assert_eq!(hex(stage0().init_key().expose()), "90bc5bb353c4432c03e87caa7e03f7fa3da4ccf19531cfd3307e804be25df7c3");
    assert_eq!(hex(&stage0().rid()), "d2152886aacba229");
}

#[test]
fn the_second_stage_is_as_documented() {
    assert_eq!(hex(stage1().secret().expose()), "8a00e285f8afa3b0dc60f25e9d0f31a817f3e5776e57a1fb8e59615c35356cec");
    assert_eq!(
        hex(stage1().choice_key(&TH1).expose()),
        "39c859c6282743b34f970605dd7f0f2326901900455196e90dd4121cc310be81"
    );
}

#[test]
fn the_third_stage_is_as_documented() {
    assert_eq!(hex(ee().expose()), "1cf579aba45a10ba1d1ef06d91fca2aa9ed0a1150515653155405d0b18cb9a67");
    assert_eq!(hex(stage2().secret().expose()), "4119baed6ccc3aa6724eea9492cf490e7bd45756e9aad346f0230745b6751cf6");
}

#[test]
fn the_sessions_secrets_are_as_documented() {
    let secrets = secrets();
    for (secret, expected) in [
        (
            secrets.traffic(Direction::ClientToServer),
            "a8ed5a30a7e3ac3b02515790d45916c57c0109cbc34baf3600e976b8dfaa32f4",
        ),
        (
            secrets.traffic(Direction::ServerToClient),
            "4e098b5e69f49f5c11aa645f9c39a8eb82dc177671635902360c5ce16043818e",
        ),
        (
            secrets.header_protection(Direction::ClientToServer),
            "833ec45e28ff3fd93d08fb26fb9596361ee1d5aff313e7759708344224d82c60",
        ),
    ] {
        assert_eq!(hex(secret.expose()), expected);
    }
    let cid = secrets.cid(Direction::ClientToServer, 0).expect("the first of many");
    assert_eq!(hex(&cid), "7636f001a517c4e7");
    assert_eq!(secrets.transcript(), &TH3);
    assert_eq!(secrets.session_id(), [0x33; 8]);
}

#[test]
fn an_epochs_key_and_iv_are_as_documented() {
    let traffic = TrafficSecret::new(&SUITE, secrets().traffic(Direction::ClientToServer));
    assert_eq!(hex(traffic.key().expose()), "6bb523551709a700ad2079f6514bfaf2f0b3e36cc2816a4e30ffb83dd1b643fb");
    assert_eq!(hex(traffic.iv().expose()), "19bc850324688428a6d2c3e3");
}

#[test]
fn the_gates_key_is_as_documented_and_is_the_one_the_gate_uses() {
    let knock = Secret::new([0x55; 32]);
    let key = Prk::from_secret(&SUITE, &knock).derive("mac1", b"");
    assert_eq!(hex(key.expose()), "84a33989ec1fac374afd005ff299f0b6a11fedaadf38689ea3d6adc0fdeb3d1e");
    let full = SUITE.hmac(key.expose()).mac(&[b"anything"]);
    assert_eq!(Knock::new(&SUITE, &knock).mac1(b"anything"), full[..16]);
}

#[test]
fn a_record_is_sealed_and_opened_as_documented() {
    let expected = unhex("7636f001a517c4e7103fd78e6cbf5a4f96818586c2e56b5f65a0f415e50a6bc6a0bf1b3d7891");
    let (now, secrets, direction) = (Instant::now(), secrets(), Direction::ClientToServer);
    let cid = secrets.cid(direction, 0).expect("the first of many");
    let mut packet = [&[0; 17], &b"hello"[..], &[0; 16]].concat();
    let mut sealer = Sealer::new(now, &SUITE, &secrets, direction).expect("keys");
    sealer.seal_in_place(&cid, 1, &mut packet).expect("sealed");
    assert_eq!(hex(&packet), hex(&expected));
    let opened = Opener::new(&SUITE, &secrets, direction).expect("keys").open(now, &mut packet).expect("authentic");
    assert_eq!((opened.pn, &packet[opened.payload]), (1, &b"hello"[..]));
}

// KEY-10.
#[test]
fn a_ratchet_step_is_as_documented() {
    let stepped = secrets().chain().step(&SUITE, &ee(), &[0x55; 32], &[0x66; 32]);
    for (direction, expected) in [
        (Direction::ClientToServer, "ac65fbb7ff3b673bc4fb5a8eba4b4210e87c35079674b98a1cbff3cfa92764be"),
        (Direction::ServerToClient, "2ac7ef38b44f91b41579f005638a70bb6d94f527447119c7d2c2e1ba73c316a3"),
    ] {
        assert_eq!(hex(stepped.traffic(direction).expose()), expected);
    }
}
