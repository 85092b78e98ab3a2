//! A client and a server who have enrolled each other, always with the same keys.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::{Answer, ClientGrant, Request, ServerGrant};
use crate::enrol::{CreateError, DocumentError, Policy, Terms};
use crate::suite::{CipherSuite, IdentityKey};
use crate::testing::NullSuite;
use crate::types::{Secret, Timestamp};

/// The two, and what they have sent each other.
pub(super) struct People {
    pub(super) suite: &'static NullSuite,
    pub(super) client: Arc<dyn IdentityKey>,
    pub(super) server: Arc<dyn IdentityKey>,
    pub(super) request: Request,
    pub(super) request_json: String,
    pub(super) answer_json: String,
    /// What the client keeps.
    pub(super) grant: ClientGrant,
    /// What the server keeps.
    pub(super) server_grant: ServerGrant,
}

/// 2026-11-22T13:41:48Z.
pub(super) fn now() -> Timestamp {
    Timestamp::new(1_795_354_908, 0).expect("whole seconds")
}

pub(super) fn people() -> &'static People {
    static PEOPLE: OnceLock<People> = OnceLock::new();
    PEOPLE.get_or_init(|| {
        // Nobody else draws from it meanwhile, so that documents in a corpus are answers to this request.
        let suite = NullSuite::leak(3);
        let [client, server] = [4096, 3072].map(|bits| suite.generate_identity(bits).expect("a key"));
        let uid = "b9e72d87-ac05-4563-bc32-9c2bf2738f93".parse().expect("a uuid");
        let request = Request::create(suite, &*client, uid, "Anna M\u{fc}ller & Co", now()).expect("a request");
        let (answer, server_grant) = answer(suite, &*server, &request).expect("an answer");
        let answer_json = answer.to_json();
        let grant = Answer::open(suite, &*client, &request, answer_json.as_bytes(), now()).expect("an honest answer");
        let request_json = request.to_json();
        People { suite, client, server, request, request_json, answer_json, grant, server_grant }
    })
}

impl People {
    /// What the client makes of a text.
    pub(super) fn open(&self, text: &[u8]) -> Result<ClientGrant, DocumentError> {
        Answer::open(self.suite, &*self.client, &self.request, text, now())
    }

    /// What the server answers to a request.
    pub(super) fn answer(&self, request: &Request) -> Result<(Answer, ServerGrant), CreateError> {
        answer(self.suite, &*self.server, request)
    }
}

fn answer(
    suite: &dyn CipherSuite,
    server: &dyn IdentityKey,
    request: &Request,
) -> Result<(Answer, ServerGrant), CreateError> {
    let terms = Terms {
        server_name: "Bob's files".parse().expect("a name"),
        endpoints: vec!["files.example.org:9473".parse().expect("an endpoint")],
        first_use_before: now().plus(Duration::from_secs(30 * 86_400)),
        policy: Policy::default(),
    };
    Answer::create(suite, server, request, &Secret::new([0x55; 32]), &terms, now())
}
