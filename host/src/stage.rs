//! The three stages of a pipeline, as the host sees them, whoever implements them.
//!
//! These are the shapes of `wit/` in ordinary Rust. A component and a native implementation look the same from here;
//! [`crate::pipeline`] knows nothing else.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::record::Batch;

/// One thing that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigIssue {
    /// A JSON pointer (RFC 6901) into the stage's configuration, `""` for all of it.
    pub key: String,
    /// What is wrong and what to write instead.
    pub message: String,
}

/// What went wrong in a stage, told apart by what the caller should do next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StageError {
    /// Stop: a person must change something.
    #[error("{}", join_issues(.0))]
    Config(Vec<ConfigIssue>),
    /// Credential or permission: tried again when the secret changes, and every 5 minutes.
    #[error("{0}")]
    Unauthorized(String),
    /// Come again after this long.
    #[error("asked to wait for {} s", .0.as_secs_f64().ceil())]
    Throttled(Duration),
    /// Try again, with back-off.
    #[error("{0}")]
    Transient(String),
    /// Stop: a bug, or a peer that breaks its own rules for good.
    #[error("{0}")]
    Permanent(String),
    /// The instance is gone: it trapped, exceeded a limit or returned something impossible. Another one may do better.
    #[error("{0}")]
    Crashed(String),
}

/// Why an instance was ended, in the few sorts that can be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Crash {
    /// It asked for more memory than it may have.
    Memory,
    /// It computed for too long.
    Cpu,
    /// Its call took too long.
    Call,
    /// It trapped.
    Trap,
    /// It returned something impossible.
    Page,
}

impl Crash {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Memory, Self::Cpu, Self::Call, Self::Trap, Self::Page];

    /// What it is called in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Cpu => "cpu",
            Self::Call => "call",
            Self::Trap => "trap",
            Self::Page => "page",
        }
    }

    /// Which one it was, by how the sentence of [`StageError::Crashed`] begins: with words of ours, whatever the
    /// plugin's own follow.
    pub fn of(sentence: &str) -> Self {
        let beginnings = [
            (CRASH_MEMORY, Self::Memory),
            (CRASH_CPU, Self::Cpu),
            (CRASH_CALL, Self::Call),
            (CRASH_TRAP, Self::Trap),
        ];
        let found = beginnings
            .iter()
            .find(|(beginning, _)| sentence.starts_with(beginning));
        found.map_or(Self::Page, |(_, crash)| *crash)
    }
}

/// How the sentence about an instance begins that asked for too much memory.
pub const CRASH_MEMORY: &str = "it needs more than its memory limit";
/// How the sentence about an instance begins that computed for too long.
pub const CRASH_CPU: &str = "it computed for longer than its limit";
/// How the sentence about an instance begins whose call took too long.
pub const CRASH_CALL: &str = "its call took longer than its limit";
/// How the sentence about an instance begins that trapped.
pub const CRASH_TRAP: &str = "it trapped";

fn join_issues(issues: &[ConfigIssue]) -> String {
    let lines: Vec<_> = issues
        .iter()
        .map(|issue| {
            if issue.key.is_empty() {
                issue.message.clone()
            } else {
                format!("{}: {}", issue.key, issue.message)
            }
        })
        .collect();
    lines.join("; ")
}

/// When to read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// At once: there is more.
    Now,
    /// After this long. The reader may be dropped until then.
    After(Duration),
}

/// How far a reader is, for people. Times are nanoseconds since 1970.
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
    /// What fails, if the page brings nothing for that reason and the reader is to try again: a failure whose checkpoint
    /// counts.
    pub failing: Option<String>,
}

/// What can't be a record. It goes to the dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The bytes as they came.
    pub bytes: Vec<u8>,
    /// Why, in a sentence for people.
    pub reason: String,
}

/// What one read brought.
#[derive(Debug, Clone)]
pub struct Page {
    /// The records. None is a normal answer.
    pub batch: Batch,
    /// What could not be a record.
    pub refused: Vec<Refused>,
    /// Where to go on after this page; only the source reads it.
    pub checkpoint: Arc<str>,
    /// When to read again.
    pub pace: Pace,
    /// Whether records of this page may have been delivered before.
    pub overlap: bool,
    /// How far the reader is.
    pub progress: Progress,
}

impl Page {
    /// The bytes of memory that it takes: what its batch pins, what could not be a record, and its checkpoint.
    pub fn held_bytes(&self) -> usize {
        let refused = self.refused.iter();
        let refused = refused.map(|one| size_of::<Refused>() + one.bytes.len() + one.reason.len());
        self.batch.pinned_bytes() + refused.sum::<usize>() + self.checkpoint.len()
    }
}

