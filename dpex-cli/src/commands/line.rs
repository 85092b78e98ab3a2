//! A connection that outlives the one it began with: when the server restarts, the path dies or this machine's address
//! changes, another takes its place.

use std::pin::Pin;
use std::time::Duration;

use dpex_core::engine::{CloseReason, Closer};
use dpex_core::node::Client;
use dpex_core::wire::frame::CloseCode;
use tokio::time::{Instant, sleep};

use super::Context;
use super::connection::{self, Prospect};
use crate::config::Settings;
use crate::error::{Blame, CliError, CliResult};

/// Silence after which the server is asked for a sign of life, and after which another connection is tried beside the
/// old one.
const QUIET: Duration = Duration::from_secs(3);
const SILENT: Duration = Duration::from_secs(6);
/// Waits between tries to connect; the last one is repeated.
const WAITS: [Duration; 5] = [
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
];

type Dialing<'a> = Pin<Box<dyn Future<Output = CliResult<Client>> + 'a>>;

/// The present connection to a server, and what it takes to make the next.
pub(super) struct Line<'a> {
    context: &'a Context,
    settings: &'a Settings,
    prospect: &'a Prospect,
    /// Without progress for so long, one gives up.
    patience: Duration,
    client: Client,
    /// When something last came of it.
    progress: Instant,
    dialing: Option<Dialing<'a>>,
}

impl<'a> Line<'a> {
    /// Connects for the first time. Whoever cannot be reached then is not waited for, and no address for longer than one
    /// waits.
    pub(super) async fn connect(
        context: &'a Context,
        settings: &'a Settings,
        prospect: &'a Prospect,
        patience: Duration,
    ) -> CliResult<Self> {
        let client = prospect.connect_within(context, settings, patience).await?;
        let progress = Instant::now();
        Ok(Self { context, settings, prospect, patience, client, progress, dialing: None })
    }

    /// The present connection.
    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Something came of it.
    pub(super) fn progressed(&mut self) {
        self.progress = Instant::now();
    }

    /// Has the present connection ended in a way that another may mend?
    pub(super) fn is_down(&self) -> bool {
        self.client.ended().is_some_and(|reason| may_come_back(&reason))
    }

    /// Looks after the connection; to be called about once a second while something is awaited, and cancelled at will.
    ///
    /// # Errors
    /// If nothing was heard and nothing came for longer than one waits, or it is pointless to try again.
    pub(super) async fn watch(&mut self) -> CliResult {
        // Soon, since this may take days, and however it ends.
        self.prospect.learn(self.context, &self.client).await;
        let idle = self.progress.elapsed().min(self.client.silence());
        if idle >= self.patience {
            return Err(self.given_up());
        }
        if self.client.ended().is_none() {
            let silence = self.client.silence();
            if silence >= QUIET {
                self.client.probe();
            }
            if silence < SILENT {
                // It has come back to life, if it ever was in doubt.
                self.dialing = None;
                sleep(Duration::from_secs(1)).await;
                return Ok(());
            }
        } else if !self.is_down() {
            // Nothing more will come; what was asked for is told so.
            sleep(Duration::from_secs(1)).await;
            return Ok(());
        }
        self.dial().await
    }

    /// Tries to connect for a second, and goes on with that the next time.
    async fn dial(&mut self) -> CliResult {
        if self.dialing.is_none() {
            self.context.ui.say("the server does not answer; trying to connect again");
            self.dialing = Some(Box::pin(dial(self.context, self.settings, self.prospect)));
        }
        let Some(dialing) = &mut self.dialing else { return Ok(()) };
        let client = tokio::select! {
            dialed = dialing => dialed?,
            () = sleep(Duration::from_secs(1)) => return Ok(()),
        };
        self.dialing = None;
        let old = std::mem::replace(&mut self.client, client);
        self.context.ui.say("connected again");
        self.progressed();
        // What the old one was asked for fails then, and lets go of its file. It is told to end before anything is waited
        // for, and whoever hears that something failed must find the new one in its place: this may be cancelled here.
        old.leave().await;
        Ok(())
    }

    fn given_up(&self) -> CliError {
        let error = connection::ended(self.client.ended().as_ref());
        let secs = self.patience.as_secs();
        CliError::new(Blame::NoAnswer, format!("{}; nothing came for {secs} seconds", error.message()))
            .hint(error.hint_text())
    }

    /// Ends the connection.
    pub(super) async fn close(self) {
        self.prospect.learn(self.context, &self.client).await;
        self.client.close().await;
    }

    /// Ends the connection at once.
    pub(super) async fn leave(self) {
        self.client.leave().await;
    }
}

/// Connects, however often it takes. Ends with an error only when trying again cannot help.
async fn dial(context: &Context, settings: &Settings, prospect: &Prospect) -> CliResult<Client> {
    let mut waits = WAITS.into_iter();
    let mut wait = WAITS[0];
    loop {
        match prospect.connect(context, settings).await {
            Err(e) if e.blame() == Blame::NoAnswer => {}
            other => return other,
        }
        wait = waits.next().unwrap_or(wait);
        sleep(wait).await;
    }
}

/// Could another connection do better than one that ended so?
fn may_come_back(CloseReason { by, code, .. }: &CloseReason) -> bool {
    match code {
        CloseCode::Idle | CloseCode::Shutdown | CloseCode::KeyLimit => true,
        CloseCode::Internal => *by == Closer::Us,
        _ => false,
    }
}
