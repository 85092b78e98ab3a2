//! The parts this program was built with: the only file that knows about features.
//!
//! A backend is a row in a table, name and constructors; settings choose among the rows by name, and each row reads the
//! options under its own heading.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use dpex_core::store::FileStore;
use dpex_core::suite::CipherSuite;
use dpex_core::transport::Transport;
use dpex_core::types::Secret;

use crate::config::{Settings, nearest};
use crate::error::{CliError, CliResult, reason};

/// A name and what it stands for.
type Row<T> = (&'static str, T);

/// What a constructor gives: its options may be wrong, or the system may refuse.
type Made<T> = CliResult<io::Result<Arc<T>>>;

/// Opens a place to serve from; the secret keys its version stamps.
pub(crate) type Serve = Box<dyn Fn(&Path, Secret<32>) -> CliResult<Arc<dyn FileStore>> + Send + Sync>;

/// Opens a place to receive into; a folder is made if it is missing.
pub(crate) type Receive = Box<dyn Fn(&Path) -> io::Result<Arc<dyn FileStore>> + Send + Sync>;

/// How a cryptography backend is had.
type MakeCrypto = fn() -> &'static dyn CipherSuite;

/// How a store is opened.
#[derive(Clone, Copy)]
struct MakeStore {
    /// What it opens: URLs, or folders.
    urls: bool,
    /// With these settings; the folder is that with the keys, which must not be offered.
    serve: fn(&Settings, &Path) -> CliResult<Serve>,
    /// With these settings.
    receive: fn(&Settings) -> CliResult<Receive>,
}

/// How a socket is bound, inside of a tokio runtime.
type MakeTransport = fn(&Settings, SocketAddr) -> Made<dyn Transport>;

/// What a build can have, so that a missing one can be told from a wrong word.
const FEATURES: &[&str] =
    &["crypto-awslc", "crypto-openssl", "crypto-rustcrypto", "store-fs", "store-object", "transport-udp"];

/// The word for whichever row is the first.
const AUTO: &str = "auto";

/// In order of preference: the fastest first, and last the one with RSA that nobody audited.
const CRYPTO: &[Row<MakeCrypto>] = &[
    #[cfg(feature = "crypto-awslc")]
    ("awslc", || &dpex_crypto_awslc::SUITE),
    #[cfg(feature = "crypto-openssl")]
    ("openssl", || &dpex_crypto_openssl::SUITE),
    #[cfg(feature = "crypto-rustcrypto")]
    ("rustcrypto", || &dpex_crypto_rustcrypto::SUITE),
];

const STORE: &[Row<MakeStore>] = &[
    #[cfg(feature = "store-fs")]
    (
        "fs",
        MakeStore {
            urls: false,
            serve: |settings, keys| {
                let mut options: dpex_store_fs::Options = settings.value("store-fs")?;
                if options.follow_links {
                    options.roots = options.roots.iter().map(|root| settings.beside("store-fs.roots", root)).collect();
                }
                let shelves =
                    dpex_store_fs::Shelves::new(&options, Some(keys)).map_err(|e| root_refused(settings, &e))?;
                Ok(Box::new(move |root, secret| {
                    shelves.open(root, secret).map(|store| Arc::new(store) as _).map_err(|e| shelf_refused(root, &e))
                }))
            },
            receive: |settings| {
                let options: dpex_store_fs::Options = settings.value("store-fs")?;
                Ok(Box::new(move |root| {
                    dpex_store_fs::FsStore::receive(root, options.clone()).map(|store| Arc::new(store) as _)
                }))
            },
        },
    ),
    #[cfg(feature = "store-object")]
    (
        "object",
        MakeStore {
            urls: true,
            serve: |settings, _| {
                let options: dpex_store_object::Options = settings.value("store-object")?;
                Ok(Box::new(move |url, secret| {
                    let store = dpex_store_object::ObjectStoreShelf::serve(text(url), secret, &options);
                    store.map(|store| Arc::new(store) as _).map_err(|e| CliError::disk("serve from", url, &e))
                }))
            },
            receive: |settings| {
                let options: dpex_store_object::Options = settings.value("store-object")?;
                Ok(Box::new(move |url| {
                    let store = dpex_store_object::ObjectStoreShelf::receive(text(url), &options);
                    store.map(|store| Arc::new(store) as _)
                }))
            },
        },
    ),
];

const TRANSPORT: &[Row<MakeTransport>] = &[
    #[cfg(feature = "transport-udp")]
    ("udp", |settings, addr| {
        let options = settings.value("transport-udp")?;
        Ok(dpex_transport_udp::UdpTransport::bind(addr, &options).map(|transport| Arc::new(transport) as _))
    }),
];

/// The cryptography backend that the settings name.
pub(crate) fn crypto(settings: &Settings) -> CliResult<&'static dyn CipherSuite> {
    Ok(choose("crypto", CRYPTO, settings)?())
}

