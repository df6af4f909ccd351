//! The way of a source's records into the pipeline, whoever read them: the live reader or an audit.
//!
//! Dead letter, budget, acks, queues, in this order: what is refused is durable before the page counts, and acks
//! knows the batch before an output can have it.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::acks::Accepted;
use super::budget::{Budget, Share};
use super::burial::{Burial, BurialError};
use super::dead_letter::DeadRecord;
use super::overlap::{Delivered, Kinship, times};
use super::phase::now;
use super::queue::Queued;
use super::retry::{Retry, Verdict};
use super::routes::{Route, Routes};
use super::status::SourceGauge;
use super::{Options, SourceEnd};
use crate::record::{Batch, RecordRef};
use crate::stage::{Refused, StageError};
use crate::state::{Digest, LedgerRow};

/// The stage that records get in the dead letter when their source refused them.
const STAGE: &str = "source";

/// What it takes to bring records of one source into the pipeline.
pub(crate) struct Inlet {
    /// What was accepted from the source before.
    pub(crate) delivered: Delivered,
    pub(crate) routes: Arc<Routes>,
    pub(crate) budget: Budget,
    pub(crate) burial: Burial,
    pub(crate) gauge: Arc<SourceGauge>,
    pub(crate) options: Arc<Options>,
    /// One permit: who compares before accepting holds it until it has accepted, since what another one accepts
    /// meanwhile would be missed. All inlets of one source share it: an audit may still hold one of before a reload.
    pub(crate) turn: Arc<Semaphore>,
    /// Since when everything was read, nanoseconds since 1970; 0 while that is not known. See [`Inlet::border`]. Shared
    /// like the turn.
    pub(crate) read_since: Arc<AtomicU64>,
    /// See [`Inlet::may_be_backfilled`]. Nanoseconds since 1970, 0 while there was no backfill; shared like the turn.
    pub(crate) backfilled_until: Arc<AtomicU64>,
    /// Read no more.
    pub(crate) stop: CancellationToken,
    /// What was accepted need not be delivered any more.
    pub(crate) give_up: CancellationToken,
}

/// Records on their way in, and what the ledger will have of them.
pub(crate) struct Intake {
    pub(crate) batch: Batch,
    pub(crate) refused: Vec<Refused>,
    pub(crate) rows: Vec<LedgerRow>,
}

impl Intake {
    /// Records, those included that could not be records.
    pub(crate) fn records(&self) -> u64 {
        (self.batch.len() + self.refused.len()) as u64
    }

    /// Their bytes.
    pub(crate) fn bytes(&self) -> u64 {
        let refused: usize = self.refused.iter().map(|refused| refused.bytes.len()).sum();
        self.batch.text_bytes() + refused as u64
    }
}

impl Inlet {
    /// The name of the source.
    pub(crate) fn name(&self) -> &Arc<str> {
        &self.delivered.name
    }

