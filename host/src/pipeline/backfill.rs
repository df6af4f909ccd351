//! Reads more of the past than the first read did, when somebody asks for it (delivery rule 15).
//!
//! A first read began at a time, S, and brought what was persisted since then. What is missing of an earlier past was
//! persisted before S, and published before S too. It is read as a closed stretch, by publication, up to S, beside the
//! live reader and behind it, a page after the other.
//!
//! **Each record once.** A record published before S may have been persisted after S, so that the first read, or the live
//! reader since then, delivered it; the stretch has it too. The ledger tells it, whatever its age: what was delivered and
//! was published no later than S is remembered for good ([`crate::state`], early records). They are few, since records
//! are seldom persisted much later than they are published. What the stretch itself delivers is an ordinary part of the
//! ledger, which tells it while an interrupted one begins again. And a record that was published before S may be
//! persisted only now: then the stretch may have it before the live reader comes to it. So from the beginning of the
//! first backfill on, a live page with a record that was published no later than S is compared with the ledger too.
//!
//! How far it is, is stored behind each page that is settled; at its end S moves to where it began. Until then the old S
//! counts, so that giving up half-way costs nothing.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::SourceEnd;
use super::audit::{
    Asked, AuditError, Auditor, Stretch, WindowReader, interrupted, is_same_beginning,
};
use super::blocking::off_worker;
use super::phase::now;
use crate::record::RecordRef;
use crate::stage::{Pace, Page};
use crate::state::{BackfillRow, State, StateError};
pub use crate::telemetry::backfill::{BackfillProgress, BackfillReport};

/// What is to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackfillRequest {
    /// Name of the source.
    pub source: Arc<str>,
    /// The first moment wanted, nanoseconds since 1970.
    pub since: u64,
}

/// Why more of the past can't be read, or was not read to its end.
#[derive(Debug, thiserror::Error)]
pub enum BackfillError {
    /// Nothing was read yet, or an older version began.
    #[error(
        "it is not known how far back {0} was read: nothing was read yet, or an older version began; \
         `logweir state rewind {0} --to TIME` has it begin at a time, and what was delivered since then comes again"
    )]
    BeginningUnknown(Arc<str>),
    /// There is nothing to read.
    #[error("{name} was read since {} already: ask for an earlier time", super::audit::time(*.since))]
    NothingEarlier {
        /// Name of the source.
        name: Arc<str>,
        /// Since when it was read, nanoseconds since 1970.
        since: u64,
    },
    /// Anything else that can keep from reading beside the live reader.
    #[error(transparent)]
    Beside(#[from] AuditError),
}

impl BackfillRequest {
    /// The end of what is to be read, if there is anything. Nanoseconds since 1970.
    pub fn until(&self, state: &State) -> Result<u64, BackfillError> {
        let stored = state.source(&self.source).map_err(AuditError::State)?;
        let read_since = stored.and_then(|stored| stored.read_since);
        let unknown = || BackfillError::BeginningUnknown(Arc::clone(&self.source));
        let until = read_since.ok_or_else(unknown)?;
        match self.since < until {
            true => Ok(until),
            false => Err(BackfillError::NothingEarlier {
                name: Arc::clone(&self.source),
                since: until,
            }),
        }
    }
}

/// What was asked for, and where the answer goes.
pub(crate) type AskedBackfill =
    Asked<BackfillRequest, BackfillProgress, BackfillReport, BackfillError>;

/// One at work.
pub(crate) struct BackfillTask {
    auditor: Auditor,
    asked: AskedBackfill,
}

impl BackfillTask {
    pub(crate) fn new(auditor: Auditor, asked: AskedBackfill) -> Self {
        Self { auditor, asked }
    }

    /// Reads, says in the log what came of it, and answers who asked.
    pub(crate) async fn run(self) {
        let done = self.backfill().await;
        let name = self.name();
        match &done {
            Ok(report) => {
                tracing::info!(source = %name, read = report.read, delivered = report.delivered, "more of the past was read");
            }
            Err(error) => {
                tracing::warn!(source = %name, %error, "more of the past was not read to its end");
            }
        }
        // Whoever asked may be gone.
        drop(self.asked.outcome.send(done));
    }

    async fn backfill(&self) -> Result<BackfillReport, BackfillError> {
        let mut row = self.begin().await?;
        let mut reader = WindowReader::new(&self.auditor);
        loop {
            if self.auditor.tide.has_changed().is_err() {
                return Err(AuditError::Interrupted.into());
            }
            let (pace, done) = self.read_on(&mut reader, &mut row).await?;
            if done {
                let since = row.since;
                self.with_state(move |state, name| state.finish_backfill(name, since))
                    .await?;
                self.auditor.inlet.reads_since(since);
                return Ok(BackfillReport {
                    since,
                    until: row.until,
                    read: row.read,
                    delivered: row.delivered,
                });
            }
            let next = row.clone();
            self.with_state(move |state, name| state.continue_backfill(name, &next))
                .await?;
            if let Pace::After(wait) = pace {
                let longest = self.auditor.inlet.options.timing.longest_wait;
                self.unless_stopped(sleep(wait.min(longest))).await?;
            }
        }
    }

