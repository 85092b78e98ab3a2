//! Links that are followed: into the roots that the owner lists, and nowhere else.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use dpex_core::store::{FileStore, StoreError};
use dpex_core::types::Secret;
use dpex_store_fs::{FsStore, Options, RootError, Shelves};
use tempfile::TempDir;

use crate::support::{chmod, fetch, label, left_out, list_all, names, path, query};

/// Shelves, a root, and what must not be reached.
struct Estate {
    around: TempDir,
}

impl Estate {
    fn new() -> Self {
        let estate = Self { around: TempDir::new().expect("a temporary folder") };
        for folder in ["shelf", "media/films", "keys", "media-too"] {
            fs::create_dir_all(estate.at(folder)).expect("made");
            chmod(&estate.at(folder), 0o755);
        }
        for file in ["media/films/one", "media/films/two", "media/song", "media-too/x", "keys/secret"] {
            fs::write(estate.at(file), file).expect("written");
        }
        estate
    }

    fn at(&self, name: &str) -> PathBuf {
        self.around.path().canonicalize().expect("there").join(name)
    }

    fn link(&self, target: impl AsRef<Path>, name: &str) {
        symlink(target, self.at(name)).expect("linked");
    }

    fn options(&self) -> Options {
        Options { follow_links: true, roots: vec![self.at("media")], ..Options::default() }
    }

    fn serve(&self) -> FsStore {
        self.serve_with(self.options())
    }

    fn serve_with(&self, options: Options) -> FsStore {
        FsStore::serve(&self.at("shelf"), Secret::new([5; 32]), options).expect("opens")
    }
}

// NAM-3.
#[tokio::test]
async fn a_link_into_a_root_is_what_it_leads_to() {
    let estate = Estate::new();
    let media = estate.at("media");
    estate.link(media.join("song"), "shelf/a-song");
    estate.link(media.join("films"), "shelf/films");
    estate.link(estate.at("shelf/films"), "media/never");
    fs::remove_file(media.join("never")).expect("removed");
    estate.link("films/one", "media/best");
    estate.link(media.join("best"), "shelf/best");
    estate.link("a-song", "shelf/inside");
    fs::create_dir(estate.at("shelf/d")).expect("made");
    estate.link("../a-song", "shelf/d/up");
    let store = estate.serve();
    let want = ["a-song", "best", "d/", "d/up", "films/", "films/one", "films/two", "inside"];
    for limit in 1..10 {
        let (entries, skipped) = list_all(&store, "", limit, true).await;
        assert_eq!((entries.iter().map(label).collect::<Vec<_>>(), skipped), (want.map(String::from).into(), 0));
    }
    for (name, content) in [
        ("a-song", "media/song"),
        ("best", "media/films/one"),
        ("d/up", "media/song"),
        ("films/two", "media/films/two"),
        ("inside", "media/song"),
    ] {
        assert_eq!(fetch(&store, name).await.expect("is offered"), content, "{name}");
        let page = store.list(&query(name, None, 9, true)).await.expect("lists itself");
        assert_eq!(page.entries.len(), 1, "{name}");
        let opened = store.open(&path(name)).await.expect("is offered");
        let dpex_core::store::EntryKind::File(listed) = page.entries[0].kind else { panic!("{name} is a file") };
        assert_eq!(*opened.meta(), listed, "{name}");
    }
    assert_eq!(names(&store, "films").await, ["films/one", "films/two"]);
}

#[tokio::test]
async fn one_folder_is_offered_to_several_people_without_copies() {
    let estate = Estate::new();
    let shelves = Shelves::new(&estate.options(), Some(&estate.at("keys"))).expect("the roots are fine");
    for person in ["alice", "carol"] {
        fs::create_dir(estate.at(person)).expect("made");
        estate.link(estate.at("media/films"), &format!("{person}/films"));
        let store = shelves.open(&estate.at(person), Secret::new([1; 32])).expect("opens");
        assert_eq!(fetch(&store, "films/one").await.expect("is offered"), "media/films/one");
    }
}

