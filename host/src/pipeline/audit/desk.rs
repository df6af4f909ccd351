//! Which errand is next: those that were asked for, in turn, and the audits that are due. One at a time of each source,
//! and [`AT_ONCE`] in all: who asks for something of one source does not wait for years of another one's past.

use std::collections::VecDeque;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::{Asked, AuditError, AuditRequest, AuditTask, Auditor, Errand};
use crate::pipeline::AuditOptions;
use crate::pipeline::backfill::BackfillTask;
use crate::pipeline::phase::now;

/// How long to wait for a source that is due and has not caught up yet: what it reads is the past already.
const NOT_YET: Duration = Duration::from_secs(60);

/// Errands that run at the same time. Each holds a reader, and the pages it reads.
const AT_ONCE: usize = 4;

/// Errands that wait for an earlier one of their source.
const WAITING_MAX: usize = 16;

/// An errand, ready to be run.
pub(crate) enum Task {
    Audit(AuditTask),
    Backfill(BackfillTask),
}

impl Task {
    /// Does it, says in the log what came of it, and answers who asked.
    pub(crate) async fn run(self) {
        match self {
            Self::Audit(task) => task.run().await,
            Self::Backfill(task) => task.run().await,
        }
    }
}

/// See the module.
pub(crate) struct Desk {
    asked: mpsc::Receiver<Errand>,
    waiting: VecDeque<Errand>,
    sources: Vec<Desired>,
    regularly: Option<AuditOptions>,
    /// Errands that run.
    running: usize,
}

/// A source that can be audited.
struct Desired {
    name: Arc<str>,
    /// Gone when the source is no longer read: it holds the queues of its outputs open.
    auditor: Option<Auditor>,
    /// Whether it is gone until the source is read in another way.
    paused: bool,
    /// When its next regular audit is due.
    due: Option<Instant>,
    /// Whether an errand of it runs.
    busy: bool,
}

impl Desk {
    pub(crate) fn new(asked: mpsc::Receiver<Errand>, regularly: Option<AuditOptions>) -> Self {
        Self {
            asked,
            waiting: VecDeque::new(),
            sources: Vec::new(),
            regularly,
            running: 0,
        }
    }

    /// A source is read in another way from now on.
    pub(crate) fn renew(&mut self, index: usize, auditor: Auditor) {
        if let Some(source) = self.sources.get_mut(index) {
            source.auditor = Some(auditor);
            source.paused = false;
        }
    }

    /// Adds the next source, which is not read yet, and when its newest audit ended, in nanoseconds since 1970.
    pub(crate) fn add(&mut self, name: Arc<str>, audited: Option<u64>) {
        let due = self.regularly.map(|regularly| {
            let ago = audited.map(|then| Duration::from_nanos(now().saturating_sub(then)));
            let wait = ago.map_or(Duration::ZERO, |ago| regularly.every.saturating_sub(ago));
            Instant::now() + wait
        });
        self.sources.push(Desired {
            name,
            auditor: None,
            paused: false,
            due,
            busy: false,
        });
    }

    /// A source is no longer read.
    pub(crate) fn close(&mut self, index: usize) {
        if let Some(source) = self.sources.get_mut(index) {
            source.auditor = None;
            source.paused = false;
        }
    }

    /// A source is about to be read in another way.
    pub(crate) fn pause(&mut self, index: usize) {
        if let Some(source) = self.sources.get_mut(index) {
            source.auditor = None;
            source.paused = true;
        }
    }

    /// Nothing is audited any more.
    pub(crate) fn close_all(&mut self) {
        self.asked.close();
        self.waiting.clear();
        for source in &mut self.sources {
            source.auditor = None;
        }
    }

    /// The errand of a source that was begun has ended.
    pub(crate) fn ended(&mut self, index: usize) {
        self.running -= 1;
        if let Some(source) = self.sources.get_mut(index) {
            source.busy = false;
        }
    }

