//! What may be typed, key by key. The editors' JSON Schema is made from these types, their documentation included.

mod value;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};

pub(super) use self::value::{RawDigest, RawListen, RawNet, RawProxy, RawShare, RawSilence};
use crate::gate::Granted;
use crate::units::{ByteSize, Period};

/// A configuration of Logweir. The files of the folder `logweir.d` beside it are read too.
#[derive(Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "File")]
pub(super) struct RawFile {
    /// What is read, by name. The name stands in logs, metrics and file names.
    pub(super) sources: Option<BTreeMap<String, RawSource>>,
    /// Many sources that differ in little, by the name of what they have in common.
    #[expect(
        dead_code,
        reason = "read from the tree, where every item has its place"
    )]
    pub(super) templates: Option<BTreeMap<String, Later>>,
    /// Where records go, by name.
    #[expect(
        dead_code,
        reason = "read from the tree, where every item has its place"
    )]
    pub(super) outputs: Option<BTreeMap<String, Later>>,
    #[schemars(skip)]
    #[expect(dead_code, reason = "refused with words")]
    pub(super) transforms: Option<Later>,
    /// The folder of what survives a restart. Default: `$STATE_DIRECTORY`, else `.logweir` beside this file.
    pub(super) state: Option<PathBuf>,
    /// What Logweir says about itself.
    pub(super) log: Option<RawLog>,
    /// What may be used of the limits on requests, unless a source says otherwise.
    pub(super) budget: Option<RawBudget>,
    /// How many sources are read at the same time, at most; each takes some megabytes meanwhile. Default: 16 for each
    /// core of the machine, and no more than 128.
    pub(super) readers: Option<u32>,
    /// Where records go that can't be delivered.
    pub(super) dead_letter: Option<RawDeadLetter>,
    /// What is remembered of what was delivered, so that nothing is delivered twice and an audit can tell what was not.
    pub(super) ledger: Option<RawLedger>,
    /// Regular audits: what do sources have that was never delivered?
    pub(super) audit: Option<RawAudit>,
    /// Where health and metrics are served over HTTP: an address and a port, or a port alone, which is then on
    /// loopback. `/livez`, `/readyz` and `/metrics` are there. Default: nowhere.
    pub(super) listen: Option<RawListen>,
    /// When a running Logweir takes up what changed in its configuration: `auto`, a few seconds after its files changed,
    /// or `manual`, on `logweir reload` and SIGHUP alone. Default: auto.
    pub(super) reload: Option<ReloadMode>,
}

/// When a running Logweir takes up what changed in its configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReloadMode {
    /// A few seconds after its files changed. What is refused changes nothing, and adding a file is all it takes to add a
    /// source.
    #[default]
    Auto,
    /// When it is told to.
    Manual,
}

/// A system to read from.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Source")]
pub(super) struct RawSource {
    /// Which plugin reads it: the name of a built-in one, or a file.
    pub(super) plugin: RawPlugin,
    /// The plugin's own configuration. No secrets and no `${…}` in here.
    pub(super) config: Option<Map<String, Value>>,
    /// Secrets, by the kind of credential that the plugin understands. The plugin never sees them.
    #[schemars(with = "Option<BTreeMap<String, RawCredential>>")]
    #[expect(
        dead_code,
        reason = "read from the tree, where every item has its place"
    )]
    pub(super) credentials: Option<BTreeMap<String, Later>>,
    /// How its network is reached.
    pub(super) network: Option<RawNetwork>,
    /// What its plugin may use up.
    pub(super) limits: Option<RawLimits>,
    /// What may be used of the limits on requests. Of sources with one address and one credential the least counts.
    pub(super) budget: Option<RawBudget>,
    /// How long nothing may come before that is said, like `6h`; `learn` takes it from the source's own habits, which
    /// takes a day; `never`. Default: learn.
    pub(super) silence: Option<RawSilence>,
    /// What a plugin that is not built in may reach; `logweir plugin inspect` prints what it asks for.
    pub(super) grants: Option<Vec<Granted>>,
}

