//! The task of one source: read, accept, wait, and go on after whatever goes wrong.
//!
//! The reader is the least of its possessions: it is dropped while the source waits, and opened anew at the newest
//! page that was accepted (delivery rule 2). Where a new process begins is another matter, and [`super::acks`]'.

use std::pin::pin;
use std::sync::Arc;

use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::acks::{Accepted, Acks};
use super::budget::{Budget, Share};
use super::burial::{Burial, BurialError};
use super::dead_letter::DeadRecord;
use super::queue::{QueueSender, Queued};
use super::retry::{Retry, Verdict};
use super::status::{Phase, SourceGauge, after, now};
use super::{Options, SourceEnd};
use crate::record::Batch;
use crate::stage::{Pace, Page, Progress, Reader, Refused, Source, StageError, Start};

/// The longest checkpoint: it is written with each commit, and a person must be able to read it.
const CHECKPOINT_MAX: usize = 64 << 10;
/// What a page may cost before the first one has been seen.
const FIRST_GUESS: usize = 1 << 20;
/// No page is guessed to be smaller.
const SMALLEST_GUESS: usize = 64 << 10;
/// The stage that records get in the dead letter when their source refused them.
const STAGE: &str = "source";

/// What a source's task works with.
pub(crate) struct Wiring {
    pub(crate) index: usize,
    pub(crate) name: Arc<str>,
    pub(crate) source: Arc<dyn Source>,
    /// The queues of its outputs, by name of the output.
    pub(crate) outputs: Vec<(Arc<str>, QueueSender)>,
    pub(crate) acks: Acks,
    pub(crate) budget: Budget,
    pub(crate) burial: Burial,
    pub(crate) gauge: Arc<SourceGauge>,
    pub(crate) options: Arc<Options>,
    /// Read no more.
    pub(crate) stop: CancellationToken,
    /// What was accepted need not be delivered any more.
    pub(crate) give_up: CancellationToken,
}

/// One source at work.
pub(crate) struct SourceTask {
    wiring: Wiring,
    reader: Option<Box<dyn Reader>>,
    /// The newest page that was accepted.
    newest: Start,
    /// The stamp of the credential that the newest reader was opened with.
    stamp: u64,
    /// Where a run that is to end may end.
    until: Option<u64>,
    page_bytes: usize,
    retry: Retry,
}

impl SourceTask {
    pub(crate) fn new(wiring: Wiring, start: Start) -> Self {
        let retry = Retry::new(Arc::clone(&wiring.options));
        Self {
            wiring,
            reader: None,
            newest: start,
            stamp: 0,
            until: None,
            page_bytes: FIRST_GUESS,
            retry,
        }
    }

    /// Reads until there is a reason to end.
    pub(crate) async fn run(mut self) -> SourceEnd {
        loop {
            if let Err(end) = self.round().await {
                return end;
            }
        }
    }

    /// One page, or one failure, and the wait that follows.
    async fn round(&mut self) -> Result<(), SourceEnd> {
        let acks = self.wiring.acks.clone();
        let writable = self.wiring.unless_stopped(acks.writable()).await?;
        writable.map_err(|_| self.wiring.end())?;
        let share = self.share().await?;
        let stop = self.wiring.stop.clone();
        let read = tokio::select! {
            biased;
            () = stop.cancelled() => return Err(self.wiring.end()),
            read = self.read() => read,
        };
        let page = match read {
            Ok(page) => page,
            Err(error) => {
                drop(share);
                return self.recover(error).await;
            }
        };
        if self.retry.succeeded() {
            tracing::info!(source = %self.wiring.name, "reading again");
        }
        let (pace, progress) = (page.pace, page.progress.clone());
        self.wiring.gauge.progress(&progress);
        self.hand_over(page, share).await?;
        self.progressed(&progress)?;
        self.rest(pace).await
    }

    /// A share of the memory budget, before there is anything to keep in it.
    async fn share(&mut self) -> Result<Share, SourceEnd> {
        let wiring = &self.wiring;
        let share = wiring.unless_stopped(wiring.budget.share(self.page_bytes));
        wiring
            .hold_no_reader(&mut self.reader, "memory that other pages take", share)
            .await
    }