/// Where a reader begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// As the configuration says: the first read of all.
    First,
    /// Where an earlier reader was.
    Checkpoint(Arc<str>),
    /// At a time (nanoseconds since 1970), then onwards. A person asked for what is later to come again.
    At(u64),
    /// A stretch of the past, then the end: a page that is caught up. Every page of it is an overlap.
    Window {
        /// Its first moment, nanoseconds since 1970.
        since: u64,
        /// Its end, nanoseconds since 1970.
        until: u64,
        /// Where an earlier reader of the same window was.
        checkpoint: Option<Arc<str>>,
    },
}

/// Who goes first when a system allows only so many requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// What nobody waits for: only when there is something to spare (delivery rule 13).
    Spare,
    /// What happens now, and what leads there.
    Live,
}

impl Start {
    /// How urgent a reader is that begins there.
    pub fn priority(&self) -> Priority {
        match self {
            Self::First | Self::Checkpoint(_) | Self::At(_) => Priority::Live,
            Self::Window { .. } => Priority::Spare,
        }
    }
}

/// How one step of a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CheckStatus {
    /// As it should be.
    Ok,
    /// It works, but somebody should look.
    Warning,
    /// It does not work.
    Failed,
}

/// One step of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was tried, in a word or two.
    pub subject: String,
    /// How it went.
    pub status: CheckStatus,
    /// What was found, in a sentence for people.
    pub detail: String,
    /// What to do about it.
    pub advice: Option<String>,
}

/// What a check found, in the order it was tried.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CheckReport {
    /// The steps.
    pub findings: Vec<Finding>,
}

impl CheckReport {
    /// The worst of all steps; `Ok` when there is none.
    pub fn worst(&self) -> CheckStatus {
        self.findings
            .iter()
            .map(|finding| finding.status)
            .max()
            .unwrap_or(CheckStatus::Ok)
    }
}

/// A reader of one system, opened at some place.
#[async_trait]
pub trait Reader: Send {
    /// Reads the next page. It never sleeps: [`Page::pace`] says when to come again. After
    /// [`StageError::Throttled`] and [`StageError::Transient`] the reader lives on; after any other it is dropped.
    async fn read(&mut self) -> Result<Page, StageError>;
    /// Whether something that it asked for early is on its way, and would have to be asked for again by another one.
    fn expects_something(&self) -> bool {
        true
    }
}

/// A configured source: what readers are opened from. Readers are dropped and opened anew all the time.
#[async_trait]
pub trait Source: Send + Sync {
    /// Opens a reader. No I/O towards the system that is read.
    async fn open(&self, start: Start) -> Result<Box<dyn Reader>, StageError>;
    /// Proves address, credential and permission, and consumes nothing.
    async fn check(&self) -> Result<CheckReport, StageError>;
    /// A number that is another one after what the credential is read from has changed. Cheap: it is asked every few
    /// seconds while the source is unauthorized. The next [`Source::open`] reads the credential again.
    fn credential_stamp(&self) -> u64 {
        0
    }
    /// For how long a request that a reader makes now would be held back, so that the system that is read is not asked
    /// too often. Cheap: it is asked between any two pages.
    fn held(&self) -> Duration {
        Duration::ZERO
    }
}

/// A record that an output could not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// Position of its batch in what was handed over.
    pub batch: usize,
    /// Its position in that batch.
    pub index: usize,
    /// Why, in a sentence for people.
    pub reason: String,
}

/// What became of the batches handed to an output.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Written {
    /// What the destination refuses for good.
    pub rejected: Vec<Rejected>,
    /// Where the destination is now, where that has a meaning; given back to the output when it is opened again.
    pub position: Option<String>,
}

/// A writer to one destination, called by one task.
#[async_trait]
pub trait Output: Send + Sync {
    /// Where the destination is before anything was written, for an output that was opened without a position and can
    /// be exactly once. It is stored before the first write.
    fn position(&self) -> Option<String> {
        None
    }
    /// Proves that the destination can be written to, and writes nothing.
    async fn check(&mut self) -> Result<CheckReport, StageError>;
    /// Readies the destination for the batches that are written next. True means that they would go to a place that no
    /// position names, as a file does that was just made: [`Output::begin`] names it, and that is stored before the
    /// write. Without it, who is killed in that write could not tell its own lines from what others left there.
    async fn prepare(&mut self, _batches: &[Batch]) -> Result<bool, StageError> {
        Ok(false)
    }
    /// An earlier position, and in it what [`Output::prepare`] found new.
    fn begin(&self, position: &str) -> Result<String, StageError> {
        Ok(position.to_owned())
    }
    /// Writes some batches, in order. Ok means durable at the destination, except for the records named. It never
    /// retries, sleeps or keeps records after it returned: [`crate::pipeline`] does that, once, for all outputs.
    ///
    /// After an error nothing is known about any of the batches; the same ones are handed over again, in the same
    /// order, perhaps with more behind them.
    async fn write(&mut self, batches: &[Batch]) -> Result<Written, StageError>;
    /// Opens files anew (SIGHUP, after a rotation). Outputs without files do nothing.
    async fn reopen(&mut self) -> Result<(), StageError> {
        Ok(())
    }
}