/// What opens places like this one to serve from them; `keys` is the folder with the keys, which must not be offered.
pub(crate) fn server_store(settings: &Settings, place: &Path, keys: &Path) -> CliResult<Serve> {
    (store(settings, place)?.serve)(settings, keys)
}

/// What opens this place to receive into it.
pub(crate) fn client_store(settings: &Settings, place: &Path) -> CliResult<Receive> {
    (store(settings, place)?.receive)(settings)
}

/// Is this the URL of an object store, such as `s3://bucket/prefix`? A folder of such a name is `./s3:`.
pub(crate) fn is_url(place: &Path) -> bool {
    let scheme = text(place).split_once("://").map(|(scheme, _)| scheme);
    scheme.is_some_and(|scheme| !scheme.is_empty() && scheme.bytes().all(|b| b.is_ascii_alphanumeric()))
}

#[cfg(feature = "store-fs")]
fn shelf_refused(root: &Path, error: &io::Error) -> CliError {
    let failure = CliError::disk("serve from", root, error);
    match error.kind() {
        io::ErrorKind::InvalidInput => failure.hint(
            "make it a folder; or set `follow-links`, and name the folder that it leads to in `roots`, under [store-fs]",
        ),
        _ => failure,
    }
}

#[cfg(feature = "store-fs")]
fn root_refused(settings: &Settings, refused: &dpex_store_fs::RootError) -> CliError {
    use dpex_store_fs::RootError;

    let source = settings.source("store-fs.roots");
    let message = match refused {
        RootError::Unusable { root, error } => format!("failed to open the root {}: {}", root.display(), reason(error)),
        other => other.to_string(),
    };
    CliError::usage(message).hint(match refused {
        RootError::Open(_) => format!("take others the right with `chmod o-w`, or change `roots` in {source}"),
        RootError::NearKeys { .. } => format!("choose a folder beside it for `roots` in {source}, or move the home"),
        _ => format!("mend `roots` in {source}; a relative path belongs to the file it is written in"),
    })
}

fn text(place: &Path) -> &str {
    // What is not text is no URL; as a folder it is never asked for by its text.
    place.to_str().unwrap_or_default()
}

/// What is given as an address is shown in errors, logs and listings, so it must not hold credentials. They may contain
/// a `/`, which ends the authority before its `@`: then only the `:` in front of them tells.
pub(crate) fn check_place(place: &Path) -> CliResult {
    let authority =
        text(place).split_once("://").map_or("", |(_, rest)| rest.split(['/', '?', '#']).next().unwrap_or(""));
    if !is_url(place) || !(authority.contains(['@', ':']) || text(place).contains(['?', '#'])) {
        return Ok(());
    }
    Err(CliError::usage("the address of the object store holds credentials, a port, or a `?` or `#` part").hint(
        "write it as s3://bucket/prefix; credentials come from the environment, as AWS_ACCESS_KEY_ID and its like, and \
         a server of one's own is the setting `endpoint`",
    ))
}

