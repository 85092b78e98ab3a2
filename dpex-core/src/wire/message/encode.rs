//! Messages to CBOR. Definite lengths, text keys, the type under `t`.

use minicbor::Encoder;
use minicbor::encode::{Error, Write};

use super::{MAX_TEXT, Message, Resume};
use crate::store::{Entry, EntryKind, Meta};
use crate::types::{SharePath, Timestamp};

/// Appends a message with its length prefix.
pub fn encode(message: &Message, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    let mut e = Encoder::new(&mut *out);
    put(&mut e, message).expect("writing to memory does not fail");
    let len = u32::try_from(out.len() - start - 4).expect("messages are bounded by MAX_MESSAGE");
    out[start..start + 4].copy_from_slice(&len.to_be_bytes());
}

/// How many bytes an entry takes in a page.
#[must_use]
pub fn entry_len(entry: &Entry) -> usize {
    let mut counter = Counter(0);
    put_entry(&mut Encoder::new(&mut counter), entry).expect("counting does not fail");
    counter.0
}

struct Counter(usize);

impl Write for &mut Counter {
    type Error = std::convert::Infallible;

    fn write_all(&mut self, buf: &[u8]) -> Result<(), Self::Error> {
        self.0 += buf.len();
        Ok(())
    }
}

type Done<W> = Result<(), Error<<W as Write>::Error>>;

fn put<W: Write>(e: &mut Encoder<W>, message: &Message) -> Done<W> {
    match message {
        Message::List { id, path, after, limit, recursive, pages } => {
            head(e, "list", *id, 3 + u64::from(after.is_some()) + u64::from(*pages > 1))?;
            put_path(e, "path", path)?;
            if let Some(after) = after {
                put_path(e, "after", after)?;
            }
            e.str("limit")?.u64(*limit)?;
            e.str("recursive")?.bool(*recursive)?;
            if *pages > 1 {
                e.str("pages")?.u64(*pages)?;
            }
        }
        Message::Page { id, entries, more, skipped } => {
            head(e, "page", *id, 3)?;
            e.str("entries")?.array(entries.len() as u64)?;
            for entry in entries {
                put_entry(e, entry)?;
            }
            e.str("more")?.bool(*more)?;
            e.str("skipped")?.u64(*skipped)?;
        }
        Message::Get { id, path, resume } => {
            head(e, "get", *id, 1 + 2 * u64::from(resume.is_some()))?;
            put_path(e, "path", path)?;
            if let Some(Resume { version, held }) = resume {
                e.str("version")?.bytes(&version.0)?;
                e.str("held")?.array(2 * held.len() as u64)?;
                for r in held {
                    e.u64(r.start)?.u64(r.end)?;
                }
            }
        }
        Message::Offer { id, meta, block_log2 } => {
            head(e, "offer", *id, 5)?;
            put_meta(e, meta)?;
            e.str("block_log2")?.u8(*block_log2)?;
        }
        Message::Sums { id, first, values } => {
            head(e, "sums", *id, 2)?;
            e.str("first")?.u64(*first)?;
            e.str("values")?.bytes_len(32 * values.len() as u64)?;
            for value in values {
                e.writer_mut().write_all(&value.0).map_err(Error::write)?;
            }
        }
        Message::Done { id, root } => {
            head(e, "done", *id, 1)?;
            e.str("root")?.bytes(&root.0)?;
        }
        Message::Got { id, root } => {
            head(e, "got", *id, 1)?;
            e.str("root")?.bytes(&root.0)?;
        }
        Message::Hash { id, path } => {
            head(e, "hash", *id, 1)?;
            put_path(e, "path", path)?;
        }
        Message::Hashed { id, meta, root } => {
            head(e, "hashed", *id, 5)?;
            put_meta(e, meta)?;
            e.str("root")?.bytes(&root.0)?;
        }
        Message::Fail { id, code, text, used } => {
            head(e, "fail", *id, 3)?;
            e.str("code")?.str(code.name())?;
            e.str("text")?.str(cut(text))?;
            e.str("used")?.u64(*used)?;
        }
        Message::Cancel { id } => head(e, "cancel", *id, 0)?,
        Message::Notice { text } => {
            e.map(2)?.str("t")?.str("notice")?;
            e.str("text")?.str(cut(text))?;
        }
        Message::Endpoints { places } => {
            e.map(2)?.str("t")?.str("endpoints")?;
            e.str("places")?.array(2 * places.len() as u64)?;
            for (host, port) in places {
                e.str(host)?.u16(*port)?;
            }
        }
        Message::Renew { psk, knock } => {
            let all = [("psk", psk), ("knock", knock)];
            e.map(1 + all.iter().filter(|(_, wrapped)| wrapped.is_some()).count() as u64)?.str("t")?.str("renew")?;
            for (key, wrapped) in all {
                if let Some(wrapped) = wrapped {
                    e.str(key)?.bytes(wrapped)?;
                }
            }
        }
        Message::Unknown { id } => {
            e.map(1 + u64::from(id.is_some()))?.str("t")?.str("?")?;
            if let Some(id) = id {
                e.str("id")?.u64(*id)?;
            }
        }
    }
    Ok(())
}

fn head<W: Write>(e: &mut Encoder<W>, kind: &str, id: u64, further: u64) -> Done<W> {
    e.map(2 + further)?.str("t")?.str(kind)?.str("id")?.u64(id)?;
    Ok(())
}

fn put_path<W: Write>(e: &mut Encoder<W>, key: &str, path: &SharePath) -> Done<W> {
    e.str(key)?.str(path.as_str())?;
    Ok(())
}

fn put_entry<W: Write>(e: &mut Encoder<W>, entry: &Entry) -> Done<W> {
    match &entry.kind {
        EntryKind::File(meta) => {
            e.map(6)?;
            put_path(e, "name", &entry.path)?;
            e.str("kind")?.str("file")?;
            put_meta(e, meta)
        }
        EntryKind::Folder(mtime) => {
            e.map(3)?;
            put_path(e, "name", &entry.path)?;
            e.str("kind")?.str("folder")?;
            put_time(e, *mtime)
        }
    }
}

fn put_meta<W: Write>(e: &mut Encoder<W>, meta: &Meta) -> Done<W> {
    e.str("size")?.u64(meta.size)?;
    put_time(e, meta.mtime)?;
    e.str("exec")?.bool(meta.exec)?;
    e.str("version")?.bytes(&meta.version.0)?;
    Ok(())
}

fn put_time<W: Write>(e: &mut Encoder<W>, time: Timestamp) -> Done<W> {
    e.str("mtime")?.array(2)?.i64(time.secs())?.u32(time.nanos())?;
    Ok(())
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_TEXT)]
}
