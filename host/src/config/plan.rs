//! What a configuration means: everything decided that can be decided without touching network or destinations.
//!
//! Plans can be compared: what is equal in two plans need not be restarted.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

pub use super::raw::{LogFormat, LogLevel};
use crate::gate::Granted;
use crate::http::NetworkPolicy;
use crate::output::OutputPlan;
use crate::secret::SecretRef;

/// What a configuration means.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// What is read, in the order it was typed.
    pub sources: Vec<SourcePlan>,
    /// Where it goes, in the order it was typed.
    pub outputs: Vec<OutputEntry>,
    /// The folder of what survives a restart.
    pub state: PathBuf,
    /// The log about Logweir itself.
    pub log: LogPlan,
    /// The file of records that can't be delivered.
    pub dead_letter: PathBuf,
}

/// One source.
#[derive(Debug, Clone, PartialEq)]
pub struct SourcePlan {
    /// Its name: `[a-z0-9][a-z0-9_-]*`, at most 63 characters.
    pub name: Arc<str>,
    /// What reads it.
    pub plugin: PluginRef,
    /// The plugin's own configuration: an object without references.
    pub config: Value,
    /// Where its secrets are, by kind of credential.
    pub credentials: Vec<(String, SecretRef)>,
    /// How its network is reached.
    pub network: NetworkPolicy,
    /// What its plugin may use up.
    pub limits: Limits,
    /// What a plugin in a file may reach; nothing without these.
    pub grants: Vec<Granted>,
}

/// Which plugin reads a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PluginRef {
    /// One that is part of the program, if there is one of this name.
    Builtin(String),
    /// A component in a file.
    File {
        /// The file.
        path: PathBuf,
        /// The only content that is loaded.
        sha256: Option<[u8; 32]>,
    },
}

/// What a plugin may use up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of memory of one instance.
    pub memory: u64,
    /// Time for one call, running and waiting, without the gate's holds.
    pub call: Duration,
    /// Time that it may run without a pause.
    pub cpu: Duration,
    /// Bytes of one answer from the network, decompressed.
    pub response: u64,
    /// Bytes of one batch.
    pub batch: u64,
    /// Records in one batch.
    pub records: u32,
}

/// One output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputEntry {
    /// Its name.
    pub name: Arc<str>,
    /// The sources whose records go there; at least one.
    pub inputs: Vec<Arc<str>>,
    /// How much may wait for it.
    pub queue: QueuePlan,
    /// What it does.
    pub plan: OutputPlan,
}

/// How much may wait for an output before its sources do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueuePlan {
    /// Bytes.
    pub bytes: u64,
    /// Records.
    pub records: u64,
}

/// The log about Logweir itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogPlan {
    /// How it looks.
    pub format: LogFormat,
    /// How much.
    pub level: LogLevel,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 256 << 20,
            call: Duration::from_secs(120),
            cpu: Duration::from_secs(5),
            response: 64 << 20,
            batch: 64 << 20,
            records: 100_000,
        }
    }
}

impl Default for QueuePlan {
    fn default() -> Self {
        Self {
            bytes: 64 << 20,
            records: 100_000,
        }
    }
}
