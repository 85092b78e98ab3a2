//! Homes do not remember which cryptography backend made them: every backend of this build reads those of every other,
//! one test for each pair.

use std::fs;

use crate::running::Running;
use crate::site::{free_port, hash, put, text};
use crate::support::Machine;

macro_rules! pairs {
    ($($name:ident: $feature:literal $made:literal, $other:literal $used:literal;)+) => { $(
        #[cfg(all(feature = $feature, feature = $other))]
        #[test]
        fn $name() {
            homes_cross_over($made, $used);
        }
    )+ };
}

pairs! {
    homes_by_awslc_used_by_awslc: "crypto-awslc" "awslc", "crypto-awslc" "awslc";
    homes_by_awslc_used_by_openssl: "crypto-awslc" "awslc", "crypto-openssl" "openssl";
    homes_by_awslc_used_by_rustcrypto: "crypto-awslc" "awslc", "crypto-rustcrypto" "rustcrypto";
    homes_by_openssl_used_by_awslc: "crypto-openssl" "openssl", "crypto-awslc" "awslc";
    homes_by_openssl_used_by_openssl: "crypto-openssl" "openssl", "crypto-openssl" "openssl";
    homes_by_openssl_used_by_rustcrypto: "crypto-openssl" "openssl", "crypto-rustcrypto" "rustcrypto";
    homes_by_rustcrypto_used_by_awslc: "crypto-rustcrypto" "rustcrypto", "crypto-awslc" "awslc";
    homes_by_rustcrypto_used_by_openssl: "crypto-rustcrypto" "rustcrypto", "crypto-openssl" "openssl";
    homes_by_rustcrypto_used_by_rustcrypto: "crypto-rustcrypto" "rustcrypto", "crypto-rustcrypto" "rustcrypto";
}

/// One backend makes both homes and both mails, with the client's key under a passphrase; another serves and fetches.
fn homes_cross_over(made: &str, used: &str) {
    let port = free_port().to_string();
    let server = Machine::new().with_env("DPEX_PORT", &port);
    let client = Machine::new().with_env("DPEX_PASSPHRASE", "correct horse");
    server.ok(&["--crypto", made, "server", "init", "--bits", "3072", "--host", "127.0.0.1"]);
    let init = ["--crypto", made, "client", "init", "--bits", "3072", "--name", "alice", "--passphrase"];
    let request = server.file("alice.json", &client.ok(&init));
    let key = fs::read_to_string(client.home().join("client/identity.pem")).expect("there");
    assert!(key.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"), "{key}");
    let answer = client.file("answer.json", &server.ok(&["--crypto", made, "server", "add", text(&request)]));
    // The other one opens what was sealed to the key.
    client.ok(&["--crypto", used, "client", "update", text(&answer)]);

    let shelf = server.ok(&["server", "path", "alice"]);
    let want = put(&std::path::Path::new(shelf.trim_end()).join("file"), 3_000_000, "file");
    let serve = ["--crypto", used, "server", "serve", "--listen", "127.0.0.1", "--json"];
    let mut serving = Running::start(server.command(&serve));
    serving.wait_for("serving", |_| true);
    for (suite, folder) in [(made, "first"), (used, "second")] {
        client.ok(&["--crypto", suite, "client", "get", "file", "--to", folder]);
        assert_eq!(hash(&client.path(folder).join("file")), want, "{suite}");
    }
}

#[test]
fn a_key_under_a_passphrase_asks_for_it_and_says_so_where_it_cannot() {
    let client = Machine::new().with_env("DPEX_PASSPHRASE", "correct horse");
    let mail = client.ok(&["client", "init", "--bits", "3072", "--name", "alice", "--passphrase"]);
    assert_eq!(client.ok(&["client", "init"]), mail);
    let file = client.home().join("client/identity.pem");
    let ended = Running::start({
        let mut command = client.command(&["client", "init"]);
        command.env_remove("DPEX_PASSPHRASE");
        command
    })
    .ended();
    let error = format!("the private key in {} cannot be used: it is under a passphrase", file.display());
    ended.fails(2, &error, "set DPEX_PASSPHRASE");
    let ended = Running::start({
        let mut command = client.command(&["client", "init"]);
        command.env("DPEX_PASSPHRASE", "wrong");
        command
    })
    .ended();
    ended.fails(2, "the passphrase is wrong", "type the one that it was made with");
    let empty = Machine::new().with_env("DPEX_PASSPHRASE", "").run(&["client", "init", "--passphrase"]);
    empty.fails(2, "the passphrase is empty", "leave out --passphrase");
    let nobody = Machine::new().run(&["client", "init", "--passphrase"]);
    nobody.fails(2, "there is no terminal to ask for a passphrase on", "DPEX_PASSPHRASE");
}
