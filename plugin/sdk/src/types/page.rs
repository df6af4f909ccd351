//! What a source reads, and where it begins.

use std::time::Duration;

use super::{Batch, Refused};

/// When to read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pace {
    /// At once: there is more.
    Now,
    /// After this long. The host may drop the reader until then. The contract counts milliseconds: what is shorter
    /// counts as one.
    After(Duration),
}

/// For people: how far a reader is. Times are nanoseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Progress {
    /// Whether everything that there was has been read.
    pub caught_up: bool,
    /// Time of the earliest record that this first read began at.
    pub first: Option<u64>,
    /// Time of the newest record read.
    pub reached: Option<u64>,
    /// The time at the source when this reader began: what is later is news.
    pub until: Option<u64>,
    /// What the reader is waiting for, if it does.
    pub waiting_for: Option<String>,
    /// What fails, if this page brings nothing for that reason and the reader is to try again. An error says the same,
    /// but leaves no checkpoint: this is for who has to remember how often, or since when, it failed.
    pub failing: Option<String>,
}

/// What one read brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The records. None is a normal answer.
    pub batch: Batch,
    /// What could not be a record.
    pub refused: Vec<Refused>,
    /// Stored once every output has the batch, and given to [`crate::Source::open`] after a restart. JSON, versioned,
    /// readable, no secret, at most [`Page::MAX_CHECKPOINT_BYTES`]. Only the plugin reads it.
    pub checkpoint: String,
    /// When to read again.
    pub pace: Pace,
    /// Whether records of this page may have been delivered before (after a lost cursor, at a seam, in an audit): the
    /// host then lets only new ones through.
    pub overlap: bool,
    /// How far the reader is.
    pub progress: Progress,
}

impl Page {
    /// The most bytes that a checkpoint may have.
    pub const MAX_CHECKPOINT_BYTES: usize = 64 * 1024;

    /// A page of new records, with nothing refused and nothing to say about progress.
    pub fn new(batch: Batch, checkpoint: impl Into<String>, pace: Pace) -> Self {
        Self {
            batch,
            refused: Vec::new(),
            checkpoint: checkpoint.into(),
            pace,
            overlap: false,
            progress: Progress::default(),
        }
    }
}

/// A closed stretch of the past. Times are nanoseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Its first moment.
    pub since: u64,
    /// Its end.
    pub until: u64,
    /// Where an earlier reader of the same window was.
    pub checkpoint: Option<String>,
}

/// Where a reader begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// As the configuration says: the first read of all.
    First,
    /// Where an earlier reader was.
    Checkpoint(String),
    /// At a time (nanoseconds since 1970-01-01T00:00:00Z), then onwards.
    At(u64),
    /// A stretch of the past, then the end.
    Window(Window),
}

/// Times as the contract counts them. Rounded up: a wait that rounds to none would be a busy loop.
#[cfg(any(test, target_family = "wasm"))]
pub(crate) fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_wait_is_not_none() {
        assert_eq!(milliseconds(Duration::from_nanos(1)), 1);
        assert_eq!(milliseconds(Duration::from_millis(30_000)), 30_000);
        assert_eq!(milliseconds(Duration::ZERO), 0);
        assert_eq!(milliseconds(Duration::MAX), u64::MAX);
    }
}
