//! What people are shown of a running pipeline.
//!
//! The data path counts in atomics and swaps a phase now and then; whoever looks gets a snapshot that is a fraction
//! of a second old. Looking never makes a record wait.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::phase::{Failure, Phase};
use super::queue::QueueDepth;
use super::rate::Rate;
use super::vitals::{Vitals, Watcher};
use super::{Expectations, OutputSpec, PipelineSpec, SourceSpec};
use crate::stage::{Crash, Progress};
use crate::state::LedgerSize;

/// A pipeline at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// The sources, in the order of the pipeline.
    pub sources: Vec<SourceStatus>,
    /// The outputs, in the order of the pipeline.
    pub outputs: Vec<OutputStatus>,
    /// Why the state can't be written, if it can't. Nothing is read meanwhile.
    pub state: Option<Failure>,
    /// When this was taken; not at all before the pipeline runs. The pulse of the pipeline.
    pub taken: Option<Instant>,
}

/// A source at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SourceStatus {
    /// Its name.
    pub name: Arc<str>,
    /// What it is doing.
    pub phase: Phase,
    /// Records read that go on, those included that could not be records.
    pub records: u64,
    /// Bytes of these records.
    pub bytes: u64,
    /// Records that are settled and behind the stored checkpoint.
    pub settled: u64,
    /// Of the settled ones, records that went to the dead letter.
    pub dead: u64,
    /// Records on their way.
    pub unsettled: u64,
    /// Records that came again and did not go on.
    pub repeated: u64,
    /// Records that came again with other bytes, and went on.
    pub differing: u64,
    /// What is remembered of what was delivered.
    pub ledger: LedgerSize,
    /// Time of the newest record read.
    pub reached: Option<u64>,
    /// Of the records read, those that could not be records.
    pub refused: u64,
    /// How often its reader crashed, and why.
    pub restarts: BTreeMap<Crash, u64>,
    /// How it is doing.
    pub vitals: Vitals,
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
    /// Records handed over a minute, over the last seconds.
    pub per_minute: u64,
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
            taken: None,
        }
    }
}

/// What a source's task writes and a snapshot reads.
pub(crate) struct SourceGauge {
    name: Arc<str>,
    records: AtomicU64,
    bytes: AtomicU64,
    refused: AtomicU64,
    settled: AtomicU64,
    dead: AtomicU64,
    repeated: AtomicU64,
    differing: AtomicU64,
    slow: Mutex<SlowSource>,
}

/// What changes at most once a page.
struct SlowSource {
    phase: Phase,
    reached: Option<u64>,
    caught_up: bool,
    ledger: LedgerSize,
    restarts: BTreeMap<Crash, u64>,
    watcher: Watcher,
}

impl SourceGauge {
    pub(crate) fn new(name: Arc<str>, expectations: Expectations) -> Self {
        let slow = SlowSource {
            phase: Phase::default(),
            reached: None,
            caught_up: false,
            ledger: LedgerSize::default(),
            restarts: BTreeMap::new(),
            watcher: Watcher::new(Arc::clone(&name), expectations),
        };
        Self {
            name,
            records: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            settled: AtomicU64::new(0),
            dead: AtomicU64::new(0),
            repeated: AtomicU64::new(0),
            differing: AtomicU64::new(0),
            slow: Mutex::new(slow),
        }
    }

    /// The page that [`SourceGauge::progress`] told of has so many records.
    pub(crate) fn read(&self, records: u64, bytes: u64) {
        let total = self.records.fetch_add(records, Ordering::Relaxed) + records;
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let mut slow = self.slow();
        let habitual = slow.caught_up;
        slow.watcher.counted(records, total, habitual);
    }

    /// An audit took in records that had been missed: read, and no news.
    pub(crate) fn found(&self, records: u64, bytes: u64) {
        let total = self.records.fetch_add(records, Ordering::Relaxed) + records;
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.slow().watcher.found(total);
    }

    /// Of the records read, so many could not be records.
    pub(crate) fn refused(&self, records: u64) {
        self.refused.fetch_add(records, Ordering::Relaxed);
    }

    pub(crate) fn settled(&self, records: u64, dead: u64) {
        self.settled.fetch_add(records, Ordering::Relaxed);
        self.dead.fetch_add(dead, Ordering::Relaxed);
    }

