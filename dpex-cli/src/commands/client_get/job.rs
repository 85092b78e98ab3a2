//! Many files over a line into one store, a bounded number at a time.
//!
//! A file that fails because the connection did, or because it changed on the server, is asked for again; any other
//! failure is its end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use dpex_core::engine::Failure;
use dpex_core::node::{FetchEvent, Fetches, Target};
use dpex_core::store::{Existing, FileStore, Held, Leftover, Meta, StoreError};
use dpex_core::types::{Digest, Fingerprint, SharePath};
use dpex_core::wire::message::FailCode;
use tokio::task::{JoinError, JoinSet};

use super::compare::{self, Unknown};
use super::stdout::Stdout;
use super::tally::Tally;
use super::waiting::Waiting;
use crate::commands::line::Line;
use crate::error::{Blame, CliError, CliResult};
use crate::home::Ledger;
use crate::ui::{End, Transfer, Transfers};

/// Files under way at once. Small ones are asked for and answered many at a time, so that the path's length counts
/// once, and the server has something to do while the disk here is waited for.
const AT_ONCE: usize = 3900;
/// Comparisons by content at once: each reads a file here and one on the server.
const COMPARED_AT_ONCE: usize = 8;
/// How often a file is begun anew that changes while it is sent, or whose part is lost.
const TRIES: u32 = 5;
/// Files of more bytes may be here in part.
pub(super) const BLOCK: u64 = 1 << 20;
/// What a file of more than [`BLOCK`] bytes has behind its name until it is complete.
const PART: &str = ".part";
/// Files that have arrived and are looked at together, to be remembered.
const REMEMBERED_AT_ONCE: usize = 256;

/// A file that is to be here.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    pub(super) path: SharePath,
    pub(super) meta: Meta,
    pub(super) existing: Existing,
    /// A file of that name and size is here; it is compared first.
    pub(super) compare: bool,
    /// It was compared, and has other content.
    known_other: bool,
    /// What a look before the beginning has found of it.
    pub(super) held: Option<Held>,
    /// It was asked for, and the connection ended.
    begun: bool,
    tries: u32,
}

impl Wish {
    pub(super) fn new(path: SharePath, meta: Meta, existing: Existing, compare: bool) -> Self {
        Self { path, meta, existing, compare, known_other: false, held: None, begun: false, tries: 0 }
    }

    fn is_called_a_part(&self) -> bool {
        self.path.as_str().ends_with(PART)
    }

