//! The task of one session: feeds the machine and does what it wants, until it is gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, mpsc};
use tokio::time::Sleep;

use super::disk::{Answer, Disk, Files};
use crate::engine::{Event, Session};
use crate::transport::{Received, Transmit, Transport};
use crate::wire::frame::CloseCode;

/// Bytes of datagrams that may wait for a session; more are dropped, as a network would.
const MAX_WAITING: usize = 4 << 20;
/// Send calls before the task looks at what has arrived.
const SENDS_A_TURN: usize = 16;
/// Commands that are carried out before it looks again.
const COMMANDS_A_TURN: usize = 256;
/// A session without a deadline still looks up now and then.
const IDLE_TURN: Duration = Duration::from_secs(60);

/// Who a session belongs to: gives it commands and hears what happens.
pub(super) trait Owner: Send {
    type Command: Send;
    /// Something happened.
    fn on_event(&mut self, session: &mut Session, disk: &mut Disk, event: Event);
    /// Carries out a command, or the end of all commands.
    fn on_command(&mut self, now: Instant, session: &mut Session, disk: &mut Disk, command: Option<Self::Command>);
    /// Anything the owner waits for that no event tells.
    fn on_turn(&mut self, _now: Instant, _session: &mut Session) {}
    /// All that the machine wanted to send has been sent.
    fn on_sent(&mut self, _disk: &mut Disk) {}
}

/// Where a session's datagrams are put.
pub(super) struct Inbox {
    sender: mpsc::UnboundedSender<Vec<Received>>,
    waiting: Arc<AtomicUsize>,
}

/// Where a session takes them from.
pub(super) struct Arrivals {
    receiver: mpsc::UnboundedReceiver<Vec<Received>>,
    waiting: Arc<AtomicUsize>,
}

/// A queue of datagrams that holds a bounded number of bytes.
pub(super) fn inbox() -> (Inbox, Arrivals) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let waiting = Arc::new(AtomicUsize::new(0));
    (Inbox { sender, waiting: Arc::clone(&waiting) }, Arrivals { receiver, waiting })
}

/// What a batch holds in memory, its own bookkeeping included.
fn weight(batch: &[Received]) -> usize {
    batch.iter().map(|received| size_of::<Received>() + received.payload.capacity()).sum()
}

impl Inbox {
    /// Queues a batch, or drops it if too much waits: the session's own recovery deals with that. False if the session
    /// is gone.
    pub(super) fn put(&self, batch: Vec<Received>) -> bool {
        let weight = weight(&batch);
        if self.waiting.load(Ordering::Relaxed) + weight > MAX_WAITING {
            return !self.sender.is_closed();
        }
        self.waiting.fetch_add(weight, Ordering::Relaxed);
        self.sender.send(batch).is_ok()
    }
}

impl Arrivals {
    async fn next(&mut self) -> Option<Vec<Received>> {
        let batch = self.receiver.recv().await?;
        self.waiting.fetch_sub(weight(&batch), Ordering::Relaxed);
        Some(batch)
    }

    fn try_next(&mut self) -> Option<Vec<Received>> {
        let batch = self.receiver.try_recv().ok()?;
        self.waiting.fetch_sub(weight(&batch), Ordering::Relaxed);
        Some(batch)
    }
}

/// What a session task works with.
pub(super) struct Parts<C> {
    pub(super) session: Session,
    pub(super) transport: Arc<dyn Transport>,
    pub(super) inbox: Arrivals,
    pub(super) commands: mpsc::UnboundedReceiver<C>,
    pub(super) files: Files,
    pub(super) permits: Arc<Semaphore>,
}

/// Runs a session until it is gone. Returns its disk, which may have work left.
pub(super) async fn run<O: Owner>(parts: Parts<O::Command>, owner: &mut O) -> Disk {
    let Parts { mut session, transport, mut inbox, mut commands, files, permits } = parts;
    let (mut disk, mut replies) = Disk::new(files, permits);
    let mut buffer = Vec::with_capacity(64 * 1024);
    let mut sleep = Box::pin(tokio::time::sleep(Duration::ZERO));
    let (mut commanded, mut given) = (true, Vec::new());
    let mut severed = false;
    loop {
        let sent_all = transmit(&mut session, &*transport, &mut buffer).await;
        if sent_all {
            owner.on_sent(&mut disk);
        }
        serve(&mut session, &mut disk, owner);
        if session.is_gone() || severed {
            return disk;
        }
        arm(&mut sleep, session.poll_timeout());
        tokio::select! {
            batch = inbox.next() => match batch {
                Some(batch) => take(&mut session, batch, &mut inbox),
                // The socket is gone: nothing will ever arrive. It may still take a last word.
                None => {
                    session.close(now(), CloseCode::Internal, "");
                    severed = true;
                }
            },
            Some(answer) = replies.recv() => hear(&mut session, &mut disk, answer, &mut replies),
            // Together, so that what they ask for travels together.
            count = commands.recv_many(&mut given, COMMANDS_A_TURN), if commanded => {
                commanded = count > 0;
                for command in given.drain(..) {
                    owner.on_command(now(), &mut session, &mut disk, Some(command));
                }
                if !commanded {
                    owner.on_command(now(), &mut session, &mut disk, None);
                }
            }
            () = &mut sleep => session.handle_timeout(now()),
            () = std::future::ready(()), if !sent_all => {}
        }
        serve(&mut session, &mut disk, owner);
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

fn arm(sleep: &mut std::pin::Pin<Box<Sleep>>, at: Option<Instant>) {
    let at = at.map_or_else(|| tokio::time::Instant::now() + IDLE_TURN, tokio::time::Instant::from_std);
    sleep.as_mut().reset(at);
}

fn take(session: &mut Session, batch: Vec<Received>, inbox: &mut Arrivals) {
    let now = now();
    let mut next = Some(batch);
    while let Some(batch) = next {
        for mut received in batch {
            let from = received.from;
            for datagram in received.datagrams_mut() {
                session.handle_datagram(now, from, datagram);
            }
        }
        next = inbox.try_next();
    }
}

fn hear(session: &mut Session, disk: &mut Disk, answer: Answer, replies: &mut mpsc::UnboundedReceiver<Answer>) {
    let now = now();
    let mut next = Some(answer);
    while let Some(answer) = next {
        session.handle_disk(now, disk.hear(answer));
        next = replies.try_recv().ok();
    }
}

/// Hands on what the machine wants of its disk and its owner.
fn serve<O: Owner>(session: &mut Session, disk: &mut Disk, owner: &mut O) {
    owner.on_turn(now(), session);
    disk.tidy();
    loop {
        if let Some(request) = session.poll_disk() {
            disk.submit(request);
        } else if let Some(event) = session.poll_event() {
            owner.on_event(session, disk, event);
        } else {
            return;
        }
    }
}

/// Sends what the machine wants sent. False if there may be more.
async fn transmit(session: &mut Session, transport: &dyn Transport, buffer: &mut Vec<u8>) -> bool {
    for _ in 0..SENDS_A_TURN {
        let Some(batch) = session.poll_transmit(now(), transport.max_segments(), buffer) else { return true };
        let transmit = Transmit { to: batch.to, payload: buffer, segment: batch.segment };
        if let Err(e) = transport.send(transmit).await {
            tracing::debug!(error = %e, "the socket failed");
            return true;
        }
    }
    false
}
