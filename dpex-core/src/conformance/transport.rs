//! What every transport must do, as cases that [`transport_cases!`](crate::transport_cases) turns into named tests of
//! the backend's own crate.
//!
//! Each case gets a function that binds a fresh socket, all of them able to reach each other, and runs under whatever
//! executor the backend needs. The network between them must not lose, repeat or reorder at the small volumes used here,
//! though a transport may. A missing datagram shows as a `recv` that never ends, so the executor must set a limit.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use crate::transport::{Received, Transmit, Transport};

/// Expands to one `#[test]` for each case. `$run` runs a future to its end and fails if it takes too long; `$sockets`
/// makes a function that binds one more socket of the same network.
#[macro_export]
macro_rules! transport_cases {
    ($run:path, $sockets:path) => {
        $crate::transport_cases! { @each $run, $sockets,
            a_datagram_arrives_unchanged_with_the_address_of_its_sender,
            boundaries_between_datagrams_are_kept,
            an_empty_datagram_harms_nothing,
            the_largest_datagram_arrives,
            a_datagram_too_large_to_send_is_lost_and_the_socket_goes_on,
            segments_arrive_as_datagrams,
            a_transmit_may_be_as_large_as_max_segments_allows,
            receiving_appends_to_the_batch,
            a_peer_that_vanished_does_not_poison_the_socket,
            an_impossible_destination_does_not_poison_the_socket,
            many_senders_are_told_apart,
            a_waiting_receiver_is_woken,
            a_socket_sends_while_it_waits_to_receive,
            a_receive_given_up_loses_nothing,
            a_socket_answers_the_address_it_received_from,
        }
    };
    (@each $run:path, $sockets:path, $($case:ident,)+) => {
        $(
            #[test]
            fn $case() {
                $run(async { $crate::conformance::transport::$case(&$sockets()).await });
            }
        )+
    };
}

/// A function that binds one more socket.
pub trait Bind: Fn() -> Arc<dyn Transport> {}

impl<F: Fn() -> Arc<dyn Transport>> Bind for F {}

/// Payload and sender are what they were.
pub async fn a_datagram_arrives_unchanged_with_the_address_of_its_sender(bind: &impl Bind) {
    let (a, b) = (bind(), bind());
    send(&a, addr(&b), &pattern(1_200, 7)).await;
    let got = gather(&b, 1).await;
    assert_eq!(contents(&got), [pattern(1_200, 7)]);
    assert_eq!(got.first().map(|datagram| datagram.from), Some(addr(&a)));
}

/// Nothing is merged or split, whatever the sizes.
pub async fn boundaries_between_datagrams_are_kept(bind: &impl Bind) {
    let (a, b) = (bind(), bind());
    let sizes = [1, 2, 1_199, 1_200, 1_200, 1_200, 1_201, 1_472, 4_096, 1_200, 8_972, 1];
    let mut sent: Vec<_> = sizes.iter().zip(0..).map(|(&len, seed)| pattern(len, seed)).collect();
    for payload in &sent {
        send(&a, addr(&b), payload).await;
    }
    let mut got = contents(&gather(&b, sent.len()).await);
    sent.sort();
    got.sort();
    assert_eq!(got, sent);
}

/// It arrives or is lost; it is no error and no end.
pub async fn an_empty_datagram_harms_nothing(bind: &impl Bind) {
    let (a, b) = (bind(), bind());
    send(&a, addr(&b), b"").await;
    a.send(Transmit { to: addr(&b), payload: b"", segment: 1_200 }).await.expect("an empty transmit is no error");
    send(&a, addr(&b), b"after").await;
    let mut got = Vec::new();
    while got.last().is_none_or(|last: &Received| last.payload.is_empty()) {
        b.recv(&mut got).await.expect("an empty datagram is no error");
    }
    got.retain(|received| !received.payload.is_empty());
    assert_eq!(contents(&got), [b"after"]);
}

/// All that UDP can carry on a loopback link of 65,536 bytes: IPv4's own limit, and IPv6's without fragments.
pub async fn the_largest_datagram_arrives(bind: &impl Bind) {
    let (a, b) = (bind(), bind());
    let largest = pattern(if addr(&b).is_ipv4() { 65_507 } else { 65_488 }, 1);
    send(&a, addr(&b), &largest).await;
    assert_eq!(contents(&gather(&b, 1).await), [largest]);
}

