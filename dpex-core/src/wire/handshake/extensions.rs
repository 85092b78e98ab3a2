//! The extension area of a handshake payload: `u16 type || u16 length || value`, repeated, then zeros.
//!
//! Bit 15 of the type says that a receiver which does not know it must refuse; kind 0 ends the list.

use crate::wire::codec::{Malformed, Reader};

const CRITICAL: u16 = 1 << 15;

/// The kind of RESP's polite refusal: critical, its value a `u16` code.
pub const ERROR: u16 = 1;

/// One extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extension<'a> {
    /// The type without its critical bit; not 0.
    pub kind: u16,
    /// Whether a receiver that does not know it must refuse.
    pub critical: bool,
    /// The value.
    pub value: &'a [u8],
}

/// A well-formed extension area: iterating cannot fail.
#[derive(Clone, Debug)]
pub struct Extensions<'a>(Reader<'a>);

impl<'a> Extensions<'a> {
    /// Checks a whole area (HS-6).
    ///
    /// # Errors
    /// [`Malformed`] if an extension runs past the end, a kind is 0 or repeated, or a byte after the last is not zero.
    pub fn parse(area: &'a [u8]) -> Result<Self, Malformed> {
        let mut kinds = Vec::new();
        let mut r = Reader::new(area);
        while let Some(extension) = read(&mut r)? {
            if kinds.contains(&extension.kind) {
                return Err(Malformed);
            }
            kinds.push(extension.kind);
        }
        Ok(Self(Reader::new(area)))
    }

    /// The first critical extension whose kind is not in `known` (HS-7).
    #[must_use]
    pub fn unknown_critical(&self, known: &[u16]) -> Option<u16> {
        self.clone().find(|e| e.critical && !known.contains(&e.kind)).map(|e| e.kind)
    }
}

impl<'a> Iterator for Extensions<'a> {
    type Item = Extension<'a>;

    fn next(&mut self) -> Option<Extension<'a>> {
        read(&mut self.0).ok().flatten()
    }
}

fn read<'a>(r: &mut Reader<'a>) -> Result<Option<Extension<'a>>, Malformed> {
    if r.rest().iter().all(|&b| b == 0) {
        return Ok(None);
    }
    let kind = r.u16()?;
    let len = r.u16()?;
    let value = r.take(usize::from(len))?;
    match kind & !CRITICAL {
        0 => Err(Malformed),
        known => Ok(Some(Extension { kind: known, critical: kind & CRITICAL != 0, value })),
    }
}

/// Fills an area of zeros with extensions.
#[derive(Debug)]
pub struct ExtensionsMut<'a>(&'a mut [u8]);

impl<'a> ExtensionsMut<'a> {
    /// Starts at the front of `area`, which must be zeros.
    #[must_use]
    pub fn new(area: &'a mut [u8]) -> Self {
        Self(area)
    }

    /// Appends one.
    ///
    /// # Errors
    /// [`Malformed`] if there is no room, the kind is 0 or has bit 15 set; nothing was written then.
    pub fn put(&mut self, extension: Extension<'_>) -> Result<(), Malformed> {
        let len = u16::try_from(extension.value.len()).map_err(|_| Malformed)?;
        if extension.kind & !CRITICAL != extension.kind || extension.kind == 0 {
            return Err(Malformed);
        }
        let kind = if extension.critical { extension.kind | CRITICAL } else { extension.kind };
        let area = std::mem::take(&mut self.0);
        let total = 4 + extension.value.len();
        if area.len() < total {
            self.0 = area;
            return Err(Malformed);
        }
        let (here, rest) = area.split_at_mut(total);
        let bytes = kind.to_be_bytes().into_iter().chain(len.to_be_bytes()).chain(extension.value.iter().copied());
        here.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
        self.0 = rest;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn extensions_read_back_in_order() {
        let mut area = [0; 20];
        let mut w = ExtensionsMut::new(&mut area);
        let first = Extension { kind: 5, critical: true, value: b"abc" };
        let second = Extension { kind: 6, critical: false, value: b"" };
        w.put(first).expect("room");
        w.put(second).expect("room");
        let read = Extensions::parse(&area).expect("well-formed");
        assert_eq!(read.clone().collect::<Vec<_>>(), [first, second]);
        assert_eq!(read.unknown_critical(&[6]), Some(5));
        assert_eq!(read.unknown_critical(&[5]), None);
    }

    #[test]
    fn an_area_may_be_filled_to_its_last_byte_and_no_further() {
        let mut area = [0; 8];
        ExtensionsMut::new(&mut area).put(Extension { kind: 1, critical: false, value: &[9; 4] }).expect("just fits");
        assert_eq!(Extensions::parse(&area).expect("well-formed").count(), 1);
        let mut area = [0; 8];
        assert!(ExtensionsMut::new(&mut area).put(Extension { kind: 1, critical: false, value: &[9; 5] }).is_err());
        assert_eq!(area, [0; 8], "nothing was written");
    }

    // HS-6.
    #[test]
    fn padding_that_is_not_zero_and_values_past_the_end_and_repeated_kinds_are_refused() {
        for area in [
            &[0, 0, 0, 0, 1][..],                  // after the end
            &[0, 0, 1],                            // too short for a header
            &[0, 1, 0, 5, 1, 2, 3, 4],             // value past the end
            &[0x80, 0, 0, 0, 0],                   // kind 0
            &[0, 1, 0, 0, 0x80, 1, 0, 0],          // the same kind twice
            &[0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7], // after the end of the list
        ] {
            assert!(Extensions::parse(area).is_err(), "{area:?}");
        }
        assert!(Extensions::parse(&[]).is_ok());
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed_or_refused(area in proptest::collection::vec(0u8..4, 0..64)) {
            if let Ok(extensions) = Extensions::parse(&area) {
                prop_assert!(extensions.map(|e| e.value.len() + 4).sum::<usize>() <= area.len());
            }
        }
    }
}
