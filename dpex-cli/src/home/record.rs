//! The JSON files of the home: read whole or refused, written whole or not at all.

use std::path::Path;

use dpex_core::types::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::secret_file;
use crate::error::{Blame, CliError, CliResult};

/// Room for any record, so that no buffer grows and leaves a copy of a secret behind.
const ROOM: usize = 64 * 1024;

/// Reads a private JSON file; `None` if there is none.
pub(super) fn load<T: DeserializeOwned>(path: &Path) -> CliResult<Option<T>> {
    let Some(text) = secret_file::read(path)? else { return Ok(None) };
    serde_json::from_slice(&text).map(Some).map_err(|error| {
        CliError::usage(format!("{} is damaged or of another version of dpex: {error}", path.display()))
            .hint("put the file back from a backup, or remove it and enrol again")
    })
}

/// Writes a private JSON file.
pub(super) fn store<T: Serialize>(path: &Path, record: &T) -> CliResult {
    secret_file::write(path, &to_json(record)?)
}

/// The text of a record.
pub(super) fn to_json<T: Serialize>(record: &T) -> CliResult<Zeroizing<Vec<u8>>> {
    let mut text = Zeroizing::new(Vec::with_capacity(ROOM));
    serde_json::to_writer_pretty(&mut *text, record)
        .map_err(|e| CliError::new(Blame::Internal, format!("failed to write a record as json: {e}")))?;
    text.push(b'\n');
    Ok(text)
}

/// Moments as RFC 3339 text, or nothing.
pub(super) mod moment {
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer, de, ser};

    use super::Timestamp;

    pub(crate) fn serialize<S: Serializer>(value: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
        let text = value.map(super::rfc3339).transpose().map_err(ser::Error::custom)?;
        text.serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Timestamp>, D::Error> {
        let Some(text) = Option::<String>::deserialize(from)? else { return Ok(None) };
        let moment: jiff::Timestamp = text.parse().map_err(de::Error::custom)?;
        Ok(Timestamp::new(moment.as_second(), 0))
    }
}

/// Secrets as base64, or nothing.
pub(super) mod secret {
    use data_encoding::BASE64;
    use dpex_core::types::Secret;
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer, de};
    use zeroize::Zeroizing;

    pub(crate) fn serialize<S: Serializer>(value: &Option<Secret<32>>, serializer: S) -> Result<S::Ok, S::Error> {
        let text = value.as_ref().map(|secret| Zeroizing::new(BASE64.encode(secret.expose())));
        text.as_deref().serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Secret<32>>, D::Error> {
        let Some(text) = Option::<String>::deserialize(from)?.map(Zeroizing::new) else { return Ok(None) };
        let bytes = BASE64.decode(text.as_bytes()).map(Zeroizing::new).map_err(de::Error::custom)?;
        let secret = Secret::try_from(bytes.as_slice());
        secret.map(Some).map_err(|_| de::Error::custom("not a secret of 32 bytes"))
    }
}

/// A moment in whole seconds, UTC.
pub(super) fn rfc3339(time: Timestamp) -> Result<String, jiff::Error> {
    jiff::Timestamp::new(time.secs(), 0).map(|moment| moment.to_string())
}
