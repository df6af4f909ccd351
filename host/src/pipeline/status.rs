//! What people are shown of a running pipeline.
//!
//! The data path counts in atomics and swaps a phase now and then; whoever looks gets a snapshot that is a fraction
//! of a second old. Looking never makes a record wait.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::queue::QueueDepth;
use super::{OutputSpec, PipelineSpec, SourceSpec};
use crate::stage::Progress;

/// Reasons of restarts that are counted one by one; what a plugin says could have no end of variants.
const REASONS_MAX: usize = 16;
const OTHER_REASONS: &str = "other reasons";

/// A pipeline at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// The sources, in the order of the pipeline.
    pub sources: Vec<SourceStatus>,
    /// The outputs, in the order of the pipeline.
    pub outputs: Vec<OutputStatus>,
    /// Why the state can't be written, if it can't. Nothing is read meanwhile.
    pub state: Option<Failure>,
}

/// Something that does not work at the moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Why, in a sentence for people.
    pub why: String,
    /// Since when, in nanoseconds since 1970.
    pub since: u64,
}

/// What a source or output is doing. Times are nanoseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Phase {
    /// It has not done anything yet.
    #[default]
    Starting,
    /// It reads what is past.
    Backfill {
        /// Time of the earliest record that this first read began at; none when it had been up to date and fell behind.
        first: Option<u64>,
        /// Time of the newest record read.
        reached: Option<u64>,
        /// When what is past ends.
        until: Option<u64>,
    },
    /// It works, and is up to date.
    Live,
    /// It waits for somebody else, who may have good reasons.
    Waiting {
        /// Until when, if that is known.
        until: Option<u64>,
        /// For what.
        reason: String,
    },
    /// It does not work, and is tried again.
    Failing(Failure),
    /// It can't go on.
    Stopped {
        /// Why, in a sentence for people.
        why: String,
    },
    /// It has done what it was to do.
    Finished,
}

/// A source at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SourceStatus {
    /// Its name.
    pub name: Arc<str>,
    /// What it is doing.
    pub phase: Phase,
    /// Records read, those included that could not be records.
    pub records: u64,
    /// Bytes of these records.
    pub bytes: u64,
    /// Records that are settled and behind the stored checkpoint.
    pub settled: u64,
    /// Of the settled ones, records that went to the dead letter.
    pub dead: u64,
    /// Records on their way.
    pub unsettled: u64,
    /// Time of the newest record read.
    pub reached: Option<u64>,
    /// How often its reader crashed, by reason.
    pub restarts: BTreeMap<String, u64>,
}

/// An output at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OutputStatus {
    /// Its name.
    pub name: Arc<str>,
    /// What it is doing.
    pub phase: Phase,
    /// Records handed over, those included that it refused.
    pub records: u64,
    /// Bytes of these records.
    pub bytes: u64,
    /// Records that it refused.
    pub refused: u64,
    /// Records that wait for it or are being written.
    pub queued_records: usize,
    /// Bytes of memory that these take.
    pub queued_bytes: usize,
    /// The newest error, even if it is over.
    pub last_error: Option<Failure>,
}

impl Status {
    /// Before anything happened.
    pub(crate) fn starting(spec: &PipelineSpec) -> Self {
        let source = |spec: &SourceSpec| SourceStatus {
            name: Arc::clone(&spec.name),
            ..SourceStatus::default()
        };
        let output = |spec: &OutputSpec| OutputStatus {
            name: Arc::clone(&spec.name),
            ..OutputStatus::default()
        };
        Self {
            sources: spec.sources.iter().map(source).collect(),
            outputs: spec.outputs.iter().map(output).collect(),
            state: None,
        }
    }
}

impl Failure {
    pub(crate) fn now(why: &str) -> Self {
        Self {
            why: why.to_owned(),
            since: now(),
        }
    }
}

/// What a source's task writes and a snapshot reads.
pub(crate) struct SourceGauge {
    name: Arc<str>,
    records: AtomicU64,
    bytes: AtomicU64,
    settled: AtomicU64,
    dead: AtomicU64,
    slow: Mutex<SlowSource>,
}

/// What changes at most once a page.
#[derive(Default)]
struct SlowSource {
    phase: Phase,
    reached: Option<u64>,
    caught_up: bool,
    restarts: BTreeMap<String, u64>,
}

impl SourceGauge {
    pub(crate) fn new(name: Arc<str>) -> Self {
        Self {
            name,
            records: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            settled: AtomicU64::new(0),
            dead: AtomicU64::new(0),
            slow: Mutex::default(),
        }
    }

