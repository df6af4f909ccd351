//! The task of one output: hands over what is queued until the output has it.
//!
//! Outputs never retry; this does, for all of them, by the one policy in [`super::retry`]: the same batches in the
//! same order, for ever while the failure may pass.
//!
//! A reload may give it another writer and another queue ([`Renewal`]). The writer is changed between two attempts, so
//! that it takes over what the old one could not write; what is in the old queue goes before what is in the new one, so
//! that the records of a source stay in their order.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::acks::{Acks, Delivered};
use super::burial::{Burial, BurialError};
use super::dead_letter::DeadRecord;
use super::phase::{Phase, now};
use super::queue::{Held, QueueReceiver, Queues};
use super::retry::{Retry, Verdict};
use super::status::OutputGauge;
use super::{OpenOutput, Options, OutputEnd};
use crate::record::Batch;
use crate::stage::{Output, Rejected, StageError, Written};
use crate::units::in_tenths;

/// What an output's task works with.
pub(crate) struct Wiring {
    pub(crate) index: usize,
    pub(crate) name: Arc<str>,
    pub(crate) open: OpenOutput,
    pub(crate) queues: Queues,
    pub(crate) acks: Acks,
    pub(crate) burial: Burial,
    pub(crate) gauge: Arc<OutputGauge>,
    pub(crate) options: Arc<Options>,
    /// Another value for each request to open files anew.
    pub(crate) reopen: watch::Receiver<u64>,
    /// What reloads bring.
    pub(crate) renewals: mpsc::Receiver<Renewal>,
    /// Told to stop, the pipeline waits no longer.
    pub(crate) give_up: CancellationToken,
}

/// What a reload gives to an output.
pub(crate) struct Renewal {
    /// Opens what is written to from now on.
    pub(crate) open: OpenOutput,
    /// What is filled from now on.
    pub(crate) queue: QueueReceiver,
}

/// One output at work.
pub(crate) struct Delivery {
    wiring: Wiring,
    output: Option<Box<dyn Output>>,
    /// Where the output is: as stored at first, then as its newest write said. An output that is opened anew while
    /// the process runs gets no replay, so what is behind the stored position must not look like one.
    position: Option<String>,
    /// Whether the position before the first write is stored.
    begun: bool,
    /// The position that was stored when the process began.
    given: Option<String>,
    reopen_wanted: bool,
    retry: Retry,
}

impl Delivery {
    pub(crate) fn new(wiring: Wiring, position: Option<String>) -> Self {
        let retry = Retry::new(Arc::clone(&wiring.options));
        Self {
            wiring,
            output: None,
            given: position.clone(),
            position,
            begun: false,
            reopen_wanted: false,
            retry,
        }
    }

    /// Delivers until nobody fills its queue any more, or the output has ended. In the first case it is given back: a
    /// reload may have a use for it again.
    pub(crate) async fn run(mut self) -> (OutputEnd, Option<Self>) {
        let end = match self.deliver_all().await {
            Ok(()) => {
                self.output = None;
                return (OutputEnd::Drained, Some(self));
            }
            Err(end) => end,
        };
        if let OutputEnd::Failed(why) = &end {
            self.wiring.queues.fail(why);
        }
        (end, None)
    }

    async fn deliver_all(&mut self) -> Result<(), OutputEnd> {
        self.insist(&[]).await?;
        loop {
            let held = tokio::select! {
                biased;
                () = wanted(&mut self.wiring.reopen) => {
                    self.reopen_wanted = true;
                    self.insist(&[]).await?;
                    continue;
                }
                Some(renewal) = self.wiring.renewals.recv() => {
                    self.renew(renewal);
                    self.insist(&[]).await?;
                    continue;
                }
                held = self.wiring.queues.take() => held,
            };
            if held.is_empty() {
                return Ok(());
            }
            self.deliver(held).await?;
        }
    }

    /// Writes from now on as a reload says. The position stays: it is the same output, wherever it writes to, and what
    /// this process wrote is no replay.
    pub(crate) fn renew(&mut self, renewal: Renewal) {
        self.wiring.open = renewal.open;
        self.wiring.queues.push(renewal.queue);
        self.output = None;
        self.begun = false;
        self.retry = Retry::new(Arc::clone(&self.wiring.options));
    }

    /// What a reload brought and this did not live to see.
    pub(crate) fn unseen(&mut self) -> Option<Renewal> {
        self.wiring.renewals.try_recv().ok()
    }

    /// Everything here is in the destination or the dead letter when acks hears of it.
    async fn deliver(&mut self, held: Vec<Held>) -> Result<(), OutputEnd> {
        let batches: Vec<_> = held.iter().map(|held| held.queued.batch.clone()).collect();
        let written = self.insist(&batches).await?;
        let mut delivered: Vec<_> = held
            .iter()
            .map(|held| Delivered {
                source: held.queued.source,
                number: held.queued.number,
                dead: 0,
            })
            .collect();
        let refused = written.rejected.len() as u64;
        self.wiring
            .bury(&batches, written.rejected, &mut delivered)
            .await?;
        if written.position.is_some() {
            self.position.clone_from(&written.position);
        }
        self.wiring
            .acks
            .deliver(self.wiring.index, &delivered, written.position);
        let records = batches.iter().map(|batch| batch.len() as u64).sum();
        let bytes = batches.iter().map(Batch::text_bytes).sum();
        self.wiring.gauge.written(records, bytes, refused);
        Ok(())
    }

