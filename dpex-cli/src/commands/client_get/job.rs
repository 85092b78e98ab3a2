//! Many files over a line into one store, a bounded number at a time.
//!
//! A file that fails because the connection did, or because it changed on the server, is asked for again; any other
//! failure is its end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use dpex_core::engine::Failure;
use dpex_core::node::{Client, FetchEvent, Target};
use dpex_core::store::{Existing, FileStore, Held, Leftover, Meta, StoreError};
use dpex_core::types::{Digest, Fingerprint, SharePath};
use dpex_core::wire::message::FailCode;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::compare::{self, Unknown};
use super::room;
use super::stdout::Stdout;
use super::tally::Tally;
use crate::commands::line::Line;
use crate::error::{Blame, CliError, CliResult};
use crate::home::Ledger;
use crate::ui::{End, Transfer, Transfers};

/// Files under way at once. Small ones are asked for and answered many at a time, so that the path's length counts once.
const AT_ONCE: usize = 900;
/// Comparisons by content at once: each reads a file here and one on the server.
const COMPARED_AT_ONCE: usize = 8;
/// How often a file is begun anew that changes while it is sent, or whose part is lost.
const TRIES: u32 = 5;
/// Files of more bytes may be here in part.
pub(super) const BLOCK: u64 = 1 << 20;

/// A file that is to be here.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    pub(super) path: SharePath,
    pub(super) meta: Meta,
    pub(super) existing: Existing,
    /// A file of that name and size is here; it is compared first.
    pub(super) compare: bool,
    /// What a look before the beginning has found of it.
    pub(super) held: Option<Held>,
    /// It was asked for, and the connection ended.
    begun: bool,
    tries: u32,
}

impl Wish {
    pub(super) fn new(path: SharePath, meta: Meta, existing: Existing, compare: bool) -> Self {
        Self { path, meta, existing, compare, held: None, begun: false, tries: 0 }
    }
}

/// What a job works with.
pub(super) struct Job<'a, 'l> {
    pub(super) line: &'a mut Line<'l>,
    pub(super) store: &'a Arc<dyn FileStore>,
    /// The same, if it is standard output.
    pub(super) stdout: Option<&'a Stdout>,
    pub(super) origin: Fingerprint,
    pub(super) leftover: Leftover,
    pub(super) ledger: &'a mut Ledger,
}

/// One file under way.
struct UnderWay {
    wish: Wish,
    line: Transfer,
}

/// What is heard of a file under way.
enum News {
    /// The server sends it, and so many bytes are here already of those that were held.
    Offered {
        held: u64,
        expected: bool,
    },
    Written(u64),
}

/// How a try ended.
enum Outcome {
    Arrived {
        name: SharePath,
        root: Digest,
        size: u64,
    },
    /// Compared, and the same.
    Same,
    /// Compared, and another.
    Other,
    Failed(Failure),
}