    pub(crate) fn read(&self, records: u64, bytes: u64) {
        self.records.fetch_add(records, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn settled(&self, records: u64, dead: u64) {
        self.settled.fetch_add(records, Ordering::Relaxed);
        self.dead.fetch_add(dead, Ordering::Relaxed);
    }

    pub(crate) fn progress(&self, progress: &Progress) {
        let mut slow = self.slow();
        slow.reached = progress.reached.max(slow.reached);
        slow.caught_up |= progress.caught_up;
        slow.phase = match &progress.waiting_for {
            Some(reason) => Phase::Waiting {
                until: None,
                reason: reason.clone(),
            },
            None if progress.caught_up => Phase::Live,
            // Behind again, by as much as nobody can tell.
            None if slow.caught_up => Phase::Backfill {
                first: None,
                reached: progress.reached,
                until: None,
            },
            None => Phase::Backfill {
                first: progress.first,
                reached: progress.reached,
                until: progress.until,
            },
        };
    }

    pub(crate) fn phase(&self, phase: Phase) {
        self.slow().phase = phase;
    }

    /// It waits for something in this process; returns what it did before, unless it fails, which is worse.
    pub(crate) fn blocked(&self, reason: &str) -> Option<Phase> {
        let mut slow = self.slow();
        let waiting = Phase::Waiting {
            until: None,
            reason: reason.to_owned(),
        };
        let failing = matches!(slow.phase, Phase::Failing(_));
        (!failing).then(|| std::mem::replace(&mut slow.phase, waiting))
    }

    pub(crate) fn failing(&self, why: &str) {
        fail(&mut self.slow().phase, why);
    }

    pub(crate) fn restarted(&self, reason: &str) {
        let mut slow = self.slow();
        let known = slow.restarts.contains_key(reason) || slow.restarts.len() < REASONS_MAX;
        let reason = if known { reason } else { OTHER_REASONS };
        *slow.restarts.entry(reason.to_owned()).or_default() += 1;
    }

    pub(crate) fn counts(&self) -> (u64, u64, u64) {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (load(&self.records), load(&self.settled), load(&self.dead))
    }

    fn snapshot(&self) -> SourceStatus {
        let (records, settled, dead) = self.counts();
        let slow = self.slow();
        SourceStatus {
            name: Arc::clone(&self.name),
            phase: slow.phase.clone(),
            records,
            bytes: self.bytes.load(Ordering::Relaxed),
            settled,
            dead,
            unsettled: records.saturating_sub(settled),
            reached: slow.reached,
            restarts: slow.restarts.clone(),
        }
    }

    fn slow(&self) -> MutexGuard<'_, SlowSource> {
        self.slow.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a delivery's task writes and a snapshot reads.
pub(crate) struct OutputGauge {
    name: Arc<str>,
    depth: QueueDepth,
    records: AtomicU64,
    bytes: AtomicU64,
    refused: AtomicU64,
    slow: Mutex<SlowOutput>,
}

#[derive(Default)]
struct SlowOutput {
    phase: Phase,
    last_error: Option<Failure>,
}

impl OutputGauge {
    pub(crate) fn new(name: Arc<str>, depth: QueueDepth) -> Self {
        Self {
            name,
            depth,
            records: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            slow: Mutex::default(),
        }
    }

    pub(crate) fn written(&self, records: u64, bytes: u64, refused: u64) {
        self.records.fetch_add(records, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.refused.fetch_add(refused, Ordering::Relaxed);
    }

    pub(crate) fn records(&self) -> u64 {
        self.records.load(Ordering::Relaxed)
    }

    pub(crate) fn phase(&self, phase: Phase) {
        self.slow().phase = phase;
    }

    pub(crate) fn failing(&self, why: &str) {
        let mut slow = self.slow();
        fail(&mut slow.phase, why);
        slow.last_error = Some(Failure::now(why));
    }

    fn snapshot(&self) -> OutputStatus {
        let slow = self.slow();
        OutputStatus {
            name: Arc::clone(&self.name),
            phase: slow.phase.clone(),
            records: self.records(),
            bytes: self.bytes.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            queued_records: self.depth.records(),
            queued_bytes: self.depth.bytes(),
            last_error: slow.last_error.clone(),
        }
    }

    fn slow(&self) -> MutexGuard<'_, SlowOutput> {
        self.slow.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All gauges of a pipeline.
pub(crate) struct Board {
    pub(crate) sources: Vec<Arc<SourceGauge>>,
    pub(crate) outputs: Vec<Arc<OutputGauge>>,
}

impl Board {
    pub(crate) fn snapshot(&self, state: Option<Failure>) -> Status {
        Status {
            sources: self.sources.iter().map(|gauge| gauge.snapshot()).collect(),
            outputs: self.outputs.iter().map(|gauge| gauge.snapshot()).collect(),
            state,
        }
    }
}

/// Keeps since when it fails, whatever the reason is by now.
fn fail(phase: &mut Phase, why: &str) {
    match phase {
        Phase::Failing(failure) => why.clone_into(&mut failure.why),
        other => *other = Phase::Failing(Failure::now(why)),
    }
}

/// Nanoseconds since 1970.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_nanos()).unwrap_or(u64::MAX)
}

/// The moment after this long, in nanoseconds since 1970.
pub(crate) fn after(wait: Duration) -> u64 {
    now().saturating_add(u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_of_restarts_are_bounded() {
        let gauge = SourceGauge::new("acme".into());
        for number in 0..1000 {
            gauge.restarted(&format!("out of bounds at {number}"));
        }
        let restarts = gauge.snapshot().restarts;
        assert_eq!(restarts.len(), REASONS_MAX + 1);
        assert_eq!(restarts.values().sum::<u64>(), 1000);
    }

    #[test]
    fn who_is_behind_again_is_not_up_to_date() {
        let gauge = SourceGauge::new("acme".into());
        let page = |caught_up| Progress {
            caught_up,
            first: Some(1),
            ..Progress::default()
        };
        gauge.progress(&page(true));
        assert_eq!(gauge.snapshot().phase, Phase::Live);
        gauge.progress(&page(false));
        let behind = Phase::Backfill {
            first: None,
            reached: None,
            until: None,
        };
        assert_eq!(gauge.snapshot().phase, behind);
        gauge.progress(&page(true));
        assert_eq!(gauge.snapshot().phase, Phase::Live);
    }

    #[test]
    fn a_failure_keeps_when_it_began() {
        let gauge = SourceGauge::new("acme".into());
        gauge.phase(Phase::Failing(Failure {
            why: "timeout".to_owned(),
            since: 7,
        }));
        gauge.failing("connection refused");
        let expected = Failure {
            why: "connection refused".to_owned(),
            since: 7,
        };
        assert_eq!(gauge.snapshot().phase, Phase::Failing(expected));
    }
}