    /// Waits until nobody else is between comparing and accepting.
    pub(crate) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        // Nobody closes the semaphore.
        self.turn.acquire().await.ok()
    }

    /// What the ledger has of records: first those of the batch, then those that could not be records.
    pub(crate) fn digests(&self, batch: &Batch, refused: &[Refused]) -> Vec<Digest> {
        let digester = self.delivered.state.digester();
        let of_record = |record: RecordRef<'_>| digester.digest(record.id(), record.text());
        let of_refused = |refused: &Refused| digester.digest("", &refused.bytes);
        let records = batch.records().map(of_record);
        records.chain(refused.iter().map(of_refused)).collect()
    }

    /// Records published no later are remembered for good: who reads more of the past will come to them.
    pub(crate) fn border(&self) -> u64 {
        self.read_since.load(Ordering::Relaxed)
    }

    /// Everything since then was read, or is being read.
    pub(crate) fn reads_since(&self, time: u64) {
        self.read_since.store(time, Ordering::Relaxed);
    }

    /// Whether a backfill may have brought some of these first: a record that is persisted after its time stands in the
    /// stretch that a backfill reads, and the live reader has yet to come to it.
    pub(crate) fn may_be_backfilled(&self, batch: &Batch, refused: &[Refused]) -> bool {
        let until = self.backfilled_until.load(Ordering::Relaxed);
        let is_empty = batch.is_empty() && refused.is_empty();
        until > 0 && !is_empty && times(batch).is_none_or(|times| *times.start() <= until)
    }

    /// A backfill is about to read up to then.
    pub(crate) fn backfills_until(&self, time: u64) {
        self.backfilled_until.fetch_max(time, Ordering::Relaxed);
    }

    /// Records that can't have been delivered before.
    pub(crate) fn fresh(&self, batch: Batch, refused: Vec<Refused>) -> Intake {
        let digests = self.digests(&batch, &refused);
        intake(batch, refused, digests, self.border())
    }

    /// Of records that may have been delivered before, those that were not (delivery rule 12). Those published up to
    /// `border` are remembered for good.
    pub(crate) async fn sift(
        &self,
        batch: Batch,
        refused: Vec<Refused>,
        border: u64,
    ) -> Result<Intake, SourceEnd> {
        let digests = self.digests(&batch, &refused);
        let kinships = self.compare(&digests, times(&batch)).await?;
        let count = |wanted| {
            kinships
                .iter()
                .filter(|kinship| **kinship == wanted)
                .count() as u64
        };
        let (repeated, differing) = (count(Kinship::Repeated), count(Kinship::Differing));
        self.gauge.overlapped(repeated, differing);
        if differing > 0 {
            tracing::warn!(source = %self.name(), count = differing, "records came again with other bytes; both versions are delivered");
        }
        if repeated == 0 {
            return Ok(intake(batch, refused, digests, border));
        }
        tracing::debug!(source = %self.name(), count = repeated, "records were delivered before");
        let stays = |index: usize| kinships.get(index) != Some(&Kinship::Repeated);
        let records = batch.len();
        let refused = refused.into_iter().enumerate();
        let refused = refused.filter(|(index, _)| stays(records + index));
        let digests = digests.into_iter().enumerate();
        let digests = digests.filter(|(index, _)| stays(*index));
        Ok(intake(
            batch.only(stays),
            refused.map(|(_, refused)| refused).collect(),
            digests.map(|(_, digest)| digest).collect(),
            border,
        ))
    }

    /// Compares with what was delivered, for as long as that can't be read.
    async fn compare(
        &self,
        digests: &[Digest],
        times: Option<RangeInclusive<u64>>,
    ) -> Result<Vec<Kinship>, SourceEnd> {
        let mut retry = Retry::new(Arc::clone(&self.options));
        loop {
            let compared = self.delivered.compare(digests.to_vec(), times.clone());
            let error = match compared.await {
                Ok(kinships) => return Ok(kinships),
                Err(error) => error.to_string(),
            };
            tracing::error!(source = %self.name(), error, "can't tell what was delivered");
            self.gauge.failing(&error);
            match retry.judge(&StageError::Transient(String::new())) {
                Verdict::After(wait) | Verdict::WhenAuthorized(wait) => {
                    self.unless_stopped(sleep(wait)).await?;
                }
                Verdict::Never => return Err(SourceEnd::Stopped(error)),
            }
        }
    }

    /// Takes records in, however long the outputs need to make room. The share is as big as they are, or bigger.
    pub(crate) async fn accept(
        &self,
        intake: Intake,
        checkpoint: Option<Arc<str>>,
        began: Option<u64>,
        mut share: Share,
    ) -> Result<(), SourceEnd> {
        let (acks, index) = (&self.delivered.acks, self.delivered.index);
        let mut accepted = Accepted {
            checkpoint,
            began,
            records: intake.records(),
            rows: intake.rows,
            dead: intake.refused.len() as u64,
            outputs: 0,
        };
        self.bury(intake.refused).await?;
        if intake.batch.is_empty() {
            acks.accept(index, accepted);
            return Ok(());
        }
        share.shrink(intake.batch.pinned_bytes());
        let routes = self.routes.now();
        accepted.outputs = routes.len();
        let number = acks.accept(index, accepted);
        self.queue(&routes, &intake.batch, number, Arc::new(share))
            .await
    }

    async fn queue(
        &self,
        routes: &[Route],
        batch: &Batch,
        number: u64,
        share: Arc<Share>,
    ) -> Result<(), SourceEnd> {
        for route in routes {
            let queued = Queued {
                batch: batch.clone(),
                source: self.delivered.index,
                number,
                _share: Arc::clone(&share),
            };
            let sent = route.queue.send(queued).await;
            sent.map_err(|_| self.end_with(routes))?;
        }
        Ok(())
    }

    async fn bury(&self, refused: Vec<Refused>) -> Result<(), SourceEnd> {
        if refused.is_empty() {
            return Ok(());
        }
        tracing::warn!(source = %self.name(), count = refused.len(), "what the source refused goes to the dead letter");
        let time = now();
        let record = |refused: Refused| DeadRecord {
            time,
            source: Arc::clone(self.name()),
            stage: STAGE.into(),
            reason: refused.reason,
            bytes: refused.bytes.into(),
        };
        let records = refused.into_iter().map(record).collect();
        let buried = self
            .burial
            .bury(records, |why| self.gauge.failing(why))
            .await;
        buried.map_err(|error| match error {
            BurialError::Interrupted => SourceEnd::ShutDown,
            BurialError::Failed(_) => SourceEnd::Stopped(error.to_string()),
        })
    }

    /// Waits for something, unless the source is told to stop.
    pub(crate) async fn unless_stopped<T>(
        &self,
        work: impl Future<Output = T>,
    ) -> Result<T, SourceEnd> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(self.end()),
            done = work => Ok(done),
        }
    }

    /// Why this source was made to stop.
    pub(crate) fn end(&self) -> SourceEnd {
        self.end_with(&self.routes.now())
    }

    fn end_with(&self, routes: &[Route]) -> SourceEnd {
        for Route { name, queue } in routes {
            let Some(why) = queue.closed().filter(|_| !self.give_up.is_cancelled()) else {
                continue;
            };
            let why = why.unwrap_or("its task ended");
            return SourceEnd::Stopped(format!("output {name} failed: {why}"));
        }
        let acks = &self.delivered.acks;
        match acks.failing().filter(|_| acks.is_gone()) {
            Some(failure) => {
                SourceEnd::Stopped(format!("the state can't be written: {}", failure.why))
            }
            None => SourceEnd::ShutDown,
        }
    }
}

fn intake(batch: Batch, refused: Vec<Refused>, digests: Vec<Digest>, border: u64) -> Intake {
    let rows = rows(&batch, digests, border);
    Intake {
        batch,
        refused,
        rows,
    }
}

/// What the ledger will have of records, the early ones apart.
fn rows(batch: &Batch, digests: Vec<Digest>, border: u64) -> Vec<LedgerRow> {
    let (oldest, newest) = times(batch).map_or((0, 0), RangeInclusive::into_inner);
    let row = |early, digests| LedgerRow {
        digests,
        oldest,
        newest,
        early,
    };
    if oldest == 0 || oldest > border {
        return vec![row(false, digests)];
    }
    // Those that could not be records have no time, and come last.
    let mut times = batch.records().map(RecordRef::time);
    let is_early = |time: u64| (1..=border).contains(&time);
    let (early, others) = digests
        .into_iter()
        .partition(|_| times.next().is_some_and(is_early));
    vec![row(true, early), row(false, others)]
}
