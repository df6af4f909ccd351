//! The task of one source: read, accept, wait, and go on after whatever goes wrong.
//!
//! The reader is the least of its possessions: it is dropped while the source waits, and opened anew at the newest
//! page that was accepted (delivery rule 2). Where a new process begins is another matter, and [`super::acks`]'.
//!
//! Among many sources it reads when it has a seat, and comes at a moment of its own ([`super::crowd`]).

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::SourceEnd;
use super::budget::{Guess, Share};
use super::crowd::{Errand, Member, Seat};
use super::inlet::Inlet;
use super::page::{check, credential_other_than};
use super::phase::{Phase, after};
use super::retry::{Retry, Verdict};

use crate::stage::{Pace, Page, Progress, Reader, Source, StageError, Start};
use crate::units::in_tenths;

/// Opening a reader again takes a hundredth of it.
const WORTH_GETTING_UP: Duration = Duration::from_millis(100);

/// What a source waits for that has no share of the budget.
const MEMORY: &str = "memory that other pages take";

/// What a source waits for that reads faster than is written.
const OUTPUTS: &str = "its outputs to take what was read";

/// What the live reader of a source has done, for who must know that something was asked for later than something
/// else (delivery rule 14).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tide {
    /// Reads begun.
    pub(crate) begun: u64,
    /// The newest of them whose page was accepted and said that there is no more; counted from 1.
    pub(crate) caught_up: u64,
}

/// What a source's task works with.
pub(crate) struct Wiring {
    pub(crate) inlet: Arc<Inlet>,
    pub(crate) source: Arc<dyn Source>,
    pub(crate) tide: watch::Sender<Tide>,
    pub(crate) member: Arc<Member>,
}

/// One source at work.
pub(crate) struct SourceTask {
    inlet: Arc<Inlet>,
    source: Arc<dyn Source>,
    tide: watch::Sender<Tide>,
    member: Arc<Member>,
    reader: Option<Box<dyn Reader>>,
    /// What the reader sits on.
    seat: Option<Seat>,
    errand: Errand,
    /// The newest page that was accepted.
    newest: Start,
    /// The stamp of the credential that the newest reader was opened with.
    stamp: u64,
    /// Where a run that is to end may end.
    until: Option<u64>,
    /// What the next page may take in memory.
    guess: Guess,
    retry: Retry,
}

impl SourceTask {
    pub(crate) fn new(wiring: Wiring, start: Start) -> Self {
        let retry = Retry::new(Arc::clone(&wiring.inlet.options));
        Self {
            inlet: wiring.inlet,
            source: wiring.source,
            tide: wiring.tide,
            member: wiring.member,
            reader: None,
            seat: None,
            errand: Errand::Past,
            newest: start,
            stamp: 0,
            until: None,
            guess: Guess::new(),
            retry,
        }
    }

    /// Reads until there is a reason to end.
    pub(crate) async fn run(mut self) -> SourceEnd {
        let first = sleep(self.member.before_the_first());
        if let Err(end) = self.inlet.unless_stopped(first).await {
            return end;
        }
        loop {
            if let Err(end) = self.round().await {
                return end;
            }
        }
    }

    /// One page, or one failure, and the wait that follows.
    async fn round(&mut self) -> Result<(), SourceEnd> {
        let inlet = Arc::clone(&self.inlet);
        let writable = inlet
            .unless_stopped(inlet.delivered.acks.writable())
            .await?;
        writable.map_err(|_| inlet.end())?;
        self.room().await?;
        self.sit_down().await?;
        let mut share = self.share().await?;
        let read = inlet.unless_stopped(self.read()).await?;
        let page = match read {
            Ok(page) => page,
            Err(error) => {
                drop(share);
                return self.recover(error).await;
            }
        };
        self.judge(&page)?;
        if !self.has_room(&page, &mut share) {
            return Ok(());
        }
        let (pace, progress) = (page.pace, page.progress.clone());
        inlet.gauge.progress(&progress);
        self.hand_over(page, share).await?;
        self.progressed(&progress)?;
        self.rest(pace).await
    }

    /// A page is a success, unless it says what fails; or only what is waited for: a run that is to end has patience for
    /// that, as for a failure.
    fn judge(&mut self, page: &Page) -> Result<(), SourceEnd> {
        let progress = &page.progress;
        let brings_something = progress.caught_up || !page.batch.is_empty();
        let waits = progress.waiting_for.as_ref();
        let waits = waits.filter(|_| self.inlet.options.once);
        let reason = waits.map(|what| format!("it waits for {what}"));
        let reason = progress.failing.clone().or(reason);
        if let Some(reason) = reason.filter(|_| !brings_something) {
            let error = StageError::Transient(reason);
            return match self.retry.judge(&error) {
                Verdict::Never => Err(SourceEnd::Stopped(error.to_string())),
                Verdict::After(_) | Verdict::WhenAuthorized(_) => Ok(()),
            };
        }
        if self.retry.succeeded() {
            tracing::info!(source = %self.inlet.name(), "reading again");
        }
        Ok(())
    }

