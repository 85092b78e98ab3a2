//! One person's session on a server, as its owner.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use super::host::{Host, Record, SessionInfo};
use super::shaping::Ask;
use crate::engine::{Event, Sending, Session, SessionId};
use crate::node::disk::Disk;
use crate::node::session::Owner;
use crate::types::{SharePath, Timestamp};
use crate::wire::frame::CloseCode;

/// What admission, or the caps, tell a session.
pub(super) enum Command {
    /// End.
    Close(CloseCode, &'static str),
    /// Say how it stands.
    Report(oneshot::Sender<SessionReport>),
    /// A cap holds from now on, or none.
    Cap(bool),
    /// So many more bytes may be sent.
    Grant(u64),
}

/// What a session tells admission.
pub(super) enum Notice {
    Opened(SessionId),
    Closed(SessionId),
}

/// How a session stands.
#[derive(Clone, Debug)]
pub struct SessionReport {
    /// Whose, and from where.
    pub info: SessionInfo,
    /// When it opened.
    pub since: Timestamp,
    /// Bytes of UDP payload sent so far.
    pub sent: u64,
    /// The smoothed round trip.
    pub rtt: Duration,
    /// What is being sent, in the order in which it was asked for.
    pub files: Vec<FileReport>,
}

/// How the sending of a file stands.
#[derive(Clone, Debug)]
pub struct FileReport {
    /// Which.
    pub path: SharePath,
    /// Its size in bytes.
    pub size: u64,
    /// Bytes of the blocks that were begun, without those that the client had.
    pub begun: u64,
}

impl From<Sending<'_>> for FileReport {
    fn from(Sending { path, size, begun }: Sending<'_>) -> Self {
        Self { path: path.clone(), size, begun }
    }
}

/// A server's session as its owner.
pub(super) struct Guest {
    pub(super) id: SessionId,
    pub(super) info: SessionInfo,
    pub(super) since: Timestamp,
    pub(super) opened: bool,
    pub(super) host: Arc<dyn Host>,
    pub(super) notices: mpsc::UnboundedSender<Notice>,
    /// Something is being done for the client.
    pub(super) busy: Arc<AtomicBool>,
    /// Where to ask for grants, and whether one is awaited.
    pub(super) asks: mpsc::UnboundedSender<Ask>,
    pub(super) asked: bool,
    /// How a grant comes back.
    pub(super) commands: mpsc::WeakUnboundedSender<Command>,
}

impl Owner for Guest {
    type Command = Command;

    fn on_event(&mut self, machine: &mut Session, disk: &mut Disk, event: Event) {
        if let Event::Closed(_) = event {
            // While the last word is being said.
            disk.forget_all();
        }
        let session = self.info.clone();
        let record = match event {
            Event::Opened => {
                self.opened = true;
                machine.announce(&self.host.endpoints());
                let _ = self.notices.send(Notice::Opened(self.id));
                Record::Opened(session)
            }
            Event::Listed { path, entries, skipped, named } => {
                Record::Listed { session, path, entries, skipped, named }
            }
            Event::Moved { from, to } => {
                self.info.peer = to;
                Record::Moved { session: self.info.clone(), from }
            }
            Event::Started { id, path, size } => Record::Started { session, id, path, size },
            Event::Delivered { id, path, size, root, sent } => {
                Record::Delivered { session, id, path, size, root, sent }
            }
            Event::Aborted { id, path, by, code, sent } => Record::Aborted { session, id, path, by, code, sent },
            // A session that never opened is nothing to tell of: its INIT was answered and nobody came.
            Event::Closed(reason) if self.opened => Record::Closed { session, reason },
            _ => return,
        };
        self.host.record(record);
    }

    fn on_command(&mut self, now: Instant, session: &mut Session, _: &mut Disk, command: Option<Command>) {
        match command {
            Some(Command::Close(code, why)) => session.close(now, code, why),
            Some(Command::Report(reply)) => {
                // Whoever asked may have waited long enough.
                let _ = reply.send(SessionReport {
                    info: self.info.clone(),
                    since: self.since,
                    sent: session.sent_bytes(),
                    rtt: session.rtt(),
                    files: session.sending().map(FileReport::from).collect(),
                });
            }
            Some(Command::Cap(capped)) => session.cap(capped),
            Some(Command::Grant(bytes)) => {
                self.asked = false;
                session.grant(bytes);
            }
            None => session.close(now, CloseCode::Shutdown, ""),
        }
    }

    fn on_turn(&mut self, _: Instant, session: &mut Session) {
        self.busy.store(session.is_busy(), Ordering::Relaxed);
        if session.poll_allowance()
            && !self.asked
            && let Some(grants) = self.commands.upgrade()
        {
            let ask = Ask { person: self.info.person, grants };
            self.asked = self.asks.send(ask).is_ok();
        }
    }
}
