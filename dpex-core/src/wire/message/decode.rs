//! CBOR to messages. Definite lengths only; every length is checked before anything is allocated for it; keys that are
//! not known are skipped, at a bounded depth; a message of an unknown type is [`Message::Unknown`].

use std::ops::Range;

use minicbor::Decoder;
use minicbor::data::Type;

use super::{
    FailCode, MAX_HELD_RANGES, MAX_HOST, MAX_MESSAGE, MAX_PAGE_ENTRIES, MAX_PLACES, MAX_SUMS, MAX_TEXT, Message,
    RequestId, Resume, WRAPPED_LEN,
};
use crate::store::{Entry, EntryKind, Meta};
use crate::types::{Digest, SharePath, Timestamp, Version};
use crate::wire::codec::VARINT_MAX;

const MAX_KEYS: u64 = 32;
const MAX_SKIP_DEPTH: u32 = 8;

/// The message breaks the protocol: the session is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed control message")]
pub struct BadMessage;

impl From<minicbor::decode::Error> for BadMessage {
    fn from(_: minicbor::decode::Error) -> Self {
        Self
    }
}

/// Decodes one message, without its length prefix (MSG-1).
///
/// # Errors
/// [`BadMessage`] for anything but exactly one well-formed map with the fields its type demands.
pub fn decode(bytes: &[u8]) -> Result<Message, BadMessage> {
    if bytes.len() > MAX_MESSAGE {
        return Err(BadMessage);
    }
    let mut d = Decoder::new(bytes);
    let mut fields = Fields::default();
    for _ in 0..map_len(&mut d)? {
        let key = d.str()?;
        fields.read(key, &mut d)?;
    }
    if d.position() != bytes.len() {
        return Err(BadMessage);
    }
    fields.into_message()
}

/// Every field any message may have. A field given twice is an error.
#[derive(Default)]
struct Fields<'a> {
    kind: Option<&'a str>,
    id: Option<RequestId>,
    path: Option<SharePath>,
    after: Option<SharePath>,
    limit: Option<u64>,
    recursive: Option<bool>,
    pages: Option<u64>,
    entries: Option<Vec<Entry>>,
    more: Option<bool>,
    skipped: Option<u64>,
    version: Option<Version>,
    held: Option<Vec<Range<u64>>>,
    size: Option<u64>,
    mtime: Option<Timestamp>,
    exec: Option<bool>,
    block_log2: Option<u8>,
    first: Option<u64>,
    values: Option<Vec<Digest>>,
    root: Option<Digest>,
    code: Option<FailCode>,
    text: Option<String>,
    used: Option<u64>,
    places: Option<Vec<(String, u16)>>,
    psk: Option<[u8; WRAPPED_LEN]>,
    knock: Option<[u8; WRAPPED_LEN]>,
}

impl<'a> Fields<'a> {
    fn read(&mut self, key: &str, d: &mut Decoder<'a>) -> Result<(), BadMessage> {
        match key {
            "t" => once(&mut self.kind, d.str()?),
            "id" => once(&mut self.id, number(d)?),
            "path" => once(&mut self.path, path(d)?),
            "after" => once(&mut self.after, path(d)?),
            "limit" => once(&mut self.limit, d.u64()?),
            "recursive" => once(&mut self.recursive, d.bool()?),
            "pages" => once(&mut self.pages, d.u64()?),
            "entries" => once(&mut self.entries, entries(d)?),
            "more" => once(&mut self.more, d.bool()?),
            "skipped" => once(&mut self.skipped, d.u64()?),
            "version" => once(&mut self.version, Version(fixed(d)?)),
            "held" => once(&mut self.held, held(d)?),
            "size" => once(&mut self.size, number(d)?),
            "mtime" => once(&mut self.mtime, time(d)?),
            "exec" => once(&mut self.exec, d.bool()?),
            "block_log2" => once(&mut self.block_log2, d.u8()?),
            "first" => once(&mut self.first, number(d)?),
            "values" => once(&mut self.values, values(d)?),
            "root" => once(&mut self.root, Digest(fixed(d)?)),
            "code" => once(&mut self.code, FailCode::from_name(d.str()?)),
            "text" => once(&mut self.text, text(d)?),
            "used" => once(&mut self.used, number(d)?),
            "places" => once(&mut self.places, places(d)?),
            "psk" => once(&mut self.psk, fixed(d)?),
            "knock" => once(&mut self.knock, fixed(d)?),
            _ => skip(d, 0),
        }
    }

