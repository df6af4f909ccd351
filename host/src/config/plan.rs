//! What a configuration means: everything decided that can be decided without touching network or destinations.
//!
//! Plans can be compared: what is equal in two plans need not be restarted.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

pub use super::raw::{LogFormat, LogLevel, ReloadMode};
use super::resolve::canonical;
use crate::gate::{Granted, Share};
use crate::http::NetworkPolicy;
use crate::output::OutputPlan;
use crate::secret::SecretRef;
use crate::telemetry::silence::Silence;

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
    /// What is remembered of what was delivered.
    pub ledger: LedgerPlan,
    /// What is compared with it without being asked for, if anything is.
    pub audit: Option<AuditPlan>,
    /// Where health and metrics are served, if they are.
    pub listen: Option<SocketAddr>,
    /// How many sources are read at the same time, at most; without it as many as the machine has use for.
    pub readers: Option<usize>,
    /// When a running host takes up what changed in its configuration.
    pub reload: ReloadMode,
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
    pub credentials: Vec<(String, CredentialPlan)>,
    /// How its network is reached.
    pub network: NetworkPolicy,
    /// What its plugin may use up.
    pub limits: Limits,
    /// The share of each limit on requests that may be used; without one the default, or what other sources say that
    /// share the limit.
    pub share: Option<Share>,
    /// How long nothing may come before that is said.
    pub silence: Silence,
    /// What a plugin in a file may reach; nothing without these.
    pub grants: Vec<Granted>,
}

/// One credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialPlan {
    /// A secret that is sent as it is.
    Secret(SecretRef),
    /// A client that gets tokens.
    Client(ClientPlan),
}

/// A client that gets tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientPlan {
    /// Its id.
    pub client_id: String,
    /// What it proves itself with.
    pub proof: ProofPlan,
    /// What it asks for; `None` is what the plugin says.
    pub scopes: Option<Vec<String>>,
}

/// What a client proves itself with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProofPlan {
    /// A private key.
    Key {
        /// Where it is.
        key: SecretRef,
        /// What the peer knows it by.
        key_id: Option<String>,
    },
    /// A secret.
    Secret(SecretRef),
}

impl CredentialPlan {
    /// Where the secret of it is.
    pub fn reference(&self) -> &SecretRef {
        match self {
            Self::Secret(reference) => reference,
            Self::Client(client) => match &client.proof {
                ProofPlan::Key { key, .. } => key,
                ProofPlan::Secret(reference) => reference,
            },
        }
    }
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

impl OutputEntry {
    /// The files it writes to, each by its one name.
    pub fn files(&self) -> Vec<PathBuf> {
        let OutputPlan::File(plan) = &self.plan else {
            return Vec::new();
        };
        let files = self.inputs.iter().filter_map(|source| plan.file(source));
        files.map(|file| canonical(&file)).collect()
    }
}

/// How much may wait for an output before its sources do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueuePlan {
    /// Bytes.
    pub bytes: u64,
    /// Records.
    pub records: u64,
}

/// What is remembered of what was delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LedgerPlan {
    /// For how long.
    pub keep: Duration,
}

/// Audits that are made without being asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditPlan {
    /// How long after the end of one the next one of the same source begins.
    pub every: Duration,
    /// How far back each one looks.
    pub since: Duration,
    /// Whether what is missing is delivered, or only said.
    pub fix: bool,
}

/// The log about Logweir itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogPlan {
    /// How it looks.
    pub format: LogFormat,
    /// How much.
    pub level: LogLevel,
}

impl Default for LedgerPlan {
    /// Twice as long as the longest holidays: 16 MB per million records.
    fn default() -> Self {
        Self {
            keep: Duration::from_secs(14 * 86_400),
        }
    }
}

impl Default for AuditPlan {
    fn default() -> Self {
        Self {
            every: Duration::from_secs(86_400),
            since: Duration::from_secs(2 * 86_400),
            fix: false,
        }
    }
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
            bytes: 16 << 20,
            records: 100_000,
        }
    }
}
