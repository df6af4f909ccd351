//! The task that stores checkpoints and positions.

use std::future::pending;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::books::Urgency;
use super::{Shared, Stored};
use crate::pipeline::blocking::off_worker;
use crate::pipeline::board::Gauges;
use crate::pipeline::phase::now;
use crate::pipeline::retry::{Retry, Verdict};
use crate::pipeline::{Failure, Options};
use crate::stage::StageError;
use crate::state::{Commit, LedgerSize, State};

/// Where and how to store.
pub(crate) struct Storage {
    pub(crate) state: State,
    pub(crate) options: Arc<Options>,
    /// Told what is settled.
    pub(crate) gauges: Gauges,
    /// Everything is in the books: store it and end.
    pub(crate) finish: CancellationToken,
    /// Don't wait for a failing disk any longer.
    pub(crate) give_up: CancellationToken,
}

/// Stores what the books say, until told to finish.
pub(crate) struct Committer {
    shared: Arc<Shared>,
    stored: watch::Sender<Stored>,
    storage: Storage,
    retry: Retry,
    /// When it was stored last what was learnt of sources.
    habits_at: Instant,
}

impl Committer {
    pub(super) fn new(
        shared: Arc<Shared>,
        stored: watch::Sender<Stored>,
        storage: Storage,
    ) -> Self {
        let retry = Retry::new(Arc::clone(&storage.options));
        Self {
            shared,
            stored,
            storage,
            retry,
            habits_at: Instant::now(),
        }
    }

    /// Ends when everything is stored, or with the reason why it can't be.
    pub(crate) async fn run(mut self) -> Result<(), String> {
        loop {
            self.wait_for_work().await;
            let taken = self.shared.books().take();
            match taken {
                Some((number, commit)) => self.store(number, commit).await?,
                None if self.storage.finish.is_cancelled() => {
                    self.keep_habits().await;
                    return Ok(());
                }
                None => {}
            }
            if Instant::now() >= self.habits_due() {
                self.keep_habits().await;
            }
            tokio::select! {
                () = sleep(self.storage.options.timing.commit_pause) => {}
                () = self.storage.finish.cancelled() => {}
            }
        }
    }

    /// Waits until something is worth a transaction, or everything is to be stored.
    async fn wait_for_work(&self) {
        let habits_due = self.habits_due();
        let mut deadline = None;
        loop {
            match self.shared.urgency() {
                Urgency::High => return,
                Urgency::Nothing => deadline = None,
                Urgency::Low => {
                    let idle_commit = self.storage.options.timing.idle_commit;
                    deadline.get_or_insert_with(|| Instant::now() + idle_commit);
                }
            }
            tokio::select! {
                () = self.shared.work.notified() => {}
                () = at(deadline) => return,
                () = sleep_until(habits_due) => return,
                () = self.storage.finish.cancelled() => return,
            }
        }
    }

    fn habits_due(&self) -> Instant {
        self.habits_at + self.storage.options.timing.habits
    }

    /// Moves checkpoints and positions. Nothing else in the process does.
    async fn store(&mut self, number: u64, mut commit: Commit) -> Result<(), String> {
        commit.at = now();
        commit.keep = self.storage.options.ledger_keep;
        let state = self.storage.state.clone();
        let stored = off_worker(move || (state.commit(&commit), commit)).await;
        match stored {
            Ok((Ok(ledgers), commit)) => {
                self.settled(number, &commit, &ledgers);
                Ok(())
            }
            Ok((Err(error), commit)) => {
                self.shared.books().restore(commit);
                self.failed(error.to_string()).await
            }
            Err(panic) => Err(panic.to_string()),
        }
    }

    fn settled(&mut self, number: u64, commit: &Commit, ledgers: &[Option<LedgerSize>]) {
        self.shared.books().stored();
        for (source, ledger) in commit.sources.iter().zip(ledgers) {
            let Some(gauge) = self.storage.gauges.get(&source.name) else {
                continue;
            };
            gauge.settled(source.settled, source.dead);
            if let Some(size) = ledger {
                gauge.ledger(*size);
            }
        }
        if self.retry.succeeded() {
            tracing::info!("the state can be written again");
        }
        self.stored.send_replace(Stored {
            number,
            failing: None,
        });
    }

    /// Stores what was learnt of sources. What can't be stored is no reason to stop: it would be learnt anew.
    async fn keep_habits(&mut self) {
        self.habits_at = Instant::now();
        let gauges = self.storage.gauges.list().into_iter();
        let habits: Vec<_> = gauges.map(|(name, gauge)| (name, gauge.habit())).collect();
        let state = self.storage.state.clone();
        let kept = off_worker(move || state.keep_habits(&habits)).await;
        if let Ok(Err(error)) = kept {
            tracing::warn!(%error, "what is usual for the sources can't be stored");
        }
    }

    async fn failed(&mut self, why: String) -> Result<(), String> {
        tracing::error!(error = why, "the state can't be written");
        self.stored.send_modify(|stored| match &mut stored.failing {
            Some(failing) => failing.why.clone_from(&why),
            None => stored.failing = Some(Failure::now(&why)),
        });
        let wait = match self.retry.judge(&StageError::Transient(why.clone())) {
            Verdict::After(wait) | Verdict::WhenAuthorized(wait) => wait,
            Verdict::Never => return Err(why),
        };
        tokio::select! {
            () = sleep(wait) => Ok(()),
            () = self.storage.give_up.cancelled() => Err(why),
        }
    }
}

async fn at(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => pending().await,
    }
}
