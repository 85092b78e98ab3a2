//! Every cryptography backend of this build as a client against every other as a server, and against itself: one test
//! for each pair. Nothing that one side makes (keys, key files, documents, handshakes, records) may show who made it.

#[path = "support/host.rs"]
mod host;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use dpex_core::conformance::suite::{RSA3072, RSA4096};
use dpex_core::engine::{ConnectorConfig, EndpointConfig, IDLE_TIMEOUT, Limits, MAX_SESSIONS_PER_PERSON, Person};
use dpex_core::enrol::{Answer, ClientGrant, Policy, Request, ServerGrant, Terms, words};
use dpex_core::kdf::hh;
use dpex_core::keyfile;
use dpex_core::node::{FetchEvent, Server, Target, connect};
use dpex_core::seal::{Knock, PairKeys, Peering};
use dpex_core::store::Existing;
use dpex_core::suite::{CipherSuite, IdentityKey, random_secret};
use dpex_core::testing::{MemNet, MemStore};
use dpex_core::transport::Transport;
use dpex_core::types::{Fingerprint, Secret, SharePath, Timestamp};
use tokio::sync::oneshot;

use host::{Clock, Shelves};

type Suite = &'static dyn CipherSuite;

const KNOCK: [u8; 32] = [0x55; 32];

macro_rules! pairs {
    ($($name:ident: $client:literal $client_suite:path, $server:literal $server_suite:path;)+) => {
        /// The features of each row that is built.
        const PAIRS: &[(&str, &str)] = &[$(
            #[cfg(all(feature = $client, feature = $server))]
            ($client, $server),
        )+];
        $(
        #[cfg(all(feature = $client, feature = $server))]
        mod $name {
            #[test]
            fn every_operation_crosses_over() {
                super::cross(&$client_suite, &$server_suite);
            }

            #[test]
            fn documents_a_handshake_and_a_transfer_cross_over() {
                super::meet(&$client_suite, &$server_suite);
            }
        }
        )+
    };
}

pairs! {
    awslc_and_awslc: "crypto-awslc" dpex_crypto_awslc::SUITE, "crypto-awslc" dpex_crypto_awslc::SUITE;
    awslc_and_openssl: "crypto-awslc" dpex_crypto_awslc::SUITE, "crypto-openssl" dpex_crypto_openssl::SUITE;
    awslc_and_rustcrypto: "crypto-awslc" dpex_crypto_awslc::SUITE, "crypto-rustcrypto" dpex_crypto_rustcrypto::SUITE;
    openssl_and_awslc: "crypto-openssl" dpex_crypto_openssl::SUITE, "crypto-awslc" dpex_crypto_awslc::SUITE;
    openssl_and_openssl: "crypto-openssl" dpex_crypto_openssl::SUITE, "crypto-openssl" dpex_crypto_openssl::SUITE;
    openssl_and_rustcrypto:
        "crypto-openssl" dpex_crypto_openssl::SUITE, "crypto-rustcrypto" dpex_crypto_rustcrypto::SUITE;
    rustcrypto_and_awslc: "crypto-rustcrypto" dpex_crypto_rustcrypto::SUITE, "crypto-awslc" dpex_crypto_awslc::SUITE;
    rustcrypto_and_openssl:
        "crypto-rustcrypto" dpex_crypto_rustcrypto::SUITE, "crypto-openssl" dpex_crypto_openssl::SUITE;
    rustcrypto_and_rustcrypto:
        "crypto-rustcrypto" dpex_crypto_rustcrypto::SUITE, "crypto-rustcrypto" dpex_crypto_rustcrypto::SUITE;
}

// A row that is missing above would be missed by nobody.
#[test]
fn every_backend_of_this_build_is_in_the_matrix() {
    let features: Vec<_> = dpex_tests::SUITES.iter().map(|suite| format!("crypto-{}", suite.name())).collect();
    assert!(!features.is_empty());
    let mut all: Vec<_> =
        features.iter().flat_map(|a| features.iter().map(move |b| (a.as_str(), b.as_str()))).collect();
    all.sort_unstable();
    let mut rows = PAIRS.to_vec();
    rows.sort_unstable();
    assert_eq!(rows, all);
}

/// What one makes, the other takes; and where there is one right answer, both give it.
fn cross(a: Suite, b: Suite) {
    let message = b"a message that is a little longer than one block of anything";
    let key = Secret::new([7; 32]);
    assert_eq!(hh(a, "label", &[message]), hh(b, "label", &[message]));
    assert_eq!(a.hmac(b"key").mac(&[message]), b.hmac(b"key").mac(&[message]));

    let mut sealed = message.to_vec();
    let tag = a.aead(&key).expect("a key").seal(&[1; 12], b"aad", &mut sealed).expect("sealed");
    b.aead(&key).expect("a key").open(&[1; 12], b"aad", &mut sealed, &tag).expect("opened");
    assert_eq!(sealed, message);

    let mut blocks = [[9; 16]; 5];
    a.block(&key).expect("a key").encrypt(&mut blocks).expect("encrypted");
    b.block(&key).expect("a key").decrypt(&mut blocks).expect("decrypted");
    assert_eq!(blocks, [[9; 16]; 5]);

    let ours = a.key_agreement(&random_secret(a).expect("random")).expect("a key pair");
    let theirs = b.key_agreement(&random_secret(b).expect("random")).expect("a key pair");
    let (our_share, their_share) = (ours.public(), theirs.public());
    assert_eq!(ours.agree(&their_share), theirs.agree(&our_share));

    for der in [RSA3072, RSA4096] {
        let ours = a.identity_from_pkcs8(der).expect("a key");
        let file = keyfile::encode(a, &ours.to_pkcs8().expect("encoded"), Some(b"correct horse")).expect("encoded");
        let read = keyfile::decode(b, &file, || Some(b"correct horse".to_vec().into())).expect("read");
        let theirs = b.identity_from_pkcs8(&read).expect("the same key");
        assert_eq!(theirs.to_pkcs8(), ours.to_pkcs8());
        assert_eq!(theirs.public().spki(), ours.public().spki());
        let public = b.public_from_spki(ours.public().spki()).expect("a key");
        public.verify(message, &ours.sign(message).expect("signed")).expect("verified");
        let wrapped = public.wrap(b"label", message).expect("wrapped");
        assert_eq!(ours.unwrap(b"label", &wrapped).expect("opened").as_slice(), message);
    }
    let made = a.generate_identity(3072).expect("made");
    b.identity_from_pkcs8(&made.to_pkcs8().expect("encoded")).expect("a good key");
}