    async fn read(&mut self) -> Result<Page, StageError> {
        let reader = match &mut self.reader {
            Some(reader) => reader,
            none => {
                let source = &self.wiring.source;
                self.stamp = source.credential_stamp();
                none.insert(source.open(self.newest.clone()).await?)
            }
        };
        let page = reader.read().await?;
        check(&page)?;
        Ok(page)
    }

    /// Takes a page into the pipeline, however long its outputs need to make room.
    async fn hand_over(&mut self, page: Page, share: Share) -> Result<(), SourceEnd> {
        let refused_bytes: usize = page.refused.iter().map(|refused| refused.bytes.len()).sum();
        self.page_bytes = page.batch.pinned_bytes().max(SMALLEST_GUESS);
        let records = (page.batch.len() + page.refused.len()) as u64;
        self.wiring
            .gauge
            .read(records, page.batch.text_bytes() + refused_bytes as u64);
        let checkpoint = Arc::clone(&page.checkpoint);
        let accepted = self.wiring.accept(page, share);
        self.wiring
            .hold_no_reader(
                &mut self.reader,
                "its outputs to take what was read",
                accepted,
            )
            .await?;
        self.newest = Start::Checkpoint(checkpoint);
        Ok(())
    }

    /// A run that is to end does so when the source is caught up, or where it was when the run began: a source that
    /// is busy enough never is caught up (delivery rule 7).
    fn progressed(&mut self, progress: &Progress) -> Result<(), SourceEnd> {
        self.wiring.gauge.progress(progress);
        self.until = self.until.or(progress.until);
        let past = progress
            .reached
            .zip(self.until)
            .is_some_and(|(reached, until)| reached >= until);
        if self.wiring.options.once && (progress.caught_up || past) {
            return Err(SourceEnd::CaughtUp);
        }
        Ok(())
    }

    async fn rest(&mut self, pace: Pace) -> Result<(), SourceEnd> {
        let Pace::After(asked) = pace else {
            return Ok(());
        };
        let timing = &self.wiring.options.timing;
        let wait = asked.min(timing.longest_wait);
        if wait > timing.idle_release {
            self.reader = None;
        }
        self.wiring.unless_stopped(sleep(wait)).await
    }

    /// Waits as long as a failure asks for, or ends.
    async fn recover(&mut self, error: StageError) -> Result<(), SourceEnd> {
        let verdict = self.retry.judge(&error);
        self.wiring.note(&error, &verdict);
        let keeps_reader = match (&error, &verdict) {
            (StageError::Transient(_), _) => true,
            (StageError::Throttled(_), Verdict::After(wait)) => {
                *wait <= self.wiring.options.timing.idle_release
            }
            _ => false,
        };
        if !keeps_reader {
            self.reader = None;
        }
        match verdict {
            Verdict::After(wait) => self.wiring.unless_stopped(sleep(wait)).await,
            Verdict::WhenAuthorized(longest) => {
                let changed = timeout(longest, self.wiring.credential_other_than(self.stamp));
                self.wiring.unless_stopped(changed).await.map(drop)
            }
            Verdict::Never => Err(SourceEnd::Stopped(error.to_string())),
        }
    }
}

impl Wiring {
    /// Dead letter, budget, acks, queues, in this order: what is refused is durable before the page counts, and acks
    /// knows the batch before an output can have it.
    async fn accept(&self, page: Page, share: Share) -> Result<(), SourceEnd> {
        let mut accepted = Accepted {
            checkpoint: page.checkpoint,
            records: (page.batch.len() + page.refused.len()) as u64,
            dead: page.refused.len() as u64,
            outputs: 0,
        };
        self.bury(page.refused).await?;
        if page.batch.is_empty() {
            self.acks.accept(self.index, accepted);
            return Ok(());
        }
        let share = self
            .unless_stopped(self.budget.fit(share, page.batch.pinned_bytes()))
            .await?;
        accepted.outputs = self.outputs.len();
        let number = self.acks.accept(self.index, accepted);
        self.queue(&page.batch, number, Arc::new(share)).await
    }