impl Job<'_, '_> {
    /// Fetches files, the last of `waiting` first. Returns how many were not begun.
    pub(super) async fn run(
        mut self,
        mut waiting: Vec<Wish>,
        shown: &mut Transfers,
        tally: &mut Tally,
    ) -> CliResult<usize> {
        let (progress, mut news) = mpsc::channel(AT_ONCE);
        let mut tries = JoinSet::new();
        let mut under_way: BTreeMap<SharePath, UnderWay> = BTreeMap::new();
        let mut comparing = 0;
        loop {
            while under_way.len() < AT_ONCE && !tally.is_hopeless() && self.line.client().ended().is_none() {
                if waiting.last().is_some_and(|wish| wish.compare) && comparing >= COMPARED_AT_ONCE {
                    break;
                }
                let Some(wish) = waiting.pop() else { break };
                comparing += usize::from(wish.compare);
                let line = shown.start(wish.path.as_str(), wish.meta.size, 0)?;
                tries.spawn(self.attempt(wish.clone(), progress.clone()));
                under_way.insert(wish.path.clone(), UnderWay { wish, line });
            }
            if under_way.is_empty() && (waiting.is_empty() || tally.is_hopeless() || !self.can_go_on()) {
                return Ok(waiting.len());
            }
            let (path, outcome) = tokio::select! {
                Some((path, news)) = news.recv() => {
                    self.line.progressed();
                    self.hear(&path, &news, &mut under_way, shown)?;
                    continue;
                }
                Some(joined) = tries.join_next() => {
                    joined.map_err(|e| CliError::new(Blame::Internal, format!("a task failed: {e}")))?
                }
                watched = self.line.watch() => {
                    if let Err(error) = watched {
                        return self.give_up(error, under_way, waiting, shown, tally);
                    }
                    continue;
                }
            };
            let Some(UnderWay { wish, line }) = under_way.remove(&path) else { continue };
            comparing -= usize::from(wish.compare);
            // The server has been told that no more is wanted.
            if let Some(closed) = self.stdout.and_then(Stdout::closed) {
                return Err(closed);
            }
            if !matches!(outcome, Outcome::Failed(Failure::Disconnected)) {
                self.line.progressed();
            }
            if let Some(again) = self.again(&wish, &outcome) {
                if let Outcome::Failed(Failure::Refused { code: FailCode::Changed, .. }) = outcome {
                    shown.note(path.as_str(), "changed on the server while it was sent: it is fetched again")?;
                }
                waiting.push(again);
                if matches!(outcome, Outcome::Other)
                    && let Err(error) = self.check_room(&mut waiting, &under_way).await
                {
                    waiting.pop();
                    shown.end(&line, &tally.no_room(&path, &error))?;
                    continue;
                }
                shown.put_back(&line);
                continue;
            }
            let end = self.conclude(wish, outcome, tally).await?;
            shown.end(&line, &end)?;
        }
    }

    /// Is there room for what waits, and for the rest of what is under way? A small file has come when its end is heard.
    async fn check_room(&self, waiting: &mut [Wish], under_way: &BTreeMap<SharePath, UnderWay>) -> CliResult {
        let fetched = under_way.values().filter(|file| !file.wish.compare);
        let more = fetched.map(|file| u128::from(file.line.missing())).sum();
        room::check(&**self.store, waiting, more, &self.origin).await
    }

    /// Is there a connection, or may there be one?
    fn can_go_on(&self) -> bool {
        self.line.client().ended().is_none() || self.line.is_down()
    }

    fn hear(
        &self,
        path: &SharePath,
        news: &News,
        under_way: &mut BTreeMap<SharePath, UnderWay>,
        shown: &mut Transfers,
    ) -> CliResult {
        let Some(UnderWay { line, .. }) = under_way.get_mut(path) else { return Ok(()) };
        match *news {
            News::Offered { held: 0, expected: true } => {
                shown.note(path.as_str(), "has changed on the server since: it is fetched from its beginning")?;
            }
            News::Offered { held: 0, .. } => {}
            News::Offered { held, .. } => shown.resume(line, held)?,
            News::Written(written) => shown.advance(line, written, Instant::now())?,
        }
        Ok(())
    }

    /// A file that is worth another try, as it is to be tried.
    fn again(&self, wish: &Wish, outcome: &Outcome) -> Option<Wish> {
        let again = Wish { held: None, begun: true, ..wish.clone() };
        match outcome {
            Outcome::Failed(Failure::Disconnected) if self.line.is_down() || self.line.client().ended().is_none() => {
                Some(again)
            }
            Outcome::Failed(
                Failure::Refused { code: FailCode::Changed, .. } | Failure::Store(StoreError::Gone) | Failure::Mismatch,
            ) if wish.tries + 1 < TRIES => Some(Wish { tries: wish.tries + 1, ..again }),
            // Another than the one here, and it may take its place.
            Outcome::Other if wish.existing == Existing::Overwrite => {
                Some(Wish { compare: false, existing: Existing::Replace, ..again })
            }
            Outcome::Other if wish.existing == Existing::Rename => Some(Wish { compare: false, ..again }),
            _ => None,
        }
    }