    pub(crate) fn overlapped(&self, repeated: u64, differing: u64) {
        self.repeated.fetch_add(repeated, Ordering::Relaxed);
        self.differing.fetch_add(differing, Ordering::Relaxed);
    }

    pub(crate) fn ledger(&self, size: LedgerSize) {
        self.slow().ledger = size;
    }

    /// What was learnt of it, for the next process.
    pub(crate) fn habit(&self) -> String {
        self.slow().watcher.habit()
    }

    /// What an earlier process learnt.
    pub(crate) fn recall(&self, habit: &str) {
        self.slow().watcher.recall(habit);
    }

    pub(crate) fn progress(&self, progress: &Progress) {
        let mut slow = self.slow();
        slow.watcher.page(progress);
        slow.reached = progress.reached.max(slow.reached);
        slow.caught_up |= progress.caught_up;
        if let Some(why) = &progress.failing {
            slow.watcher.disturbed();
            slow.phase.fail(why);
            return;
        }
        slow.phase = match &progress.waiting_for {
            // Who is up to date waits for news, which is no reason to look.
            Some(reason) if !progress.caught_up => Phase::Waiting {
                until: None,
                reason: reason.clone(),
            },
            _ if progress.caught_up => Phase::Live,
            // Behind again, by as much as nobody can tell.
            _ if slow.caught_up => Phase::Backfill {
                first: None,
                reached: progress.reached,
                until: None,
            },
            _ => Phase::Backfill {
                first: progress.first,
                reached: progress.reached,
                until: progress.until,
            },
        };
    }

    pub(crate) fn phase(&self, phase: Phase) {
        self.slow().phase = phase;
    }

    /// It is read in another way from now on. What was counted stays.
    pub(crate) fn renew(&self, expectations: Expectations) {
        let mut slow = self.slow();
        slow.phase = Phase::Starting;
        slow.watcher.expect(expectations);
    }

    /// It waits for something in this process; returns what it did before, unless it fails, which is worse.
    pub(crate) fn blocked(&self, reason: &str) -> Option<Phase> {
        let mut slow = self.slow();
        let waiting = Phase::Waiting {
            until: None,
            reason: reason.to_owned(),
        };
        slow.watcher.disturbed();
        let failing = matches!(slow.phase, Phase::Failing(_));
        (!failing).then(|| std::mem::replace(&mut slow.phase, waiting))
    }

    pub(crate) fn failing(&self, why: &str) {
        let mut slow = self.slow();
        slow.watcher.disturbed();
        slow.phase.fail(why);
    }

    pub(crate) fn restarted(&self, reason: &str) {
        *self.slow().restarts.entry(Crash::of(reason)).or_default() += 1;
    }

    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub(crate) fn counts(&self) -> (u64, u64, u64) {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (load(&self.records), load(&self.settled), load(&self.dead))
    }

    /// Looks at the clock, and takes a snapshot.
    pub(crate) fn snapshot(&self, at: Instant) -> SourceStatus {
        let (records, settled, dead) = self.counts();
        let mut slow = self.slow();
        if !matches!(slow.phase, Phase::Stopped { .. } | Phase::Finished) {
            slow.watcher.look(records, settled, at);
        }
        SourceStatus {
            name: Arc::clone(&self.name),
            phase: slow.phase.clone(),
            records,
            bytes: self.bytes.load(Ordering::Relaxed),
            settled,
            dead,
            unsettled: records.saturating_sub(settled),
            repeated: self.repeated.load(Ordering::Relaxed),
            differing: self.differing.load(Ordering::Relaxed),
            ledger: slow.ledger,
            reached: slow.reached,
            refused: self.refused.load(Ordering::Relaxed),
            restarts: slow.restarts.clone(),
            vitals: slow.watcher.vitals(at),
        }
    }

    fn slow(&self) -> MutexGuard<'_, SlowSource> {
        self.slow.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a delivery's task writes and a snapshot reads.
pub(crate) struct OutputGauge {
    name: Arc<str>,
    records: AtomicU64,
    bytes: AtomicU64,
    refused: AtomicU64,
    slow: Mutex<SlowOutput>,
}

#[derive(Default)]
struct SlowOutput {
    phase: Phase,
    /// Its queues: more than one for a while after a reload.
    depths: Vec<QueueDepth>,
    last_error: Option<Failure>,
    rate: Rate,
}

impl OutputGauge {
    pub(crate) fn new(name: Arc<str>) -> Self {
        Self {
            name,
            records: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            slow: Mutex::default(),
        }
    }

