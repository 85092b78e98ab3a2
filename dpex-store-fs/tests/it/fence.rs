//! No name reaches outside the root, by no link and no race, and none means anything but a file.

use std::os::unix::net::UnixListener;

use bytes::Bytes;
use dpex_core::store::{Existing, FileStore, StoreError, Whole};
use dpex_core::types::Secret;
use dpex_store_fs::faults::{Fault, Plan};
use dpex_store_fs::{FsStore, Options};
use rustix::fs::{CWD, FileType, Mode, RenameFlags, mkfifoat, mknodat, renameat_with};
use rustix::io::Errno;

use crate::support::{Yard, chmod, deliver, fetch, incoming, left_out, names, newer, path, put, query};

const NOT_FOLLOWED: &str = "it is a link, and `follow-links` is off";
const NO_FILE: &str = "it is a pipe, a socket or a device";

/// Links of every kind: to a file and a folder, inside and outside, absolute and relative, broken, circular, magic.
fn plant_links(yard: &Yard) -> Vec<&'static str> {
    yard.write("real/file", "inside");
    yard.link(yard.outside().join("secret"), "file-out");
    yard.link("../outside/secret", "file-out-relative");
    yard.link(yard.outside(), "folder-out");
    yard.link("real/file", "file-in");
    yard.link("real", "folder-in");
    yard.link(".", "self");
    yard.link("nowhere", "broken");
    yard.link("loop", "loop");
    yard.link("/proc/self/root", "magic");
    yard.link("/dev/zero", "device");
    vec![
        "file-out",
        "file-out-relative",
        "folder-out",
        "file-in",
        "folder-in",
        "self",
        "broken",
        "loop",
        "magic",
        "device",
    ]
}

// NAM-3.
#[tokio::test]
async fn no_link_is_listed_or_opened_wherever_it_points() {
    let yard = Yard::new();
    let mut links = plant_links(&yard);
    let store = yard.serve();
    assert_eq!(names(&store, "").await, ["real/", "real/file"]);
    links.sort_unstable();
    let want: Vec<_> = links.iter().map(|link| ((*link).to_owned(), NOT_FOLLOWED.to_owned())).collect();
    assert_eq!(left_out(&store).await, want, "its owner put it there, and is told");
    for link in links {
        for name in [link.to_owned(), format!("{link}/secret"), format!("{link}/file"), format!("{link}/real/file")] {
            assert!(matches!(store.open(&path(&name)).await, Err(StoreError::NotFound)), "{name}");
            assert!(matches!(store.list(&query(&name, None, 9, true)).await, Err(StoreError::NotFound)), "{name}");
        }
    }
}

// NAM-8.
#[tokio::test]
async fn nothing_is_written_through_or_over_a_link() {
    let yard = Yard::new();
    let links = plant_links(&yard);
    let before = yard.on_disk();
    for link in links {
        for existing in [Existing::Keep, Existing::Overwrite, Existing::Rename] {
            for name in [link.to_owned(), format!("{link}/secret"), format!("{link}/new/file")] {
                let result = yard.store.receive(&newer(&name, 3, existing)).await;
                assert!(matches!(result, Err(StoreError::Exists)), "{name} {existing:?}: {result:?}");
            }
        }
        let result = yard.store.make_folder(&path(&format!("{link}/new"))).await;
        assert!(matches!(result, Err(StoreError::Exists)), "{link}: {result:?}");
        assert!(matches!(yard.store.make_folder(&path(link)).await, Err(StoreError::Exists)), "{link}");
        for made in yard.store.make_folders(&[path(link), path(&format!("{link}/a/b")), path(link)]).await {
            assert!(matches!(made, Err(StoreError::Exists)), "{link}: {made:?}");
        }
    }
    assert_eq!(yard.on_disk(), before);
    yard.assert_outside_is_untouched();
}

#[tokio::test]
async fn a_link_that_appears_at_the_last_moment_is_not_replaced() {
    let yard = Yard::new();
    for existing in [Existing::Keep, Existing::Overwrite] {
        let part = yard.store.receive(&newer("a", 0, existing)).await.expect("free");
        yard.link(yard.outside().join("secret"), "a");
        assert!(matches!(part.commit().await, Err(StoreError::Exists)), "{existing:?}");
        assert!(yard.at("a").is_symlink());
        std::fs::remove_file(yard.at("a")).expect("removed");
    }
    yard.assert_outside_is_untouched();
}

