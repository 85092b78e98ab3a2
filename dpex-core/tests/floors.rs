//! The stairs have one direction: a module uses floors below its own, and the mechanisms of floor 3 do not know each
//! other. The table in `lib.rs` is read, not repeated; the sources are read, not trusted.
//!
//! Not a Rust parser: it reads paths that begin at the crate's root, which is how modules name each other.

#[path = "floors/paths.rs"]
mod paths;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use paths::Reference;

/// The floor whose modules are islands.
const ISLANDS: u32 = 3;

/// Beside the stairs: may use anything, and only tests may use them.
const BESIDE: [&str; 2] = ["testing", "conformance"];

/// Module name to floor, from the table in `lib.rs`.
type Floors = BTreeMap<String, u32>;

/// Reads the rows ``//! | 2 | [`wire`], `kdf` | what they are |``.
fn floors(lib: &str) -> Floors {
    let rows = lib.lines().filter_map(|line| line.strip_prefix("//! |"));
    let cells = rows.filter_map(|row| row.split('|').map(str::trim).collect::<Vec<_>>().try_into().ok());
    cells
        .filter_map(|[floor, modules, ..]: [&str; 4]| Some((floor.parse::<u32>().ok()?, modules)))
        .flat_map(|(floor, modules)| modules.split('`').skip(1).step_by(2).map(move |name| (name.to_owned(), floor)))
        .collect()
}

/// The modules that `lib.rs` declares.
fn declared(lib: &str) -> Vec<&str> {
    lib.lines()
        .filter_map(|line| line.trim().trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';'))
        .collect()
}

/// What is wrong with the references of one module; empty if nothing is.
fn violations(floors: &Floors, module: &str, references: &[Reference]) -> Vec<String> {
    let complaint = |reference: &Reference| {
        let target = reference.module.as_str();
        if target == module {
            return None;
        }
        if BESIDE.contains(&target) {
            let fine = reference.in_test || BESIDE.contains(&module);
            return (!fine).then(|| format!("only tests may use `{target}`"));
        }
        if BESIDE.contains(&module) {
            return None;
        }
        let (Some(&own), Some(&other)) = (floors.get(module), floors.get(target)) else {
            return Some(format!("`{module}` or `{target}` has no floor in the table of lib.rs"));
        };
        match other {
            _ if other > own => Some(format!("`{module}` (floor {own}) uses `{target}` (floor {other}) above it")),
            ISLANDS if own == ISLANDS => Some(format!("the islands `{module}` and `{target}` know each other")),
            _ => None,
        }
    };
    let lines =
        references.iter().filter_map(|reference| Some(format!("line {}: {}", reference.line, complaint(reference)?)));
    lines.collect()
}

/// Every `.rs` file below a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("a readable folder").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// `seal/window.rs` to `["seal", "window"]`.
fn module_path(relative: &Path) -> Vec<String> {
    relative.with_extension("").components().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect()
}

#[test]
fn every_module_uses_only_the_floors_below_it() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let floors = floors(&read(&src.join("lib.rs")));
    let mut wrong = Vec::new();
    let mut seen = Vec::new();
    let files: Vec<_> = sources(&src).into_iter().map(|file| (paths::scan(&read(&file)), file)).collect();
    let module_of = |file: &Path| module_path(file.strip_prefix(&src).expect("found below it"));
    // `#[cfg(test)] mod name;` makes a whole file a test.
    let test_modules: Vec<Vec<String>> = files
        .iter()
        .flat_map(|(scan, file)| scan.test_files.iter().map(move |name| [module_of(file), vec![name.clone()]].concat()))
        .collect();
    for (mut scan, file) in files {
        let module = module_of(&file);
        if module == ["lib"] {
            continue;
        }
        scan.resolve_supers(module.len());
        if test_modules.iter().any(|test| module.starts_with(test)) {
            scan.references.iter_mut().for_each(|reference| reference.in_test = true);
        }
        let top = module.first().expect("a file has a name");
        seen.extend(scan.references.iter().map(|reference| format!("{top} uses {}", reference.module)));
        let complaints = violations(&floors, top, &scan.references);
        wrong.extend(complaints.into_iter().map(|complaint| format!("src/{}: {complaint}", module.join("/"))));
    }
    assert!(seen.contains(&"store uses types".to_owned()), "the reader is blind: {seen:?}");
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn every_module_of_the_crate_has_one_floor_and_every_floor_has_its_modules() {
    let lib = read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs"));
    let floors = floors(&lib);
    let declared = declared(&lib);
    let homeless: Vec<_> =
        declared.iter().filter(|name| !floors.contains_key(**name) && !BESIDE.contains(name)).collect();
    let missing: Vec<_> = floors.keys().filter(|name| !declared.contains(&name.as_str())).collect();
    assert!(homeless.is_empty(), "not in the table: {homeless:?}");
    assert!(missing.is_empty(), "in the table but not in the crate: {missing:?}");
    assert_eq!(floors.values().max(), Some(&5), "floors 0 to 5");
}

