//! The title deed at the front of a sidecar: which file the part is, and what is being received into it.
//!
//! Lines of text, so that a person who finds one can read it, and under a check value, so that a torn one is known:
//!
//! ```text
//! dpex-part 2
//! inode 1234
//! birth 1700000000 123456789
//! mode 755
//! origin 64 hexadecimal digits
//! version 32 of them
//! size 123456789
//! blocks 20
//! name report.pdf
//! check 16 of them
//! ```
//!
//! `birth` is left out where the disk does not know it. Behind the deed comes the journal.

use dpex_core::store::{Incoming, StoreError};
use dpex_core::transfer::Geometry;
use dpex_core::types::{Fingerprint, Version};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Mode, RawMode, Stat};
use rustix::io::Errno;

use crate::error::broken;
use crate::fence::{Folder, is_file, size, wide};
use crate::names::sidecar_name;
use crate::sys::{self, Sys};

/// What every version of these files begins with; a number follows.
const FAMILY: &str = "dpex-part ";
const MAGIC: &str = "dpex-part 2\n";
/// No deed is as long: the name has at most 255 bytes, and the rest less than this.
const MAX_DEED: usize = 1024;
/// Block sizes that the protocol knows.
const BLOCK_SIZES: std::ops::RangeInclusive<u8> = 16..=24;

/// Which file a part is, whatever its name: inode numbers are used again, so the time of birth belongs to it where there
/// is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    inode: u64,
    birth: Option<(i64, u32)>,
}

impl Identity {
    pub(crate) fn of(file: impl AsFd) -> Sys<Self> {
        Ok(Self { inode: wide(sys::fstat(&file)?.st_ino), birth: sys::birth(&file, "")? })
    }

    /// `NXIO` if the name is not that of a file.
    pub(crate) fn named(folder: &Folder, name: &str) -> Sys<Self> {
        let stat = folder.stat(name)?;
        if !is_file(&stat) {
            return Err(Errno::NXIO);
        }
        Ok(Self { inode: wide(stat.st_ino), birth: sys::birth(folder, name)? })
    }
}

/// What is received: it is gone on with only if all of it is the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subject {
    pub(crate) origin: Fingerprint,
    pub(crate) version: Version,
    pub(crate) geometry: Geometry,
    pub(crate) name: String,
}

impl Subject {
    /// # Errors
    /// Blocks of a size that the protocol does not know.
    pub(crate) fn of(incoming: &Incoming, name: &str) -> Result<Self, StoreError> {
        let Incoming { origin, block_log2, meta, .. } = *incoming;
        if !BLOCK_SIZES.contains(&block_log2) {
            return Err(broken(std::io::ErrorKind::InvalidInput, "blocks of an unknown size"));
        }
        let geometry = Geometry::new(meta.size, block_log2);
        Ok(Self { origin, version: meta.version, geometry, name: name.to_owned() })
    }
}

/// One deed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Deed {
    pub(crate) part: Identity,
    /// What a new file with all rights asked for gets here: the umask, or the folder's default ACL.
    pub(crate) full_mode: Mode,
    pub(crate) subject: Subject,
}

impl Deed {
    pub(crate) fn text(&self) -> String {
        let Self { part, full_mode, subject: Subject { origin, version, geometry, name } } = self;
        let birth = part.birth.map(|(secs, nanos)| format!("birth {secs} {nanos}\n")).unwrap_or_default();
        let text = format!(
            "{MAGIC}inode {}\n{birth}mode {:o}\norigin {origin}\nversion {version}\nsize {}\nblocks {}\nname {name}\n",
            part.inode,
            full_mode.as_raw_mode(),
            geometry.size(),
            geometry.block_log2(),
        );
        let check = check(&text);
        text + &check
    }

    /// The deed at the front of some bytes, and how many of them it is.
    fn parse(bytes: &[u8]) -> Option<(Self, usize)> {
        // Only what the check covers is looked at.
        let line = |line: &&[u8]| line.starts_with(b"check ");
        let covered: usize =
            bytes.split_inclusive(|&byte| byte == b'\n').take_while(|l| !line(l)).map(<[u8]>::len).sum();
        let text = std::str::from_utf8(bytes.get(..covered)?).ok()?;
        let check = check(text);
        bytes.get(covered..)?.starts_with(check.as_bytes()).then_some(())?;
        let mut lines = text.strip_prefix(MAGIC)?.lines().peekable();
        let inode = lines.next()?.strip_prefix("inode ")?.parse().ok()?;
        let birth = match lines.next_if(|line| line.starts_with("birth ")) {
            Some(line) => {
                let (secs, nanos) = line.strip_prefix("birth ")?.split_once(' ')?;
                Some((secs.parse().ok()?, nanos.parse().ok()?))
            }
            None => None,
        };
        let mut field = |key: &str| lines.next()?.strip_prefix(key)?.strip_prefix(' ');
        let full_mode = Mode::from_raw_mode(RawMode::from_str_radix(field("mode")?, 8).ok()? & 0o777);
        let origin = Fingerprint::from_hex(field("origin")?)?;
        let version = Version::from_hex(field("version")?)?;
        let size = field("size")?.parse().ok()?;
        let block_log2 = field("blocks")?.parse().ok().filter(|log2| BLOCK_SIZES.contains(log2))?;
        let name = field("name")?.to_owned();
        let subject = Subject { origin, version, geometry: Geometry::new(size, block_log2), name };
        Some((Self { part: Identity { inode, birth }, full_mode, subject }, covered + check.len()))
    }
}

