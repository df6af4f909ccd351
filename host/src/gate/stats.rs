//! Counters of one gate, for people and metrics.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::budget::{Budget, Hold, Lesson, Throttle};

/// A gate's counters since it was made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GateStats {
    /// Answers by status.
    pub answers: BTreeMap<u16, u64>,
    /// Requests that went out and got no answer.
    pub failed: u64,
    /// Requests that did not go out.
    pub refused: u64,
    /// Bytes of bodies, decompressed.
    pub bytes: u64,
    /// Values in the headers of budgets that made no sense, and were ignored.
    pub absurd: u64,
    /// Answers 429 of needs with a budget, by whose doing they are.
    pub throttles: Throttles,
    /// What is known of the budgets, by need. Other gates may share them.
    pub budgets: Vec<(Arc<str>, Budget)>,
    /// The longest hold, if requests of some budget are being held back.
    pub hold: Option<Hold>,
    /// Requests that wait for their turn, those of other gates that share a budget included.
    pub waiting: usize,
}

/// Answers 429, by whose doing they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Throttles {
    /// We sent more than our share allows.
    pub ours: u64,
    /// We kept to our share: others used up the window.
    pub others: u64,
    /// Too many requests were under way at once.
    pub concurrency: u64,
}

impl GateStats {
    /// All requests that went out.
    pub fn requests(&self) -> u64 {
        self.answers.values().sum::<u64>() + self.failed
    }
}

/// The part that is counted and not looked up.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) answers: BTreeMap<u16, u64>,
    pub(crate) failed: u64,
    pub(crate) refused: u64,
    pub(crate) absurd: u64,
    pub(crate) throttles: Throttles,
}

impl Counters {
    pub(crate) fn learn(&mut self, lesson: Lesson) {
        self.absurd += lesson.absurd;
        match lesson.throttle {
            Some(Throttle::Ours) => self.throttles.ours += 1,
            Some(Throttle::Others) => self.throttles.others += 1,
            Some(Throttle::Concurrency) => self.throttles.concurrency += 1,
            None => {}
        }
    }
}