    /// It has another queue from now on, beside those that are not empty yet.
    pub(crate) fn queue(&self, depth: QueueDepth) {
        let mut slow = self.slow();
        slow.depths.retain(|depth| depth.records() > 0);
        slow.depths.push(depth);
    }

    /// Records that wait for it or are being written.
    pub(crate) fn waiting(&self) -> usize {
        self.slow().depths.iter().map(QueueDepth::records).sum()
    }

    /// Why it does not work at the moment, if it does not.
    pub(crate) fn trouble(&self) -> Option<String> {
        match &self.slow().phase {
            Phase::Failing(failure) => Some(failure.why.clone()),
            _ => None,
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
        slow.phase.fail(why);
        slow.last_error = Some(Failure::now(why));
    }

    /// Looks at the clock, and takes a snapshot.
    pub(crate) fn snapshot(&self, at: Instant) -> OutputStatus {
        let mut slow = self.slow();
        slow.rate.look(self.records(), at);
        OutputStatus {
            name: Arc::clone(&self.name),
            phase: slow.phase.clone(),
            records: self.records(),
            bytes: self.bytes.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            per_minute: slow.rate.per_minute(),
            queued_records: slow.depths.iter().map(QueueDepth::records).sum(),
            queued_bytes: slow.depths.iter().map(QueueDepth::bytes).sum(),
            last_error: slow.last_error.clone(),
        }
    }

    fn slow(&self) -> MutexGuard<'_, SlowOutput> {
        self.slow.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gauge() -> SourceGauge {
        SourceGauge::new("acme".into(), Expectations::default())
    }

    #[test]
    fn reasons_of_restarts_are_bounded() {
        let gauge = gauge();
        for number in 0..1000 {
            gauge.restarted(&format!("it trapped: out of bounds at {number}"));
            gauge.restarted(&format!("its page has {number} bytes, more than its limit"));
        }
        let restarts = gauge.snapshot(Instant::now()).restarts;
        let expected = [(Crash::Trap, 1000), (Crash::Page, 1000)];
        assert_eq!(restarts, expected.into());
    }

    #[test]
    fn who_is_behind_again_is_not_up_to_date() {
        let gauge = gauge();
        let page = |caught_up| Progress {
            caught_up,
            first: Some(1),
            ..Progress::default()
        };
        let phase = |gauge: &SourceGauge| gauge.snapshot(Instant::now()).phase;
        gauge.progress(&page(true));
        assert_eq!(phase(&gauge), Phase::Live);
        gauge.progress(&page(false));
        let behind = Phase::Backfill {
            first: None,
            reached: None,
            until: None,
        };
        assert_eq!(phase(&gauge), behind);
        gauge.progress(&page(true));
        assert_eq!(phase(&gauge), Phase::Live);
    }

    #[test]
    fn who_is_up_to_date_and_waits_for_news_is_live() {
        let gauge = gauge();
        let mut progress = Progress {
            waiting_for: Some("the export to be made".to_owned()),
            ..Progress::default()
        };
        gauge.progress(&progress);
        let phase = |gauge: &SourceGauge| gauge.snapshot(Instant::now()).phase;
        assert!(matches!(phase(&gauge), Phase::Waiting { .. }));
        progress.caught_up = true;
        gauge.progress(&progress);
        assert_eq!(phase(&gauge), Phase::Live);
    }

    #[test]
    fn who_fails_with_a_checkpoint_is_failing() {
        let gauge = gauge();
        let mut progress = Progress {
            failing: Some("no page".to_owned()),
            ..Progress::default()
        };
        let phase = |gauge: &SourceGauge| gauge.snapshot(Instant::now()).phase;
        gauge.progress(&progress);
        assert!(matches!(phase(&gauge), Phase::Failing(failure) if failure.why == "no page"));
        progress.failing = None;
        gauge.progress(&progress);
        assert!(matches!(phase(&gauge), Phase::Backfill { .. }));
    }

    #[test]
    fn a_failure_keeps_when_it_began() {
        let gauge = gauge();
        gauge.phase(Phase::Failing(Failure {
            why: "timeout".to_owned(),
            since: 7,
        }));
        gauge.failing("connection refused");
        let expected = Failure {
            why: "connection refused".to_owned(),
            since: 7,
        };
        assert_eq!(
            gauge.snapshot(Instant::now()).phase,
            Phase::Failing(expected)
        );
    }
}