    /// Waits for the next errand to begin, and says of which source it is; for ever while enough of them run. Safe to
    /// drop while waiting.
    pub(crate) async fn next(&mut self) -> (usize, Task) {
        loop {
            if self.running >= AT_ONCE {
                pending::<()>().await;
            }
            let begun = match self.first_free() {
                Some(errand) => self.begin(errand),
                None => self.wait().await,
            };
            if let Some((index, task)) = begun {
                self.running += 1;
                if let Some(source) = self.sources.get_mut(index) {
                    source.busy = true;
                }
                return (index, task);
            }
        }
    }

    async fn wait(&mut self) -> Option<(usize, Task)> {
        let due = self.first_due();
        tokio::select! {
            asked = self.asked.recv(), if self.waiting.len() < WAITING_MAX => match asked {
                Some(asked) => {
                    self.waiting.push_back(asked);
                    None
                }
                None => pending().await,
            },
            index = at(due) => self.begin_due(index),
        }
    }

    /// The first errand that waits for no other one.
    fn first_free(&mut self) -> Option<Errand> {
        let is_busy = |errand: &Errand| {
            let source = self.index(errand.source());
            let source = source.and_then(|index| self.sources.get(index));
            source.is_some_and(|source| source.busy || source.paused)
        };
        let first = self.waiting.iter().position(|errand| !is_busy(errand))?;
        self.waiting.remove(first)
    }

    fn first_due(&self) -> Option<(Instant, usize)> {
        let sources = self.sources.iter().enumerate();
        let free = sources.filter(|(_, source)| source.auditor.is_some() && !source.busy);
        free.filter_map(|(index, source)| Some((source.due?, index)))
            .min()
    }

    fn index(&self, name: &str) -> Option<usize> {
        self.sources.iter().position(|source| *source.name == *name)
    }

    fn begin(&self, errand: Errand) -> Option<(usize, Task)> {
        let found = self.auditor(errand.source());
        // Whoever asked may be gone.
        match (errand, found) {
            (Errand::Audit(asked), Ok((index, auditor))) => {
                Some((index, Task::Audit(AuditTask::new(auditor, asked))))
            }
            (Errand::Backfill(asked), Ok((index, auditor))) => {
                Some((index, Task::Backfill(BackfillTask::new(auditor, asked))))
            }
            (Errand::Audit(asked), Err(refused)) => {
                drop(asked.outcome.send(Err(refused)));
                None
            }
            (Errand::Backfill(asked), Err(refused)) => {
                drop(asked.outcome.send(Err(refused.into())));
                None
            }
        }
    }

    fn auditor(&self, name: &Arc<str>) -> Result<(usize, Auditor), AuditError> {
        let index = self.index(name);
        let index = index.ok_or_else(|| AuditError::NoSuchSource(Arc::clone(name)))?;
        let source = self.sources.get(index);
        let auditor = source.and_then(|source| source.auditor.clone());
        let auditor = auditor.ok_or_else(|| AuditError::NotRead(Arc::clone(name)))?;
        Ok((index, auditor))
    }

    fn begin_due(&mut self, index: usize) -> Option<(usize, Task)> {
        let regularly = self.regularly?;
        let source = self.sources.get_mut(index)?;
        let auditor = source.auditor.as_ref()?;
        if auditor.tide.borrow().caught_up == 0 {
            source.due = Some(Instant::now() + NOT_YET.min(regularly.every));
            return None;
        }
        source.due = Some(Instant::now() + regularly.every);
        let ago = u64::try_from(regularly.since.as_nanos()).unwrap_or(u64::MAX);
        let request = AuditRequest {
            source: Arc::clone(&source.name),
            since: now().saturating_sub(ago),
            fix: regularly.fix,
            as_far_as_known: true,
        };
        // Its outcome is in the log and in the state.
        let (asked, _) = Asked::new(request);
        self.begin(Errand::Audit(asked))
    }
}

async fn at(due: Option<(Instant, usize)>) -> usize {
    match due {
        Some((instant, index)) => {
            sleep_until(instant).await;
            index
        }
        None => pending().await,
    }
}