/// Many sources that differ in little. It has the keys of a source too: what the sources have in common.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Template")]
pub(super) struct RawTemplate {
    /// By the name of each source what differs: a map that is laid over the template, or a plain value (see `each`).
    /// Or the path of a file that has such a map.
    #[expect(
        dead_code,
        reason = "read from the tree, where every item has its place"
    )]
    pub(super) sources: Option<Later>,
    /// The key of `config` that a plain value in `sources` stands for, like `domain`.
    pub(super) each: Option<String>,
    /// By kind of credential, a folder that has a file with the secret of each source, called like the source.
    pub(super) credential_files: Option<BTreeMap<String, PathBuf>>,
}

/// The keys of [`RawTemplate`].
pub(super) const TEMPLATE_KEYS: [&str; 3] = ["sources", "each", "credential_files"];

/// A credential.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[schemars(rename = "Credential")]
#[expect(
    dead_code,
    reason = "only its schema: each form is read where it stands"
)]
pub(super) enum RawCredential {
    /// A secret: `${env:NAME}`, `${file:PATH}` or `${exec:COMMAND ARGUMENT…}`.
    Secret(String),
    /// A client that gets tokens (OAuth 2.0 client credentials).
    Client(RawClient),
}

/// A client that gets tokens (OAuth 2.0 client credentials).
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Client")]
pub(super) struct RawClient {
    /// The client's id. It is no secret.
    pub(super) client_id: String,
    /// Its private key: `${file:PATH}` of PEM or a JSON Web Key, RSA from 2048 bits or EC on P-256, P-384 or P-521.
    #[schemars(with = "Option<String>")]
    #[expect(
        dead_code,
        reason = "read from the tree, where every item has its place"
    )]
    pub(super) private_key: Option<Later>,
    /// The id (`kid`) of its public key there, unless a JSON Web Key says it itself.
    pub(super) key_id: Option<String>,
    /// Its secret, where it has no key.
    #[schemars(with = "Option<String>")]
    #[expect(
        dead_code,
        reason = "read from the tree, where every item has its place"
    )]
    pub(super) client_secret: Option<Later>,
    /// What its tokens are for. Default: what the plugin needs.
    pub(super) scopes: Option<Vec<String>>,
}

/// Which plugin to use.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[schemars(rename = "Plugin")]
pub(super) enum RawPlugin {
    /// The name of a built-in plugin.
    Builtin(String),
    /// A component in a file.
    File(RawPluginFile),
}

/// A plugin that is not built in.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "PluginFile")]
pub(super) struct RawPluginFile {
    /// The component.
    pub(super) path: PathBuf,
    /// The SHA-256 of the file in hexadecimal: no other file is loaded.
    pub(super) sha256: Option<RawDigest>,
}

/// How to reach the network.
#[derive(Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Network")]
pub(super) struct RawNetwork {
    /// A PEM file of certificates to trust beside the system's.
    pub(super) ca_file: Option<PathBuf>,
    /// The URL of a proxy that all requests go through.
    pub(super) proxy: Option<RawProxy>,
    /// A PEM file of a key and its certificates, to identify with.
    pub(super) client_cert: Option<PathBuf>,
    /// Addresses that may be connected to although they are private, like `10.0.0.0/8`.
    pub(super) allow_private: Option<Vec<RawNet>>,
}

/// What a plugin may use up.
#[derive(Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Limits")]
pub(super) struct RawLimits {
    /// Memory of one instance. Default: 256MiB.
    pub(super) memory: Option<ByteSize>,
    /// Time for one call, running and waiting. Default: 120s.
    pub(super) call: Option<Period>,
    /// Time that it may run without a pause. Default: 5s.
    pub(super) cpu: Option<Period>,
    /// Size of one answer from the network, decompressed. Default: 64MiB.
    pub(super) response: Option<ByteSize>,
    /// Size of one batch of records. Default: 64MiB.
    pub(super) batch: Option<ByteSize>,
    /// Number of records in one batch. Default: 100000.
    pub(super) records: Option<u32>,
}

