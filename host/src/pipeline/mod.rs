//! Source, queue, delivery, acks: what makes "once" true.
//!
//! A page's way, and what is promised at each step:
//!
//! 1. `source` reads a page. Of one that may repeat what was delivered, `overlap` lets through what is new. What can't be
//!    a record goes to the dead letter, durably.
//! 2. The page is **accepted**: acks knows it, and every queue of its outputs takes it or makes the source wait. From
//!    here on a reader that is dropped (idle, crashed, blocked) is opened anew *behind* this page. Only a new process
//!    starts at the stored checkpoint.
//! 3. `delivery` hands what is queued to its output, the same batches in the same order until the output says that
//!    they are durable. What the output refuses for good goes to the dead letter, durably, before it counts.
//! 4. A batch is **settled** when all its outputs have it. A source's checkpoint moves to the end of the longest run
//!    of settled batches, an output's position to the newest write all of whose batches (and all before them) lie in
//!    such runs, both in one transaction. `acks` does that and nobody else can.
//!
//! The same transaction writes what settled into the **ledger**, 16 bytes a record: it tells a page that reads again (after
//! a lost cursor, at a seam) what was delivered, and an `audit` what was not, and a `backfill` of more of
//! the past what came already.
//!
//! So a crash anywhere replays from the stored checkpoint: nothing is lost, and an output whose position says where
//! the replay begins can tell what it already has.
//!
//! Waiting is the only answer to a slow or failing output: nothing is dropped, and the system that is read keeps its
//! records. Memory is bounded by each queue's limits and by one budget over all unsettled pages ([`Options::budget`]).
//!
//! Readers are bounded too: of many sources some read at a time, in turn, and each comes at a moment of its own (`crowd`).
//!
//! An output that fails for good (its configuration, a broken pipe) stops its sources, since their checkpoints could
//! never move again; the others go on. A pipeline whose sources have all stopped has failed.
//!
//! While it runs, a pipeline can be made into another one (`change`): what stays as it is goes on undisturbed, and all of
//! the above holds across the change.

mod acks;
mod assembly;
mod audit;
mod backfill;
mod blocking;
mod board;
mod budget;
mod burial;
mod change;
mod crowd;
mod delivery;
mod entrance;
mod inlet;
mod options;
mod overlap;
mod page;
mod phase;
mod position;
mod queue;
mod rate;
mod report;
mod retry;
mod routes;
mod seats;
mod source;
mod startup;
mod status;
mod supervisor;
mod vitals;

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;

use crate::stage::{Output, Source, StageError};
use crate::state::Owner;
use crate::telemetry::silence::Silence;

pub mod dead_letter;

pub use audit::{
    AuditError, AuditProgress, AuditReport, AuditRequest, AuditRun, AuditStep, BackfillRun,
    Missing, NAMED_MAX, PipelineHandle, Run,
};
pub use backfill::{BackfillError, BackfillProgress, BackfillReport, BackfillRequest};
pub use change::{ChangeError, Changed, NextOutput, NextSource, NextSpec};
pub use entrance::{Pipeline, PipelineError};
pub use options::{AuditOptions, Options, QueueLimits, Timing};
pub use phase::{Failure, Phase};
pub use position::Expiry;
pub use report::{OutputEnd, OutputReport, Report, SourceEnd, SourceReport};
pub use status::{OutputStatus, SourceStatus, Status};
pub use vitals::Vitals;

/// Opens an output at a position: the newest one that was stored, none at the very first start.
pub type OpenOutput = Box<
    dyn Fn(Option<String>) -> BoxFuture<'static, Result<Box<dyn Output>, StageError>> + Send + Sync,
>;

/// One source of a pipeline.
pub struct SourceSpec {
    /// Its name: in logs, in the state, in outputs' paths.
    pub name: Arc<str>,
    /// What readers are opened from.
    pub source: Arc<dyn Source>,
    /// Who its checkpoint belongs to.
    pub owner: Owner,
    /// The outputs that get its records, as indices into [`PipelineSpec::outputs`].
    pub outputs: Vec<usize>,
    /// What is normal for it.
    pub expectations: Expectations,
}

/// What is normal for a source, so that what is not can be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Expectations {
    /// How long nothing may come.
    pub silence: Silence,
    /// For how long the system that is read keeps a record, if that is known.
    pub retention: Option<Duration>,
    /// How far back a first read would go, if that is known.
    pub backfill: Option<Duration>,
}

/// One output of a pipeline.
pub struct OutputSpec {
    /// Its name: in logs, in the state.
    pub name: Arc<str>,
    /// Opens it.
    pub open: OpenOutput,
    /// How much may wait for it.
    pub queue: QueueLimits,
}

/// What a pipeline is made of.
pub struct PipelineSpec {
    /// What is read.
    pub sources: Vec<SourceSpec>,
    /// Where records go.
    pub outputs: Vec<OutputSpec>,
}
