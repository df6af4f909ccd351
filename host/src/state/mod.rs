//! What survives a restart: checkpoints, positions, and digests of compiled plugins. SQLite in a private folder.

use std::path::Path;
use std::sync::Arc;

/// Who a checkpoint belongs to (delivery rule 18). A source that finds another owner under its name is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Name of the plugin.
    pub plugin: String,
    /// What it reads: the origin of the need that carries the credential, else of the first need, else empty.
    pub origin: String,
}

/// What is stored of one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSource {
    /// Who it belongs to.
    pub owner: Owner,
    /// Where to go on.
    pub checkpoint: Arc<str>,
    /// Records settled since the source was first seen.
    pub settled: u64,
    /// Of these, records that went to the dead letter.
    pub dead: u64,
    /// When this row was last written, nanoseconds since 1970.
    pub updated: u64,
}

/// What one transaction writes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Commit {
    /// Sources whose checkpoint moves.
    pub sources: Vec<SourceCommit>,
    /// Outputs, by name, and where they are now.
    pub positions: Vec<(String, String)>,
}

/// A source whose checkpoint moves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceCommit {
    /// Name of the source.
    pub name: Arc<str>,
    /// Who it belongs to.
    pub owner: Owner,
    /// Where to go on.
    pub checkpoint: Arc<str>,
    /// Records settled since the last commit.
    pub settled: u64,
    /// Of these, records that went to the dead letter.
    pub dead: u64,
}

/// Why the state can't be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Placeholder.
    #[error("placeholder")]
    Placeholder,
}

/// The state folder, open. Cloning it shares the connection. Calls block for as long as the disk takes.
#[derive(Clone)]
pub struct State {}

impl State {
    /// Opens or makes the folder (0700) and its database (0600). Several processes may have it open.
    pub fn open(_folder: &Path) -> Result<Self, StateError> {
        Err(StateError::Placeholder)
    }
    /// Makes this process the only one that may move checkpoints; held until the guard is dropped.
    pub fn lock(&self) -> Result<StateLock, StateError> {
        Err(StateError::Placeholder)
    }
    /// The folder.
    pub fn folder(&self) -> &Path {
        Path::new("")
    }
    /// What is stored of one source.
    pub fn source(&self, _name: &str) -> Result<Option<StoredSource>, StateError> {
        Err(StateError::Placeholder)
    }
    /// All sources, by name.
    pub fn sources(&self) -> Result<Vec<(String, StoredSource)>, StateError> {
        Err(StateError::Placeholder)
    }
    /// Where an output is.
    pub fn position(&self, _output: &str) -> Result<Option<String>, StateError> {
        Err(StateError::Placeholder)
    }
    /// All positions, by output.
    pub fn positions(&self) -> Result<Vec<(String, String)>, StateError> {
        Err(StateError::Placeholder)
    }
    /// Writes everything in one durable transaction, or nothing.
    pub fn commit(&self, _commit: &Commit) -> Result<(), StateError> {
        Err(StateError::Placeholder)
    }
    /// Forgets a source; says whether there was one.
    pub fn forget(&self, _source: &str) -> Result<bool, StateError> {
        Err(StateError::Placeholder)
    }
    /// The SHA-256 of the compiled form stored under `key`, if we wrote one.
    pub fn compiled(&self, _key: &str) -> Result<Option<[u8; 32]>, StateError> {
        Err(StateError::Placeholder)
    }
    /// Remembers the SHA-256 of a compiled form.
    pub fn remember_compiled(&self, _key: &str, _digest: &[u8; 32]) -> Result<(), StateError> {
        Err(StateError::Placeholder)
    }
    /// What the plugin with this digest said of itself, as JSON (trust rule 3).
    pub fn description(&self, _digest: &str) -> Result<Option<String>, StateError> {
        Err(StateError::Placeholder)
    }
    /// Remembers what a plugin said of itself.
    pub fn remember_description(&self, _digest: &str, _json: &str) -> Result<(), StateError> {
        Err(StateError::Placeholder)
    }
}

/// See [`State::lock`].
pub struct StateLock {}
