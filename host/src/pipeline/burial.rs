//! Gives records to the dead letter, and comes back when it has them durably.

use std::sync::Arc;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::Options;
use super::blocking::off_worker;
use super::dead_letter::{DeadLetter, DeadLetterError, DeadRecord};
use super::retry::{Retry, Verdict};
use crate::stage::StageError;

/// The dead letter of a pipeline. Cloning shares it.
#[derive(Clone)]
pub(crate) struct Burial {
    dead_letter: DeadLetter,
    options: Arc<Options>,
    give_up: CancellationToken,
}

/// Why records are not in the dead letter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BurialError {
    /// The pipeline was told to stop, and waits no longer.
    #[error("interrupted")]
    Interrupted,
    /// It can't be written.
    #[error("the dead letter can't be written: {0}")]
    Failed(String),
}

impl Burial {
    pub(crate) fn new(
        dead_letter: DeadLetter,
        options: Arc<Options>,
        give_up: CancellationToken,
    ) -> Self {
        Self {
            dead_letter,
            options,
            give_up,
        }
    }

    /// Waits until the records are in the dead letter; `failing` hears about each failure.
    pub(crate) async fn bury(
        &self,
        records: Vec<DeadRecord>,
        failing: impl Fn(&str) + Send,
    ) -> Result<(), BurialError> {
        let records: Arc<[DeadRecord]> = records.into();
        let mut retry = Retry::new(Arc::clone(&self.options));
        loop {
            let Err(error) = self.append(Arc::clone(&records)).await? else {
                return Ok(());
            };
            let error = BurialError::Failed(error.to_string());
            tracing::error!(%error, "records wait for the dead letter");
            failing(&error.to_string());
            let verdict = retry.judge(&StageError::Transient(String::new()));
            let Verdict::After(wait) = verdict else {
                return Err(error);
            };
            tokio::select! {
                () = sleep(wait) => {}
                () = self.give_up.cancelled() => return Err(BurialError::Interrupted),
            }
        }
    }

    async fn append(
        &self,
        records: Arc<[DeadRecord]>,
    ) -> Result<Result<(), DeadLetterError>, BurialError> {
        let dead_letter = self.dead_letter.clone();
        let appended = off_worker(move || dead_letter.append(&records)).await;
        appended.map_err(|panic| BurialError::Failed(panic.to_string()))
    }
}
