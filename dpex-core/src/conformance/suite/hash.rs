//! SHA-256, HMAC-SHA-256 and the random source.

use super::Suite;

/// From the point of the fork on, neither sees what the other takes in.
pub fn a_forked_hash_goes_its_own_way(suite: Suite) {
    let whole = |message: &[u8]| {
        let mut hash = suite.sha256();
        hash.update(message);
        hash.finish()
    };
    let mut trunk = suite.sha256();
    trunk.update(b"a");
    trunk.update(b"b");
    let mut branch = trunk.fork();
    branch.update(b"c");
    trunk.update(b"d");
    assert_eq!(branch.finish(), whole(b"abc"));
    assert_eq!(trunk.finish(), whole(b"abd"));
    assert_ne!(whole(b"abc"), whole(b"abd"));
}

/// Parts are the same as their concatenation, wherever they meet.
pub fn a_mac_does_not_see_where_parts_meet(suite: Suite) {
    let mac = suite.hmac(b"key");
    let message: Vec<u8> = (0..=255).collect();
    let whole = mac.mac(&[&message]);
    for cut in [0, 1, 63, 64, 65, 128, 256] {
        let (left, right) = message.split_at(cut);
        assert_eq!(mac.mac(&[left, &[], right]), whole, "cut at {cut}");
    }
}

/// Keys of any length, the empty one too, and the kept state is not used up.
pub fn a_mac_depends_on_key_and_message_and_can_be_used_again(suite: Suite) {
    let keys: [&[u8]; 6] = [b"", b"k", &[1; 32], &[1; 64], &[1; 65], &[1; 200]];
    let macs: Vec<_> = keys
        .iter()
        .flat_map(|key| {
            let mac = suite.hmac(key);
            let first = mac.mac(&[b"message"]);
            assert_eq!(mac.mac(&[b"message"]), first, "again");
            [first, mac.mac(&[b"massage"]), mac.mac(&[])]
        })
        .collect();
    for (i, mac) in macs.iter().enumerate() {
        assert!(!macs[..i].contains(mac), "number {i}");
    }
}

/// Not zeros, not the same again, and the whole buffer is filled.
pub fn random_bytes_differ_from_call_to_call(suite: Suite) {
    let draws: Vec<Vec<u8>> = [32, 32, 32, 1000, 4099]
        .map(|len| {
            let mut out = vec![0; len];
            suite.random(&mut out).expect("random bytes");
            assert_ne!(out[len - 16..], [0; 16], "filled to the end");
            out
        })
        .into();
    for (i, draw) in draws.iter().enumerate() {
        assert!(!draws[..i].iter().any(|other| other[..16] == draw[..16]), "number {i}");
    }
    suite.random(&mut []).expect("nothing to fill");
}