/// The store that opens this place: `auto` goes by what it looks like.
fn store(settings: &Settings, place: &Path) -> CliResult<MakeStore> {
    check_place(place)?;
    let scheme = text(place).split_once("://").map(|(scheme, _)| scheme);
    if scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("memory")) {
        return Err(CliError::usage("an object store in memory is gone when the program ends")
            .hint("it is for tests of programs that are built with dpex; name a bucket or a folder"));
    }
    let (urls, name) = (is_url(place), settings.value::<String>("store")?);
    let chosen = if name == AUTO { fitting(urls).map(|(_, row)| row) } else { Some(choose("store", STORE, settings)?) };
    let what = if urls { "an object store" } else { "a folder" };
    match chosen {
        Some(row) if row.urls == urls => Ok(row),
        Some(_) => {
            let hint = format!("leave `store` in {} at `auto`, or name another place", settings.source("store"));
            Err(CliError::usage(format!("the store `{name}` cannot open {}: it is {what}", place.display())).hint(hint))
        }
        None => {
            let hint = format!("rebuild with `--features store-{}`", if urls { "object" } else { "fs" });
            Err(CliError::usage(format!("this build has no store for {}: it is {what}", place.display())).hint(hint))
        }
    }
}

/// Is the store that the settings name in this build? Asked before it is known what has to be opened, or whether anything.
pub(crate) fn check_store(settings: &Settings) -> CliResult {
    choose("store", STORE, settings).map(drop)
}

/// Is the transport that the settings name in this build? Asked before an address is looked for.
pub(crate) fn check_transport(settings: &Settings) -> CliResult {
    choose("transport", TRANSPORT, settings)?;
    #[cfg(feature = "transport-udp")]
    settings.value::<dpex_transport_udp::Options>("transport-udp").map(drop)?;
    Ok(())
}

/// A socket bound to `addr`, inside of a tokio runtime.
pub(crate) fn bind(settings: &Settings, addr: SocketAddr) -> CliResult<Arc<dyn Transport>> {
    let make = choose("transport", TRANSPORT, settings)?;
    make(settings, addr)?.map_err(|error| {
        let failure = CliError::usage(format!("failed to listen on {addr}: {}", reason(&error)));
        match error.kind() {
            io::ErrorKind::AddrInUse => failure.hint("a server runs there already; stop it, or choose another port"),
            io::ErrorKind::AddrNotAvailable => failure.hint("listen on an address that this machine has"),
            io::ErrorKind::PermissionDenied => failure.hint("ports below 1024 are for the system; choose another one"),
            _ => failure.hint("choose another address or port, in the settings or with flags"),
        }
    })
}

/// What `dpex --version` prints after the name: what this build has, and which of it `auto` is.
pub(crate) fn version() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let joints = [
            ("crypto", list(CRYPTO), first(CRYPTO).to_owned()),
            ("store", list(STORE), store_by_itself()),
            ("transport", list(TRANSPORT), first(TRANSPORT).to_owned()),
        ];
        let lines = joints.map(|(joint, all, auto)| format!("\n{joint:<10} {all} (auto: {auto})"));
        env!("CARGO_PKG_VERSION").to_owned() + &lines.concat()
    });
    &TEXT
}

fn store_by_itself() -> String {
    match (fitting(false), fitting(true)) {
        (Some((folders, _)), Some((urls, _))) => format!("{folders}, or {urls} for a URL"),
        (Some((one, _)), None) | (None, Some((one, _))) => one.to_owned(),
        (None, None) => "none".to_owned(),
    }
}

/// The first row that opens URLs, or folders.
fn fitting(urls: bool) -> Option<Row<MakeStore>> {
    STORE.iter().find(|(_, row)| row.urls == urls).copied()
}

fn first<T>(rows: &[Row<T>]) -> &'static str {
    rows.first().map_or("none", |(name, _)| *name)
}

