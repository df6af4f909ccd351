//! One budget as those have it who share it: taking a turn, waiting for one, and giving back what was learnt.
//!
//! A turn that is free is taken under one short lock, without a task switch. Who has to wait sleeps on one timer: until
//! its token is there if it is first in the line, else until it would be overdue. Whoever leaves the line, or brings an
//! answer, calls the first one to ask again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::line::{Line, Place};
use super::pacer::{Pacer, Wait};
use super::told::Told;
use super::{Budget, Hold, Priority, Share, Throttle};
use crate::gate::need::RateLimit;

/// A budget, shared by all gates that send requests of its kind.
#[derive(Debug)]
pub(crate) struct Account {
    born: Instant,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    pacer: Pacer,
    line: Line,
    /// What each gate was told to use of it, by the number of its lease.
    shares: Vec<(u64, Option<Share>)>,
    leases: u64,
}

/// A gate's part in a budget. Its share counts while this lives.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) account: Arc<Account>,
    number: u64,
}

/// The right to send one request. Dropping it without an answer counts the request as sent: it may have arrived.
#[derive(Debug)]
pub(crate) struct Turn {
    account: Arc<Account>,
    sent: Instant,
    is_open: bool,
}

/// What an answer showed beside the budget itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Lesson {
    /// Values that made no sense.
    pub(crate) absurd: u64,
    /// Whose doing a 429 is.
    pub(crate) throttle: Option<Throttle>,
}

impl Account {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self {
            born: now,
            state: Mutex::new(State {
                pacer: Pacer::new(now),
                line: Line::default(),
                shares: Vec::new(),
                leases: 0,
            }),
        }
    }

    /// Takes part, with a share of its own or whatever share others have. The smallest share given counts.
    pub(super) fn lease(self: Arc<Self>, share: Option<Share>) -> Lease {
        let mut state = self.lock();
        let number = state.leases;
        state.leases += 1;
        state.shares.push((number, share));
        state.share();
        drop(state);
        Lease {
            account: self,
            number,
        }
    }

    /// A turn, if one is free and nobody is to go first.
    pub(crate) fn take(self: &Arc<Self>, priority: Priority) -> Option<Turn> {
        let now = Instant::now();
        let mut state = self.lock();
        if !state.line.gives_way_to(priority, now) {
            return None;
        }
        state.pacer.ask(priority, false, now).ok()?;
        state.line.went(priority);
        Some(self.turn())
    }

    /// Waits in the line for a turn, for as long as `longest`: then the request goes out whatever is known.
    pub(crate) async fn wait(self: &Arc<Self>, priority: Priority, longest: Duration) -> Turn {
        let begin = Instant::now();
        let deadline = begin + longest;
        let overdue = begin + longest / 2;
        let waiting = Waiting::enter(self, priority, overdue);
        loop {
            let now = Instant::now();
            let until = match self.ask(waiting.place, now) {
                Ok(()) => break,
                Err(None) if now < overdue => overdue,
                Err(None) => deadline,
                Err(Some(wait)) => wait.until,
            };
            if now >= deadline {
                let mut state = self.lock();
                state.pacer.let_out(now);
                state.line.went(priority);
                break;
            }
            // Called or not, the next round sees.
            timeout_at(until.min(deadline), waiting.call.notified())
                .await
                .ok();
        }
        self.turn()
    }

    /// What people may want to know.
    pub(crate) fn budget(&self) -> Option<Budget> {
        self.lock().pacer.budget(Instant::now())
    }

    /// Whether requests are being held back: those who wait, or all by the peer's own word.
    pub(crate) fn hold(&self) -> Option<Hold> {
        let now = Instant::now();
        let state = self.lock();
        let first = state.line.first(now);
        let wait = match first {
            Some((place, _)) => state.pacer.hold(place.priority, now),
            None => state.pacer.refused(now),
        };
        wait.map(|wait| Hold {
            lasts: wait.until.saturating_duration_since(now),
            why: wait.why,
        })
    }

    /// For how long a request of this urgency would be held back now, whoever else waits.
    pub(crate) fn holds_for(&self, priority: Priority) -> Duration {
        let now = Instant::now();
        let wait = self.lock().pacer.hold(priority, now);
        wait.map_or(Duration::ZERO, |wait| {
            wait.until.saturating_duration_since(now)
        })
    }

    /// How many requests wait.
    pub(crate) fn waiting(&self) -> usize {
        self.lock().line.len()
    }

    /// Lets the one at this place out if it is its turn; else says what it waits for, if not for others.
    fn ask(&self, place: Place, now: Instant) -> Result<(), Option<Wait>> {
        let mut state = self.lock();
        match state.line.first(now) {
            Some((first, insists)) if first == place => {
                let asked = state.pacer.ask(place.priority, insists, now);
                asked.map_err(Some)?;
                state.line.went(place.priority);
                Ok(())
            }
            _ => Err(None),
        }
    }

    fn turn(self: &Arc<Self>) -> Turn {
        Turn {
            account: Arc::clone(self),
            sent: Instant::now(),
            is_open: true,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn share(&mut self) {
        let given = self.shares.iter().filter_map(|(_, share)| *share);
        self.pacer.set_share(given.min().unwrap_or_default());
        self.line.call_first(Instant::now());
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut state = self.account.lock();
        state.shares.retain(|(number, _)| *number != self.number);
        state.share();
    }
}

impl Turn {
    /// The head of the answer came.
    pub(crate) fn answered(
        mut self,
        names: &RateLimit,
        status: StatusCode,
        headers: &HeaderMap,
    ) -> Lesson {
        self.is_open = false;
        let now = Instant::now();
        let told = Told::read(names, headers, now, self.account.born);
        let mut state = self.account.lock();
        let throttle = state.pacer.answered(&told, status, self.sent, now);
        state.line.call_first(now);
        let stray = told.limit == Some(0) && throttle.is_none();
        Lesson {
            absurd: told.absurd + u64::from(stray),
            throttle,
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.is_open {
            let mut state = self.account.lock();
            let now = Instant::now();
            state.pacer.unanswered(now);
            state.line.call_first(now);
        }
    }
}

/// A place in the line, given up when dropped: requests end in the middle of waiting.
struct Waiting<'a> {
    account: &'a Account,
    place: Place,
    call: Arc<Notify>,
}

impl<'a> Waiting<'a> {
    fn enter(account: &'a Account, priority: Priority, overdue: Instant) -> Self {
        let call = Arc::new(Notify::new());
        let place = (account.lock().line).enter(priority, overdue, Arc::clone(&call));
        Self {
            account,
            place,
            call,
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut state = self.account.lock();
        state.line.leave(self.place);
        state.line.call_first(Instant::now());
    }
}