#[tokio::test]
async fn a_link_in_the_place_of_the_part_or_its_sidecar_is_left_alone() {
    let yard = Yard::new();
    yard.link(yard.outside().join("secret"), "a.part");
    yard.link(yard.outside().join("secret"), ".b.dpexpart");
    yard.link(yard.outside().join("new"), ".c.dpexpart");
    for name in ["a", "b", "c"] {
        put(&yard.store, name, b"content").await;
    }
    assert_eq!(yard.on_disk(), [".b.dpexpart", ".c.dpexpart", "a", "a.part", "b", "c"]);
    yard.assert_outside_is_untouched();
}

#[tokio::test]
async fn a_folder_moved_away_during_a_reception_takes_the_file_with_it() {
    let yard = Yard::new();
    let part = yard.store.receive(&incoming("d/a", 0)).await.expect("free");
    std::fs::rename(yard.at("d"), yard.at("e")).expect("moved");
    yard.link(yard.outside(), "d");
    part.commit().await.expect("committed where the part is");
    assert!(yard.at("e/a").exists());
    yard.assert_outside_is_untouched();
}

// NAM-3, NAM-8.
/// A folder that is exchanged for a link to the outside, over and over, while it is used.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn no_race_of_links_and_folders_leads_outside() {
    use std::sync::atomic::{AtomicBool, Ordering};

    const ROUNDS: usize = 1500;

    /// Ends the swapping also when an assertion fails.
    struct SetOnDrop<'a>(&'a AtomicBool);

    impl Drop for SetOnDrop<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    let yard = Yard::new();
    yard.write("d/secret", "inside");
    yard.link(yard.outside(), "swap");
    let (here, there) = (yard.at("d"), yard.at("swap"));
    let is_over = AtomicBool::new(false);
    let store = yard.serve();
    let receiver = yard.store.clone();
    let (mut read, mut refused) = (0, 0);
    let runtime = tokio::runtime::Handle::current();
    tokio::task::spawn_blocking(move || {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    renameat_with(CWD, &here, CWD, &there, RenameFlags::EXCHANGE).expect("exchanged");
                }
            });
            let _end = SetOnDrop(&is_over);
            for n in 0..ROUNDS {
                match runtime.block_on(fetch(&store, "d/secret")) {
                    Ok(content) => {
                        assert_eq!(content, "inside");
                        read += 1;
                    }
                    Err(StoreError::NotFound | StoreError::Changed) => refused += 1,
                    Err(other) => panic!("{other}"),
                }
                if n % 10 == 0 {
                    match runtime.block_on(deliver(&receiver, &incoming(&format!("d/new{n}"), 1), b"x")) {
                        Ok(_) | Err(StoreError::Exists) => {}
                        Err(other) => panic!("{other}"),
                    }
                    let whole = |name| Whole { incoming: incoming(name, 1), content: Bytes::from_static(b"x") };
                    let (one, two) = (format!("d/new whole {n}"), format!("d/sub/new {n}"));
                    for put in runtime.block_on(receiver.put_all(vec![whole(&one), whole(&two)])) {
                        match put {
                            Ok(_) | Err(StoreError::Exists) => {}
                            Err(other) => panic!("{other}"),
                        }
                    }
                }
                for name in runtime.block_on(names(&store, "")) {
                    assert!(
                        name.ends_with('/')
                            || name.ends_with("/secret")
                            || name.contains("/new")
                            || name.contains("/sub/"),
                        "{name}"
                    );
                }
            }
        });
        assert!(read > 0 && refused > 0, "both were met: {read} read, {refused} refused");
    })
    .await
    .expect("no panic");
    yard.assert_outside_is_untouched();
}

// NAM-5.
#[tokio::test]
async fn fifos_sockets_and_devices_are_not_files() {
    let yard = Yard::new();
    yard.write("a", "x");
    let mode = Mode::RUSR | Mode::WUSR;
    mkfifoat(CWD, yard.at("fifo"), mode).expect("made");
    let _socket = UnixListener::bind(yard.at("socket")).expect("bound");
    let mut special = vec!["fifo", "socket"];
    // /dev/zero, which only root may make.
    if mknodat(CWD, yard.at("device"), FileType::CharacterDevice, mode, rustix::fs::makedev(1, 5)).is_ok() {
        special.push("device");
    }
    let store = yard.serve();
    assert_eq!(names(&store, "").await, ["a"]);
    special.sort_unstable();
    let want: Vec<_> = special.iter().map(|name| ((*name).to_owned(), NO_FILE.to_owned())).collect();
    assert_eq!(left_out(&store).await, want);
    for name in special {
        assert!(matches!(store.open(&path(name)).await, Err(StoreError::NotFound)), "{name}");
        assert!(matches!(store.list(&query(name, None, 9, true)).await, Err(StoreError::NotFound)), "{name}");
        for existing in [Existing::Keep, Existing::Overwrite, Existing::Rename] {
            let result = yard.store.receive(&newer(name, 1, existing)).await;
            assert!(matches!(result, Err(StoreError::Exists)), "{name} {existing:?}");
        }
    }
}

