//! What the layers promise, without a process around them.

mod anything;

use super::*;

fn load(role: Role, file: Option<&str>, env: &[(&str, &str)], typed: Vec<Layer>) -> CliResult<Settings> {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("dpex.toml");
    if let Some(text) = file {
        std::fs::write(&path, text).expect("writable");
    }
    let env = env.iter().map(|(name, value)| (name.into(), value.into())).collect();
    Settings::load(role, Sources { file: SettingsFile::InHome(&path), env, typed })
}

fn refused(result: CliResult<Settings>) -> (String, String) {
    let error = result.expect_err("refused");
    assert_eq!(error.blame().exit_code(), 2);
    (error.message().to_owned(), error.hint_text().to_owned())
}

#[test]
fn each_layer_gives_way_to_the_next() {
    let file = Some("port = 2");
    let env = [("DPEX_PORT", "3")];
    let port = |settings: CliResult<Settings>| {
        let settings = settings.expect("valid");
        (settings.value::<u16>("port").expect("a port"), settings.source("port"))
    };
    assert_eq!(port(load(Role::Server, None, &[], vec![])), (9473, "the default".into()));
    let (value, source) = port(load(Role::Server, file, &[], vec![]));
    assert!(value == 2 && source.ends_with("/dpex.toml"), "{source}");
    assert_eq!(port(load(Role::Server, file, &env, vec![])), (3, "the environment variable DPEX_PORT".into()));
    let flag = vec![typed("--port", "port", 4_u16)];
    assert_eq!(port(load(Role::Server, file, &env, flag)), (4, "--port".into()));
}

#[test]
fn an_unknown_key_is_named_with_its_place_and_the_nearest_one() {
    for (text, key, near) in [
        ("prot = 1", "prot", "port"),
        ("firstusedays = 1", "firstusedays", "first-use-days"),
        ("[transport-udp]\nsend-bufer = 1", "transport-udp.send-bufer", "transport-udp.send-buffer"),
    ] {
        let (message, hint) = refused(load(Role::Server, Some(text), &[], vec![]));
        assert!(message.contains(&format!("`{key}`")) && message.contains("dpex.toml"), "{message}");
        assert!(hint.contains(&format!("`{near}`")), "{hint}");
    }
    let (message, hint) = refused(load(Role::Server, None, &[("DPEX_PROT", "1")], vec![]));
    assert!(message.contains("DPEX_PROT") && hint.contains("`port`"), "{message} / {hint}");
}

#[test]
fn a_key_unlike_any_other_points_to_the_manual() {
    for text in ["zzz = 1", "[zzz]", "[zzz]\nx = 1"] {
        let (message, hint) = refused(load(Role::Client, Some(text), &[], vec![]));
        assert!(message.contains("`zzz"), "{message}");
        assert!(hint.contains("dpex config client --defaults"), "{hint}");
    }
}

#[test]
fn the_other_roles_variables_are_left_alone_but_not_its_file_keys() {
    assert!(load(Role::Client, None, &[("DPEX_PORT", "3")], vec![]).is_ok());
    assert!(load(Role::Client, Some("port = 3"), &[], vec![]).is_err());
}

#[test]
fn a_value_of_the_wrong_kind_is_refused_even_if_nobody_reads_it() {
    for text in ["port = \"x\"", "port = 1.5", "port = true", "name = 3", "require-confirmed = 1", "port = []"] {
        let (message, _) = refused(load(Role::Server, Some(text), &[], vec![]));
        assert!(message.contains("must be"), "{text}: {message}");
    }
    let (message, _) = refused(load(Role::Server, None, &[("DPEX_PORT", "many")], vec![]));
    assert!(message.contains("DPEX_PORT must be a whole number"), "{message}");
    assert!(load(Role::Server, Some("[port]"), &[], vec![]).is_err());
    assert!(load(Role::Server, Some("transport-udp = 1"), &[], vec![]).is_err());
}

