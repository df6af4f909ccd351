//! Which errand is next: those that were asked for, in turn, and the audits that are due. One at a time.

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
    sources: Vec<Desired>,
    regularly: Option<AuditOptions>,
    busy: bool,
}

/// A source that can be audited.
struct Desired {
    name: Arc<str>,
    /// Gone when the source is no longer read: it holds the queues of its outputs open.
    auditor: Option<Auditor>,
    /// When its next regular audit is due.
    due: Option<Instant>,
}

impl Desk {
    pub(crate) fn new(asked: mpsc::Receiver<Errand>, regularly: Option<AuditOptions>) -> Self {
        Self {
            asked,
            sources: Vec::new(),
            regularly,
            busy: false,
        }
    }

    /// A source is read in another way from now on.
    pub(crate) fn renew(&mut self, index: usize, auditor: Auditor) {
        if let Some(source) = self.sources.get_mut(index) {
            source.auditor = Some(auditor);
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
            due,
        });
    }

    /// A source is no longer read.
    pub(crate) fn close(&mut self, index: usize) {
        if let Some(source) = self.sources.get_mut(index) {
            source.auditor = None;
        }
    }

    /// Nothing is audited any more.
    pub(crate) fn close_all(&mut self) {
        self.asked.close();
        for source in &mut self.sources {
            source.auditor = None;
        }
    }

    /// The errand that was begun has ended.
    pub(crate) fn ended(&mut self) {
        self.busy = false;
    }

    /// Waits for the next errand to begin; for ever while one runs. Safe to drop while waiting.
    pub(crate) async fn next(&mut self) -> Task {
        loop {
            if self.busy {
                pending::<()>().await;
            }
            let due = self.first_due();
            let task = tokio::select! {
                asked = self.asked.recv() => match asked {
                    Some(asked) => self.begin(asked),
                    None => pending().await,
                },
                index = at(due) => self.begin_due(index),
            };
            if let Some(task) = task {
                self.busy = true;
                return task;
            }
        }
    }

    fn first_due(&self) -> Option<(Instant, usize)> {
        let open = self.sources.iter().enumerate();
        let open = open.filter(|(_, source)| source.auditor.is_some());
        open.filter_map(|(index, source)| Some((source.due?, index)))
            .min()
    }

    fn begin(&self, errand: Errand) -> Option<Task> {
        // Whoever asked may be gone.
        match errand {
            Errand::Audit(asked) => match self.auditor(&asked.request.source) {
                Ok(auditor) => return Some(Task::Audit(AuditTask::new(auditor, asked))),
                Err(refused) => drop(asked.outcome.send(Err(refused))),
            },
            Errand::Backfill(asked) => match self.auditor(&asked.request.source) {
                Ok(auditor) => return Some(Task::Backfill(BackfillTask::new(auditor, asked))),
                Err(refused) => drop(asked.outcome.send(Err(refused.into()))),
            },
        }
        None
    }

    fn auditor(&self, name: &Arc<str>) -> Result<Auditor, AuditError> {
        let mut sources = self.sources.iter();
        match sources.find(|source| source.name == *name) {
            Some(Desired {
                auditor: Some(auditor),
                ..
            }) => Ok(auditor.clone()),
            Some(_) => Err(AuditError::Interrupted),
            None => Err(AuditError::NoSuchSource(Arc::clone(name))),
        }
    }

    fn begin_due(&mut self, index: usize) -> Option<Task> {
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