fn check(text: &str) -> String {
    format!("check {}\n", &blake3::hash(text.as_bytes()).to_hex()[..16])
}

/// What the front of a sidecar says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Front {
    /// A deed, and all of its bytes.
    Deed(Deed, Vec<u8>),
    /// Nothing, or the beginning of a deed: whoever wrote it did not come to its end.
    Blank,
    /// A deed of another version of this program.
    Strange,
    /// Somebody's file that only has such a name.
    Foreign,
}

impl Front {
    /// Reads no more than a deed, however large the file is.
    pub(crate) fn read(sidecar: &OwnedFd) -> Sys<Self> {
        let mut bytes = vec![0; MAX_DEED];
        let len = sys::read_at(sidecar, &mut bytes, 0)?;
        bytes.truncate(len);
        Ok(Self::parse(bytes))
    }

    fn parse(mut bytes: Vec<u8>) -> Self {
        if let Some((deed, len)) = Deed::parse(&bytes) {
            bytes.truncate(len);
            return Self::Deed(deed, bytes);
        }
        // After a power cut a file may have its length and not its bytes.
        let is_ours = bytes.iter().zip(MAGIC.as_bytes()).all(|(&byte, &ours)| byte == ours || byte == 0);
        match () {
            () if is_ours => Self::Blank,
            () if bytes.starts_with(FAMILY.as_bytes()) => Self::Strange,
            () => Self::Foreign,
        }
    }

    /// The same for the sidecar of a stem, whoever holds it. Not to be able to look is no proof that it is nobody's.
    pub(crate) fn look(folder: &Folder, stem: &str) -> Self {
        match folder.open_file(&sidecar_name(stem)) {
            Ok((sidecar, _)) => Self::read(&sidecar).unwrap_or(Self::Strange),
            Err(Errno::NOENT | Errno::NXIO | Errno::LOOP | Errno::MLINK) => Self::Foreign,
            Err(_) => Self::Strange,
        }
    }
}

/// Could this be the part of a reception of `size` bytes?
pub(crate) fn is_full_size(stat: &Stat, geometry: Geometry) -> bool {
    is_file(stat) && size(stat) == geometry.size()
}

#[cfg(feature = "fuzz")]
pub(crate) mod fuzz;

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn deed(birth: Option<(i64, u32)>) -> Deed {
        let (origin, version) = (Fingerprint([7; 32]), Version([9; 16]));
        let subject =
            Subject { origin, version, geometry: Geometry::new(123_456, 16), name: "check é.txt".to_owned() };
        Deed { part: Identity { inode: u64::MAX, birth }, full_mode: Mode::from_raw_mode(0o751), subject }
    }

    #[test]
    fn a_deed_is_read_back_whatever_follows_it() {
        for birth in [None, Some((-3, 999)), Some((i64::MAX, 0))] {
            let (deed, mut bytes) = (deed(birth), deed(birth).text().into_bytes());
            let want = Front::Deed(deed, bytes.clone());
            assert!(bytes.len() < MAX_DEED - 255);
            assert_eq!(Front::parse(bytes.clone()), want);
            bytes.extend(*b"\xff\0check check \nname x\n");
            assert_eq!(Front::parse(bytes), want);
        }
    }

    #[test]
    fn a_torn_deed_is_blank_and_an_edited_one_is_none() {
        let whole = deed(Some((5, 6))).text().into_bytes();
        for cut in 0..whole.len() {
            assert_eq!(Front::parse(whole[..cut].to_vec()), Front::Blank, "{cut}");
            let mut zeros = whole.clone();
            zeros[cut..].fill(0);
            assert_eq!(Front::parse(zeros), Front::Blank, "{cut}");
            for bit in 0..8 {
                let mut edited = whole.clone();
                edited[cut] ^= 1 << bit;
                assert!(!matches!(Front::parse(edited), Front::Deed(..)), "{cut} {bit}");
            }
        }
        assert_eq!(Front::parse(vec![0; MAX_DEED]), Front::Blank);
    }

    #[test]
    fn deeds_of_other_versions_and_files_of_others_are_told_apart() {
        assert_eq!(Front::parse(b"dpex-part 1\ninode 7\nend\n".to_vec()), Front::Strange);
        assert_eq!(Front::parse(b"dpex-part 3\n".to_vec()), Front::Strange);
        assert_eq!(Front::parse(b"my notes".to_vec()), Front::Foreign);
        assert_eq!(Front::parse(b"dpex-parties".to_vec()), Front::Foreign);
    }
}
