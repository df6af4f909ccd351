//! What became of a run.

use std::sync::Arc;

/// What became of a run, source by source and output by output.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// Whether anything stopped that should not have.
    pub failed: bool,
    /// The sources, in the order of the pipeline.
    pub sources: Vec<SourceReport>,
    /// The outputs, in the order of the pipeline.
    pub outputs: Vec<OutputReport>,
}

/// What became of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceReport {
    /// Its name.
    pub name: Arc<str>,
    /// Why it is no longer read.
    pub end: SourceEnd,
    /// Records read, those included that could not be records.
    pub read: u64,
    /// Of these, records that are settled and behind the stored checkpoint.
    pub settled: u64,
    /// Of the settled ones, records that went to the dead letter.
    pub dead: u64,
}

/// Why a source is no longer read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceEnd {
    /// Everything that there was has been read.
    CaughtUp,
    /// The pipeline was told to stop.
    ShutDown,
    /// It can't go on, for this reason.
    Stopped(String),
}

/// What became of an output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputReport {
    /// Its name.
    pub name: Arc<str>,
    /// Whether it has everything that was read.
    pub end: OutputEnd,
    /// Records handed over, those included that it refused.
    pub written: u64,
}

/// How an output ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutputEnd {
    /// It has all that was accepted for it.
    Drained,
    /// Told to stop, it could not be given the rest in time: that is read again after the next start.
    Interrupted,
    /// It can't go on, for this reason.
    Failed(String),
}