    /// Goes on with the one that was interrupted if that is what is asked for, else begins one.
    async fn begin(&self) -> Result<BackfillRow, BackfillError> {
        let (request, retention) = (self.asked.request.clone(), self.auditor.retention);
        let begun = off_worker({
            let state = self.auditor.inlet.delivered.state.clone();
            move || begin(&state, &request, retention, now())
        });
        let (row, resumed) = begun.await.map_err(|_| AuditError::Interrupted)??;
        self.auditor.inlet.backfills_until(row.until);
        if resumed {
            tracing::info!(source = %self.name(), "the reading of more of the past goes on where it was");
        }
        self.asked.progress.send_modify(|progress| {
            *progress = BackfillProgress {
                begun: true,
                since: row.since,
                until: row.until,
                reached: None,
                read: row.read,
                delivered: row.delivered,
                resumed,
            };
        });
        Ok(row)
    }

    /// One page, to its last record settled. Says when to read on, and whether that was all.
    async fn read_on(
        &self,
        reader: &mut WindowReader<'_>,
        row: &mut BackfillRow,
    ) -> Result<(Pace, bool), BackfillError> {
        let inlet = &self.auditor.inlet;
        let writable = self.unless_stopped(inlet.delivered.acks.writable()).await?;
        writable.map_err(|_| AuditError::Interrupted)?;
        let stretch = Stretch {
            since: row.since,
            until: row.until,
            checkpoint: row.checkpoint.as_deref(),
        };
        let (page, share) = self.unless_stopped(reader.read(stretch)).await??;
        let Page {
            batch,
            refused,
            checkpoint,
            pace,
            progress,
            ..
        } = page;
        let reached = batch.records().map(RecordRef::time).max();
        let read = (batch.len() + refused.len()) as u64;
        let turn = self.unless_stopped(inlet.turn()).await?;
        let sifted = inlet.sift(batch, refused, row.since).await;
        let intake = sifted.map_err(|end| interrupted(&end))?;
        let delivered = intake.records();
        if delivered > 0 {
            inlet.gauge.found(delivered, intake.bytes());
            let accepted = inlet.accept(intake, None, None, share).await;
            accepted.map_err(|end: SourceEnd| interrupted(&end))?;
        }
        drop(turn);
        self.auditor.settled(&self.asked.stop).await?;
        row.checkpoint = Some(checkpoint.to_string());
        row.read += read;
        row.delivered += delivered;
        self.asked.progress.send_modify(|progress| {
            progress.read = row.read;
            progress.delivered = row.delivered;
            progress.reached = reached.max(progress.reached);
        });
        Ok((pace, progress.caught_up))
    }

    fn name(&self) -> Arc<str> {
        Arc::clone(self.auditor.inlet.name())
    }

    async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Result<T, AuditError> {
        self.auditor.unless_stopped(&self.asked.stop, work).await
    }

    async fn with_state<T: Send + 'static>(
        &self,
        work: impl FnOnce(&State, &str) -> Result<T, StateError> + Send + 'static,
    ) -> Result<T, AuditError> {
        self.auditor.with_state(work).await
    }
}

/// What is to be read, and whether an interrupted one goes on.
fn begin(
    state: &State,
    request: &BackfillRequest,
    retention: Option<Duration>,
    now: u64,
) -> Result<(BackfillRow, bool), BackfillError> {
    let kept = retention.map_or(u64::MAX, |kept| {
        u64::try_from(kept.as_nanos()).unwrap_or(u64::MAX)
    });
    // There is nothing to get of what the system has forgotten, and some refuse to be asked.
    let request = BackfillRequest {
        since: request.since.max(now.saturating_sub(kept)),
        ..request.clone()
    };
    let until = request.until(state)?;
    let begins = state.begin_backfill(&request.source, until);
    begins.map_err(AuditError::State)?;
    let unfinished = state.backfill(&request.source).map_err(AuditError::State)?;
    if let Some(row) = unfinished
        && row.until == until
        && is_same_beginning(row.since, row.asked, request.since, now)
    {
        return Ok((row, true));
    }
    let row = BackfillRow {
        since: request.since,
        until,
        asked: now,
        ..BackfillRow::default()
    };
    Ok((row, false))
}
