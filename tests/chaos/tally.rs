//! What happened in a storm.

use std::collections::BTreeMap;
use std::fmt;

/// Counts of what happened, by name.
#[derive(Debug, Default)]
pub(crate) struct Tally(BTreeMap<String, u64>);

impl Tally {
    /// One more of these.
    pub(crate) fn count(&mut self, what: impl Into<String>) {
        self.add(what, 1);
    }

    /// So many more of these.
    pub(crate) fn add(&mut self, what: impl Into<String>, times: u64) {
        *self.0.entry(what.into()).or_default() += times;
    }

    /// How many of these there were.
    pub(crate) fn of(&self, what: &str) -> u64 {
        self.0.get(what).copied().unwrap_or(0)
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, times) in &self.0 {
            writeln!(f, "  {times:>9}  {what}")?;
        }
        Ok(())
    }
}
