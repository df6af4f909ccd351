//! A pipeline before it runs: put together, asked for its status, asked for things.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinError;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::audit::{Desk, PipelineHandle, Requests, requests};
use super::change::check;
use super::dead_letter::DeadLetter;
use super::startup::Found;
use super::status::Status;
use super::supervisor::{Parts, Supervisor};
use super::{Options, PipelineSpec, Report};
use crate::state::{State, StateError};

/// Why a pipeline can't begin.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// The state can't be read.
    #[error(transparent)]
    State(#[from] StateError),
    /// Reading the state did not come to an end.
    #[error("reading the state failed: {0}")]
    Interrupted(#[from] JoinError),
    /// Two sources or two outputs would share one row of the state.
    #[error("the name {0} is given twice")]
    NameTwice(Arc<str>),
    /// A source names an output that is not part of the pipeline.
    #[error("source {0} has no output with the number {1}")]
    NoSuchOutput(Arc<str>, usize),
}

/// Sources and outputs, put together and not running yet.
pub struct Pipeline {
    spec: PipelineSpec,
    state: State,
    dead_letter: DeadLetter,
    options: Arc<Options>,
    status: watch::Sender<Status>,
    handle: PipelineHandle,
    requests: Requests,
}

impl Pipeline {
    /// Puts a pipeline together. The caller holds the state's lock while it runs.
    pub fn new(
        spec: PipelineSpec,
        state: State,
        dead_letter: DeadLetter,
        options: Options,
    ) -> Self {
        let status = watch::Sender::new(Status::starting(&spec));
        let (handle, requests) = requests(state.clone());
        Self {
            spec,
            state,
            dead_letter,
            options: Arc::new(options),
            status,
            handle,
            requests,
        }
    }

    /// Asks it for things while it runs.
    pub fn handle(&self) -> PipelineHandle {
        self.handle.clone()
    }

    /// Snapshots of what it is doing. Looking never makes a record wait; the last one is what it ended with.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// Runs until every source has ended and what was accepted is settled.
    ///
    /// Cancelling `shutdown` stops reading, delivers what was accepted for as long as [`super::Timing::drain`] allows,
    /// stores the checkpoints and returns. A new value in `reopen` has every output open its files anew. With
    /// [`Options::once`] it also ends when every source is caught up.
    pub async fn run(
        mut self,
        shutdown: CancellationToken,
        reopen: watch::Receiver<u64>,
    ) -> Result<Report, PipelineError> {
        check_spec(&self.spec)?;
        let found = Found::load(&self.state).await?;
        found.log_surprises(&self.spec);
        if let Some(only) = &self.options.only {
            self.spec.sources.retain(|source| source.name == *only);
        }
        let desk = Desk::new(
            self.requests.errands,
            self.options.audit.filter(|_| !self.options.once),
        );
        let drain = self.options.timing.drain;
        let mut ticks = interval(self.options.timing.snapshot);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let parts = Parts {
            state: self.state,
            dead_letter: self.dead_letter,
            options: self.options,
            shutdown,
            reopen,
            status: self.status,
            desk,
            changes: self.requests.changes,
        };
        let supervisor = Supervisor::start(parts, self.spec, &found);
        Ok(supervisor.run(drain, ticks).await)
    }
}

fn check_spec(spec: &PipelineSpec) -> Result<(), PipelineError> {
    let sources = spec.sources.iter();
    check(
        sources.clone().map(|source| &source.name),
        spec.outputs.iter().map(|output| &output.name),
        sources.map(|source| (&source.name, &*source.outputs)),
    )
}
