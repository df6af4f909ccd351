//! Source, queue, delivery, acks: what makes "once" true.
//!
//! A page's way, and what is promised at each step:
//!
//! 1. `source` reads a page and gives what can't be a record to the dead letter, durably.
//! 2. The page is **accepted**: acks knows it, and every queue of its outputs takes it or makes the source wait. From
//!    here on a reader that is dropped (idle, crashed, blocked) is opened anew *behind* this page. Only a new process
//!    starts at the stored checkpoint.
//! 3. `delivery` hands what is queued to its output, the same batches in the same order until the output says that
//!    they are durable. What the output refuses for good goes to the dead letter, durably, before it counts.
//! 4. A batch is **settled** when all its outputs have it. A source's checkpoint moves to the end of the longest run
//!    of settled batches, an output's position to the newest write all of whose batches (and all before them) lie in
//!    such runs, both in one transaction. `acks` does that and nobody else can.
//!
//! So a crash anywhere replays from the stored checkpoint: nothing is lost, and an output whose position says where
//! the replay begins can tell what it already has.
//!
//! Waiting is the only answer to a slow or failing output: nothing is dropped, and the system that is read keeps its
//! records. Memory is bounded by each queue's limits and by one budget over all unsettled pages ([`Options::budget`]).
//!
//! An output that fails for good (its configuration, a broken pipe) stops its sources, since their checkpoints could
//! never move again; the others go on. A pipeline whose sources have all stopped has failed.

mod acks;
mod assembly;
mod blocking;
mod budget;
mod burial;
mod delivery;
mod options;
mod queue;
mod report;
mod retry;
mod source;
mod startup;
mod status;
mod supervisor;

use std::sync::Arc;

use futures::future::BoxFuture;

use crate::stage::{Output, Source, StageError};
use crate::state::Owner;

pub mod dead_letter;

pub use options::{Options, QueueLimits, Timing};
pub use report::{OutputEnd, OutputReport, Report, SourceEnd, SourceReport};
pub use status::{Failure, OutputStatus, Phase, SourceStatus, Status};
pub use supervisor::{Pipeline, PipelineError};

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