    async fn queue(&self, batch: &Batch, number: u64, share: Arc<Share>) -> Result<(), SourceEnd> {
        for (_, output) in &self.outputs {
            let queued = Queued {
                batch: batch.clone(),
                source: self.index,
                number,
                _share: Arc::clone(&share),
            };
            output.send(queued).await.map_err(|_| self.end())?;
        }
        Ok(())
    }

    async fn bury(&self, refused: Vec<Refused>) -> Result<(), SourceEnd> {
        if refused.is_empty() {
            return Ok(());
        }
        tracing::warn!(source = %self.name, count = refused.len(), "what the source refused goes to the dead letter");
        let time = now();
        let record = |refused: Refused| DeadRecord {
            time,
            source: Arc::clone(&self.name),
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

    /// Waits for something that others decide about; a reader is not kept for it for long (delivery rule 19).
    async fn hold_no_reader<T>(
        &self,
        reader: &mut Option<Box<dyn Reader>>,
        what: &str,
        waiting: impl Future<Output = T>,
    ) -> T {
        let mut waiting = pin!(waiting);
        if let Ok(done) = timeout(self.options.timing.blocked_release, &mut waiting).await {
            return done;
        }
        *reader = None;
        let phase = self.gauge.blocked(what);
        let done = waiting.await;
        if let Some(phase) = phase {
            self.gauge.phase(phase);
        }
        done
    }

    async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Result<T, SourceEnd> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(self.end()),
            done = work => Ok(done),
        }
    }

    async fn credential_other_than(&self, stamp: u64) {
        while self.source.credential_stamp() == stamp {
            sleep(self.options.timing.credential_poll).await;
        }
    }

    /// Why this source was made to stop.
    fn end(&self) -> SourceEnd {
        for (name, output) in &self.outputs {
            let Some(why) = output.closed().filter(|_| !self.give_up.is_cancelled()) else {
                continue;
            };
            let why = why.unwrap_or("its task ended");
            return SourceEnd::Stopped(format!("output {name} failed: {why}"));
        }
        match self.acks.failing().filter(|_| self.acks.is_gone()) {
            Some(failure) => {
                SourceEnd::Stopped(format!("the state can't be written: {}", failure.why))
            }
            None => SourceEnd::ShutDown,
        }
    }

    /// Says what went wrong and what happens next, in the log and in the status.
    fn note(&self, error: &StageError, verdict: &Verdict) {
        let seconds = match verdict {
            Verdict::After(wait) | Verdict::WhenAuthorized(wait) => Some(wait.as_secs_f32()),
            Verdict::Never => None,
        };
        match (error, verdict) {
            (StageError::Throttled(_), Verdict::After(wait)) => {
                self.gauge.phase(Phase::Waiting {
                    until: Some(after(*wait)),
                    reason: "the system that is read, which asked for it".to_owned(),
                });
                tracing::info!(source = %self.name, seconds, "asked to wait");
                return;
            }
            (StageError::Crashed(reason), _) => self.gauge.restarted(reason),
            _ => {}
        }
        self.gauge.failing(&error.to_string());
        if seconds.is_some() {
            tracing::warn!(source = %self.name, %error, retry_in_seconds = seconds, "can't be read");
        } else {
            tracing::error!(source = %self.name, %error, "can't be read and is not tried again");
        }
    }
}

/// What no reader may return, whoever implements it.
fn check(page: &Page) -> Result<(), StageError> {
    let length = page.checkpoint.len();
    if length == 0 {
        return Err(StageError::Crashed(
            "it returned a page without a checkpoint".to_owned(),
        ));
    }
    if length > CHECKPOINT_MAX {
        let lie = format!("it returned a checkpoint of {length} bytes, more than {CHECKPOINT_MAX}");
        return Err(StageError::Crashed(lie));
    }
    Ok(())
}
