//! How far an audit is and what it found, as plain data that can be sent to another process.
//!
//! What an audit does is told in [`crate::pipeline`]; here are only its words. Times are nanoseconds since 1970. Ids are
//! a peer's words: they go through [`super::escape`] wherever they are shown.

use serde::{Deserialize, Serialize};

/// What an audit is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditStep {
    /// Another one runs.
    #[default]
    Queued,
    /// It reads the past.
    Reading,
    /// It waits for the live reader, which may bring what it did not find.
    WaitingForLive,
    /// It delivers what is missing.
    Delivering,
    /// It has ended.
    Done,
}

/// How far an audit is. Times are nanoseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AuditProgress {
    /// What it is doing.
    pub step: AuditStep,
    /// The first moment of what is compared.
    pub since: u64,
    /// Its end.
    pub until: u64,
    /// Time of the newest record compared.
    pub reached: Option<u64>,
    /// Records compared.
    pub read: u64,
    /// Records that are not known and that the live reader may bring yet.
    pub suspects: u64,
    /// Whether an earlier one was interrupted, and this goes on where it was.
    pub resumed: bool,
}

/// A record that the source has and that was never delivered. Times are nanoseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// Its id; empty if it has none.
    pub id: String,
    /// Its own time.
    pub published: u64,
    /// When the source was seen to have it: it was persisted no later.
    pub seen: u64,
    /// Whether it is delivered by now.
    pub fixed: bool,
}

/// What an audit found. Times are nanoseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AuditReport {
    /// The first moment of what was compared.
    pub since: u64,
    /// Its end.
    pub until: u64,
    /// Records compared.
    pub read: u64,
    /// Of these, records whose id was delivered, with other bytes.
    pub differing: u64,
    /// Records that were never delivered and are not now.
    pub missing: u64,
    /// Records that were never delivered before and are now.
    pub fixed: u64,
    /// Which ones, in the order in which they were read: the first [`NAMED_MAX`] of each sort.
    pub named: Vec<Missing>,
}

/// A report names at most this many missing records, and as many that are fixed.
pub const NAMED_MAX: u32 = 10_000;
