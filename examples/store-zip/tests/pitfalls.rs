//! What is a zip file's own to get wrong: what others put into it, what it claims, and what happens to it meanwhile.

use std::fs;
use std::io::{Cursor, Write as _};
use std::path::PathBuf;

use dpex_core::conformance::store::support::{fetch, list_all, names, path, query};
use dpex_core::store::{EntryKind, FileStore as _, StoreError};
use dpex_core::types::{Secret, SharePath, Timestamp};
use dpex_store_zip::{Options, ZipStore};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// Offsets of fields in an entry's header of the central directory (APPNOTE.TXT, section 4.3.12).
const FLAGS: usize = 8;
const METHOD: usize = 10;
const CRC: usize = 16;
const SIZE: usize = 24;
const LOCAL_HEADER: usize = 42;

const STORED: CompressionMethod = CompressionMethod::Stored;
const DEFLATED: CompressionMethod = CompressionMethod::Deflated;

fn run(future: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime can be made").block_on(future);
}

/// A zip file of these entries. A name that ends in `/` is a folder.
fn zip(entries: &[(&str, CompressionMethod, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, method, content) in entries {
        zip.start_file(name, SimpleFileOptions::default().compression_method(*method)).expect("a new name");
        zip.write_all(content).expect("writable");
    }
    zip.finish().expect("writable").into_inner()
}

/// Puts other bytes in the place of all of these.
fn patched(mut zip: Vec<u8>, from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let found: Vec<_> = zip.windows(from.len()).enumerate().filter(|(_, at)| *at == from).map(|(n, _)| n).collect();
    assert!(!found.is_empty(), "nothing to replace");
    for at in found {
        zip[at..at + to.len()].copy_from_slice(to);
    }
    zip
}

/// Puts other bytes into a field of the only entry's header in the central directory.
fn claiming(mut zip: Vec<u8>, field: usize, value: &[u8]) -> Vec<u8> {
    let header = zip.windows(4).position(|at| at == b"PK\x01\x02").expect("it has an entry");
    zip[header + field..header + field + value.len()].copy_from_slice(value);
    zip
}

/// Bytes that do not shrink.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        Some(state.to_be_bytes()[0])
    };
    std::iter::from_fn(next).take(len).collect()
}

struct Shelf(tempfile::TempDir);

impl Shelf {
    fn with(zip: &[u8]) -> Self {
        let shelf = Self(tempfile::tempdir().expect("a temporary folder"));
        shelf.replace(zip);
        shelf
    }

    fn zip(&self) -> PathBuf {
        self.0.path().join("shelf.zip")
    }

    /// Another file takes the name.
    fn replace(&self, zip: &[u8]) {
        let new = self.0.path().join("new.zip");
        fs::write(&new, zip).expect("writable");
        fs::rename(new, self.zip()).expect("in one folder");
    }

    fn try_serve(&self, unpack_limit: u64) -> std::io::Result<ZipStore> {
        ZipStore::serve(&self.zip(), Secret::new([7; 32]), Options { unpack_limit })
    }

    fn serve(&self) -> ZipStore {
        self.try_serve(1 << 30).expect("a zip file")
    }
}

/// Names offered, and how many entries were left out, in pages of every size.
async fn offered(store: &ZipStore, folder: &str) -> (Vec<String>, u64) {
    let (all, skipped) = list_all(store, folder, 100, true).await;
    for limit in 1..4 {
        assert_eq!(list_all(store, folder, limit, true).await, (all.clone(), skipped), "pages of {limit}");
    }
    (names(store, folder).await, skipped)
}

#[test]
fn names_that_cannot_travel_are_left_out_and_counted_in_their_folder() {
    run(async {
        let bad = ["../up", "d/../../up", "/etc/passwd", "d/back\\slash", "d/e/bell\x07", "d//double", "only/\u{202e}"];
        let mut entries: Vec<_> = bad.iter().map(|name| (*name, STORED, &b"x"[..])).collect();
        entries.extend([("d/good", STORED, &b"x"[..]), ("d/?????", STORED, b"x")]);
        let shelf = Shelf::with(&patched(zip(&entries), b"d/?????", b"d/\xff\xfe\xfd\xfc\xfb"));
        let store = shelf.serve();
        assert_eq!(offered(&store, "").await, (["d/", "d/e/", "d/good", "only/"].map(String::from).into(), 8));
        assert_eq!(offered(&store, "d").await.1, 5, "`..`, a backslash, a bell, a double slash, no UTF-8");
        assert_eq!(list_all(&store, "d", 1, false).await.1, 4, "the bell is further down");
        assert_eq!(list_all(&store, "", 1, false).await.1, 2);
        assert_eq!(offered(&store, "only").await, (Vec::new(), 1));
    });
}