    /// Has it the name that another's part has?
    fn is_called_as_part_of(&self, other: &Self) -> bool {
        other.meta.size > BLOCK && self.path.as_str().strip_suffix(PART) == Some(other.path.as_str())
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

/// The files under way, by number.
#[derive(Default)]
struct Crowd {
    files: BTreeMap<u64, UnderWay>,
    numbers: u64,
    fetches: Fetches,
    /// What is done for a file before it is asked for, or instead.
    tasks: JoinSet<(u64, Prelude)>,
    comparing: usize,
    /// How many under way are called a part.
    parts: usize,
    /// What waits for the end of a file under way, by its number.
    held_back: Vec<(u64, Wish)>,
}

/// What was found before a file was asked for.
enum Prelude {
    /// What is here of it.
    Held(Result<Option<Held>, StoreError>),
    /// Whether a file here has its content.
    Compared(Result<bool, Unknown>),
}

/// What is heard of a file under way.
enum News {
    Fetch(u64, FetchEvent),
    Prelude(Result<(u64, Prelude), JoinError>),
    /// Nothing of any; a second has passed, perhaps.
    Watched(CliResult),
}

impl Crowd {
    fn insert(&mut self, number: u64, wish: Wish, line: Transfer) {
        self.comparing += usize::from(wish.compare);
        self.parts += usize::from(wish.is_called_a_part());
        self.files.insert(number, UnderWay { wish, line });
    }

    /// A file under way ends. Also gives what waited for that.
    fn remove(&mut self, number: u64) -> Option<(UnderWay, Vec<Wish>)> {
        let ended = self.files.remove(&number)?;
        self.comparing -= usize::from(ended.wish.compare);
        self.parts -= usize::from(ended.wish.is_called_a_part());
        let freed = self.held_back.extract_if(.., |(other, _)| *other == number);
        Some((ended, freed.map(|(_, wish)| wish).collect()))
    }

    /// A file under way that shares a name with this one, as long as one of the two is a part.
    fn in_the_way_of(&self, wish: &Wish) -> Option<u64> {
        if self.parts == 0 && !wish.is_called_a_part() {
            return None;
        }
        let share = |other: &Wish| wish.is_called_as_part_of(other) || other.is_called_as_part_of(wish);
        self.files.iter().find(|(_, file)| share(&file.wish)).map(|(number, _)| *number)
    }

    /// What has happened already.
    fn ready(&mut self) -> Option<News> {
        let fetch = self.fetches.try_next().map(|(number, event)| News::Fetch(number, event));
        fetch.or_else(|| self.tasks.try_join_next().map(News::Prelude))
    }

    async fn next(&mut self, line: &mut Line<'_>) -> News {
        tokio::select! {
            (number, event) = self.fetches.next() => News::Fetch(number, event),
            Some(joined) = self.tasks.join_next() => News::Prelude(joined),
            watched = line.watch() => News::Watched(watched),
        }
    }
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
    /// Fetches files. Returns how many were not begun.
    pub(super) async fn run(mut self, waiting: Waiting, shown: &mut Transfers, tally: &mut Tally) -> CliResult<usize> {
        let mut arrived = Vec::new();
        let result = self.fetch_all(waiting, &mut arrived, shown, tally).await;
        self.remember(&mut arrived).await?;
        result
    }

    async fn fetch_all(
        &mut self,
        mut waiting: Waiting,
        arrived: &mut Vec<(SharePath, Meta)>,
        shown: &mut Transfers,
        tally: &mut Tally,
    ) -> CliResult<usize> {
        let mut crowd = Crowd::default();
        loop {
            let news = match crowd.ready() {
                Some(news) => news,
                // What has happened is dealt with first, so that many are begun together.
                None => {
                    self.begin_more(&mut crowd, &mut waiting, shown, tally)?;
                    if crowd.files.is_empty() && (waiting.is_empty() || tally.is_hopeless() || !self.can_go_on()) {
                        return Ok(waiting.len());
                    }
                    if arrived.len() >= REMEMBERED_AT_ONCE {
                        self.remember(arrived).await?;
                    }
                    shown.flush()?;
                    crowd.next(self.line).await
                }
            };
            let heard = match news {
                News::Fetch(number, event) => self.hear(number, event, &mut crowd, shown)?,
                News::Prelude(Ok((number, prelude))) => self.go_on(number, prelude, &mut crowd),
                News::Prelude(Err(e)) => return Err(CliError::new(Blame::Internal, format!("a task failed: {e}"))),
                News::Watched(Err(error)) => return self.give_up(error, crowd, waiting, shown, tally),
                News::Watched(Ok(())) => {
                    self.remember(arrived).await?;
                    None
                }
            };
            let Some((number, outcome)) = heard else { continue };
            let Some((UnderWay { wish, line }, freed)) = crowd.remove(number) else { continue };
            freed.into_iter().for_each(|wish| waiting.put_first(wish));
            // The server has been told that no more is wanted.
            if let Some(closed) = self.stdout.and_then(Stdout::closed) {
                return Err(closed);
            }
            if !matches!(outcome, Outcome::Failed(Failure::Disconnected)) {
                self.line.progressed();
            }
            if let Some(again) = self.again(&wish, &outcome) {
                if let Outcome::Failed(Failure::Refused { code: FailCode::Changed, .. }) = outcome {
                    shown.note(wish.path.as_str(), "changed on the server while it was sent: it is fetched again")?;
                }
                waiting.put_first(again);
                if matches!(outcome, Outcome::Other)
                    && let Err(error) = self.check_room(&mut waiting, &crowd.files).await
                {
                    waiting.next_fetched();
                    shown.end(&line, &tally.no_room(&wish.path, &error))?;
                    continue;
                }
                shown.put_back(&line);
                continue;
            }
            let end = Self::conclude(wish, outcome, arrived, tally);
            shown.end(&line, &end)?;
        }
    }

    /// Is there room for what waits, and for the rest of what is under way? A small file has come when its end is heard.
    async fn check_room(&self, waiting: &mut Waiting, files: &BTreeMap<u64, UnderWay>) -> CliResult {
        let fetched = files.values().filter(|file| !file.wish.compare);
        let more = fetched.map(|file| u128::from(file.line.missing())).sum();
        waiting.check_room(&**self.store, more, &self.origin).await
    }

    /// Begins with as many files as may be under way.
    fn begin_more(&self, crowd: &mut Crowd, waiting: &mut Waiting, shown: &mut Transfers, tally: &Tally) -> CliResult {
        while crowd.files.len() < AT_ONCE && !tally.is_hopeless() && self.line.client().ended().is_none() {
            let compared = if crowd.comparing < COMPARED_AT_ONCE { waiting.next_compared() } else { None };
            let Some(wish) = compared.or_else(|| waiting.next_fetched()) else { break };
            match crowd.in_the_way_of(&wish) {
                Some(number) => crowd.held_back.push((number, wish)),
                None => self.begin(wish, crowd, shown)?,
            }
        }
        Ok(())
    }

    /// Begins with one file.
    fn begin(&self, wish: Wish, crowd: &mut Crowd, shown: &mut Transfers) -> CliResult {
        let line = shown.start(wish.path.as_str(), wish.meta.size, 0)?;
        let number = crowd.numbers;
        crowd.numbers += 1;
        let (client, store, path, origin) =
            (self.line.client().clone(), Arc::clone(self.store), wish.path.clone(), self.origin);
        if wish.compare {
            crowd.tasks.spawn(async move {
                let compared = compare::is_same(&client, &store, &path).await;
                (number, Prelude::Compared(compared))
            });
        } else if wish.held.is_none() && wish.meta.size > BLOCK {
            crowd.tasks.spawn(async move {
                let held = store.held(&path, &origin).await;
                (number, Prelude::Held(held))
            });
        } else {
            self.ask(number, &wish, crowd);
        }
        crowd.insert(number, wish, line);
        Ok(())
    }

    /// Asks the server for a file.
    fn ask(&self, number: u64, wish: &Wish, crowd: &Crowd) {
        let Wish { path, existing, known_other, held, .. } = wish;
        let target = Target {
            known_other: *known_other,
            held: held.clone(),
            leftover: self.leftover,
            ..Target::anew(Arc::clone(self.store), path.clone(), *existing, self.origin)
        };
        crowd.fetches.begin(self.line.client(), number, path.clone(), target);
    }

    /// Takes what was found before a file was asked for. Says how its try ended, if it did.
    fn go_on(&mut self, number: u64, prelude: Prelude, crowd: &mut Crowd) -> Option<(u64, Outcome)> {
        let outcome = match prelude {
            Prelude::Compared(Ok(true)) => Outcome::Same,
            Prelude::Compared(Ok(false)) => Outcome::Other,
            Prelude::Compared(Err(Unknown::There(failure))) => Outcome::Failed(failure),
            Prelude::Compared(Err(Unknown::Here(error))) | Prelude::Held(Err(error)) => {
                Outcome::Failed(Failure::Store(error))
            }
            Prelude::Held(Ok(held)) => {
                let UnderWay { wish, .. } = crowd.files.get_mut(&number)?;
                wish.held = held;
                let wish = wish.clone();
                self.ask(number, &wish, crowd);
                return None;
            }
        };
        Some((number, outcome))
    }

    /// Is there a connection, or may there be one?
    fn can_go_on(&self) -> bool {
        self.line.client().ended().is_none() || self.line.is_down()
    }

    /// Shows what happened to a file. Says how its try ended, if it did.
    fn hear(
        &mut self,
        number: u64,
        event: FetchEvent,
        crowd: &mut Crowd,
        shown: &mut Transfers,
    ) -> CliResult<Option<(u64, Outcome)>> {
        let Some(UnderWay { wish, line }) = crowd.files.get_mut(&number) else { return Ok(None) };
        match event {
            FetchEvent::Offered { held: 0, .. } if wish.held.is_some() => {
                shown.note(wish.path.as_str(), "has changed on the server since: it is fetched from its beginning")?;
            }
            FetchEvent::Offered { held: 0, .. } => return Ok(None),
            FetchEvent::Offered { held, .. } => shown.resume(line, held)?,
            FetchEvent::Progress(written) => shown.advance(line, written, Instant::now())?,
            FetchEvent::Finished { path: name, root, size } => {
                return Ok(Some((number, Outcome::Arrived { name, root, size })));
            }
            FetchEvent::Failed(failure) => return Ok(Some((number, Outcome::Failed(failure)))),
        }
        self.line.progressed();
        Ok(None)
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
            // Another than the one here: it may take its place, or one beside it.
            Outcome::Other if wish.existing != Existing::Keep => {
                Some(Wish { compare: false, known_other: true, ..again })
            }
            _ => None,
        }
    }

    fn conclude(wish: Wish, outcome: Outcome, arrived: &mut Vec<(SharePath, Meta)>, tally: &mut Tally) -> End {
        let Wish { path, meta, existing, .. } = wish;
        let (name, end) = match outcome {
            Outcome::Arrived { name, root, size } => {
                let end = tally.finished(&path, &name, root, size);
                (name, end)
            }
            // It may be another name beside it that has this file.
            Outcome::Failed(Failure::Store(StoreError::Same)) if existing == Existing::Rename => return tally.same(),
            Outcome::Same | Outcome::Failed(Failure::Store(StoreError::Same)) => (path, tally.same()),
            Outcome::Other => return tally.differs(&path),
            Outcome::Failed(failure) => return tally.failed(&path, &failure),
        };
        arrived.push((name, meta));
        end
    }

    /// Remembers files that are here. Those that a command did not come to remember, because it was ended, cost a
    /// comparison at most.
    async fn remember(&mut self, arrived: &mut Vec<(SharePath, Meta)>) -> CliResult {
        let arrived = std::mem::take(arrived);
        let names: Vec<SharePath> = arrived.iter().map(|(name, _)| name.clone()).collect();
        let metas = arrived.iter().map(|(_, meta)| meta);
        let fetched = compare::remembered(&**self.store, &names, metas).await;
        names.iter().zip(fetched).try_for_each(|(name, fetched)| match fetched {
            Some(fetched) => self.ledger.put(name, fetched),
            None => Ok(()),
        })
    }

    /// Ends everything that was not finished.
    fn give_up(
        &self,
        error: CliError,
        crowd: Crowd,
        waiting: Waiting,
        shown: &mut Transfers,
        tally: &mut Tally,
    ) -> CliResult<usize> {
        let held_back = crowd.held_back.into_iter().map(|(_, wish)| wish);
        let (begun, not_begun): (Vec<_>, Vec<_>) = waiting.into_wishes().chain(held_back).partition(|wish| wish.begun);
        for UnderWay { wish, line } in crowd.files.into_values() {
            shown.end(&line, &tally.failed(&wish.path, &Failure::Disconnected))?;
        }
        for wish in begun {
            let line = shown.start(wish.path.as_str(), wish.meta.size, 0)?;
            shown.end(&line, &tally.failed(&wish.path, &Failure::Disconnected))?;
        }
        tally.disconnected(error);
        Ok(not_begun.len())
    }
}