/// The client with its own suite, the server with the other: two mails, a handshake, a file.
fn meet(client: Suite, server: Suite) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        tokio::time::timeout(Duration::from_secs(60), session(client, server)).await.expect("no longer than a minute");
    });
}

fn now() -> Timestamp {
    Timestamp::from_system(SystemTime::now())
}

/// The mails, and that both sides read the same words.
fn enrol(client: Suite, server: Suite, alice: &dyn IdentityKey, bob: &dyn IdentityKey) -> (ServerGrant, ClientGrant) {
    let uid = "b9e72d87-ac05-4563-bc32-9c2bf2738f93".parse().expect("valid");
    let own = Request::create(client, alice, uid, "Alice", now()).expect("made");
    let request = Request::read(server, own.to_json().as_bytes(), now()).expect("read");
    let terms = Terms {
        server_name: "Bob's files".parse().expect("valid"),
        endpoints: vec!["127.0.0.1:9473".parse().expect("valid")],
        first_use_before: now().plus(Duration::from_secs(86_400)),
        policy: Policy::default(),
    };
    let (answer, grant) = Answer::create(server, bob, &request, &Secret::new(KNOCK), &terms, now()).expect("made");
    let opened = Answer::open(client, alice, &own, answer.to_json().as_bytes(), now()).expect("for this client");
    assert_eq!(words(&grant.exchange.0), words(&opened.exchange.0));
    (grant, opened)
}

async fn session(client: Suite, server: Suite) {
    let alice = client.identity_from_pkcs8(RSA4096).expect("a key");
    let bob = server.identity_from_pkcs8(RSA3072).expect("a key");
    let (grant, opened) = enrol(client, server, &*alice, &*bob);

    let net = MemNet::new();
    let shelf = MemStore::new();
    let content: Vec<u8> = (0..3_000_000u32).flat_map(|n| n.to_le_bytes()).collect();
    shelf.put(&path("folder/file"), content.clone());
    let own = peering(grant.client, dpex_core::enrol::fingerprint(server, bob.public().spki()), &grant);
    let person = Person {
        pair: PairKeys::new(server, &grant.psk, &own),
        next: None,
        key: grant.client_key(server).expect("a good key"),
        last_stamp: Timestamp::EPOCH,
        first_use_before: Some(grant.first_use_before),
        not_after: None,
        sessions: MAX_SESSIONS_PER_PERSON,
    };
    let config = EndpointConfig {
        suite: server,
        identity: bob,
        knock: Arc::new(Knock::new(server, &Secret::new(KNOCK))),
        former_knock: None,
        max_udp_payload: 65_000,
        idle: IDLE_TIMEOUT,
        limits: Limits::default(),
    };
    let transport = net.bind("192.0.2.1:9473".parse().expect("an address")).expect("free");
    let address = transport.local_addr().expect("bound");
    let shelves = Arc::new(Shelves(Arc::new(shelf)));
    let running = Server::new(config, vec![person], transport, shelves as _).expect("a server");
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(running.run(async {
        let _ = stopped.await;
    }));

    let peering = Peering {
        server: opened.server,
        client: opened.client,
        enrolment: opened.enrolment,
        exchange: opened.exchange,
    };
    let config = ConnectorConfig {
        suite: client,
        identity: alice,
        server_key: opened.server_key(client).expect("a good key"),
        pair: Arc::new(PairKeys::new(client, &opened.psk, &peering)),
        knock: Knock::new(client, &opened.knock),
        server: address,
        max_udp_payload: 65_000,
        idle: IDLE_TIMEOUT,
        limits: Limits::default(),
    };
    let own = net.bind("192.0.2.2:50000".parse().expect("an address")).expect("free");
    let session = connect(own, config, &Clock::default()).await.expect("connected");
    let received = MemStore::new();
    let target =
        Target::anew(Arc::new(received.clone()), path("folder/file"), Existing::default(), Fingerprint([0; 32]));
    let mut fetch = session.fetch(path("folder/file"), target);
    let end = loop {
        let event = fetch.next().await.expect("a fetch has an end");
        if matches!(event, FetchEvent::Finished { .. } | FetchEvent::Failed(_)) {
            break event;
        }
    };
    assert!(matches!(end, FetchEvent::Finished { .. }), "{end:?}");
    assert!(received.read(&path("folder/file")).as_deref() == Some(&content[..]), "every byte is right");
    stop.send(()).expect("the server still runs");
    running.await.expect("no panic").expect("the transport works");
}

fn peering(client: Fingerprint, server: Fingerprint, grant: &ServerGrant) -> Peering {
    Peering { server, client, enrolment: grant.enrolment, exchange: grant.exchange }
}

fn path(text: &str) -> SharePath {
    SharePath::parse(text).expect("a name")
}