/// Names of our crates that a manifest depends on, in every kind of dependency table, under whatever name.
fn our_dependencies(manifest: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut in_dependencies = false;
    for line in manifest.lines().map(|line| line.split('#').next().unwrap_or_default()) {
        if let Some(header) = line.trim().strip_prefix('[') {
            in_dependencies = header.split(['.', ']']).any(|part| part.ends_with("dependencies"));
        }
        let words = line.split(|letter: char| !(letter.is_alphanumeric() || letter == '-' || letter == '_'));
        found.extend(words.filter(|word| in_dependencies && word.starts_with("dpex-")).map(str::to_owned));
    }
    found
}

#[test]
fn backends_depend_on_core_and_on_nothing_else_of_ours() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut backends = 0;
    for entry in fs::read_dir(&workspace).expect("a readable folder") {
        let folder = entry.expect("a readable folder").path();
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let manifest = folder.join("Cargo.toml");
        let is_backend = ["dpex-crypto-", "dpex-store-", "dpex-transport-"].iter().any(|kind| name.starts_with(kind));
        if !is_backend || !manifest.exists() {
            continue;
        }
        backends += 1;
        let ours = our_dependencies(&read(&manifest));
        assert!(ours.contains(&"dpex-core".to_owned()), "{name} implements nothing of core");
        // A crate may depend on itself: that is how its tests get a feature.
        let others: Vec<_> =
            ours.iter().filter(|dependency| !["dpex-core", name.as_str()].contains(&dependency.as_str())).collect();
        assert!(others.is_empty(), "{name} depends on {others:?}");
    }
    assert!(backends >= 3, "only {backends} backends were found: the reader is blind");
}

/// The checker on made-up sources, so that it is known to be able to fail.
mod the_checker {
    use super::*;

    const LIB: &str = "//! | floor | modules | what |\n//! | --- | --- | --- |\n//! | 0 | [`types`] | a |\n\
                       //! | 1 | [`suite`], [`store`] | b |\n//! | 3 | [`seal`], [`recovery`] | c |\n//! | 5 | `node` | d |";

    /// Complaints about a source of the module `module`, which is `depth` files deep.
    fn check(module: &str, depth: usize, source: &str) -> Vec<String> {
        let mut scan = paths::scan(source);
        scan.resolve_supers(depth);
        violations(&floors(LIB), module, &scan.references)
    }

    #[test]
    fn reads_the_table() {
        let floors = floors(LIB);
        let pairs: Vec<_> = floors.iter().map(|(name, floor)| (name.as_str(), *floor)).collect();
        assert_eq!(pairs, [("node", 5), ("recovery", 3), ("seal", 3), ("store", 1), ("suite", 1), ("types", 0)]);
        assert_eq!(
            declared("pub mod types;\nmod suite;\n#[cfg(x)]\npub mod node;\n//! mod no"),
            ["types", "suite", "node"]
        );
    }

    #[test]
    fn lets_pass_what_goes_down_or_stays() {
        let fine = "use crate::types::Secret;\nuse crate::{suite::Aead, store::{FileStore, Meta}};\nuse crate::seal::window;\n\
                    pub(crate) fn f(x: &crate::types::Digest) {}\nuse super::seal;";
        assert_eq!(check("seal", 1, fine), [""; 0]);
        assert_eq!(check("suite", 1, "use crate::store::Meta;"), [""; 0], "neighbours below floor 3 may meet");
    }