/// What may be used of the limits on requests.
#[derive(Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Budget")]
pub(super) struct RawBudget {
    /// The share of the limit that the system tells, spread evenly. The rest is for its other users. Default: 50%.
    pub(super) share: Option<RawShare>,
}

/// What every output has, whatever its type.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Output")]
pub(super) struct RawOutput {
    /// What sort of destination it is.
    pub(super) r#type: OutputType,
    /// The names of the sources whose records go here.
    #[expect(
        dead_code,
        reason = "read from the tree, where every item has its place"
    )]
    pub(super) inputs: Vec<String>,
    /// How much may wait for it before its sources do.
    pub(super) queue: Option<RawQueue>,
    #[schemars(skip)]
    #[expect(dead_code, reason = "refused with words")]
    pub(super) when: Option<Later>,
}

/// The keys of [`RawOutput`].
pub(super) const OUTPUT_KEYS: [&str; 4] = ["type", "inputs", "queue", "when"];

/// What sort of destination an output is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum OutputType {
    /// Lines of JSON in files.
    File,
    /// Lines on standard output.
    Console,
}

/// How much may wait for an output before its sources do.
#[derive(Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Queue")]
pub(super) struct RawQueue {
    /// Bytes. Default: 16MiB.
    pub(super) bytes: Option<ByteSize>,
    /// Records. Default: 100000.
    pub(super) records: Option<u64>,
}

/// What Logweir says about itself.
#[derive(Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Log")]
pub(super) struct RawLog {
    /// How it looks. Default: text.
    pub(super) format: Option<LogFormat>,
    /// How much. Default: info.
    pub(super) level: Option<LogLevel>,
}

/// How the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// How much is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// What failed.
    Error,
    /// And what somebody should look at.
    Warn,
    /// And what changed.
    #[default]
    Info,
    /// And why.
    Debug,
    /// And everything else.
    Trace,
}

/// Where records go that can't be delivered.
#[derive(Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "DeadLetter")]
pub(super) struct RawDeadLetter {
    /// A file of lines of JSON. Default: `dead-letter.ndjson` in the state folder.
    pub(super) path: Option<PathBuf>,
}

/// What is remembered of what was delivered.
#[derive(Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Ledger")]
pub(super) struct RawLedger {
    /// For how long a record is remembered, in 16 bytes of the state. Default: 14d.
    pub(super) keep: Option<Period>,
}

/// Regular audits.
#[derive(Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Audit")]
pub(super) struct RawAudit {
    /// How long after the end of one the next one of the same source begins. Default: 1d.
    pub(super) every: Option<Period>,
    /// How far back each one looks. Default: 2d.
    pub(super) since: Option<Period>,
    /// Whether what is missing is delivered, or only said. Default: false.
    pub(super) fix: Option<bool>,
}

/// A value that is looked at later, or that is only there to be refused with words.
pub(super) struct Later;

impl<'de> Deserialize<'de> for Later {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

impl JsonSchema for Later {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Later".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!(true)
    }
}

impl<'de> Deserialize<'de> for RawPlugin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PluginVisitor)
    }
}

struct PluginVisitor;

impl<'de> Visitor<'de> for PluginVisitor {
    type Value = RawPlugin;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a plugin, or its `path`")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<RawPlugin, E> {
        if name.ends_with(".wasm") || name.contains('/') {
            return Err(E::custom(format!(
                "a plugin in a file is written as `{{ path: {name} }}`"
            )));
        }
        Ok(RawPlugin::Builtin(name.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawPlugin, A::Error> {
        RawPluginFile::deserialize(MapAccessDeserializer::new(map)).map(RawPlugin::File)
    }
}
