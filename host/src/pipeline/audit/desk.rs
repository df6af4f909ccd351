//! Whose audit is next: those that were asked for, in turn, and those that are due. One at a time.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::{Asked, AuditError, AuditRequest, AuditTask, Auditor};
use crate::pipeline::AuditOptions;
use crate::pipeline::phase::now;

/// How long to wait for a source that is due and has not caught up yet: what it reads is the past already.
const NOT_YET: Duration = Duration::from_secs(60);

/// See the module.
pub(crate) struct Desk {
    asked: mpsc::Receiver<Asked>,
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
    pub(crate) fn new(asked: mpsc::Receiver<Asked>, regularly: Option<AuditOptions>) -> Self {
        Self {
            asked,
            sources: Vec::new(),
            regularly,
            busy: false,
        }
    }

    /// Adds the next source, and when its newest audit ended, in nanoseconds since 1970.
    pub(crate) fn add(&mut self, name: Arc<str>, auditor: Auditor, audited: Option<u64>) {
        let due = self.regularly.map(|regularly| {
            let ago = audited.map(|then| Duration::from_nanos(now().saturating_sub(then)));
            let wait = ago.map_or(Duration::ZERO, |ago| regularly.every.saturating_sub(ago));
            Instant::now() + wait
        });
        self.sources.push(Desired {
            name,
            auditor: Some(auditor),
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

    /// The audit that was begun has ended.
    pub(crate) fn ended(&mut self) {
        self.busy = false;
    }

    /// Waits for the next audit to begin; for ever while one runs. Safe to drop while waiting.
    pub(crate) async fn next(&mut self) -> AuditTask {
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

    fn begin(&self, asked: Asked) -> Option<AuditTask> {
        let mut sources = self.sources.iter();
        let source = sources.find(|source| source.name == asked.request.source);
        let refused = match source {
            Some(Desired {
                auditor: Some(auditor),
                ..
            }) => return Some(AuditTask::new(auditor.clone(), asked)),
            Some(_) => AuditError::Interrupted,
            None => AuditError::NoSuchSource(asked.request.source),
        };
        // Whoever asked may be gone.
        drop(asked.outcome.send(Err(refused)));
        None
    }

    fn begin_due(&mut self, index: usize) -> Option<AuditTask> {
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
        self.begin(asked)
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