/// Path MTU discovery sends datagrams that do not fit, and lives.
pub async fn a_datagram_too_large_to_send_is_lost_and_the_socket_goes_on(bind: &impl Bind) {
    let (a, b) = (bind(), bind());
    send(&a, addr(&b), &pattern(70_000, 1)).await;
    send(&a, addr(&b), b"after").await;
    assert_eq!(contents(&gather(&b, 1).await), [b"after"]);
}

/// A transmit of several segments is several datagrams, the last one shorter.
pub async fn segments_arrive_as_datagrams(bind: &impl Bind) {
    let (a, b) = (bind(), bind());
    for full in [1, 2, 9] {
        let full = full.min(a.max_segments().saturating_sub(1));
        let payload = pattern(full * 1_200 + 300, 3);
        a.send(Transmit { to: addr(&b), payload: &payload, segment: 1_200 }).await.expect("a usable socket");
        let got = gather(&b, full + 1).await;
        let sizes: Vec<_> = contents(&got).iter().map(Vec::len).collect();
        assert_eq!(sizes, [vec![1_200; full], vec![300]].concat());
        assert_eq!(contents(&got).concat(), payload, "in order on a link that does not reorder");
    }
}

/// As many segments as the transport says it takes, all of equal size.
pub async fn a_transmit_may_be_as_large_as_max_segments_allows(bind: &impl Bind) {
    let (a, b) = (bind(), bind());
    let count = a.max_segments();
    assert!(count >= 1, "room for one segment at least");
    let payload = pattern(count * 1_000, 5);
    a.send(Transmit { to: addr(&b), payload: &payload, segment: 1_000 }).await.expect("a usable socket");
    assert_eq!(contents(&gather(&b, count).await).concat(), payload);
}

/// What was in the batch stays there.
pub async fn receiving_appends_to_the_batch(bind: &impl Bind) {
    let (a, b) = (bind(), bind());
    let kept = Received::one(addr(&a), b"kept");
    let mut batch = vec![kept];
    send(&a, addr(&b), b"new").await;
    b.recv(&mut batch).await.expect("a usable socket");
    assert_eq!(contents(&batch), [b"kept".to_vec(), b"new".to_vec()]);
}

/// Sending to a closed port, again and again, costs nobody else anything.
pub async fn a_peer_that_vanished_does_not_poison_the_socket(bind: &impl Bind) {
    let (a, b) = (bind(), bind());
    let gone = addr(&bind());
    for round in 0..20 {
        send(&a, gone, b"anybody?").await;
        let payload = pattern(9.min(a.max_segments()) * 1_200, 1);
        a.send(Transmit { to: gone, payload: &payload, segment: 1_200 }).await.expect("a usable socket");
        send(&a, addr(&b), &[round]).await;
        assert_eq!(contents(&gather(&b, 1).await), [vec![round]]);
        send(&b, addr(&a), &[round]).await;
        assert_eq!(contents(&gather(&a, 1).await), [vec![round]]);
    }
}

/// Port 0, and an address of a family the socket may not have.
pub async fn an_impossible_destination_does_not_poison_the_socket(bind: &impl Bind) {
    let (a, b) = (bind(), bind());
    let segments = a.max_segments();
    for to in [SocketAddr::new(addr(&b).ip(), 0), SocketAddr::from(([0_u16; 8], 0)), SocketAddr::from(([0_u8; 4], 0))] {
        let payload = pattern(9.min(segments) * 1_200, 1);
        a.send(Transmit { to, payload: &payload, segment: 1_200 }).await.expect("a usable socket");
    }
    send(&a, addr(&b), b"after").await;
    assert_eq!(contents(&gather(&b, 1).await), [b"after"]);
    assert_eq!(a.max_segments(), segments, "one impossible peer must not slow down the others");
}

/// Ten senders at once, each datagram with its own sender's address.
pub async fn many_senders_are_told_apart(bind: &impl Bind) {
    let receiver = bind();
    let senders: Vec<_> = (0..10).map(|_| bind()).collect();
    for turn in 0..10 {
        for (sender, number) in senders.iter().zip(0_u8..) {
            send(sender, addr(&receiver), &[number, turn]).await;
        }
    }
    let got = gather(&receiver, 100).await;
    for (sender, number) in senders.iter().zip(0_u8..) {
        let from_it = got.iter().filter(|received| received.from == addr(sender));
        let mut turns: Vec<_> = from_it.flat_map(Received::datagrams).collect();
        turns.sort();
        assert_eq!(turns, (0..10).map(|turn| [number, turn]).collect::<Vec<_>>());
    }
}

