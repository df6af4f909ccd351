//! Audits: what does a source have that was never delivered? (delivery rule 14)
//!
//! An audit reads a stretch of the past again, beside the live reader and behind it, and compares each record with the
//! [ledger](crate::state). A record that the ledger lacks is only a **suspect**: it may have been persisted a moment ago,
//! and the live reader brings it with its next page. So suspects wait until the live reader was answered "there is no
//! more" to something that it asked for after the audit's last page was answered, and what is still unknown then is
//! **missing**. It is named, and delivered when asked for, through the same queues and the same ledger as everything.
//!
//! "Asked for after" is counted in reads: a reader may ask for its next page while it reads this one, so the answer of
//! the read after the current one may be older than it looks, and the one behind that can't be.
//!
//! How far an audit is, and its suspects, are in the state: one that is interrupted goes on where it was. At most
//! [`task`]'s bound of suspects is open at a time: a larger hole is audited in parts.
//!
//! One audit runs at a time. Who wants one asks a [`PipelineHandle`]; [`desk`] decides who is next.

mod desk;
mod fix;
mod handle;
mod task;
mod window;

use std::sync::Arc;

use tokio::sync::watch;

use super::inlet::Inlet;
use super::source::Tide;
use crate::stage::Source;
use crate::state::{State, StateError};

pub(crate) use desk::Desk;
pub(crate) use handle::{Asked, requests};
pub use handle::{AuditRun, PipelineHandle};
pub(crate) use task::AuditTask;

/// What an audit of one source works with.
#[derive(Clone)]
pub(crate) struct Auditor {
    pub(crate) inlet: Arc<Inlet>,
    pub(crate) source: Arc<dyn Source>,
    /// What the live reader does; closed when it has ended.
    pub(crate) tide: watch::Receiver<Tide>,
}

/// What is to be compared with the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRequest {
    /// Name of the source.
    pub source: Arc<str>,
    /// The first moment to look at, nanoseconds since 1970. Up to now is looked at.
    pub since: u64,
    /// Whether what is missing is delivered.
    pub fix: bool,
    /// Whether to look at what the ledger knows about if it does not reach back as far as asked, instead of refusing.
    pub as_far_as_known: bool,
}

impl AuditRequest {
    /// Since when the ledger knows everything, if that is enough for this audit. Nanoseconds since 1970.
    pub fn known(&self, state: &State) -> Result<u64, AuditError> {
        let stored = state.source(&self.source)?;
        let known = stored.and_then(|stored| stored.ledger.complete_since);
        let known = known.ok_or_else(|| AuditError::NothingKnown(Arc::clone(&self.source)))?;
        if self.since < known && !self.as_far_as_known {
            return Err(AuditError::BelowLedger {
                name: Arc::clone(&self.source),
                complete_since: known,
            });
        }
        Ok(known)
    }
}

/// What an audit is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AuditStep {
    /// Another one runs.
    #[default]
    Queued,
    /// It reads the past.
    Reading,
    /// It waits for the live reader, which may bring what it did not find.
    WaitingForLive,
    /// It delivers what is missing.
    Delivering,
    /// It has ended.
    Done,
}

/// How far an audit is. Times are nanoseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuditProgress {
    /// What it is doing.
    pub step: AuditStep,
    /// The first moment of what is compared.
    pub since: u64,
    /// Its end.
    pub until: u64,
    /// Time of the newest record compared.
    pub reached: Option<u64>,
    /// Records compared.
    pub read: u64,
    /// Records that are not known and that the live reader may bring yet.
    pub suspects: u64,
    /// Whether an earlier one was interrupted, and this goes on where it was.
    pub resumed: bool,
}

/// A record that the source has and that was never delivered. Times are nanoseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Its id; empty if it has none.
    pub id: String,
    /// Its own time.
    pub published: u64,
    /// When the source was seen to have it: it was persisted no later.
    pub seen: u64,
    /// Whether it is delivered by now.
    pub fixed: bool,
}

/// What an audit found. Times are nanoseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuditReport {
    /// The first moment of what was compared.
    pub since: u64,
    /// Its end.
    pub until: u64,
    /// Records compared.
    pub read: u64,
    /// Of these, records whose id was delivered, with other bytes.
    pub differing: u64,
    /// Records that were never delivered and are not now.
    pub missing: u64,
    /// Records that were never delivered before and are now.
    pub fixed: u64,
    /// Which ones, in the order in which they were read: the first [`NAMED_MAX`] of each sort.
    pub named: Vec<Missing>,
}

/// A report names at most this many missing records, and as many that are fixed.
pub const NAMED_MAX: u32 = 10_000;

/// Why an audit can't be made, or did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// Nobody reads a source of this name.
    #[error("no source `{0}` is being read")]
    NoSuchSource(Arc<str>),
    /// Nothing was delivered yet.
    #[error("nothing of {0} is in the ledger yet, so nothing can be compared with it")]
    NothingKnown(Arc<str>),
    /// The ledger has forgotten what was delivered of that time.
    #[error(
        "the ledger of {name} knows everything delivered since {}, and nothing of before; ask for what is later, and \
         set `ledger: {{ keep: … }}` for what is to come", time(*.complete_since)
    )]
    BelowLedger {
        /// Name of the source.
        name: Arc<str>,
        /// Since when it is complete.
        complete_since: u64,
    },
    /// Too many are waiting.
    #[error("too many audits are waiting already")]
    Busy,
    /// The source can't be read.
    #[error("{0}")]
    Source(String),
    /// The state can't be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// The pipeline or the source ended before the audit did.
    #[error("the audit was interrupted; ask for the same again, and it goes on where it was")]
    Interrupted,
}

fn time(nanoseconds: u64) -> String {
    let time = jiff::Timestamp::from_nanosecond(nanoseconds.into());
    time.map_or_else(|_| "?".to_owned(), |time| format!("{time:.0}"))
}
