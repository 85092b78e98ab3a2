//! PROTOCOL.md, section 14, read from the document itself: what an independent program computed, this one does as well.

use std::collections::BTreeMap;
use std::path::Path;

use data_encoding::HEXLOWER;
use dpex_core::enrol::{fingerprint, words};
use dpex_core::kdf::{Prk, hh};
use dpex_core::seal::{Direction, Knock, PairKeys, Peering, Stage0, open_init};
use dpex_core::suite::CipherSuite;
use dpex_core::types::{Digest, EnrolmentId, Fingerprint, Secret};
use dpex_tests::SUITE;

struct Vectors(BTreeMap<String, String>);

impl Vectors {
    fn read() -> Self {
        let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../PROTOCOL.md"));
        let text = text.expect("PROTOCOL.md lies at the root");
        let mut found: BTreeMap<String, String> = BTreeMap::new();
        let (mut name, mut inside) = (String::new(), false);
        for line in text.lines() {
            if let Some(fence) = line.strip_prefix("```") {
                inside = fence == "vectors";
            } else if inside && let Some((left, right)) = line.split_once(" = ") {
                left.clone_into(&mut name);
                found.insert(name.clone(), right.to_owned());
            } else if inside {
                found.get_mut(&name).expect("a value before its continuation").push_str(line.trim());
            }
        }
        Self(found)
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        HEXLOWER.decode(self.0[name].as_bytes()).expect(name)
    }

    fn array<const N: usize>(&self, name: &str) -> [u8; N] {
        self.bytes(name).try_into().expect(name)
    }

    /// Compares hex, so that a failure shows it.
    fn check(&self, name: &str, bytes: &[u8]) {
        assert_eq!(HEXLOWER.encode(bytes), self.0[name], "{name}");
    }
}