    async fn conclude(&mut self, wish: Wish, outcome: Outcome, tally: &mut Tally) -> CliResult<End> {
        let Wish { path, meta, existing, .. } = wish;
        let (name, end) = match outcome {
            Outcome::Arrived { name, root, size } => {
                let end = tally.finished(&path, &name, root, size);
                (name, end)
            }
            // It may be another name beside it that has this file.
            Outcome::Failed(Failure::Store(StoreError::Same)) if existing == Existing::Rename => {
                return Ok(tally.same());
            }
            Outcome::Same | Outcome::Failed(Failure::Store(StoreError::Same)) => (path, tally.same()),
            Outcome::Other => return Ok(tally.differs(&path)),
            Outcome::Failed(failure) => return Ok(tally.failed(&path, &failure)),
        };
        if let Some(fetched) = compare::remembered(&**self.store, &name, &meta).await {
            self.ledger.put(&name, fetched)?;
        }
        Ok(end)
    }

    /// Ends everything that was not finished.
    fn give_up(
        self,
        error: CliError,
        under_way: BTreeMap<SharePath, UnderWay>,
        waiting: Vec<Wish>,
        shown: &mut Transfers,
        tally: &mut Tally,
    ) -> CliResult<usize> {
        let (begun, not_begun): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|wish| wish.begun);
        for UnderWay { wish, line } in under_way.into_values() {
            shown.end(&line, &tally.failed(&wish.path, &Failure::Disconnected))?;
        }
        for wish in begun {
            let line = shown.start(wish.path.as_str(), wish.meta.size, 0)?;
            shown.end(&line, &tally.failed(&wish.path, &Failure::Disconnected))?;
        }
        tally.disconnected(error);
        Ok(not_begun.len())
    }

    /// One try at one file, as a task.
    fn attempt(
        &self,
        wish: Wish,
        news: mpsc::Sender<(SharePath, News)>,
    ) -> impl Future<Output = (SharePath, Outcome)> + Send + use<> {
        let (client, store) = (self.line.client().clone(), Arc::clone(self.store));
        let (origin, leftover) = (self.origin, self.leftover);
        async move {
            let path = wish.path.clone();
            let outcome = if wish.compare {
                match compare::is_same(&client, &store, &path).await {
                    Ok(true) => Outcome::Same,
                    Ok(false) => Outcome::Other,
                    Err(Unknown::There(failure)) => Outcome::Failed(failure),
                    Err(Unknown::Here(error)) => Outcome::Failed(Failure::Store(error)),
                }
            } else {
                fetch(&client, store, origin, leftover, wish, &news).await
            };
            (path, outcome)
        }
    }
}

async fn fetch(
    client: &Client,
    store: Arc<dyn FileStore>,
    origin: Fingerprint,
    leftover: Leftover,
    wish: Wish,
    news: &mpsc::Sender<(SharePath, News)>,
) -> Outcome {
    let Wish { path, meta, existing, held, .. } = wish;
    let held = match held {
        None if meta.size > BLOCK => match store.held(&path, &origin).await {
            Ok(held) => held,
            Err(error) => return Outcome::Failed(Failure::Store(error)),
        },
        held => held,
    };
    let expected = held.is_some();
    let target = Target { held, leftover, ..Target::anew(store, path.clone(), existing, origin) };
    let mut fetch = client.fetch(path.clone(), target);
    loop {
        let heard = match fetch.next().await {
            Some(FetchEvent::Offered { held, .. }) => News::Offered { held, expected },
            Some(FetchEvent::Progress(written)) => News::Written(written),
            Some(FetchEvent::Finished { path: name, root, size }) => return Outcome::Arrived { name, root, size },
            Some(FetchEvent::Failed(failure)) => return Outcome::Failed(failure),
            None => return Outcome::Failed(Failure::Disconnected),
        };
        if !matches!(heard, News::Offered { held: 0, expected: false }) {
            // If nobody listens any more, the command is over and this task with it.
            let _ = news.send((path.clone(), heard)).await;
        }
    }
}
