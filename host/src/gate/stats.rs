//! Counters of one gate, for people and metrics.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::budget::Budget;

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
    /// Resets of budgets that made no sense, and were ignored.
    pub absurd_resets: u64,
    /// What the latest answers said, by need.
    pub budgets: Vec<(Arc<str>, Budget)>,
    /// How long, if at all, requests of some need are being held back from now on.
    pub held_for: Option<Duration>,
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
}
