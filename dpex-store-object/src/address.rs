//! What an address says: which service, which bucket, which prefix. Never who asks.

use std::fmt;
use std::io;

use dpex_core::types::SharePath;
use url::Url;

/// A parsed address. Its text holds nothing but scheme, bucket and prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) scheme: Scheme,
    /// The bucket, container or, in memory, the name of the store. Empty for a folder.
    pub(crate) bucket: String,
    /// Below which all keys lie; the root for the whole bucket. For a folder, all of its path.
    pub(crate) prefix: SharePath,
}

/// Which kind of service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    S3,
    Gcs,
    Azure,
    File,
    Memory,
}

impl Scheme {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "s3" => Self::S3,
            "gs" => Self::Gcs,
            "az" => Self::Azure,
            "file" => Self::File,
            "memory" => Self::Memory,
            _ => return None,
        })
    }

    fn text(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Gcs => "gs",
            Self::Azure => "az",
            Self::File => "file",
            Self::Memory => "memory",
        }
    }
}

impl Address {
    /// Parses `s3://bucket/prefix` and the like. No error repeats any of the text: it may hold a password that should
    /// not be there.
    pub(crate) fn parse(text: &str) -> io::Result<Self> {
        let url = Url::parse(text).map_err(|e| refused(&format!("this is not an address: {e}")))?;
        let scheme = Scheme::parse(url.scheme())
            .ok_or_else(|| refused("an address begins with s3://, gs://, az://, file:// or memory://"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refused(
                "an address must not hold credentials: they come from the environment or the configuration",
            ));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(refused("an address must not have a `?` or `#` part"));
        }
        if url.port().is_some() {
            return Err(refused(
                "an address names a bucket, not a port: a server of one's own is the setting `endpoint`",
            ));
        }
        let bucket = url.host_str().unwrap_or_default().to_owned();
        let prefix = prefix(url.path())?;
        match scheme {
            Scheme::File if !bucket.is_empty() => Err(refused("a folder is written file:///path, with three slashes")),
            Scheme::S3 | Scheme::Gcs | Scheme::Azure if bucket.is_empty() => Err(refused("the bucket is missing")),
            _ => Ok(Self { scheme, bucket, prefix }),
        }
    }
}

/// A prefix keeps to the rules of shared names, so that no key below it can leave it.
fn prefix(path: &str) -> io::Result<SharePath> {
    let decoded = percent_decode(path.trim_matches('/'));
    SharePath::from_utf8(&decoded).map_err(|e| refused(&format!("the part after the bucket cannot be used: {e}")))
}

fn percent_decode(text: &str) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = after.get(..2).filter(|_| first == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                decoded.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                decoded.push(first);
                rest = after;
            }
        }
    }
    decoded
}

fn refused(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why)
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}/{}", self.scheme.text(), self.bucket, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        Address::parse(text).expect("a good address").to_string()
    }

    #[test]
    fn an_address_is_scheme_bucket_and_prefix() {
        assert_eq!(shown("s3://bucket"), "s3://bucket/");
        assert_eq!(shown("s3://bucket/people/anna/"), "s3://bucket/people/anna");
        assert_eq!(shown("gs://bucket/a%20b/%C3%A4"), "gs://bucket/a b/ä");
        assert_eq!(shown("az://container/x"), "az://container/x");
        assert_eq!(shown("file:///srv/share"), "file:///srv/share");
        assert_eq!(shown("memory://"), "memory:///");
    }

    #[test]
    fn what_is_not_an_address_is_refused_by_reason() {
        for (text, reason) in [
            ("/srv/share", "not an address"),
            ("ftp://bucket/x", "begins with"),
            ("s3:///x", "the bucket is missing"),
            ("file://srv/share", "three slashes"),
            ("s3://bucket:9000/x", "endpoint"),
            ("s3://bucket/x?versionId=1", "`?`"),
            ("s3://bucket/x#y", "`#`"),
            ("s3://bucket/a//b", "empty"),
            ("s3://bucket/a/%2e%2e%2fb", "not names"),
            ("s3://bucket/a%00b", "not allowed"),
        ] {
            let error = Address::parse(text).expect_err(text).to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn credentials_in_an_address_are_refused_and_not_repeated() {
        for text in [
            "s3://AKIAEXAMPLE:hunter2secret@bucket/x",
            "s3://AKIAEXAMPLE@bucket/x",
            "s3://AKIAEXAMPLE:hunter2/secret@bucket/x",
            "az://container/x?sig=hunter2secret",
            "hunter2secret",
        ] {
            let error = format!("{0} {0:?}", Address::parse(text).expect_err(text));
            assert!(!error.contains("hunter2") && !error.contains("AKIA"), "{error}");
        }
    }
}