    fn into_message(self) -> Result<Message, BadMessage> {
        let id = self.id;
        Ok(match need(self.kind)? {
            "list" => Message::List {
                id: need(id)?,
                path: need(self.path)?,
                after: self.after,
                limit: need(self.limit)?,
                recursive: need(self.recursive)?,
                pages: self.pages.unwrap_or(1).max(1),
            },
            "page" => Message::Page {
                id: need(id)?,
                entries: need(self.entries)?,
                more: need(self.more)?,
                skipped: need(self.skipped)?,
            },
            "get" => {
                let resume = match (self.version, self.held) {
                    (Some(version), Some(held)) => Some(Resume { version, held }),
                    (None, None) => None,
                    _ => return Err(BadMessage),
                };
                Message::Get { id: need(id)?, path: need(self.path)?, resume }
            }
            "offer" => {
                let block_log2 = need(self.block_log2)?;
                if !(16..=24).contains(&block_log2) {
                    return Err(BadMessage);
                }
                let meta = meta(self.size, self.mtime, self.exec, self.version)?;
                Message::Offer { id: need(id)?, meta, block_log2 }
            }
            "sums" => Message::Sums { id: need(id)?, first: need(self.first)?, values: need(self.values)? },
            "done" => Message::Done { id: need(id)?, root: need(self.root)? },
            "got" => Message::Got { id: need(id)?, root: need(self.root)? },
            "hash" => Message::Hash { id: need(id)?, path: need(self.path)? },
            "hashed" => {
                let meta = meta(self.size, self.mtime, self.exec, self.version)?;
                Message::Hashed { id: need(id)?, meta, root: need(self.root)? }
            }
            "fail" => Message::Fail {
                id: need(id)?,
                code: need(self.code)?,
                text: need(self.text)?,
                used: self.used.unwrap_or(0),
            },
            "cancel" => Message::Cancel { id: need(id)? },
            "endpoints" => Message::Endpoints { places: need(self.places)? },
            "renew" => Message::Renew { psk: self.psk, knock: self.knock },
            "notice" => Message::Notice { text: need(self.text)? },
            _ => Message::Unknown { id },
        })
    }
}

// MSG-2.
fn need<T>(field: Option<T>) -> Result<T, BadMessage> {
    field.ok_or(BadMessage)
}

// MSG-3.
fn once<T>(field: &mut Option<T>, value: T) -> Result<(), BadMessage> {
    if field.replace(value).is_some() { Err(BadMessage) } else { Ok(()) }
}

fn map_len(d: &mut Decoder<'_>) -> Result<u64, BadMessage> {
    d.map()?.filter(|&n| n <= MAX_KEYS).ok_or(BadMessage)
}

fn array_len(d: &mut Decoder<'_>, max: usize) -> Result<usize, BadMessage> {
    let len = d.array()?.ok_or(BadMessage)?;
    usize::try_from(len).ok().filter(|&n| n <= max).ok_or(BadMessage)
}

/// A number that also fits a varint: ids, sizes and block numbers become offsets in frames.
fn number(d: &mut Decoder<'_>) -> Result<u64, BadMessage> {
    let n = d.u64()?;
    if n <= VARINT_MAX { Ok(n) } else { Err(BadMessage) }
}

fn fixed<const N: usize>(d: &mut Decoder<'_>) -> Result<[u8; N], BadMessage> {
    d.bytes()?.try_into().map_err(|_| BadMessage)
}

fn path(d: &mut Decoder<'_>) -> Result<SharePath, BadMessage> {
    SharePath::parse(d.str()?).map_err(|_| BadMessage)
}

fn text(d: &mut Decoder<'_>) -> Result<String, BadMessage> {
    let text = d.str()?;
    if text.len() <= MAX_TEXT { Ok(text.to_owned()) } else { Err(BadMessage) }
}