// NAM-3, NAM-6.
#[tokio::test]
async fn a_link_that_leads_anywhere_else_is_left_out_by_name_and_not_found() {
    let estate = Estate::new();
    let (keys, media) = (estate.at("keys"), estate.at("media"));
    let outside = "the link leads out of the shelf, and into none of the roots";
    let nowhere = "the link leads nowhere";
    let endless = "the link leads to too many others";
    let mut want = Vec::new();
    for (name, target, why) in [
        ("absolute", keys.join("secret"), outside),
        ("beside", estate.at("media-too/x"), outside),
        ("dangling", media.join("gone"), nowhere),
        ("file-as-folder", media.join("song/x"), nowhere),
        ("folder", keys.clone(), outside),
        ("loop", "loop".into(), endless),
        ("magic", "/proc/self/root".into(), outside),
        ("relative", "../keys/secret".into(), outside),
        ("through-root", media.join("../keys/secret"), outside),
        ("up", "..".into(), outside),
        ("via", media.join("to-keys"), outside),
        ("via-folder", media.join("to-keys-folder/secret"), outside),
    ] {
        estate.link(target, &format!("shelf/{name}"));
        want.push((name.to_owned(), why.to_owned()));
    }
    estate.link(keys.join("secret"), "media/to-keys");
    estate.link("../keys", "media/to-keys-folder");
    let store = estate.serve();
    assert_eq!(names(&store, "").await, [""; 0]);
    assert_eq!(left_out(&store).await, want);
    for (link, _) in want {
        for name in [link.clone(), format!("{link}/secret"), format!("{link}/keys/secret")] {
            assert!(matches!(store.open(&path(&name)).await, Err(StoreError::NotFound)), "{name}");
            assert!(matches!(store.list(&query(&name, None, 9, true)).await, Err(StoreError::NotFound)), "{name}");
        }
    }
}

#[tokio::test]
async fn a_root_that_is_reached_through_a_link_has_both_its_names() {
    let estate = Estate::new();
    estate.link("media", "mnt");
    estate.link(estate.at("mnt/song"), "shelf/a");
    estate.link(estate.at("media/song"), "shelf/b");
    let store = estate.serve_with(Options { roots: vec![estate.at("mnt")], ..estate.options() });
    assert_eq!(names(&store, "").await, ["a", "b"]);
    let store = estate.serve_with(Options { roots: vec![estate.at("media")], ..estate.options() });
    assert_eq!(names(&store, "").await, ["b"], "that name belongs to no root");
}

#[tokio::test]
async fn a_folder_that_lies_in_itself_is_left_out_and_the_rest_is_listed() {
    let estate = Estate::new();
    estate.link(".", "shelf/self");
    estate.link(estate.at("media"), "shelf/media");
    estate.link("..", "media/films/back");
    estate.link(".", "media/here");
    let store = estate.serve();
    let want = ["media/", "media/films/", "media/films/one", "media/films/two", "media/song"];
    for limit in 1..8 {
        let (entries, skipped) = list_all(&store, "", limit, true).await;
        assert_eq!((entries.iter().map(label).collect::<Vec<_>>(), skipped), (want.map(String::from).into(), 3));
    }
    let back = "it leads back to a folder that it lies in";
    let named = left_out(&store).await;
    assert_eq!(
        named.iter().map(|(name, why)| (name.as_str(), why.as_str())).collect::<Vec<_>>(),
        [("media/films/back", back), ("media/here", back), ("self", back)]
    );
    for name in ["self/media/song", "media/films/back/song", "media/here/song", "media/films/back"] {
        assert!(matches!(store.open(&path(name)).await, Err(StoreError::NotFound)), "{name}");
        assert!(matches!(store.list(&query(name, None, 9, true)).await, Err(StoreError::NotFound)), "{name}");
    }
}

#[tokio::test]
async fn forty_links_are_followed_and_no_more() {
    let estate = Estate::new();
    estate.link("song", "media/l00");
    for n in 1..=41 {
        estate.link(format!("l{:02}", n - 1), &format!("media/l{n:02}"));
    }
    estate.link(estate.at("media/l38"), "shelf/forty");
    estate.link(estate.at("media/l39"), "shelf/more");
    let store = estate.serve();
    assert_eq!(names(&store, "").await, ["forty"]);
    assert_eq!(left_out(&store).await, [("more".to_owned(), "the link leads to too many others".to_owned())]);
}

