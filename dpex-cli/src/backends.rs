//! The parts this program was built with: the only file that knows about features.
//!
//! A backend is a row in a table, name and constructors; settings choose among the rows by name, and each row reads the
//! options under its own heading.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

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

/// Opens a folder to serve from; the secret keys its version stamps.
pub(crate) type Serve = Box<dyn Fn(&Path, Secret<32>) -> CliResult<Arc<dyn FileStore>> + Send + Sync>;

/// Opens a folder to receive into, made if it is missing.
pub(crate) type Receive = Box<dyn Fn(&Path) -> io::Result<Arc<dyn FileStore>> + Send + Sync>;

/// How a cryptography backend is had.
type MakeCrypto = fn() -> &'static dyn CipherSuite;

/// How a store is opened.
#[derive(Clone, Copy)]
struct MakeStore {
    /// With these settings.
    serve: fn(&Settings) -> CliResult<Serve>,
    /// With these settings.
    receive: fn(&Settings) -> CliResult<Receive>,
}

/// How a socket is bound, inside of a tokio runtime.
type MakeTransport = fn(&Settings, SocketAddr) -> Made<dyn Transport>;

const CRYPTO: &[Row<MakeCrypto>] = &[
    #[cfg(feature = "crypto-rustcrypto")]
    ("rustcrypto", || &dpex_crypto_rustcrypto::SUITE),
];

const STORE: &[Row<MakeStore>] = &[
    #[cfg(feature = "store-fs")]
    (
        "fs",
        MakeStore {
            serve: |settings| {
                let options = settings.value("store-fs")?;
                Ok(Box::new(move |root, secret| {
                    let store = dpex_store_fs::FsStore::serve(root, secret, options);
                    store.map(|store| Arc::new(store) as _).map_err(|e| CliError::disk("serve from", root, &e))
                }))
            },
            receive: |settings| {
                let options = settings.value("store-fs")?;
                Ok(Box::new(move |root| {
                    dpex_store_fs::FsStore::receive(root, options).map(|store| Arc::new(store) as _)
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

/// What opens folders to serve from.
pub(crate) fn server_store(settings: &Settings) -> CliResult<Serve> {
    (choose("store", STORE, settings)?.serve)(settings)
}

/// What opens folders to receive into.
pub(crate) fn client_store(settings: &Settings) -> CliResult<Receive> {
    (choose("store", STORE, settings)?.receive)(settings)
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

/// Finds the row that the setting `joint` names.
fn choose<T: Copy>(joint: &str, rows: &[Row<T>], settings: &Settings) -> CliResult<T> {
    let name: String = settings.value(joint)?;
    if let Some((_, constructor)) = rows.iter().find(|(row, _)| *row == name) {
        return Ok(*constructor);
    }
    let names: Vec<&str> = rows.iter().map(|(row, _)| *row).collect();
    let has = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
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
            let (receive, serve) = (client_store(&settings), server_store(&settings));
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
    }

    #[test]
    fn a_store_that_this_build_lacks_is_answered_with_those_it_has() {
        let (_dir, settings) = settings(Role::Client, "store = \"object\"");
        let Err(error) = client_store(&settings) else { panic!("there is no such store") };
        assert_eq!(error.message(), "this build has no store backend `object` (it has: fs)");
        assert!(error.hint_text().contains("--features store-object"), "{}", error.hint_text());
    }

    #[test]
    fn a_shelf_that_everybody_may_write_to_is_refused_with_its_reason() {
        use std::os::unix::fs::PermissionsExt as _;
        let (dir, settings) = settings(Role::Server, "");
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o777)).expect("ours");
        let serve = server_store(&settings).expect("there is one");
        let error = serve(dir.path(), Secret::new([1; 32])).expect_err("refused");
        assert!(error.message().contains("everybody can write"), "{}", error.message());
    }
}