    /// Room in the queue of each output: pages that wait for one that fails would take the memory of those that go to
    /// others.
    async fn room(&mut self) -> Result<(), SourceEnd> {
        let inlet = Arc::clone(&self.inlet);
        let room = inlet.unless_stopped(inlet.routes.room());
        self.hold_no_reader(OUTPUTS, room).await
    }

    /// A seat, which a source that goes on has already.
    async fn sit_down(&mut self) -> Result<(), SourceEnd> {
        if self.seat.is_some() {
            return Ok(());
        }
        let (inlet, member) = (Arc::clone(&self.inlet), Arc::clone(&self.member));
        let held = self.source.held().min(inlet.options.timing.retry_longest);
        if self.reader.is_none() && !held.is_zero() && member.is_in_a_crowd() {
            inlet.unless_stopped(sleep(held)).await?;
        }
        let seat = inlet.unless_stopped(member.seat(self.errand));
        self.seat = Some(self.hold_no_reader("its turn to be read", seat).await?);
        Ok(())
    }

    /// Whether another source is to read before this one goes on: it sat long enough, or it would only sit there and be
    /// held back.
    fn must_get_up(&self) -> bool {
        let seat = self.seat.as_ref();
        if seat.is_some_and(|seat| self.member.must_get_up(seat)) {
            // Somebody waits, be it since there was a crowd.
            return true;
        }
        let reader = self.reader.as_ref();
        let expects = reader.map(|reader| reader.expects_something());
        let is_held = || self.source.held() >= WORTH_GETTING_UP;
        self.member.is_in_a_crowd() && expects == Some(false) && is_held()
    }

    /// Drops the reader, and lets another source read.
    fn get_up(&mut self) {
        self.reader = None;
        self.seat = None;
    }

    /// A share of the memory budget, before there is anything to keep in it.
    async fn share(&mut self) -> Result<Share, SourceEnd> {
        let inlet = Arc::clone(&self.inlet);
        let share = inlet.unless_stopped(inlet.budget.share(self.guess.bytes()));
        // Without memory nobody else could read either.
        let seat = self.seat.take();
        let share = self.hold_no_reader(MEMORY, share).await;
        self.seat = seat;
        share
    }

    async fn read(&mut self) -> Result<Page, StageError> {
        let reader = match &mut self.reader {
            Some(reader) => reader,
            none => {
                self.stamp = self.source.credential_stamp();
                none.insert(self.source.open(self.newest.clone()).await?)
            }
        };
        self.tide.send_if_modified(|tide| {
            tide.begun += 1;
            // Nobody waits for a read that is not over.
            false
        });
        let page = reader.read().await?;
        check(&page)?;
        Ok(page)
    }

    /// Whether there is room in memory for a page that is in hand. If not, it is given up, and its reader with it:
    /// what was accepted last leads to the same page again, once there is room for it (delivery rule 19).
    fn has_room(&mut self, page: &Page, share: &mut Share) -> bool {
        let bytes = page.held_bytes();
        let has_room = self.inlet.budget.fit(share, bytes);
        if has_room {
            self.guess.held(bytes);
        } else {
            tracing::debug!(source = %self.inlet.name(), bytes, "a page is given up until there is memory for it");
            self.guess.burst(bytes);
            self.reader = None;
        }
        has_room
    }

    /// Takes a page into the pipeline, however long its outputs need to make room.
    async fn hand_over(&mut self, page: Page, share: Share) -> Result<(), SourceEnd> {
        let inlet = Arc::clone(&self.inlet);
        let is_first = self.newest == Start::First;
        let began = page.progress.first.filter(|_| is_first);
        if let Some(began) = began {
            inlet.reads_since(began);
        }
        let (intake, turn) = if page.overlap || inlet.may_be_backfilled(&page.batch, &page.refused)
        {
            let turn = inlet.unless_stopped(inlet.turn());
            let turn = self.hold_no_reader("another reader of it", turn).await?;
            let intake = inlet.sift(page.batch, page.refused, inlet.border()).await?;
            (intake, turn)
        } else {
            (inlet.fresh(page.batch, page.refused), None)
        };
        inlet.gauge.read(intake.records(), intake.bytes());
        inlet.gauge.refused(intake.refused.len() as u64);
        let checkpoint = Some(Arc::clone(&page.checkpoint));
        let accepted = inlet.accept(intake, checkpoint, began, share);
        self.hold_no_reader(OUTPUTS, accepted).await?;
        drop(turn);
        self.newest = Start::Checkpoint(page.checkpoint);
        self.errand = match page.progress.caught_up {
            true => Errand::Live,
            false => Errand::Past,
        };
        if page.progress.caught_up {
            self.tide.send_modify(|tide| tide.caught_up = tide.begun);
        }
        Ok(())
    }