// NAM-14.
#[tokio::test]
async fn nobody_finds_by_numbers_what_lies_in_itself() {
    let estate = Estate::new();
    estate.link("..", "media/films/up");
    estate.link(estate.at("media/films"), "shelf/films");
    estate.link("nowhere", "shelf/films-too");
    let store = estate.serve();
    let left_out = left_out(&store).await;
    assert!(left_out.iter().any(|(name, _)| name == "films/up/films"), "{left_out:?}");
    for after in ["films/up/films", "films/up/nothing"] {
        let page = store.list(&query("", Some(path(after)), 9, true)).await.expect("lists");
        let listed = page.entries.iter().map(label).next();
        assert_eq!((listed.as_deref(), page.skipped), (Some("films/up/song"), 1), "{after}: the one at the end");
    }
}

#[tokio::test]
async fn a_target_of_endless_steps_is_left_out() {
    let estate = Estate::new();
    estate.link(estate.at("media").join("films/../".repeat(120)).join("song"), "shelf/long");
    estate.link(estate.at("media").join("films/../".repeat(140)).join("song"), "shelf/longer");
    let store = estate.serve();
    assert_eq!(names(&store, "").await, ["long"]);
}

#[tokio::test]
async fn a_hidden_name_is_not_offered_through_a_link_either() {
    let estate = Estate::new();
    fs::create_dir(estate.at("media/.git")).expect("made");
    for file in ["media/.git/config", "media/.a.dpexpart"] {
        fs::write(estate.at(file), "x").expect("written");
    }
    for (target, name) in [(".git/config", "a"), (".git", "b"), (".a.dpexpart", "c")] {
        estate.link(estate.at("media").join(target), &format!("shelf/{name}"));
    }
    estate.link(estate.at("media/song"), "shelf/.song");
    let store = estate.serve();
    assert_eq!(names(&store, "").await, [""; 0]);
    assert!(left_out(&store).await.is_empty(), "as hidden names themselves, silently");
    assert!(matches!(store.open(&path("a")).await, Err(StoreError::NotFound)));
    let store = estate.serve_with(Options { hidden: true, ..estate.options() });
    assert_eq!(names(&store, "").await, [".song", "a", "b/", "b/config"], "and a sidecar never");
}

// NAM-5.
#[tokio::test]
async fn what_is_no_file_is_none_through_a_link() {
    use rustix::fs::{CWD, Mode, mkfifoat};

    let estate = Estate::new();
    mkfifoat(CWD, estate.at("media/fifo"), Mode::RUSR | Mode::WUSR).expect("made");
    estate.link(estate.at("media/fifo"), "shelf/fifo");
    let store = estate.serve();
    assert_eq!(names(&store, "").await, [""; 0]);
    assert_eq!(left_out(&store).await, [("fifo".to_owned(), "it is a pipe, a socket or a device".to_owned())]);
    assert!(matches!(store.open(&path("fifo")).await, Err(StoreError::NotFound)));
}

