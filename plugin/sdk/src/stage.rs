//! The three things that a plugin can be.

use crate::types::{Batch, CheckReport, Description, Error, Outcome, Page, Start, Written};

/// A reader of one configured system.
///
/// It never sleeps and never holds the only copy of anything: the host may drop it between any two calls, and open
/// another one at the checkpoint of the newest page it accepted.
pub trait Source: Sized {
    /// What this plugin is, needs and understands. Called without network.
    fn describe() -> Description;

    /// Makes a reader. No I/O. `config` is the plugin's configuration as JSON.
    fn open(config: &str, start: Start) -> Result<Self, Error>;

    /// Proves address, credential and permission, within seconds, and consumes nothing.
    fn check(&mut self) -> Result<CheckReport, Error>;

    /// Reads the next page. It never sleeps: [`Page::pace`] says when to come again. An empty batch is a normal
    /// answer.
    fn read(&mut self) -> Result<Page, Error>;
}

/// A changer, splitter, dropper or sorter of records.
pub trait Transform: Sized {
    /// What this plugin is, needs and understands. Called without network.
    fn describe() -> Description;

    /// Makes a processor. No I/O. `config` is the plugin's configuration as JSON.
    fn open(config: &str) -> Result<Self, Error>;

    /// Takes one batch. Every record goes on, is dropped by intent, or is named in [`Outcome::rejected`].
    fn process(&mut self, batch: Batch) -> Result<Outcome, Error>;
}

/// A writer to one destination.
pub trait Output: Sized {
    /// What this plugin is, needs and understands. Called without network.
    fn describe() -> Description;

    /// Makes a writer. `config` is the plugin's configuration as JSON; `position` is what [`Output::write`] returned
    /// for the newest batch that is settled everywhere.
    fn open(config: &str, position: Option<&str>) -> Result<Self, Error>;

    /// Proves address, credential and permission, within seconds, and writes nothing.
    fn check(&mut self) -> Result<CheckReport, Error>;

    /// Writes one batch. Ok means durable at the destination, except for the records named. It never retries, sleeps
    /// or keeps records after it returned: the host does that, once, for all outputs.
    fn write(&mut self, batch: Batch) -> Result<Written, Error>;
}
