//! How far the reading of more of the past is, as plain data that can be sent to another process. Times are nanoseconds
//! since 1970.

use serde::{Deserialize, Serialize};

/// How far it is. Times are nanoseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BackfillProgress {
    /// Whether it has begun; else another one runs.
    pub begun: bool,
    /// The first moment of what is read.
    pub since: u64,
    /// Its end: since then everything was read before.
    pub until: u64,
    /// Time of the newest record read.
    pub reached: Option<u64>,
    /// Records read.
    pub read: u64,
    /// Of these, records that were delivered.
    pub delivered: u64,
    /// Whether an earlier one was interrupted, and this goes on where it was.
    pub resumed: bool,
}

/// What came of it. Times are nanoseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BackfillReport {
    /// Everything published since then has been read now.
    pub since: u64,
    /// Since when it had been read before.
    pub until: u64,
    /// Records read.
    pub read: u64,
    /// Of these, records that were delivered: the others had been before.
    pub delivered: u64,
}