#[test]
fn a_file_that_is_not_toml_is_refused_with_the_line() {
    let (message, _) = refused(load(Role::Server, Some("port = 1\nhost = \n"), &[], vec![]));
    assert!(message.contains("line 2"), "{message}");
}

#[test]
fn a_number_in_the_environment_is_a_text_where_a_text_is_wanted() {
    let settings = load(Role::Server, None, &[("DPEX_NAME", "42")], vec![]).expect("valid");
    assert_eq!(settings.text("name").expect("a text").as_deref(), Some("42"));
}

#[test]
fn a_relative_path_belongs_to_the_file_it_is_written_in() {
    let path =
        |file: Option<&str>, env: &[(&str, &str)]| load(Role::Client, file, env, vec![]).expect("valid").path("to");
    assert_eq!(path(None, &[]).expect("a path"), Path::new("."));
    assert_eq!(path(None, &[("DPEX_TO", "in")]).expect("a path"), Path::new("in"));
    let written = path(Some("to = \"in\""), &[]).expect("a path");
    assert!(written.is_absolute() && written.ends_with("in"), "{}", written.display());
    assert_eq!(path(Some("to = \"/in\""), &[]).expect("a path"), Path::new("/in"));
}

#[test]
fn a_list_is_written_alike_in_a_file_and_in_the_environment() {
    let key = "store-fs.roots";
    let roots = |file: Option<&str>, env: &[(&str, &str)]| load(Role::Server, file, env, vec![]);
    let paths = |file, env| {
        let settings = roots(file, env).expect("valid");
        let paths: Vec<PathBuf> = settings.value(key).expect("a list");
        paths.iter().map(|path| settings.beside(key, path)).collect::<Vec<_>>()
    };
    assert_eq!(paths(None, &[]), [""; 0].map(PathBuf::from));
    assert_eq!(paths(None, &[("DPEX_STORE_FS__ROOTS", "[\"/a b\", 'c']")]), ["/a b", "c"].map(PathBuf::from));
    let written = paths(Some("[store-fs]\nroots = [\"/a\", \"b\"]"), &[]);
    assert!(written[0] == Path::new("/a") && written[1].is_absolute() && written[1].ends_with("b"), "{written:?}");
    for text in ["/a", "[1]", "[\"/a\"", "[]\nport = 1"] {
        let (message, hint) = refused(roots(None, &[("DPEX_STORE_FS__ROOTS", text)]));
        assert!(message.contains("must be a list of texts") && hint == "the default is []", "{text}: {message} {hint}");
    }
    let (message, _) = refused(roots(Some("[store-fs]\nroots = [1]"), &[]));
    assert!(message.contains("must be a list of texts"), "{message}");
}

#[test]
fn a_written_settings_file_means_the_defaults_and_what_was_chosen() {
    for role in [Role::Server, Role::Client] {
        let text = settings_file(manual(role), &[]);
        let (written, defaults) = (load(role, Some(&text), &[], vec![]), load(role, None, &[], vec![]));
        assert_eq!(written.expect("valid").all().expect("all"), defaults.expect("valid").all().expect("all"));
    }
    let name = "Bob's \"files\" \\ \u{1}";
    let text = settings_file(manual(Role::Server), &[("port", "1".into()), ("name", quoted(name))]);
    let settings = load(Role::Server, Some(&text), &[], vec![]).expect("valid");
    assert_eq!(settings.value::<u16>("port").expect("a port"), 1);
    assert_eq!(settings.text("name").expect("a text").as_deref(), Some(name));
}

#[test]
fn every_setting_is_shown_once() {
    for role in [Role::Server, Role::Client] {
        let all = load(role, None, &[], vec![]).expect("valid").all().expect("all");
        let mut keys: Vec<_> = all.iter().map(|setting| setting.key.clone()).collect();
        assert!(keys.contains(&"transport-udp.send-buffer".into()), "{keys:?}");
        let count = keys.len();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), count);
    }
}
