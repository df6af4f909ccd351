//! How a running pipeline is asked for things.

use tokio::sync::{mpsc, oneshot, watch};

use super::{AuditError, AuditProgress, AuditReport, AuditRequest};

/// Audits that may wait for their turn.
const WAITING_MAX: usize = 16;

/// Asks a running pipeline for things. Cloning shares it; holding one keeps nothing running.
#[derive(Clone)]
pub struct PipelineHandle {
    requests: mpsc::Sender<Asked>,
}

/// An audit that was asked for.
pub struct AuditRun {
    /// How far it is.
    pub progress: watch::Receiver<AuditProgress>,
    outcome: oneshot::Receiver<Result<AuditReport, AuditError>>,
}

/// A request and where the answer goes.
pub(crate) struct Asked {
    pub(crate) request: AuditRequest,
    pub(crate) progress: watch::Sender<AuditProgress>,
    pub(crate) outcome: oneshot::Sender<Result<AuditReport, AuditError>>,
}

/// The two ends of the way to a pipeline.
pub(crate) fn requests() -> (PipelineHandle, mpsc::Receiver<Asked>) {
    let (requests, asked) = mpsc::channel(WAITING_MAX);
    (PipelineHandle { requests }, asked)
}

impl PipelineHandle {
    /// Asks for an audit. It begins when those that were asked for before have ended, and goes on when nobody waits
    /// for its outcome any more.
    pub fn audit(&self, request: AuditRequest) -> Result<AuditRun, AuditError> {
        let (asked, run) = Asked::new(request);
        self.requests.try_send(asked).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => AuditError::Busy,
            mpsc::error::TrySendError::Closed(_) => AuditError::Interrupted,
        })?;
        Ok(run)
    }
}

impl Asked {
    pub(crate) fn new(request: AuditRequest) -> (Self, AuditRun) {
        let progress = watch::Sender::new(AuditProgress::default());
        let receiver = progress.subscribe();
        let (sender, outcome) = oneshot::channel();
        let asked = Self {
            request,
            progress,
            outcome: sender,
        };
        let run = AuditRun {
            progress: receiver,
            outcome,
        };
        (asked, run)
    }
}

impl AuditRun {
    /// Waits for its end.
    pub async fn outcome(self) -> Result<AuditReport, AuditError> {
        self.outcome.await.unwrap_or(Err(AuditError::Interrupted))
    }
}