#[test]
fn hidden_names_are_left_out_and_not_counted_even_if_they_could_not_travel() {
    run(async {
        let shelf = Shelf::with(&zip(&[(".a", STORED, b"x"), ("d/.b/back\\slash", STORED, b"x")]));
        assert_eq!(offered(&shelf.serve(), "").await, (Vec::new(), 0));
    });
}

#[test]
fn of_two_files_of_one_name_neither_is_offered() {
    run(async {
        let twice = zip(&[("d/one", STORED, b"1"), ("d/two", DEFLATED, b"22"), ("d/six", STORED, b"3")]);
        let shelf = Shelf::with(&patched(twice, b"d/two", b"d/one"));
        let store = shelf.serve();
        assert_eq!(offered(&store, "").await, (["d/", "d/six"].map(String::from).into(), 2));
        assert!(matches!(fetch(&store, "d/one").await, Err(StoreError::NotFound)));
    });
}

#[test]
fn a_file_that_is_also_a_folder_is_only_a_folder() {
    run(async {
        for name in ["a/b", "a/"] {
            let shelf = Shelf::with(&zip(&[("a", STORED, b"x"), (name, STORED, b"")]));
            let store = shelf.serve();
            let (names, skipped) = offered(&store, "").await;
            assert_eq!((names[0].as_str(), skipped), ("a/", 1));
            assert!(matches!(fetch(&store, "a").await, Err(StoreError::NotFound)));
        }
    });
}

#[test]
fn links_are_left_out_and_counted() {
    run(async {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for name in ["link", "folder/link", ".hidden"] {
            zip.add_symlink(name, "/etc/passwd", SimpleFileOptions::default()).expect("a new name");
        }
        let shelf = Shelf::with(zip.finish().expect("writable").get_ref());
        let store = shelf.serve();
        assert_eq!(offered(&store, "").await, (vec!["folder/".to_owned()], 2));
        for name in ["link", "folder/link"] {
            assert!(matches!(fetch(&store, name).await, Err(StoreError::NotFound)), "{name}");
        }
    });
}

#[test]
fn entries_that_cannot_be_read_are_left_out_and_counted() {
    run(async {
        let plain = zip(&[("a", STORED, b"abc")]);
        for (field, value, what) in [
            (FLAGS, 1_u16.to_le_bytes(), "encrypted"),
            (METHOD, 12_u16.to_le_bytes(), "bzip2"),
            (SIZE, [2, 0], "sizes"),
        ] {
            let shelf = Shelf::with(&claiming(plain.clone(), field, &value));
            assert_eq!(offered(&shelf.serve(), "").await, (Vec::new(), 1), "{what}");
        }
    });
}

#[test]
fn a_deflated_entry_is_offered_up_to_the_limit_and_not_past_it() {
    run(async {
        let size = 3 << 20;
        let bomb = zip(&[("zeros", DEFLATED, &vec![0; size]), ("stored", STORED, &vec![0; size])]);
        let shelf = Shelf::with(&bomb);
        let limit = size as u64;
        let store = shelf.try_serve(limit).expect("a zip file");
        assert_eq!(offered(&store, "").await, (["stored", "zeros"].map(String::from).into(), 0));
        assert_eq!(fetch(&store, "zeros").await.expect("is there"), vec![0; size]);
        let store = shelf.try_serve(limit - 1).expect("a zip file");
        assert_eq!(offered(&store, "").await, (["stored"].map(String::from).into(), 1));
        assert!(matches!(fetch(&store, "zeros").await, Err(StoreError::NotFound)));
    });
}

