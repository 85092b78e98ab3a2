//! Whoever runs a server, while it runs: lets people in and out, caps them, asks how things stand, and ends it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::guest::SessionReport;
use crate::engine::{Crowded, FormerKnock, Person};
use crate::seal::Knock;
use crate::shaping::Caps;
use crate::types::EnrolmentId;

/// What a server is told while it runs.
pub(super) enum Order {
    Enrol(Box<Person>, oneshot::Sender<Result<(), Crowded>>),
    Expel(EnrolmentId),
    Cap(Caps<EnrolmentId>),
    Knock(Arc<Knock>, Option<FormerKnock>),
    Report(oneshot::Sender<Vec<SessionReport>>),
    Drain(Duration),
}

/// Tells a running server what has changed. Clones speak to the same one; what is said to one that has ended is lost.
#[derive(Clone, Debug)]
pub struct Steward {
    orders: mpsc::UnboundedSender<Order>,
}

impl Steward {
    pub(super) fn new() -> (Self, mpsc::UnboundedReceiver<Order>) {
        let (orders, receiver) = mpsc::unbounded_channel();
        (Self { orders }, receiver)
    }

    /// Somebody is enrolled, or what is known of them has changed.
    ///
    /// # Errors
    /// [`Crowded`].
    pub async fn enrol(&self, person: Person) -> Result<(), Crowded> {
        let (reply, answer) = oneshot::channel();
        let _ = self.orders.send(Order::Enrol(Box::new(person), reply));
        answer.await.unwrap_or(Ok(()))
    }

    /// Somebody is not enrolled any more. Their sessions end at once, and nobody else's (SES-4).
    pub fn expel(&self, person: EnrolmentId) {
        let _ = self.orders.send(Order::Expel(person));
    }

    /// These caps hold from now on.
    pub fn cap(&self, caps: Caps<EnrolmentId>) {
        let _ = self.orders.send(Order::Cap(caps));
    }

    /// This is the first gate from now on, and perhaps the one before it is open for a while.
    pub fn knock(&self, knock: Arc<Knock>, former: Option<FormerKnock>) {
        let _ = self.orders.send(Order::Knock(knock, former));
    }

    /// How each open session stands. One that does not say within a second is left out.
    pub async fn report(&self) -> Vec<SessionReport> {
        let (reply, answer) = oneshot::channel();
        let _ = self.orders.send(Order::Report(reply));
        answer.await.unwrap_or_default()
    }

    /// Lets nobody new in, and ends the server when nothing is being sent any more, or after `patience`.
    pub fn drain(&self, patience: Duration) {
        let _ = self.orders.send(Order::Drain(patience));
    }
}