    /// A run that is to end does so when the source is caught up, or where it was when the run began: a source that
    /// is busy enough never is caught up (delivery rule 7).
    fn progressed(&mut self, progress: &Progress) -> Result<(), SourceEnd> {
        self.inlet.gauge.progress(progress);
        self.until = self.until.or(progress.until);
        let past = progress
            .reached
            .zip(self.until)
            .is_some_and(|(reached, until)| reached >= until);
        if self.inlet.options.once && (progress.caught_up || past) {
            return Err(SourceEnd::CaughtUp);
        }
        Ok(())
    }

    async fn rest(&mut self, pace: Pace) -> Result<(), SourceEnd> {
        let Pace::After(asked) = pace else {
            if self.must_get_up() {
                self.get_up();
            }
            return Ok(());
        };
        let timing = &self.inlet.options.timing;
        let wait = self.member.rest(asked.min(timing.longest_wait));
        if wait > timing.idle_release || self.member.is_in_a_crowd() {
            self.get_up();
        }
        self.inlet.unless_stopped(sleep(wait)).await
    }

    /// Waits as long as a failure asks for, or ends.
    async fn recover(&mut self, error: StageError) -> Result<(), SourceEnd> {
        let verdict = self.retry.judge(&error);
        self.note(&error, &verdict);
        self.errand = Errand::Past;
        // Before its first page a reader alone knows since when it asks; another one would begin later.
        let is_first = self.newest == Start::First;
        let may_rest = is_first || !self.member.is_in_a_crowd();
        let keeps_reader = match (&error, &verdict) {
            (StageError::Transient(_), _) => may_rest,
            (StageError::Throttled(_), Verdict::After(wait)) => {
                is_first || (may_rest && *wait <= self.inlet.options.timing.idle_release)
            }
            _ => false,
        };
        if !keeps_reader {
            self.reader = None;
        }
        self.seat = None;
        match verdict {
            Verdict::After(wait) => self.inlet.unless_stopped(sleep(wait)).await,
            Verdict::WhenAuthorized(longest) => {
                let poll = self.inlet.options.timing.credential_poll;
                let changed = timeout(
                    longest,
                    credential_other_than(&*self.source, self.stamp, poll),
                );
                self.inlet.unless_stopped(changed).await.map(drop)
            }
            Verdict::Never => Err(SourceEnd::Stopped(error.to_string())),
        }
    }
}

impl SourceTask {
    /// Waits for something that others decide about; a reader is not kept for it for long (delivery rule 19).
    async fn hold_no_reader<T>(&mut self, what: &str, waiting: impl Future<Output = T>) -> T {
        let mut waiting = pin!(waiting);
        let longest = self.inlet.options.timing.blocked_release;
        if let Ok(done) = timeout(longest, &mut waiting).await {
            return done;
        }
        self.get_up();
        let phase = self.inlet.gauge.blocked(what);
        let done = waiting.await;
        if let Some(phase) = phase {
            self.inlet.gauge.phase(phase);
        }
        done
    }

    /// Says what went wrong and what happens next, in the log and in the status.
    fn note(&self, error: &StageError, verdict: &Verdict) {
        let seconds = match verdict {
            Verdict::After(wait) | Verdict::WhenAuthorized(wait) => Some(in_tenths(*wait)),
            Verdict::Never => None,
        };
        match (error, verdict) {
            (StageError::Throttled(_), Verdict::After(wait)) => {
                self.inlet.gauge.phase(Phase::Waiting {
                    until: Some(after(*wait)),
                    reason: "the system that is read, which asked for it".to_owned(),
                });
                tracing::info!(source = %self.inlet.name(), seconds, "asked to wait");
                return;
            }
            (StageError::Crashed(reason), _) => self.inlet.gauge.restarted(reason),
            _ => {}
        }
        self.inlet.gauge.failing(&error.to_string());
        if seconds.is_some() {
            tracing::warn!(source = %self.inlet.name(), %error, retry_in_seconds = seconds, "can't be read");
        } else {
            tracing::error!(source = %self.inlet.name(), %error, "can't be read and is not tried again");
        }
    }
}
