//! Links on a shelf whose owner wants them followed into one root.

use std::fs;
use std::os::unix::fs::symlink;

use dpex_core::types::Secret;
use dpex_store_fs::{FsStore, Options};
use rustix::fs::{CWD, Mode, mkfifoat};

use super::{Serving, is_documented, serves};
use crate::support::Yard;

use Serving::{Folder, LeftOut, Offered, Silent};

const OUT: Serving = LeftOut("the link leads out of the shelf, and into none of the roots");
const NOWHERE: Serving = LeftOut("the link leads nowhere");
const BACK: Serving = LeftOut("it leads back to a folder that it lies in");

/// What a link on the shelf says, where ROOT is the root and OUTSIDE is not.
const ROWS: &[(&str, &str, Serving)] = &[
    ("to a file in a root", "ROOT/file", Offered),
    ("to a folder in a root", "ROOT/folder", Folder(&["file"])),
    ("to the root", "ROOT/only", Folder(&["here"])),
    ("to a file on the shelf", "fine", Offered),
    ("to a link that leads on in the root", "ROOT/link-in", Offered),
    ("through a link to a folder in the root", "ROOT/folder-in/file", Offered),
    ("up and down again, inside of the root", "ROOT/folder/../file", Offered),
    ("to a file elsewhere", "OUTSIDE/secret", OUT),
    ("to a folder elsewhere", "OUTSIDE", OUT),
    ("to a folder that begins as a root does", "ROOT-too/x", OUT),
    ("relative, out of the shelf", "../outside/secret", OUT),
    ("out of a root by `..`", "ROOT/../outside/secret", OUT),
    ("to a link in the root that leads out", "ROOT/link-out", OUT),
    ("through a link in the root that leads out", "ROOT/folder-out/secret", OUT),
    ("to the whole disk", "/", OUT),
    ("to what is open here, as the system makes it", "/proc/self/root", OUT),
    ("to nothing in a root", "ROOT/gone", NOWHERE),
    ("through a file as if it were a folder", "ROOT/file/x", NOWHERE),
    ("to itself", "x", LeftOut("the link leads to too many others")),
    ("to the shelf", ".", BACK),
    ("to a hidden file in a root", "ROOT/.hidden", Silent),
    ("into a hidden folder in a root", "ROOT/.git/config", Silent),
    ("to a sidecar in a root", "ROOT/.a.dpexpart", Silent),
    ("to a pipe in a root", "ROOT/pipe", LeftOut("it is a pipe, a socket or a device")),
    #[cfg(target_os = "linux")]
    ("to a file that the system makes up", "/proc/self/status", LeftOut("the system makes up its content")),
];

// NAM-3, NAM-5.
#[tokio::test]
async fn every_link_is_followed_or_left_out_as_the_table_says() {
    for (what, target, serving) in ROWS {
        let yard = Yard::new();
        yard.write("fine", "fine");
        let root = yard.around.path().canonicalize().expect("there").join("root-media");
        for folder in ["folder", "only", ".git"] {
            fs::create_dir_all(root.join(folder)).expect("made");
        }
        for file in ["file", "folder/file", "only/here", ".hidden", ".git/config", ".a.dpexpart"] {
            fs::write(root.join(file), "x").expect("written");
        }
        for (target, name) in [
            ("file", "link-in"),
            ("folder", "folder-in"),
            ("../outside/secret", "link-out"),
            (yard.outside().to_str().expect("text"), "folder-out"),
        ] {
            symlink(target, root.join(name)).expect("linked");
        }
        mkfifoat(CWD, root.join("pipe"), Mode::RUSR | Mode::WUSR).expect("made");
        let text = root.to_str().expect("text");
        fs::create_dir(format!("{text}-too")).expect("made");
        fs::write(format!("{text}-too/x"), "x").expect("written");
        let outside = yard.outside().canonicalize().expect("there");
        yard.link(target.replace("ROOT", text).replace("OUTSIDE", outside.to_str().expect("text")), "x");

        // By its own row only: what lies there would be in a root for the others too.
        let of_the_system = target.starts_with("/proc/self/status").then(|| "/proc/self".into());
        let roots = of_the_system.into_iter().chain([root]).collect();
        let options = Options { follow_links: true, roots, ..Options::default() };
        let store = FsStore::serve(&yard.root(), Secret::new([5; 32]), options).expect("opens");
        serves(&store, b"x", *serving, what).await;
        yard.assert_outside_is_untouched();
    }
}

#[test]
fn the_links_are_documented() {
    let rows: Vec<String> = ROWS.iter().map(|(what, _, serving)| format!("| {what} | {serving} |")).collect();
    eprintln!("{} links", rows.len());
    if cfg!(target_os = "linux") {
        is_documented("links", &rows);
    }
}