/// A receiver that began to wait before anything was sent gets what is sent.
pub async fn a_waiting_receiver_is_woken(bind: &impl Bind) {
    let (a, b) = (bind(), bind());
    let mut batch = Vec::new();
    {
        let mut receiving = pin!(b.recv(&mut batch));
        poll_fn(|cx| {
            assert!(receiving.as_mut().poll(cx).is_pending(), "nothing was sent yet");
            Poll::Ready(())
        })
        .await;
        send(&a, addr(&b), b"wake up").await;
        receiving.await.expect("a usable socket");
    }
    assert_eq!(contents(&batch), [b"wake up"]);
}

/// Sessions send whenever they like, and somebody waits to receive at all times.
pub async fn a_socket_sends_while_it_waits_to_receive(bind: &impl Bind) {
    let (a, b) = (bind(), bind());
    let mut batch = Vec::new();
    let mut receiving = pin!(b.recv(&mut batch));
    poll_fn(|cx| {
        assert!(receiving.as_mut().poll(cx).is_pending(), "nothing was sent yet");
        Poll::Ready(())
    })
    .await;
    send(&b, addr(&a), b"meanwhile").await;
    assert_eq!(contents(&gather(&a, 1).await), [b"meanwhile"]);
}

/// Dropping the future of `recv` is how a caller stops waiting, before anything came or just after.
pub async fn a_receive_given_up_loses_nothing(bind: &impl Bind) {
    let (a, b) = (bind(), bind());
    let mut got = Vec::new();
    {
        let mut receiving = pin!(b.recv(&mut got));
        poll_fn(|cx| {
            assert!(receiving.as_mut().poll(cx).is_pending(), "nothing was sent yet");
            Poll::Ready(())
        })
        .await;
        send(&a, addr(&b), b"later").await;
        poll_fn(|cx| {
            // It is done, or takes up what came and is given up in the middle of that.
            let _ = receiving.as_mut().poll(cx);
            Poll::Ready(())
        })
        .await;
    }
    if got.is_empty() {
        got = gather(&b, 1).await;
    }
    assert_eq!(contents(&got), [b"later"]);
}

/// The address a datagram came from is one that can be sent to.
pub async fn a_socket_answers_the_address_it_received_from(bind: &impl Bind) {
    let (a, b) = (bind(), bind());
    send(&a, addr(&b), b"question").await;
    for question in gather(&b, 1).await {
        send(&b, question.from, b"answer").await;
    }
    let got = gather(&a, 1).await;
    assert_eq!(contents(&got), [b"answer"]);
    assert_eq!(got.first().map(|datagram| datagram.from), Some(addr(&b)));
}

fn addr(transport: &Arc<dyn Transport>) -> SocketAddr {
    transport.local_addr().expect("a bound socket has an address")
}

async fn send(from: &Arc<dyn Transport>, to: SocketAddr, payload: &[u8]) {
    from.send(Transmit { to, payload, segment: payload.len() }).await.expect("a usable socket");
}

/// Receives until `count` datagrams are there, and fails if there are more.
async fn gather(at: &Arc<dyn Transport>, count: usize) -> Vec<Received> {
    let mut batch = Vec::new();
    while count_of(&batch) < count {
        let before = batch.len();
        at.recv(&mut batch).await.expect("a usable socket");
        assert!(batch.len() > before, "recv returned without a datagram");
    }
    assert_eq!(count_of(&batch), count, "more datagrams than were sent");
    batch
}

fn count_of(batch: &[Received]) -> usize {
    batch.iter().flat_map(Received::datagrams).count()
}

fn contents(batch: &[Received]) -> Vec<Vec<u8>> {
    batch.iter().flat_map(Received::datagrams).map(<[u8]>::to_vec).collect()
}

/// Bytes that differ along the datagram and between datagrams.
fn pattern(len: usize, seed: u8) -> Vec<u8> {
    (0..=u8::MAX).cycle().map(|byte| byte.wrapping_mul(31).wrapping_add(seed)).take(len).collect()
}
