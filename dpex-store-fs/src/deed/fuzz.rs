//! What fronts of sidecars promise, for any bytes.

use dpex_core::types::SharePath;

use super::*;

/// Whatever stands there.
pub(crate) fn any_front(bytes: &[u8]) {
    let bytes = &bytes[..bytes.len().min(MAX_DEED)];
    match Front::parse(bytes.to_vec()) {
        Front::Deed(deed, own) => {
            assert!(bytes.starts_with(&own));
            reads_back(&deed);
        }
        Front::Blank => assert!(bytes.iter().zip(MAGIC.bytes()).all(|(&byte, ours)| byte == ours || byte == 0)),
        Front::Strange => assert!(bytes.starts_with(b"dpex-part ")),
        Front::Foreign => assert!(!bytes.starts_with(MAGIC.as_bytes())),
    }
}

/// Whatever stands there, under the check value that belongs to it: what only the check keeps from other fronts.
pub(crate) fn checked_front(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(&bytes[..bytes.len().min(MAX_DEED)]) else { return };
    let whole = format!("{text}{}", check(text)).into_bytes();
    let Front::Deed(deed, own) = Front::parse(whole.clone()) else { return };
    assert!(whole.starts_with(&own));
    reads_back(&deed);
    let torn = whole[..own.len() - 1].to_vec();
    assert!(!matches!(Front::parse(torn), Front::Deed(..)), "the beginning of a deed is none");
}

/// A deed of any values: 40 bytes, and the name.
pub(crate) fn written_deed(bytes: &[u8]) {
    let Some((fixed, name)) = bytes.split_first_chunk::<40>() else { return };
    let number = |at: usize| u64::from_be_bytes(fixed[at..at + 8].try_into().expect("eight bytes"));
    let Ok(name) = SharePath::from_utf8(name) else { return };
    let Some(name) = name.file_name() else { return };
    let subject = Subject {
        origin: Fingerprint([fixed[32]; 32]),
        version: Version([fixed[33]; 16]),
        geometry: Geometry::new(number(0), 16 + fixed[34] % 9),
        name: name.to_owned(),
    };
    let nanos = u32::from_be_bytes([fixed[24], fixed[25], fixed[26], fixed[27]]);
    let birth = (fixed[35] % 2 == 0).then_some((number(16).cast_signed(), nanos));
    let mode = RawMode::from(u16::from_be_bytes([fixed[36], fixed[37]])) & 0o777;
    let part = Identity { inode: number(8), birth };
    let deed = Deed { part, full_mode: Mode::from_raw_mode(mode), subject };
    assert!(deed.text().len() <= MAX_DEED, "all of it is read");
    reads_back(&deed);
}

fn reads_back(deed: &Deed) {
    let text = deed.text().into_bytes();
    let journal = b"\x01check \n";
    let read = Front::parse([&text[..], journal].concat());
    assert_eq!(read, Front::Deed(deed.clone(), text));
}
