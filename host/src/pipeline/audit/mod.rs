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
//! Who wants an errand, an audit or a backfill, asks a [`PipelineHandle`]; [`desk`] decides who is next.

mod desk;
mod fix;
mod handle;
mod task;
mod window;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::blocking::off_worker;
use super::inlet::Inlet;
use super::source::Tide;
use crate::stage::Source;
use crate::state::{State, StateError};

pub use crate::telemetry::audit::{AuditProgress, AuditReport, AuditStep, Missing, NAMED_MAX};
pub(crate) use desk::{Desk, Task};
pub(crate) use handle::{Asked, AskedAudit, Errand, Requests, requests};
pub use handle::{AuditRun, BackfillRun, PipelineHandle, Run};
pub(crate) use task::{AuditTask, interrupted};
pub(crate) use window::{Stretch, WindowReader};

/// What an audit of one source works with.
#[derive(Clone)]
pub(crate) struct Auditor {
    pub(crate) inlet: Arc<Inlet>,
    pub(crate) source: Arc<dyn Source>,
    /// What the live reader does; closed when it has ended.
    pub(crate) tide: watch::Receiver<Tide>,
    /// For how long the system that is read keeps a record, if that is known.
    pub(crate) retention: Option<Duration>,
}

impl Auditor {
    /// Waits for something, unless the source is told to stop, or whoever asked wants it no more.
    pub(crate) async fn unless_stopped<T>(
        &self,
        stop: &CancellationToken,
        work: impl Future<Output = T>,
    ) -> Result<T, AuditError> {
        tokio::select! {
            biased;
            () = stop.cancelled() => Err(AuditError::Interrupted),
            done = self.inlet.unless_stopped(work) => done.map_err(|end| interrupted(&end)),
        }
    }

    /// Waits until everything that was accepted from the source so far is settled, and stored. What was found known may be
    /// on its way in a batch of an errand that ended before its time: who counts on it must not be ahead of that.
    pub(crate) async fn settled(&self, stop: &CancellationToken) -> Result<(), AuditError> {
        let delivered = &self.inlet.delivered;
        let settled = delivered.acks.all_settled(delivered.index);
        let settled = self.unless_stopped(stop, settled).await?;
        settled.map_err(|_| AuditError::Interrupted)
    }

    /// Does something with the state where it may block.
    pub(crate) async fn with_state<T: Send + 'static>(
        &self,
        work: impl FnOnce(&State, &str) -> Result<T, StateError> + Send + 'static,
    ) -> Result<T, AuditError> {
        let (state, name) = (
            self.inlet.delivered.state.clone(),
            Arc::clone(self.inlet.name()),
        );
        let done = off_worker(move || work(&state, &name)).await;
        Ok(done.map_err(|_| AuditError::Interrupted)??)
    }
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

/// Why an audit can't be made, or did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// Nobody reads a source of this name.
    #[error("no source `{0}` is being read")]
    NoSuchSource(Arc<str>),
    /// It was read, and is not any more.
    #[error(
        "{0} is not read any more: it stopped, or was left out of the configuration; `logweir status` says why"
    )]
    NotRead(Arc<str>),
    /// Nothing was delivered yet.
    #[error(
        "nothing of {0} is in the ledger yet, so nothing can be compared with it: `logweir run` reads it first"
    )]
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
    #[error("too many audits and backfills are waiting already")]
    Busy,
    /// The source can't be read.
    #[error("{0}")]
    Source(String),
    /// The state can't be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// The pipeline or the source ended before the audit did.
    #[error("it was interrupted; ask for the same again, and it goes on where it was")]
    Interrupted,
}

/// What a request may take on its way: who asks counts "so long ago" from when they typed it. In nanoseconds.
const ON_ITS_WAY: u64 = 60_000_000_000;

/// Whether who asks for what was since `since` means the errand that was begun at `asked` for what was since `begun`: the
/// same moment, or one that is as long ago now as the other was then.
pub(crate) fn is_same_beginning(begun: u64, asked: u64, since: u64, now: u64) -> bool {
    let later = now.saturating_sub(asked).saturating_add(ON_ITS_WAY);
    (begun..=begun.saturating_add(later)).contains(&since)
}

pub(crate) fn time(nanoseconds: u64) -> String {
    let time = jiff::Timestamp::from_nanosecond(nanoseconds.into());
    time.map_or_else(|_| "?".to_owned(), |time| format!("{time:.0}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupted_errand_goes_on_for_the_same_moment_and_for_as_long_ago() {
        let (hour, second) = (3_600_000_000_000, 1_000_000_000);
        let (begun, asked) = (100 * hour, 124 * hour);
        let goes_on = |since, now| is_same_beginning(begun, asked, since, now);
        assert!(goes_on(begun, asked + 1_000 * hour), "the same moment");
        assert!(goes_on(begun + 5 * hour, asked + 5 * hour), "a day ago");
        assert!(
            goes_on(begun + 5 * hour, asked + 5 * hour - second),
            "which took a while to arrive"
        );
        assert!(!goes_on(begun + 7 * hour, asked + 5 * hour), "less");
        assert!(!goes_on(begun - second, asked + 5 * hour), "more");
    }
}
