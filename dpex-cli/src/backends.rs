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

/// How a cryptography backend is had.
type MakeCrypto = fn() -> &'static dyn CipherSuite;

/// How a store is opened.
#[derive(Clone, Copy)]
struct MakeStore {
    /// A folder to serve from; the secret keys its version stamps.
    serve: fn(&Settings, &Path, Secret<32>) -> Made<dyn FileStore>,
    /// A folder to receive into.
    receive: fn(&Settings, &Path) -> Made<dyn FileStore>,
}

/// How a socket is bound, inside of a tokio runtime.
type MakeTransport = fn(&Settings, SocketAddr) -> Made<dyn Transport>;

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
            serve: |settings, root, secret| {
                let options = settings.value("store-fs")?;
                Ok(dpex_store_fs::FsStore::serve(root, secret, options).map(|store| Arc::new(store) as _))
            },
            receive: |settings, root| {
                let options = settings.value("store-fs")?;
                Ok(dpex_store_fs::FsStore::receive(root, options).map(|store| Arc::new(store) as _))
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

/// A folder to serve from.
pub(crate) fn serve_from(settings: &Settings, root: &Path, secret: Secret<32>) -> CliResult<Arc<dyn FileStore>> {
    let make = choose("store", STORE, settings)?;
    (make.serve)(settings, root, secret)?.map_err(|e| CliError::disk("serve from", root, &e))
}

/// A folder to receive into, made if it is missing.
pub(crate) fn receive_into(settings: &Settings, root: &Path) -> CliResult<Arc<dyn FileStore>> {
    let make = choose("store", STORE, settings)?;
    (make.receive)(settings, root)?.map_err(|e| {
        CliError::disk("receive into", root, &e).hint("choose a folder that you may write to, with --to DIR")
    })
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
            ("crypto", list(CRYPTO), first(CRYPTO)),
            ("store", list(STORE), first(STORE)),
            ("transport", list(TRANSPORT), first(TRANSPORT)),
        ];
        let lines = joints.map(|(joint, all, auto)| format!("\n{joint:<10} {all} (auto: {auto})"));
        env!("CARGO_PKG_VERSION").to_owned() + &lines.concat()
    });
    &TEXT
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
    Err(match nearest(&name, names.iter().copied()) {
        Some(near) => error.hint(format!("did you mean `{near}`? The name comes from {place}")),
        None => error.hint(format!("rebuild with `--features {joint}-{name}`, or change `{joint}` in {place}")),
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
            assert!(receive_into(&settings, &dir.path().join("new")).is_ok(), "{role}");
            assert!(serve_from(&settings, dir.path(), Secret::new([1; 32])).is_ok(), "{role}");
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
    }

    #[test]
    fn a_store_that_this_build_lacks_is_answered_with_those_it_has() {
        let (dir, settings) = settings(Role::Client, "store = \"object\"");
        let error = receive_into(&settings, dir.path()).expect_err("refused");
        assert_eq!(error.message(), "this build has no store backend `object` (it has: fs)");
        assert!(error.hint_text().contains("--features store-object"), "{}", error.hint_text());
    }

    #[test]
    fn a_shelf_that_everybody_may_write_to_is_refused_with_its_reason() {
        use std::os::unix::fs::PermissionsExt as _;
        let (dir, settings) = settings(Role::Server, "");
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o777)).expect("ours");
        let error = serve_from(&settings, dir.path(), Secret::new([1; 32])).expect_err("refused");
        assert!(error.message().contains("everybody can write"), "{}", error.message());
    }
}
