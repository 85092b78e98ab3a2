//! A file that is served out of the zip file: stored, and read in place; or deflated, and unpacked as it is read.
//!
//! Unpacking goes forward only, in pieces: its state is what is kept between reads, some 100 KiB whatever the entry's
//! size. A read further on unpacks what is between and throws it away; a read further back starts again. dpex reads a file
//! from its beginning to its end, so that seldom happens, and `unpack-limit` bounds what it costs.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use dpex_core::store::{Meta, SourceFile, StoreError};
use dpex_core::types::SharePath;
use flate2::CrcReader;
use flate2::read::DeflateDecoder;

use crate::archive::Archive;
use crate::index::Packed;
use crate::store::blocking;

/// The bytes of a local header before the name, and where in it the lengths of name and extra fields are.
const HEADER_LEN: u64 = 30;

/// An open file: one entry of one version of the zip file.
#[derive(Debug)]
pub(crate) struct ZipSource(Arc<Open>);

#[derive(Debug)]
struct Open {
    archive: Arc<Archive>,
    packed: Packed,
    /// Where its bytes begin in the zip file.
    start: u64,
    unpacking: Mutex<Option<Unpacking>>,
}

impl ZipSource {
    pub(crate) fn open(archive: Arc<Archive>, path: &SharePath) -> Result<Self, StoreError> {
        let packed = archive.index().file(path).ok_or(StoreError::NotFound)?;
        let start = start(&archive, &packed)?;
        Ok(Self(Arc::new(Open { archive, packed, start, unpacking: Mutex::new(None) })))
    }
}

/// Where the bytes of an entry begin: behind its local header, which repeats the name and has extra fields of its own.
fn start(archive: &Archive, packed: &Packed) -> io::Result<u64> {
    let mut header = [0; HEADER_LEN as usize];
    archive.read_exact_at(&mut header, packed.header)?;
    let [b'P', b'K', 3, 4, .., name0, name1, extra0, extra1] = header else {
        return Err(broken("an entry is not where the list of entries says"));
    };
    let lengths = [[name0, name1], [extra0, extra1]].map(|length| u64::from(u16::from_le_bytes(length)));
    let start = packed.header + HEADER_LEN + lengths.iter().sum::<u64>();
    match start.checked_add(packed.len) {
        Some(end) if end <= archive.size() => Ok(start),
        _ => Err(broken("an entry reaches past the end of the zip file")),
    }
}

#[async_trait]
impl SourceFile for ZipSource {
    fn meta(&self) -> &Meta {
        &self.0.packed.meta
    }

    async fn read_at(&self, offset: u64, len: usize) -> Result<Bytes, StoreError> {
        let open = Arc::clone(&self.0);
        blocking(move || open.read_at(offset, len)).await
    }
}

impl Open {
    fn read_at(&self, offset: u64, len: usize) -> Result<Bytes, StoreError> {
        if offset.checked_add(len as u64).is_none_or(|end| end > self.packed.meta.size) {
            return Err(StoreError::Io(io::Error::new(io::ErrorKind::InvalidInput, "a read past the end of the file")));
        }
        let mut data = vec![0; len];
        let read = if self.packed.deflated {
            self.unpack(offset, &mut data)
        } else {
            self.archive.read_exact_at(&mut data, self.start + offset)
        };
        // After the read, so that what was read is of this version; and before its error, which may come of the change.
        if !self.archive.is_unchanged()? {
            return Err(StoreError::Changed);
        }
        read?;
        Ok(Bytes::from(data))
    }

    fn unpack(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        if out.is_empty() {
            return Ok(());
        }
        let mut kept = self.unpacking.lock().unwrap_or_else(PoisonError::into_inner);
        // Taken out, so that nothing goes on with one that failed.
        let before = kept.take().filter(|unpacking| unpacking.at <= offset);
        let mut unpacking = before.unwrap_or_else(|| self.unpacking());
        unpacking.skip_to(offset)?;
        unpacking.fill(out)?;
        if unpacking.at < self.packed.meta.size {
            *kept = Some(unpacking);
            return Ok(());
        }
        unpacking.finish(self.packed.crc)
    }

    fn unpacking(&self) -> Unpacking {
        let section = Section { archive: Arc::clone(&self.archive), at: self.start, end: self.start + self.packed.len };
        Unpacking { reader: CrcReader::new(DeflateDecoder::new(section)), at: 0 }
    }
}

/// A deflated entry, unpacked up to some place.
#[derive(Debug)]
struct Unpacking {
    reader: CrcReader<DeflateDecoder<Section>>,
    /// Unpacked bytes so far.
    at: u64,
}

impl Unpacking {
    fn skip_to(&mut self, offset: u64) -> io::Result<()> {
        let between = offset - self.at;
        let skipped = io::copy(&mut (&mut self.reader).take(between), &mut io::sink())?;
        self.at = offset;
        if skipped == between { Ok(()) } else { Err(broken("an entry holds less than it says")) }
    }

    fn fill(&mut self, out: &mut [u8]) -> io::Result<()> {
        self.reader.read_exact(out)?;
        self.at += out.len() as u64;
        Ok(())
    }

    /// No more may come than the size that was told, and it must be what was packed.
    fn finish(mut self, crc: u32) -> io::Result<()> {
        if self.reader.read(&mut [0])? > 0 {
            return Err(broken("an entry holds more than it says"));
        }
        if self.reader.crc().sum() == crc { Ok(()) } else { Err(broken("an entry is not what was packed")) }
    }
}

/// The packed bytes of one entry, with a position of their own.
#[derive(Debug)]
struct Section {
    archive: Arc<Archive>,
    at: u64,
    end: u64,
}

impl Read for Section {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX).min(out.len());
        let (now, _) = out.split_at_mut(left);
        let n = self.archive.read_at(now, self.at)?;
        self.at += n as u64;
        Ok(n)
    }
}

fn broken(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}
