//! What a probe says.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use dpex_core::engine::Limits;
use dpex_core::testing::scripted::{Acquaintance, ClientHost, Victim};
use dpex_core::testing::{MemStore, NullSuite, Scripted};
use dpex_core::wire::message::Message;

use crate::support::path;

#[test]
fn the_first_probe_says_again_what_was_lost() {
    let keys = Acquaintance::new(NullSuite::leak(1));
    let server = SocketAddr::from(([192, 0, 2, 1], 9473));
    let mut client = ClientHost::new(Instant::now(), &keys, server, &MemStore::new(), Limits::default());
    let mut peer = Scripted::server(&keys, &mut client, server);
    peer.ack(&mut client);
    client.get("file");
    assert_eq!(client.take_sent().len(), 1, "and this one packet is lost");
    while peer.heard.messages.is_empty() {
        client.advance(Duration::from_millis(10));
        if peer.listen(&mut client) > 0 {
            break;
        }
    }
    assert_eq!(peer.heard.messages, [Message::Get { id: 0, path: path("file"), resume: None }]);
}
