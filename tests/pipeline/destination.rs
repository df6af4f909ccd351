//! A destination to write to, whose position is the number of its lines.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures::FutureExt;
use logweir::pipeline::{OutputSpec, QueueLimits};
use logweir::record::Batch;
use logweir::stage::{CheckReport, Output, Rejected, StageError, Written};
use logweir::state::State;
use tokio::sync::Semaphore;

use crate::system::lines;

/// Somewhere to write to, with a position that is the number of lines.
pub(crate) struct Destination {
    pub(crate) name: &'static str,
    pub(crate) lines: Mutex<Vec<String>>,
    /// What writes return instead of writing.
    pub(crate) faults: Mutex<VecDeque<StageError>>,
    /// Lines that are refused for good.
    pub(crate) refuses: Vec<String>,
    /// Each write takes one; empty is a destination that hangs.
    pub(crate) turns: Semaphore,
    /// Positions that it was opened at.
    pub(crate) opened_at: Mutex<Vec<Option<String>>>,
    /// What each write was given, failed ones included.
    pub(crate) handed: Mutex<Vec<Vec<String>>>,
    pub(crate) reopened: AtomicUsize,
    /// Writes fail until this many requests to open files anew came.
    pub(crate) works_when_reopened: AtomicUsize,
    /// Where its lines go; a place is to be named before the first line goes there.
    pub(crate) place: AtomicUsize,
    pub(crate) queue: QueueLimits,
    /// Looked at during each write.
    pub(crate) state: Mutex<Option<State>>,
    /// The stored position at each write.
    pub(crate) stored_at_write: Mutex<Vec<Option<String>>>,
}

impl Destination {
    pub(crate) fn new(name: &'static str) -> Self {
        Self {
            name,
            lines: Mutex::default(),
            faults: Mutex::default(),
            refuses: Vec::new(),
            turns: Semaphore::new(1 << 20),
            opened_at: Mutex::default(),
            handed: Mutex::default(),
            reopened: AtomicUsize::new(0),
            works_when_reopened: AtomicUsize::new(0),
            place: AtomicUsize::new(0),
            queue: QueueLimits::default(),
            state: Mutex::default(),
            stored_at_write: Mutex::default(),
        }
    }

    pub(crate) fn hanging(name: &'static str) -> Self {
        Self {
            turns: Semaphore::new(0),
            ..Self::new(name)
        }
    }

    pub(crate) fn failing(self, faults: impl IntoIterator<Item = StageError>) -> Self {
        self.faults.lock().unwrap().extend(faults);
        self
    }

    pub(crate) fn release(&self) {
        self.turns.add_permits(1 << 20);
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }
}

struct Writer {
    destination: Arc<Destination>,
    named: usize,
}

#[async_trait]
impl Output for Writer {
    fn position(&self) -> Option<String> {
        Some(self.destination.lines.lock().unwrap().len().to_string())
    }

    async fn check(&mut self) -> Result<CheckReport, StageError> {
        Ok(CheckReport::default())
    }

    async fn prepare(&mut self, _: &[Batch]) -> Result<bool, StageError> {
        let place = self.destination.place.load(SeqCst);
        Ok(std::mem::replace(&mut self.named, place) != place)
    }

    fn begin(&self, position: &str) -> Result<String, StageError> {
        let number = position.split(' ').next().unwrap();
        Ok(format!("{number} place {}", self.named))
    }

    async fn write(&mut self, batches: &[Batch]) -> Result<Written, StageError> {
        let destination = &self.destination;
        destination.turns.acquire().await.unwrap().forget();
        if let Some(state) = &*destination.state.lock().unwrap() {
            let stored = state.position(destination.name).unwrap();
            destination.stored_at_write.lock().unwrap().push(stored);
        }
        let handed = batches.iter().flat_map(lines).collect();
        destination.handed.lock().unwrap().push(handed);
        if let Some(fault) = destination.faults.lock().unwrap().pop_front() {
            return Err(fault);
        }
        if destination.reopened.load(SeqCst) < destination.works_when_reopened.load(SeqCst) {
            return Err(StageError::Transient("no space left on device".to_owned()));
        }
        let mut rejected = Vec::new();
        let mut written = destination.lines.lock().unwrap();
        for (number, batch) in batches.iter().enumerate() {
            for (index, line) in lines(batch).into_iter().enumerate() {
                if destination.refuses.contains(&line) {
                    let reason = "too odd".to_owned();
                    rejected.push(Rejected {
                        batch: number,
                        index,
                        reason,
                    });
                } else {
                    written.push(line);
                }
            }
        }
        let position = Some(written.len().to_string());
        Ok(Written { rejected, position })
    }

    async fn reopen(&mut self) -> Result<(), StageError> {
        self.destination.reopened.fetch_add(1, SeqCst);
        Ok(())
    }
}

pub(crate) fn output(destination: &Arc<Destination>) -> OutputSpec {
    let destination = Arc::clone(destination);
    OutputSpec {
        name: destination.name.into(),
        queue: destination.queue,
        open: Box::new(move |position| {
            let destination = Arc::clone(&destination);
            destination.opened_at.lock().unwrap().push(position);
            let writer = Writer {
                destination,
                named: 0,
            };
            async move { Ok(Box::new(writer) as Box<dyn Output>) }.boxed()
        }),
    }
}