// NAM-5.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn files_that_the_system_makes_up_are_left_out_by_name_and_not_found() {
    let estate = Estate::new();
    let mut names = Vec::new();
    // Of no size and with content; of one that is a word; and one that waits for something to happen.
    for (name, target) in
        [("kmsg", "/proc/kmsg"), ("online", "/sys/kernel/mm/hugepages"), ("self", "/proc/self/status")]
    {
        if fs::metadata(target).is_ok() {
            estate.link(target, &format!("shelf/{name}"));
            names.push(name);
        }
    }
    fs::write(estate.at("media/empty"), "").expect("written");
    estate.link(estate.at("media/empty"), "shelf/z");
    let roots = vec![estate.at("media"), "/proc/self".into(), "/proc".into(), "/sys".into()];
    let store = estate.serve_with(Options { roots, ..estate.options() });
    let page = store.list(&query("", None, 1000, false)).await.expect("lists");
    let listed: Vec<String> = page.entries.iter().map(label).collect();
    assert!(listed.contains(&"z".to_owned()) && !listed.contains(&"self".to_owned()), "{listed:?}");
    assert_eq!(fetch(&store, "z").await.expect("an empty file is one"), "");
    for name in ["self", "kmsg"].iter().filter(|name| names.contains(name)) {
        let left_out = page.named.iter().find(|skipped| skipped.name == *name).expect("named");
        assert_eq!(left_out.why, "the system makes up its content", "{name}");
        assert!(matches!(store.open(&path(name)).await, Err(StoreError::NotFound)), "{name}");
        assert!(matches!(store.list(&query(name, None, 9, true)).await, Err(StoreError::NotFound)), "{name}");
    }
    let sizes = "online/hugepages-2048kB/nr_hugepages";
    if names.contains(&"online") && fs::metadata("/sys/kernel/mm/hugepages/hugepages-2048kB").is_ok() {
        assert!(matches!(store.open(&path(sizes)).await, Err(StoreError::NotFound)));
        let page = store.list(&query("online", None, 1000, true)).await.expect("folders they are");
        assert!(page.named.iter().any(|skipped| skipped.name == sizes), "{page:?}");
    }
}

#[tokio::test]
async fn a_shelf_that_is_a_link_is_served_if_it_leads_into_a_root() {
    let estate = Estate::new();
    estate.link(estate.at("media/films"), "in");
    estate.link(estate.at("keys"), "out");
    estate.link("media/films", "relative");
    estate.link(estate.at("media/song"), "file");
    let open = |name: &str, options: &Options| {
        Shelves::new(options, None).expect("fine").open(&estate.at(name), Secret::new([1; 32]))
    };
    let store = open("in", &estate.options()).expect("it leads into a root");
    assert_eq!(names(&store, "").await, ["one", "two"]);
    for name in ["out", "relative", "file"] {
        let refused = open(name, &estate.options()).expect_err("refused").to_string();
        assert!(refused.contains("it is a link") && refused.contains("`roots`"), "{name}: {refused}");
    }
    let refused = open("in", &Options::default()).expect_err("refused").to_string();
    assert!(refused.contains("it is a link") && refused.contains("`follow-links`"), "{refused}");
}

#[test]
fn a_root_that_everybody_can_write_to_or_that_is_none_is_refused() {
    let estate = Estate::new();
    chmod(&estate.at("media"), 0o1777);
    let refused = |roots: Vec<PathBuf>| Shelves::new(&Options { roots, ..estate.options() }, None).expect_err("no");
    assert!(matches!(refused(vec![estate.at("media")]), RootError::Open(_)));
    assert!(matches!(refused(vec![estate.at("gone")]), RootError::Unusable { .. }));
    assert!(matches!(refused(vec![estate.at("media/song")]), RootError::Unusable { .. }));
    let off = Options { follow_links: false, roots: vec![estate.at("gone")], ..Options::default() };
    assert!(Shelves::new(&off, None).is_ok(), "what is not used is not looked at");
}

// NAM-3.
#[test]
fn a_root_that_has_to_do_with_the_keys_is_refused() {
    let estate = Estate::new();
    fs::create_dir(estate.at("keys/below")).expect("made");
    estate.link("keys", "keys-link");
    estate.link(estate.at("keys/below"), "below-link");
    let open = |root: &str| {
        let options = Options { roots: vec![estate.at(root)], ..estate.options() };
        Shelves::new(&options, Some(&estate.at("keys")))
    };
    for root in ["keys", "", "keys/below", "keys-link", "below-link", "media/../keys"] {
        let refused = open(root).expect_err(root);
        assert!(matches!(refused, RootError::NearKeys { .. }), "{root}: {refused}");
    }
    assert!(open("media").is_ok());
}

#[test]
fn the_settings_of_links_are_read() {
    let options: Options = toml::from_str("follow-links = true\nroots = [\"/srv/media\"]").expect("known");
    assert_eq!(options, Options { follow_links: true, roots: vec!["/srv/media".into()], ..Options::default() });
}