#[tokio::test]
async fn a_shelf_that_is_a_link_is_refused_and_a_target_that_is_one_is_followed() {
    let yard = Yard::new();
    let link = yard.around.path().join("root-link");
    std::os::unix::fs::symlink(yard.root(), &link).expect("linked");
    for name in [link.clone(), link.join(""), link.join(".")] {
        let opened = FsStore::serve(&name, Secret::new([1; 32]), Options::default());
        assert!(opened.is_err(), "{}", name.display());
    }
    let store = FsStore::receive(&link, Options::default()).expect("opens");
    put(&store, "a", b"x").await;
    assert_eq!(yard.on_disk(), ["a"]);
}

#[tokio::test]
async fn a_shelf_knows_whether_its_name_still_leads_to_it() {
    let yard = Yard::new();
    yard.write("a", "x");
    let store = yard.serve();
    let is_in_place = async || store.is_in_place().await.expect("can be said");
    assert!(is_in_place().await);
    chmod(&yard.root(), 0o757);
    assert!(!is_in_place().await, "everybody can write to it");
    chmod(&yard.root(), 0o755);
    assert!(is_in_place().await);
    let away = yard.around.path().join("away");
    std::fs::rename(yard.root(), &away).expect("moved");
    assert!(!is_in_place().await, "gone");
    std::fs::create_dir(yard.root()).expect("made");
    assert!(!is_in_place().await, "another");
    std::fs::remove_dir(yard.root()).expect("removed");
    std::os::unix::fs::symlink(&away, yard.root()).expect("linked");
    assert!(!is_in_place().await, "links are not followed");
    std::fs::remove_file(yard.root()).expect("removed");
    std::fs::write(yard.root(), "x").expect("written");
    assert!(!is_in_place().await, "a file");
    std::fs::remove_file(yard.root()).expect("removed");
    std::fs::rename(&away, yard.root()).expect("moved back");
    assert!(is_in_place().await);

    let plan = Plan::new(Some((0, Fault::Fail(Errno::IO))), yard.around.path());
    let _installed = plan.install();
    assert!(matches!(store.is_in_place().await, Err(StoreError::Io(_))), "a disk that fails says nothing");
    assert!(yard.store.is_in_place().await.expect("a folder to receive into always is"));
}

#[test]
fn a_shelf_that_everybody_can_write_to_is_refused() {
    let yard = Yard::new();
    let serve = || FsStore::serve(&yard.root(), Secret::new([1; 32]), Options::default());
    chmod(&yard.root(), 0o757);
    assert_eq!(serve().expect_err("refused").kind(), std::io::ErrorKind::PermissionDenied);
    chmod(&yard.root(), 0o755);
    assert!(serve().is_ok());
    assert!(FsStore::serve(&yard.at("missing"), Secret::new([1; 32]), Options::default()).is_err());
}

#[test]
fn a_missing_target_folder_is_made() {
    let yard = Yard::new();
    FsStore::receive(&yard.at("new/folder"), Options::default()).expect("made");
    assert!(yard.at("new/folder").is_dir());
    yard.write("file", "x");
    assert!(FsStore::receive(&yard.at("file"), Options::default()).is_err());
}

#[test]
fn options_are_read_and_unknown_ones_refused() {
    assert_eq!(toml::from_str::<Options>("").expect("all have defaults"), Options::default());
    assert_eq!(
        toml::from_str::<Options>("hidden = true").expect("known"),
        Options { hidden: true, ..Options::default() }
    );
    assert!(toml::from_str::<Options>("hiden = true").is_err());
}

#[tokio::test]
async fn hidden_names_are_shown_and_taken_when_the_owner_says_so() {
    let yard = Yard::with(Options { hidden: true, ..Options::default() });
    put(&yard.store, ".profile", b"x").await;
    put(&yard.store, ".d/a", b"x").await;
    assert_eq!(names(&yard.store, "").await, [".d/", ".d/a", ".profile"]);
    let part = yard.store.receive(&incoming("b", 1)).await.expect("free");
    assert_eq!(names(&yard.store, "").await, [".d/", ".d/a", ".profile"], "not even then the sidecar");
    part.discard().await.expect("discarded");
}