#[test]
fn a_deflated_entry_that_lies_about_its_size_or_content_is_an_error_at_its_end() {
    run(async {
        let content = noise(100_000);
        let honest = zip(&[("a", DEFLATED, &content)]);
        for (field, value, readable) in [
            (SIZE, 99_999_u32.to_le_bytes(), 99_998),
            (SIZE, 100_001_u32.to_le_bytes(), 100_000),
            (CRC, 7_u32.to_le_bytes(), 99_999),
        ] {
            let shelf = Shelf::with(&claiming(honest.clone(), field, &value));
            let store = shelf.serve();
            assert!(matches!(fetch(&store, "a").await, Err(StoreError::Io(_))), "{field} {value:?}");
            let file = store.open(&path("a")).await.expect("it cannot be known yet");
            let size = file.meta().size;
            assert_eq!(file.read_at(0, readable).await.expect("so far so good"), content[..readable]);
            assert!(matches!(file.read_at(size - 1, 1).await, Err(StoreError::Io(_))), "{field} {value:?}");
        }
        // Only the size tells: what is in front of it is what it says.
        let mut crc = flate2::Crc::new();
        crc.update(&content[..99_999]);
        let short = claiming(honest.clone(), SIZE, &99_999_u32.to_le_bytes());
        let shelf = Shelf::with(&claiming(short, CRC, &crc.sum().to_le_bytes()));
        assert!(matches!(fetch(&shelf.serve(), "a").await, Err(StoreError::Io(_))));
        // One that claims to be empty is never read to its end: it is not offered.
        let shelf = Shelf::with(&claiming(honest.clone(), SIZE, &0_u32.to_le_bytes()));
        assert_eq!(offered(&shelf.serve(), "").await, (Vec::new(), 1));
        let shelf = Shelf::with(&honest);
        assert_eq!(fetch(&shelf.serve(), "a").await.expect("nobody lied"), content);
    });
}

#[test]
fn an_entry_that_points_elsewhere_is_an_error() {
    run(async {
        for method in [STORED, DEFLATED] {
            for to in [1_u32, 0xffff_fff0] {
                let shelf = Shelf::with(&claiming(zip(&[("a", method, b"abc")]), LOCAL_HEADER, &to.to_le_bytes()));
                // Either where it is served or where it is opened; never a panic, never bytes.
                let Ok(store) = shelf.try_serve(1 << 30) else { continue };
                assert!(matches!(fetch(&store, "a").await, Err(StoreError::Io(_) | StoreError::NotFound)), "{to}");
            }
        }
    });
}

#[test]
fn a_deflated_entry_is_read_in_any_order() {
    run(async {
        let content = noise(300_000);
        let shelf = Shelf::with(&zip(&[("before", STORED, b"x"), ("a", DEFLATED, &content)]));
        let file = shelf.serve().open(&path("a")).await.expect("is there");
        for (offset, len) in
            [(0, 1), (200_000, 100_000), (299_999, 1), (5, 70_000), (70_005, 1), (100, 100), (0, 300_000)]
        {
            let read = file.read_at(offset as u64, len).await.expect("inside");
            assert!(read == content[offset..offset + len], "{offset} {len}");
        }
    });
}

#[test]
fn a_replaced_zip_file_ends_what_is_being_read_and_is_there_for_who_asks_anew() {
    run(async {
        for method in [STORED, DEFLATED] {
            let (old, new) = (noise(200_000), vec![7; 200_000]);
            let shelf = Shelf::with(&zip(&[("a", method, &old), ("gone", method, b"x")]));
            let store = shelf.serve();
            let file = store.open(&path("a")).await.expect("is there");
            assert_eq!(file.read_at(0, 10).await.expect("unchanged"), old[..10]);
            shelf.replace(&zip(&[("a", method, &new), ("added", method, b"x")]));
            assert!(matches!(file.read_at(10, 10).await, Err(StoreError::Changed)), "{method:?}");
            assert_eq!(names(&store, "").await, ["a", "added"]);
            let now = store.open(&path("a")).await.expect("is there");
            assert_ne!(now.meta().version, file.meta().version);
            assert_eq!(now.read_at(10, 10).await.expect("unchanged"), new[10..20]);
        }
    });
}

#[test]
fn a_zip_file_written_over_in_place_ends_what_is_being_read() {
    run(async {
        for method in [STORED, DEFLATED] {
            let shelf = Shelf::with(&zip(&[("a", method, &noise(200_000))]));
            let file = shelf.serve().open(&path("a")).await.expect("is there");
            assert!(file.read_at(0, 10).await.is_ok());
            // Shorter, so that nothing but the truth can tell, whatever the clock's grain; the error it causes is not told.
            fs::write(shelf.zip(), b"no zip file").expect("writable");
            assert!(matches!(file.read_at(10, 100_000).await, Err(StoreError::Changed)), "{method:?}");
        }
    });
}

