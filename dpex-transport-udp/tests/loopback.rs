//! The transport on loopback sockets: the cases every transport shares, and what is UDP's own.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use dpex_core::transport::{Received, Transmit, Transport};
use dpex_transport_udp::{Options, UdpTransport};

/// Long enough for a loaded machine; a test that reaches it has failed.
const LIMIT: Duration = Duration::from_secs(20);

fn run(future: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be made")
        .block_on(async { tokio::time::timeout(LIMIT, future).await.expect("everything sent on loopback arrives") });
}

fn bind(addr: &str) -> Arc<dyn Transport> {
    let addr = addr.parse().expect("a literal address");
    Arc::new(UdpTransport::bind(addr, &Options::default()).expect("a free port on loopback"))
}

fn addr(transport: &Arc<dyn Transport>) -> SocketAddr {
    transport.local_addr().expect("a bound socket has an address")
}

async fn receive_one(at: &Arc<dyn Transport>) -> Received {
    let mut batch = Vec::new();
    at.recv(&mut batch).await.expect("a usable socket");
    assert_eq!(batch.len(), 1);
    batch.remove(0)
}

fn datagrams(batch: &[Received]) -> impl Iterator<Item = &[u8]> {
    batch.iter().flat_map(Received::datagrams)
}

/// Loopback may have no IPv6 on the machine that runs this; then the cases run on IPv4 alone.
fn has_ipv6() -> bool {
    std::net::UdpSocket::bind("[::1]:0").is_ok()
}

mod ipv4 {
    use super::*;

    fn sockets() -> impl Fn() -> Arc<dyn Transport> {
        || bind("127.0.0.1:0")
    }

    dpex_core::transport_cases!(run, sockets);
}

mod ipv6 {
    use super::*;

    fn sockets() -> impl Fn() -> Arc<dyn Transport> {
        let any = if has_ipv6() { "[::1]:0" } else { "127.0.0.1:0" };
        move || bind(any)
    }

    dpex_core::transport_cases!(run, sockets);
}

#[test]
fn a_port_in_use_is_said_to_be_in_use() {
    run(async {
        let taken = addr(&bind("127.0.0.1:0"));
        let first = UdpTransport::bind(taken, &Options::default()).expect("the port is free again");
        let error = UdpTransport::bind(taken, &Options::default()).expect_err("the port is taken");
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        drop(first);
        assert!(UdpTransport::bind(taken, &Options::default()).is_ok());
    });
}

#[test]
fn binding_outside_of_a_runtime_is_an_error_and_not_a_panic() {
    let any = "127.0.0.1:0".parse().expect("a literal address");
    let error = UdpTransport::bind(any, &Options::default()).expect_err("no runtime here");
    assert_eq!(error.kind(), io::ErrorKind::Other);
}

#[test]
fn the_ipv6_any_address_receives_ipv4_and_shows_it_as_ipv4() {
    run(async {
        let server = bind("[::]:0");
        let client = bind("127.0.0.1:0");
        let to = SocketAddr::from(([127, 0, 0, 1], addr(&server).port()));
        client.send(Transmit { to, payload: b"four", segment: 4 }).await.expect("a usable socket");
        let got = receive_one(&server).await;
        assert_eq!((got.from, &got.payload[..]), (addr(&client), &b"four"[..]));
        server.send(Transmit { to: got.from, payload: b"back", segment: 4 }).await.expect("a usable socket");
        assert_eq!(receive_one(&client).await.from, to);
        if has_ipv6() {
            let client = bind("[::1]:0");
            let to = SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], addr(&server).port()));
            client.send(Transmit { to, payload: b"six", segment: 3 }).await.expect("a usable socket");
            assert_eq!(receive_one(&server).await.from, addr(&client));
        }
    });
}

#[test]
fn a_destination_of_the_other_family_is_lost_and_the_socket_goes_on() {
    run(async {
        let (a, b) = (bind("127.0.0.1:0"), bind("127.0.0.1:0"));
        let six = SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], 9));
        a.send(Transmit { to: six, payload: b"x", segment: 1 }).await.expect("that peer's trouble alone");
        a.send(Transmit { to: addr(&b), payload: b"y", segment: 1 }).await.expect("a usable socket");
        assert_eq!(&receive_one(&b).await.payload[..], b"y");
    });
}

/// The contract allows `max_segments`; more must still arrive, only in more calls.
#[test]
fn a_transmit_beyond_one_call_is_sent_in_several() {
    run(async {
        let (a, b) = (bind("127.0.0.1:0"), bind("127.0.0.1:0"));
        let segments = a.max_segments();
        let payload: Vec<u8> = (0..=250).cycle().take(300 * 100 + 7).collect();
        a.send(Transmit { to: addr(&b), payload: &payload, segment: 100 }).await.expect("a usable socket");
        let mut batch = Vec::new();
        while datagrams(&batch).count() < 301 {
            b.recv(&mut batch).await.expect("a usable socket");
        }
        assert_eq!(datagrams(&batch).collect::<Vec<_>>().concat(), payload);
        assert_eq!(a.max_segments(), segments, "no call was larger than the system takes");
    });
}

#[test]
fn many_tasks_send_on_one_socket_at_once() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build();
    runtime.expect("a runtime can be made").block_on(async {
        let (sender, receiver) = (bind("127.0.0.1:0"), bind("127.0.0.1:0"));
        let to = addr(&receiver);
        let tasks: Vec<_> = (0..16_u8)
            .map(|task| {
                let sender = Arc::clone(&sender);
                tokio::spawn(async move {
                    let payload = vec![task; 4 * 500];
                    sender.send(Transmit { to, payload: &payload, segment: 500 }).await
                })
            })
            .collect();
        let mut batch = Vec::new();
        let receiving = async {
            while datagrams(&batch).count() < 64 {
                receiver.recv(&mut batch).await.expect("a usable socket");
            }
        };
        tokio::time::timeout(LIMIT, receiving).await.expect("everything sent on loopback arrives");
        for task in tasks {
            task.await.expect("no panic").expect("a usable socket");
        }
        for task in 0..16 {
            let whole = datagrams(&batch).filter(|datagram| *datagram == [task; 500]).count();
            assert_eq!(whole, 4, "task {task}");
        }
    });
}
