//! Faults on demand, for tests: the system call of a given number fails, or is the last one of the process, and what was
//! not made durable may be lost with it.
//!
//! A [`Plan`] is installed for a thread, and goes along with the work that this store hands to others. It counts the
//! calls, so that a test can first learn how many there are and then let each of them fail in turn.

use std::cell::RefCell;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::io::Errno;

use super::power::Power;
use super::{Step, Sys};

/// What happens at one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It fails in this way, and those after it go well. A file that could not be made durable for [`Errno::IO`] loses what
    /// it would have kept, and says nothing of that the next time: as disks do.
    Fail(Errno),
    /// The process ends before it does anything, as by `kill -9`.
    Cut,
    /// The process ends while it is at it: of what was to be written, half is. Like [`Self::Cut`] for what writes nothing.
    Tear,
}

/// Which call fails and how, and what happened so far.
#[derive(Clone, Debug)]
pub struct Plan(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    fault: Option<(usize, Fault)>,
    trace: Vec<&'static str>,
    is_dead: bool,
    is_plain: bool,
    power: Power,
}

thread_local! {
    static INSTALLED: RefCell<Option<Plan>> = const { RefCell::new(None) };
}

impl Plan {
    /// `fault` strikes at the call of this number, from 0. `graveyard` is an empty folder on the same disk, where what is
    /// removed waits for [`Self::lose_power`].
    #[must_use]
    pub fn new(fault: Option<(usize, Fault)>, graveyard: &Path) -> Self {
        let state = State { fault, trace: Vec::new(), is_dead: false, is_plain: false, power: Power::new(graveyard) };
        Self(Arc::new(Mutex::new(state)))
    }

    /// On a disk that knows no files without names, and that cannot be made durable as a whole.
    #[must_use]
    pub fn on_a_plain_disk(self) -> Self {
        self.state().is_plain = true;
        self
    }

    /// From now on, until what is returned is dropped, the calls made for this thread's work follow the plan.
    #[must_use]
    pub fn install(&self) -> Installed {
        Installed(INSTALLED.replace(Some(self.clone())))
    }

    /// The calls so far, by name.
    #[must_use]
    pub fn trace(&self) -> Vec<&'static str> {
        self.state().trace.clone()
    }

    /// Is the process at its end?
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.state().is_dead
    }

    /// Loses some of what was not made durable: of each file any of the changed bytes, of each folder the last changes.
    /// The seed says which; 0 loses all of it.
    ///
    /// # Panics
    /// If the disk under the test fails.
    pub fn lose_power(&self, seed: u64) {
        self.state().power.lose(seed);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// While this lives, a plan is installed.
#[derive(Debug)]
pub struct Installed(Option<Plan>);

impl Drop for Installed {
    fn drop(&mut self) {
        INSTALLED.set(self.0.take());
    }
}

fn installed() -> Option<Plan> {
    INSTALLED.with_borrow(Clone::clone)
}

/// Lets work that another thread will do meet the faults of this one.
pub(crate) fn carry<T, F: FnOnce() -> T>(work: F) -> impl FnOnce() -> T {
    let plan = installed();
    move || {
        let _installed = plan.map(|plan| plan.install());
        work()
    }
}

pub(super) fn guard<T>(step: &Step<'_>, work: &mut impl FnMut() -> Sys<T>) -> Sys<T> {
    match installed() {
        Some(plan) => plan.state().guard(step, work),
        None => work(),
    }
}

impl State {
    fn guard<T>(&mut self, step: &Step<'_>, work: &mut impl FnMut() -> Sys<T>) -> Sys<T> {
        if self.is_dead {
            return Err(Errno::IO);
        }
        let now = self.trace.len();
        self.trace.push(name(step));
        match self.fault.filter(|(at, _)| *at == now) {
            None if self.is_plain && matches!(step, Step::MakeUnnamed | Step::SyncDisk) => Err(Errno::NOSYS),
            None => self.power.around(step, work),
            Some((_, Fault::Fail(errno))) => {
                self.power.failed(step, errno)?;
                Err(errno)
            }
            Some((_, Fault::Cut)) => self.die(),
            Some((_, Fault::Tear)) => {
                if let Step::Write(file, data, at) = *step {
                    let half = data.get(..data.len() / 2).unwrap_or_default();
                    self.power.around(step, &mut || rustix::io::pwrite(file, half, at))?;
                }
                self.die()
            }
        }
    }

    fn die<T>(&mut self) -> Sys<T> {
        self.is_dead = true;
        Err(Errno::IO)
    }
}

fn name(step: &Step<'_>) -> &'static str {
    match step {
        Step::Look => "look",
        Step::Write(..) => "write",
        Step::Resize(_) => "resize",
        Step::Stamp(_) => "stamp",
        Step::Make(..) => "make",
        Step::MakeUnnamed => "make unnamed",
        Step::Remove(..) => "remove",
        Step::Rename(..) => "rename",
        Step::Sync(_) => "sync",
        Step::SyncData(_) => "sync data",
        Step::SyncDisk => "sync disk",
    }
}