    #[test]
    fn catches_every_way_to_look_up() {
        for up in [
            "use crate::node::Server;",
            "use crate :: node;",
            "pub use crate::{types::Secret, node::{self, Server}};",
            "use crate::{types::{Secret, Digest}, node};",
            "fn f() { crate::node::run(); }",
            "fn f(x: Vec<crate::node::Server>) {}",
            "use super::node;",
            "use super::{types, node};",
            "mod inner { use super::super::node; }",
            "fn f(x: &'static str) { let c = '\"'; crate::node::run() }",
            "// a comment\n/* another /* nested */ */ use crate::node;",
        ] {
            assert_eq!(check("suite", 1, up).len(), 1, "{up}");
        }
        assert_eq!(check("suite", 2, "use super::super::node;").len(), 1);
    }

    #[test]
    fn catches_islands_that_know_each_other_and_modules_without_a_floor() {
        assert_eq!(
            check("seal", 1, "use crate::types::X;\nuse crate::recovery::Y;"),
            ["line 2: the islands `seal` and `recovery` know each other"]
        );
        assert_eq!(check("seal", 1, "use crate::unheard_of::X;").len(), 1);
        assert_eq!(check("seal", 1, "use crate::*;").len(), 1, "a glob of the root hides what is used");
    }

    #[test]
    fn is_not_fooled_by_words_that_are_no_references() {
        let words = "//! [`crate::node`] is above.\n/// See crate::node.\nconst A: &str = \"crate::node\";\n\
                     const B: &str = r#\"use \"crate::node\"\"#;\nconst C: &[u8] = b\"\\\"crate::node\";\n\
                     mod node { }\nuse super::seal::node;\npub(crate) struct S;\nuse other::crate_::node;";
        assert_eq!(check("suite", 1, "use super::sibling;\nuse super::node;").len(), 2);
        assert_eq!(check("seal", 1, words), [""; 0]);
        assert_eq!(check("suite", 2, "use super::node;"), [""; 0], "a neighbour in the same folder");
    }

    #[test]
    fn lets_only_tests_use_the_test_doubles() {
        assert_eq!(check("node", 1, "use crate::testing::World;").len(), 1);
        assert_eq!(check("node", 1, "#[cfg(not(test))] mod x { use crate::testing::World; }").len(), 1);
        for fine in [
            "#[cfg(test)] mod tests { use super::*; use crate::testing::World; fn f() { { } } }",
            "#[cfg(all(test, feature = \"testing\"))]\nmod tests { use crate::testing::World; }",
            "#[cfg(test)] use crate::testing::World;",
            "#[cfg(test)] #[expect(x, reason = \"y\")] fn f() { crate::testing::f() }",
        ] {
            assert_eq!(check("node", 1, fine), [""; 0], "{fine}");
            let after = format!("{fine}\nuse crate::testing::World;");
            assert_eq!(check("node", 1, &after).len(), 1, "the test has ended: {after}");
        }
        assert_eq!(check("testing", 1, "use crate::node::Server;"), [""; 0], "beside the stairs");
        assert_eq!(check("seal", 1, "#[cfg(test)] mod tests { use crate::node::Server; }").len(), 1, "also in tests");
        assert_eq!(paths::scan("#[cfg(test)]\nmod tests;").test_files, ["tests"]);
    }

    #[test]
    fn finds_our_crates_in_a_manifest_however_they_are_named() {
        let manifest = "[package]\nname = \"dpex-store-fs\"\n[dependencies]\ndpex-core.workspace = true # dpex-a\n\
                        x = { package = \"dpex-b\", path = \"..\" }\n[dev-dependencies]\ndpex-c = \"1\"\n\
                        [target.'cfg(unix)'.dependencies]\ndpex-d = \"1\"\n[dependencies.dpex-e]\npath = \"..\"\n\
                        [features]\ndefault = [\"dpex-f/x\"]";
        assert_eq!(our_dependencies(manifest), ["dpex-core", "dpex-b", "dpex-c", "dpex-d", "dpex-e"]);
    }
}