    /// Writes until the output says that it has everything.
    async fn insist(&mut self, batches: &[Batch]) -> Result<Written, OutputEnd> {
        let give_up = self.wiring.give_up.clone();
        loop {
            let attempt = tokio::select! {
                biased;
                attempt = self.attempt(batches) => attempt,
                () = give_up.cancelled() => return Err(OutputEnd::Interrupted),
            };
            let error = match attempt {
                Ok(written) => {
                    if self.retry.succeeded() {
                        tracing::info!(output = %self.wiring.name, "delivering again");
                    }
                    self.wiring.gauge.phase(Phase::Live);
                    return Ok(written);
                }
                Err(error) => error,
            };
            let wait = self.pause_after(&error)?;
            tokio::select! {
                () = sleep(wait) => {}
                // Whoever asks for it has just made room, or moved away what was in the way.
                () = wanted(&mut self.wiring.reopen) => self.reopen_wanted = true,
                // Perhaps because this one does not work.
                Some(renewal) = self.wiring.renewals.recv() => self.renew(renewal),
                () = give_up.cancelled() => return Err(OutputEnd::Interrupted),
            }
        }
    }

    async fn attempt(&mut self, batches: &[Batch]) -> Result<Written, StageError> {
        if self.output.is_none() {
            self.output = Some(self.open().await?);
        }
        let Some(output) = &mut self.output else {
            return Ok(Written::default());
        };
        if self.reopen_wanted {
            output.reopen().await?;
            self.reopen_wanted = false;
        }
        if batches.is_empty() {
            return Ok(Written::default());
        }
        if output.prepare(batches).await? {
            let stored = self.wiring.acks.position(self.wiring.index);
            if let Some(stored) = stored.as_deref().or(self.given.as_deref()) {
                self.wiring.store(output.begin(stored)?).await?;
            }
            if let Some(position) = &mut self.position {
                *position = output.begin(position)?;
            }
        }
        output.write(batches).await
    }

    async fn open(&mut self) -> Result<Box<dyn Output>, StageError> {
        let output = (self.wiring.open)(self.position.clone()).await?;
        if self.begun {
            return Ok(output);
        }
        if let Some(position) = output.position().filter(|_| self.position.is_none()) {
            self.wiring.store(position.clone()).await?;
            self.position = Some(position);
        }
        self.begun = true;
        Ok(output)
    }

    /// How long to wait after a failure, unless it is one for good.
    fn pause_after(&mut self, error: &StageError) -> Result<Duration, OutputEnd> {
        if matches!(error, StageError::Crashed(_) | StageError::Unauthorized(_)) {
            self.output = None;
        }
        let (Verdict::After(wait) | Verdict::WhenAuthorized(wait)) = self.retry.judge(error) else {
            return Err(OutputEnd::Failed(error.to_string()));
        };
        self.wiring.gauge.failing(&error.to_string());
        tracing::warn!(output = %self.wiring.name, %error, retry_in_seconds = in_tenths(wait), "can't be written");
        Ok(wait)
    }
}

impl Wiring {
    /// Stores where the output is, durably, before it writes there.
    async fn store(&self, position: String) -> Result<(), StageError> {
        let stored = self.acks.begin(self.index, position).await;
        stored.map_err(|_| StageError::Permanent("the state can't be written".to_owned()))
    }

    /// Gives what the output refused to the dead letter, and counts it.
    async fn bury(
        &self,
        batches: &[Batch],
        rejected: Vec<Rejected>,
        delivered: &mut [Delivered],
    ) -> Result<(), OutputEnd> {
        if rejected.is_empty() {
            return Ok(());
        }
        tracing::warn!(output = %self.name, count = rejected.len(), "what the output refused goes to the dead letter");
        let time = now();
        let mut records = Vec::with_capacity(rejected.len());
        for rejected in rejected {
            let batch = batches
                .get(rejected.batch)
                .zip(delivered.get_mut(rejected.batch));
            let found = batch.and_then(|(batch, delivered)| {
                Some((batch, batch.get(rejected.index)?, delivered))
            });
            let Some((batch, record, delivered)) = found else {
                return Err(OutputEnd::Failed(
                    "it refused a record that it was not given".to_owned(),
                ));
            };
            delivered.dead += 1;
            records.push(DeadRecord {
                time,
                source: Arc::clone(batch.source()),
                stage: Arc::clone(&self.name),
                reason: rejected.reason,
                bytes: record.text().to_vec().into(),
            });
        }
        let buried = self
            .burial
            .bury(records, |why| self.gauge.failing(why))
            .await;
        buried.map_err(|error| match error {
            BurialError::Interrupted => OutputEnd::Interrupted,
            BurialError::Failed(_) => OutputEnd::Failed(error.to_string()),
        })
    }
}

/// Waits for a request to open files anew; for ever when nobody can ask any more.
async fn wanted(reopen: &mut watch::Receiver<u64>) {
    if reopen.changed().await.is_err() {
        std::future::pending().await
    }
}
