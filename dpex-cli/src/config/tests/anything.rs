//! Any text as a settings file: refused with a reason, or the settings it says and no others.
//!
//! Not a target of cargo-fuzz, since a program's modules cannot be linked from outside; what it is run with besides random
//! texts is in `fuzz/corpus/config`.

use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;

/// Reads a text as the settings of either role. What is accepted keeps the kinds of the defaults, and means the same if
/// it is written out and read again.
fn anything(text: &str) {
    for role in [Role::Server, Role::Client] {
        let settings = match load(role, Some(text), &[], vec![]) {
            Ok(settings) => settings,
            Err(error) => {
                assert_eq!(error.blame().exit_code(), 2, "{}", error.message());
                assert!(error.message().contains("dpex.toml"), "{}", error.message());
                continue;
            }
        };
        let all = settings.all().expect("every value was checked");
        let defaults = load(role, None, &[], vec![]).expect("valid").all().expect("all");
        assert_eq!(all.len(), defaults.len());
        for (setting, default) in all.iter().zip(&defaults) {
            assert_eq!(setting.key, default.key);
            assert_eq!(std::mem::discriminant(&setting.value), std::mem::discriminant(&default.value));
            assert!(setting.source == "the default" || setting.source.ends_with("/dpex.toml"), "{}", setting.source);
            assert!(setting.source != "the default" || setting.value == default.value, "{}", setting.key);
        }
        let again = load(role, Some(&written(&all)), &[], vec![]).expect("valid").all().expect("all");
        assert!(all.iter().map(|s| (&s.key, &s.value)).eq(again.iter().map(|s| (&s.key, &s.value))), "{again:?}");
    }
}

/// Every setting as TOML, plain ones first, as they come.
fn written(all: &[Setting]) -> String {
    let mut text = String::new();
    let mut heading = "";
    for Setting { key, value, .. } in all {
        let (under, name) = key.split_once('.').unwrap_or(("", key));
        if under != heading {
            heading = under;
            writeln!(text, "[{heading}]").expect("writing to memory");
        }
        writeln!(text, "{name} = {}", toml(value)).expect("writing to memory");
    }
    text
}

fn toml(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => quoted(text),
        serde_json::Value::Array(all) => format!("[{}]", all.iter().map(toml).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

/// Lines of a settings file: a key that there is, or one that is like it, and a value that might be one.
fn lines() -> impl Strategy<Value = String> {
    let keys: Vec<String> = [Role::Server, Role::Client]
        .into_iter()
        .flat_map(|role| manual(role).lines())
        .filter_map(|line| {
            line.split_once(" = ").map(|(key, _)| key.to_owned()).or(line.starts_with('[').then(|| line.to_owned()))
        })
        .collect();
    let key = prop_oneof![9 => prop::sample::select(keys), 1 => "[a-z-]{1,8}(\\.[a-z-]{1,8})?"];
    let value = prop_oneof![
        any::<u64>().prop_map(|number| number.to_string()),
        any::<i32>().prop_map(|number| number.to_string()),
        any::<bool>().prop_map(|switch| switch.to_string()),
        ".{0,12}".prop_map(|text| quoted(&text)),
        proptest::collection::vec(".{0,5}", 0..3).prop_map(|texts| format!("{texts:?}")),
        "\\PC{0,8}",
    ];
    let line =
        (key, value).prop_map(|(key, value)| if key.starts_with('[') { key } else { format!("{key} = {value}") });
    proptest::collection::vec(line, 0..6).prop_map(|lines| lines.join("\n"))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_settings_or_refused(text in prop_oneof![4 => lines(), 1 => ".{0,60}"]) {
        anything(&text);
    }

    #[test]
    fn every_text_can_be_written_into_a_settings_file(name in any::<String>()) {
        let text = settings_file(manual(Role::Server), &[("name", quoted(&name))]);
        let settings = load(Role::Server, Some(&text), &[], vec![]).expect("valid");
        prop_assert_eq!(settings.value::<String>("name").expect("a text"), name);
    }
}

#[test]
fn every_settings_file_of_the_corpus_is_read_as_it_should() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/config");
    let mut inputs = 0;
    for entry in std::fs::read_dir(folder).expect("a corpus") {
        let path = entry.expect("a readable corpus").path();
        // The last one that is shown is the one that fails.
        println!("{}", path.display());
        anything(&String::from_utf8_lossy(&std::fs::read(&path).expect("an input")));
        inputs += 1;
    }
    assert!(inputs > 0, "the corpus is empty");
}