fn list<T>(rows: &[Row<T>]) -> String {
    let names: Vec<&str> = rows.iter().map(|(name, _)| *name).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// Finds the row that the setting `joint` names.
fn choose<T: Copy>(joint: &str, rows: &[Row<T>], settings: &Settings) -> CliResult<T> {
    let name: String = settings.value(joint)?;
    if let Some((_, constructor)) = rows.iter().find(|(row, _)| name == AUTO || *row == name) {
        return Ok(*constructor);
    }
    if name == AUTO {
        let hint = format!("rebuild with one of the features that begin with `{joint}-`");
        return Err(CliError::usage(format!("this build has no {joint} backend at all")).hint(hint));
    }
    let names: Vec<&str> = rows.iter().map(|(row, _)| *row).chain([AUTO]).collect();
    let has = list(rows);
    let error = CliError::usage(format!("this build has no {joint} backend `{name}` (it has: {has})"));
    let place = settings.source(joint);
    // A name that could be had is meant, however near another one is.
    let feature = FEATURES.iter().find(|feature| feature.strip_prefix(joint) == Some(&format!("-{name}")));
    Err(match (feature, nearest(&name, names.iter().copied())) {
        (Some(feature), _) => error.hint(format!("rebuild with `--features {feature}`; the name comes from {place}")),
        (None, Some(near)) => error.hint(format!("did you mean `{near}`? The name comes from {place}")),
        (None, None) => error.hint(format!("choose one of: {}; the name comes from {place}", names.join(", "))),
    })
}

#[cfg(all(test, feature = "crypto-rustcrypto", feature = "store-fs", feature = "transport-udp"))]
mod tests {
    use super::*;
    use crate::config::{SettingsFile, Sources};
    use crate::home::Role;

    fn settings(role: Role, file: &str) -> (tempfile::TempDir, Settings) {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("dpex.toml");
        std::fs::write(&path, file).expect("writable");
        let sources = Sources { file: SettingsFile::Named(&path), env: Vec::new(), typed: Vec::new() };
        (dir, Settings::load(role, sources).expect("valid settings"))
    }

    #[test]
    fn every_default_backend_takes_the_options_that_the_manual_lists() {
        for role in [Role::Server, Role::Client] {
            let (dir, settings) = settings(role, "");
            assert!(crypto(&settings).is_ok(), "{role}");
            let here = Path::new(".");
            let (receive, serve) = (client_store(&settings, here), server_store(&settings, here, here));
            assert!(receive.expect("there is one")(&dir.path().join("new")).is_ok(), "{role}");
            assert!(serve.expect("there is one")(dir.path(), Secret::new([1; 32])).is_ok(), "{role}");
            let _: dpex_transport_udp::Options = settings.value("transport-udp").expect("its options");
        }
    }

    #[test]
    fn the_manual_states_the_defaults_that_the_backends_have() {
        let (_dir, settings) = settings(Role::Server, "");
        let udp: dpex_transport_udp::Options = settings.value("transport-udp").expect("its options");
        assert_eq!(udp, dpex_transport_udp::Options::default());
        let fs: dpex_store_fs::Options = settings.value("store-fs").expect("its options");
        assert_eq!(fs, dpex_store_fs::Options::default());
        #[cfg(feature = "store-object")]
        {
            let object: dpex_store_object::Options = settings.value("store-object").expect("its options");
            assert_eq!(object, dpex_store_object::Options::default());
        }
    }

    #[test]
    fn a_store_that_this_build_lacks_is_answered_with_those_it_has() {
        let (_dir, settings) = settings(Role::Client, "store = \"tape\"");
        let Err(error) = client_store(&settings, Path::new(".")) else { panic!("there is no such store") };
        assert!(
            error.message().starts_with("this build has no store backend `tape` (it has: fs"),
            "{}",
            error.message()
        );
        assert!(error.hint_text().contains("choose one of: fs"), "{}", error.hint_text());
    }

    #[test]
    fn every_backend_of_this_build_has_a_feature_of_its_name() {
        let rows = |joint: &str, names: String| -> Vec<String> {
            names.split(", ").map(|name| format!("{joint}-{name}")).collect()
        };
        for feature in
            [rows("crypto", list(CRYPTO)), rows("store", list(STORE)), rows("transport", list(TRANSPORT))].concat()
        {
            assert!(FEATURES.contains(&feature.as_str()), "{feature}");
        }
    }

    #[test]
    fn a_shelf_that_everybody_may_write_to_is_refused_with_its_reason() {
        use std::os::unix::fs::PermissionsExt as _;
        let (dir, settings) = settings(Role::Server, "");
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o777)).expect("ours");
        let serve = server_store(&settings, Path::new("."), Path::new(".")).expect("there is one");
        let error = serve(dir.path(), Secret::new([1; 32])).expect_err("refused");
        assert!(error.message().contains("everybody can write"), "{}", error.message());
    }
}