fn time(d: &mut Decoder<'_>) -> Result<Timestamp, BadMessage> {
    if d.array()? != Some(2) {
        return Err(BadMessage);
    }
    need(Timestamp::new(d.i64()?, d.u32()?))
}

fn places(d: &mut Decoder<'_>) -> Result<Vec<(String, u16)>, BadMessage> {
    let len = array_len(d, 2 * MAX_PLACES)?;
    if len == 0 || len % 2 != 0 {
        return Err(BadMessage);
    }
    let mut places = Vec::with_capacity(len / 2);
    for _ in 0..len / 2 {
        let host = d.str()?;
        if host.len() > MAX_HOST {
            return Err(BadMessage);
        }
        places.push((host.to_owned(), d.u16()?));
    }
    Ok(places)
}

fn values(d: &mut Decoder<'_>) -> Result<Vec<Digest>, BadMessage> {
    let (whole, rest) = d.bytes()?.as_chunks::<32>();
    if !rest.is_empty() || whole.is_empty() || whole.len() > MAX_SUMS {
        return Err(BadMessage);
    }
    Ok(whole.iter().copied().map(Digest).collect())
}

fn held(d: &mut Decoder<'_>) -> Result<Vec<Range<u64>>, BadMessage> {
    let len = array_len(d, 2 * MAX_HELD_RANGES)?;
    if len % 2 != 0 {
        return Err(BadMessage);
    }
    let mut ranges: Vec<Range<u64>> = Vec::with_capacity(len / 2);
    for _ in 0..len / 2 {
        let range = number(d)?..number(d)?;
        let follows = ranges.last().is_none_or(|before| before.end < range.start);
        if range.is_empty() || !follows {
            return Err(BadMessage);
        }
        ranges.push(range);
    }
    Ok(ranges)
}

fn entries(d: &mut Decoder<'_>) -> Result<Vec<Entry>, BadMessage> {
    let len = array_len(d, MAX_PAGE_ENTRIES)?;
    (0..len).map(|_| entry(d)).collect()
}

fn entry(d: &mut Decoder<'_>) -> Result<Entry, BadMessage> {
    let (mut name, mut kind, mut size, mut mtime, mut exec, mut version) = (None, None, None, None, None, None);
    for _ in 0..map_len(d)? {
        match d.str()? {
            "name" => once(&mut name, path(d)?)?,
            "kind" => once(&mut kind, d.str()?)?,
            "size" => once(&mut size, number(d)?)?,
            "mtime" => once(&mut mtime, time(d)?)?,
            "exec" => once(&mut exec, d.bool()?)?,
            "version" => once(&mut version, Version(fixed(d)?))?,
            _ => skip(d, 0)?,
        }
    }
    let path = name.filter(|p| !p.is_root()).ok_or(BadMessage)?;
    let kind = match need(kind)? {
        "file" => EntryKind::File(meta(size, mtime, exec, version)?),
        "folder" => EntryKind::Folder(need(mtime)?),
        _ => return Err(BadMessage),
    };
    Ok(Entry { path, kind })
}

fn meta(
    size: Option<u64>,
    mtime: Option<Timestamp>,
    exec: Option<bool>,
    version: Option<Version>,
) -> Result<Meta, BadMessage> {
    Ok(Meta { size: need(size)?, mtime: need(mtime)?, exec: need(exec)?, version: need(version)? })
}

/// Skips one value of a later version of the protocol: definite lengths only, depth bounded (MSG-4).
fn skip(d: &mut Decoder<'_>, depth: u32) -> Result<(), BadMessage> {
    if depth > MAX_SKIP_DEPTH {
        return Err(BadMessage);
    }
    match d.datatype()? {
        Type::Array => {
            for _ in 0..d.array()?.ok_or(BadMessage)? {
                skip(d, depth + 1)?;
            }
            Ok(())
        }
        Type::Map => {
            for _ in 0..d.map()?.ok_or(BadMessage)? {
                skip(d, depth + 1)?;
                skip(d, depth + 1)?;
            }
            Ok(())
        }
        Type::Tag => {
            d.tag()?;
            skip(d, depth + 1)
        }
        Type::BytesIndef | Type::StringIndef | Type::ArrayIndef | Type::MapIndef | Type::Break => Err(BadMessage),
        _ => Ok(d.skip()?),
    }
}
