//! How a running pipeline is asked for things.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{AuditError, AuditProgress, AuditReport, AuditRequest};
use crate::pipeline::backfill::{
    AskedBackfill, BackfillError, BackfillProgress, BackfillReport, BackfillRequest,
};
use crate::pipeline::change::AskedChange;
use crate::state::State;

/// Errands that may wait for their turn.
const WAITING_MAX: usize = 16;

/// Asks a running pipeline for things. Cloning shares it; holding one keeps nothing running.
#[derive(Clone)]
pub struct PipelineHandle {
    requests: mpsc::Sender<Errand>,
    pub(crate) changes: mpsc::Sender<AskedChange>,
    /// What it was asked to become is compared with what is stored.
    pub(crate) state: State,
}

/// Something that was asked for and takes a while: how far it is, and how it ends.
pub struct Run<P, R, E> {
    /// How far it is.
    pub progress: watch::Receiver<P>,
    outcome: oneshot::Receiver<Result<R, E>>,
    stop: CancellationToken,
}

/// An audit that was asked for.
pub type AuditRun = Run<AuditProgress, AuditReport, AuditError>;
/// More of the past that was asked for.
pub type BackfillRun = Run<BackfillProgress, BackfillReport, BackfillError>;

/// A request and where the answer goes.
pub(crate) struct Asked<Q, P, R, E> {
    pub(crate) request: Q,
    pub(crate) progress: watch::Sender<P>,
    pub(crate) outcome: oneshot::Sender<Result<R, E>>,
    /// Cancelled when whoever asked wants it no more.
    pub(crate) stop: CancellationToken,
}

/// An audit, and where its report goes.
pub(crate) type AskedAudit = Asked<AuditRequest, AuditProgress, AuditReport, AuditError>;

/// What a pipeline can be asked to do beside its live readers.
pub(crate) enum Errand {
    Audit(AskedAudit),
    Backfill(AskedBackfill),
}

impl Errand {
    /// Name of the source it is about.
    pub(crate) fn source(&self) -> &Arc<str> {
        match self {
            Self::Audit(asked) => &asked.request.source,
            Self::Backfill(asked) => &asked.request.source,
        }
    }
}

/// What a pipeline is asked for.
pub(crate) struct Requests {
    pub(crate) errands: mpsc::Receiver<Errand>,
    pub(crate) changes: mpsc::Receiver<AskedChange>,
}

/// The two ends of the way to a pipeline.
pub(crate) fn requests(state: State) -> (PipelineHandle, Requests) {
    let (requests, errands) = mpsc::channel(WAITING_MAX);
    // The next one waits until this one is answered.
    let (changes, changed) = mpsc::channel(1);
    let handle = PipelineHandle {
        requests,
        changes,
        state,
    };
    let requests = Requests {
        errands,
        changes: changed,
    };
    (handle, requests)
}

impl PipelineHandle {
    /// Asks for an audit. It begins when what was asked for of this source before has ended, and goes on when nobody
    /// waits for its outcome any more, unless [`Run::stop_with`] says otherwise.
    pub fn audit(&self, request: AuditRequest) -> Result<AuditRun, AuditError> {
        let (asked, run) = Asked::new(request);
        self.ask(Errand::Audit(asked))?;
        Ok(run)
    }

    /// Asks for more of the past than the first read brought; else as [`PipelineHandle::audit`].
    pub fn backfill(&self, request: BackfillRequest) -> Result<BackfillRun, BackfillError> {
        let (asked, run) = Asked::new(request);
        self.ask(Errand::Backfill(asked))?;
        Ok(run)
    }

    fn ask(&self, errand: Errand) -> Result<(), AuditError> {
        self.requests.try_send(errand).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => AuditError::Busy,
            mpsc::error::TrySendError::Closed(_) => AuditError::Interrupted,
        })
    }
}

impl<Q, P: Default, R, E> Asked<Q, P, R, E> {
    pub(crate) fn new(request: Q) -> (Self, Run<P, R, E>) {
        let progress = watch::Sender::new(P::default());
        let receiver = progress.subscribe();
        let (sender, outcome) = oneshot::channel();
        let stop = CancellationToken::new();
        let run = Run {
            progress: receiver,
            outcome,
            stop: stop.clone(),
        };
        let asked = Self {
            request,
            progress,
            outcome: sender,
            stop,
        };
        (asked, run)
    }
}

impl<P, R, E: From<AuditError>> Run<P, R, E> {
    /// Interrupts it when what this returns is dropped. How far it is stays stored: when the same is asked for again, it
    /// goes on there.
    pub fn stop_with(&self) -> DropGuard {
        self.stop.clone().drop_guard()
    }

    /// Waits for its end.
    pub async fn outcome(self) -> Result<R, E> {
        let outcome = self.outcome.await;
        outcome.unwrap_or_else(|_| Err(AuditError::Interrupted.into()))
    }
}