fn counting(first: u8) -> [u8; 32] {
    std::array::from_fn(|i| first + u8::try_from(i).expect("below 32"))
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

fn gcm(key: &Secret, ad: &[u8], plain: &[u8]) -> Vec<u8> {
    let mut buf = plain.to_vec();
    let tag = SUITE.aead(key).expect("a key").seal(&[0; 12], ad, &mut buf).expect("sealed");
    [&buf[..], &tag].concat()
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = SUITE.sha256();
    hash.update(bytes);
    hash.finish().0
}

/// Section 3.2, field by field.
fn init_payload(v: &Vectors) -> Vec<u8> {
    let mut p = v.bytes("h_e_c");
    p.extend_from_slice(&1_800_000_000u64.to_be_bytes());
    p.extend_from_slice(&5u32.to_be_bytes());
    p.extend_from_slice(&[0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    p.extend_from_slice(&[0xaa; 32]);
    p.extend_from_slice(&[0xbb; 32]);
    p.extend_from_slice(&[0x05, 0xc0, 0, 30, 0, 0, 0, 0, 2, 0]);
    p.extend_from_slice(&[0xc5; 512]);
    p.resize(1104, 0);
    p
}

/// Section 3.3.
fn resp_payload() -> Vec<u8> {
    let mut p = vec![0x23, 0x28, 0, 31, 0, 0, 0, 0];
    p.extend_from_slice(&1_800_000_001u64.to_be_bytes());
    p.extend_from_slice(&384u16.to_be_bytes());
    p.extend_from_slice(&[0x55; 384]);
    p.resize(1092, 0);
    p
}

fn init(v: &Vectors) -> Vec<u8> {
    let head = [&counting(0x40)[..], &pair().tag(&counting(0x40))].concat();
    let mut init = [&head[..], &gcm(&stage0().init_key(), &head, &init_payload(v))].concat();
    init.extend_from_slice(&v.bytes("h_mac1"));
    init.extend_from_slice(&v.bytes("h_mac2"));
    init
}

#[test]
fn the_init_of_the_document_is_made_and_accepted() {
    let v = Vectors::read();
    let init = init(&v);
    v.check("h_sha256_init", &sha256(&init));
    let knock = Knock::new(&SUITE, &Secret::new([0x55; 32]));
    v.check("h_mac1", &knock.mac1(&init[..1168]));
    v.check("h_mac2", &SUITE.hmac(&[0xee; 16]).mac(&[&init[..1184]])[..16]);
    assert!(knock.admits(&init));
    let opened = open_init(&SUITE, &pair(), &init).expect("authentic");
    let message = [&[0x20; 64][..], b"DPEX/1 client INIT\0", &v.bytes("h_csig")].concat();
    assert_eq!(opened.message(), message);
    assert_eq!((opened.max_udp_payload, opened.idle_timeout, opened.stamp.nanos()), (1472, 30, 5));
}

#[test]
fn the_resp_of_the_document_is_made_and_gives_its_session() {
    let v = Vectors::read();
    let (init, p_init, p2) = (init(&v), init_payload(&v), resp_payload());
    let ctx = peering().context(&SUITE);
    let th1 = hh(&SUITE, "th1", &[ctx.as_bytes(), &init[..48], &p_init]);
    v.check("h_th1", th1.as_bytes());
    let head = [&stage0().rid()[..], &counting(0x80)].concat();
    let p1 = [&v.bytes("h_e_s")[..], &[0, 1, 0, 1]].concat();
    let stage1 = stage0().stage1(&SUITE, &counting(0x80));
    let th2 = hh(&SUITE, "th2", &[th1.as_bytes(), &head, &p1]);
    v.check("h_th2", th2.as_bytes());
    v.check("h_ssig", hh(&SUITE, "ssig", &[th2.as_bytes(), &p2[..16], &p2[530..]]).as_bytes());
    let stage2 = stage1.stage2(&SUITE, &Secret::new(v.array("h_ee")));
    v.check("h_PRK2", stage2.secret().expose());
    let front = [&head[..], &gcm(&stage1.choice_key(&th1), &head, &p1)].concat();
    let resp = [&front[..], &gcm(&stage2.payload_key(&th2), &front, &p2)].concat();
    v.check("h_sha256_resp", &sha256(&resp));
    let th3 = hh(&SUITE, "th3", &[th2.as_bytes(), &p2]);
    v.check("h_th3", th3.as_bytes());
    let session = stage2.session(&SUITE, &th3);
    for (direction, name) in [(Direction::ClientToServer, "c2s"), (Direction::ServerToClient, "s2c")] {
        v.check(&format!("h_{name}_0"), session.traffic(direction).expose());
        v.check(&format!("h_hp_{name}"), session.header_protection(direction).expose());
        v.check(&format!("h_cid_{name}_0"), &session.cid(direction, 0).expect("the first"));
    }
    v.check("h_exporter", session.exporter().expose());
}

#[test]
fn the_cookie_of_the_document_is_made() {
    let v = Vectors::read();
    let (knock, mac1) = (Prk::from_secret(&SUITE, &Secret::new([0x55; 32])), v.bytes("h_mac1"));
    let rid = knock.derive_mac(&SUITE, "cookie rid", b"").mac(&[&mac1]);
    let head = [&rid[..8], &[0x99; 32]].concat();
    let (prk, _) = Prk::extract(&SUITE, &[0x99; 32], &knock.derive("cookie", b""));
    let sealed = gcm(&prk.derive("cookie", &mac1), &head, &[0xee; 16]);
    v.check("h_cookie_datagram", &[head, sealed].concat());
}

#[test]
fn an_update_leads_to_the_next_epochs_keys() {
    let v = Vectors::read();
    let prk = |name: &str| Prk::from_secret(&SUITE, &Secret::new(v.array(name)));
    v.check("c2s_1", prk("c2s_0").derive("update", b"").expose());
    v.check("key_c2s_1", prk("c2s_1").derive("key", b"").expose());
    v.check("iv_c2s_1", &prk("c2s_1").expand::<12>("iv", b""));
}

#[test]
fn the_documents_of_section_14_hash_and_read_aloud_as_written() {
    let v = Vectors::read();
    let request = sha256(&v.bytes("S_req"));
    v.check("request_hash", &request);
    let response = sha256(&[&v.bytes("S_hdr")[..], &[0, 0, 0, 2, 0xee, 0xdd]].concat());
    v.check("sha256_S_resp", &response);
    let exchange = hh(&SUITE, "exchange", &[&request, &response]);
    v.check("EH", exchange.as_bytes());
    assert_eq!(words(&exchange.0), v.0["exchange_code"]);
    let fpr = fingerprint(&SUITE, &[0x30, 0x82, 0xff]);
    v.check("fingerprint", fpr.as_bytes());
    assert_eq!(words(&fpr.0), v.0["fingerprint_words"]);
}