#[test]
fn what_is_no_zip_file_is_refused_at_the_beginning_and_an_error_later() {
    run(async {
        let shelf = Shelf::with(b"no zip file");
        assert!(shelf.try_serve(1 << 30).is_err());
        shelf.replace(&zip(&[("a", STORED, b"x")]));
        let store = shelf.serve();
        shelf.replace(b"no zip file");
        assert!(matches!(store.list(&query("", None, 9, true)).await, Err(StoreError::Io(_))));
        fs::remove_file(shelf.zip()).expect("is there");
        assert!(matches!(fetch(&store, "a").await, Err(StoreError::Io(_))));
        shelf.replace(&zip(&[("a", STORED, b"back")]));
        assert_eq!(fetch(&store, "a").await.expect("is there"), "back");
    });
}

#[test]
fn a_version_survives_a_restart_and_depends_on_the_secret() {
    run(async {
        let shelf = Shelf::with(&zip(&[("a", STORED, b"x")]));
        let version = async |store: ZipStore| store.open(&path("a")).await.expect("is there").meta().version;
        let before = version(shelf.serve()).await;
        assert_eq!(version(shelf.serve()).await, before);
        let other = ZipStore::serve(&shelf.zip(), Secret::new([8; 32]), Options::default()).expect("a zip file");
        assert_ne!(version(other).await, before);
    });
}

#[test]
fn times_are_read_as_utc() {
    run(async {
        let time = zip::DateTime::from_date_and_time(2024, 2, 29, 12, 34, 56).expect("a date");
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        let options = SimpleFileOptions::default().last_modified_time(time);
        zip.add_directory("d", options).expect("a new name");
        zip.start_file("d/a", options).expect("a new name");
        let shelf = Shelf::with(zip.finish().expect("writable").get_ref());
        let want = Timestamp::new(1_709_210_096, 0).expect("a time");
        for entry in list_all(&shelf.serve(), "", 9, true).await.0 {
            let (EntryKind::File(dpex_core::store::Meta { mtime, .. }) | EntryKind::Folder(mtime)) = entry.kind;
            assert_eq!(mtime, want, "{}", entry.path);
        }
    });
}

#[test]
fn a_zip_file_of_a_hundred_thousand_entries_is_served_and_a_larger_one_is_not() {
    run(async {
        let many = |n: usize| {
            let names: Vec<_> = (0..n).map(|n| n.to_string()).collect();
            zip(&names.iter().map(|name| (name.as_str(), STORED, &b""[..])).collect::<Vec<_>>())
        };
        let shelf = Shelf::with(&many(100_000));
        assert!(shelf.serve().open(&path("99999")).await.is_ok());
        shelf.replace(&many(100_001));
        assert!(shelf.try_serve(1 << 30).is_err());
    });
}

#[test]
fn the_folders_above_entries_count_as_well() {
    run(async {
        let deep = |n: usize| {
            let names: Vec<_> = (0..n).map(|n| format!("{n}/{}x", "d/".repeat(48))).collect();
            zip(&names.iter().map(|name| (name.as_str(), STORED, &b""[..])).collect::<Vec<_>>())
        };
        let shelf = Shelf::with(&deep(2_000));
        assert!(shelf.try_serve(1 << 30).is_ok(), "49 folders and a file each");
        shelf.replace(&deep(2_001));
        assert!(shelf.try_serve(1 << 30).is_err());
    });
}

#[test]
fn options_have_defaults_and_no_others_are_taken() {
    let options: Options = serde_json::from_str("{}").expect("all have defaults");
    assert_eq!(options, Options::default());
    let options: Options = serde_json::from_str(r#"{"unpack-limit": 5}"#).expect("a known key");
    assert_eq!(options.unpack_limit, 5);
    assert!(serde_json::from_str::<Options>(r#"{"unpack_limit": 5}"#).is_err());
}

#[test]
fn the_root_is_a_folder_of_an_empty_zip_file_too() {
    run(async {
        let shelf = Shelf::with(&zip(&[]));
        assert_eq!(offered(&shelf.serve(), "").await, (Vec::new(), 0));
        assert!(matches!(shelf.serve().open(&SharePath::ROOT).await, Err(StoreError::NotFound)));
    });
}
