//! The task that keeps the caps: sessions ask, and are granted what is theirs when it is their turn.

use tokio::sync::mpsc;

use super::guest::Command;
use crate::shaping::{Caps, Shaper};
use crate::types::EnrolmentId;

/// A session wants to send more than it may.
pub(super) struct Ask {
    pub(super) person: EnrolmentId,
    pub(super) grants: mpsc::UnboundedSender<Command>,
}

/// Runs until nobody can ask any more.
pub(super) async fn run(mut asks: mpsc::UnboundedReceiver<Ask>, mut caps: mpsc::UnboundedReceiver<Caps<EnrolmentId>>) {
    let mut shaper: Shaper<mpsc::UnboundedSender<Command>, EnrolmentId> = Shaper::default();
    loop {
        let now = tokio::time::Instant::now();
        while let Some((session, bytes)) = shaper.poll_grant(now.into_std()) {
            // Whoever is gone leaves a quantum unused.
            let _ = session.send(Command::Grant(bytes));
        }
        let due = shaper.poll_timeout().map(tokio::time::Instant::from_std);
        let wake = async {
            match due {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            asked = asks.recv() => match asked {
                Some(Ask { person, grants }) => shaper.ask(grants, person),
                None => return,
            },
            Some(caps) = caps.recv() => shaper.set_caps(tokio::time::Instant::now().into_std(), caps),
            () = wake => {}
        }
    }
}
