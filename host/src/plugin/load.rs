//! From a file to a plugin that can be instantiated: verified, compiled or taken from the cache, linked, asked once
//! what it is.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::{Component, Linker};

use super::bindings::SourcePluginPre;
use super::bindings::logweir::pipeline::types;
use super::cache::{Cache, Compiled};
use super::instance::{self, Guest, Network};
use super::limits::{Limits, Ticker};
use super::{PluginError, convert, engine};
use crate::gate::Description;
use crate::stage::{ConfigIssue, Start};

/// The interface this host understands.
const SOURCE: &str = "logweir:pipeline/source@0.1.0";
/// The package all of Logweir's interfaces are in.
const PACKAGE: &str = "logweir:pipeline/";
/// No plugin needs more, and a file is read into memory.
const FILE_BYTES_MAX: usize = 128 << 20;

/// Loads plugins. One per process: it owns the engine.
pub struct Plugins {
    pub(crate) engine: Engine,
    pub(crate) ticker: Ticker,
    linker: Linker<Guest>,
    cache: Option<Cache>,
}

/// A plugin, compiled and linked; what sources are made from.
pub struct Plugin {
    pub(crate) pre: SourcePluginPre<Guest>,
    description: Description,
    digest: String,
    imports: Vec<String>,
    size: usize,
    compile_time: Option<Duration>,
}

impl Plugin {
    /// What the plugin said of itself, without network, once per file.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// SHA-256 of the file, in hexadecimal.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Whether it was loaded from these bytes.
    pub(crate) fn is_of(&self, bytes: &[u8]) -> bool {
        hex(&Sha256::digest(bytes)) == self.digest
    }

    /// Refuses a plugin that is not the one that was pinned by its SHA-256.
    pub(crate) fn check_pin(&self, pinned: Option<[u8; 32]>) -> Result<(), PluginError> {
        match pinned {
            Some(pinned) if hex(&pinned) != self.digest => Err(PluginError::Pinned {
                found: self.digest.clone(),
            }),
            _ => Ok(()),
        }
    }

    /// The interfaces it imports, all of which are linked.
    pub fn imports(&self) -> &[String] {
        &self.imports
    }

    /// Bytes of the file.
    pub fn size(&self) -> usize {
        self.size
    }

    /// How long it took to compile; `None` when the compiled form came from the cache.
    pub fn compile_time(&self) -> Option<Duration> {
        self.compile_time
    }
}

impl Plugins {
    /// Makes the engine. Without a cache every plugin is compiled each time, which takes seconds.
    pub fn new(cache: Option<Cache>) -> Result<Self, PluginError> {
        let engine = engine::engine().map_err(|error| PluginError::Engine(error.to_string()))?;
        let linker =
            engine::linker(&engine).map_err(|error| PluginError::Engine(error.to_string()))?;
        let ticker =
            Ticker::start(&engine).map_err(|error| PluginError::Engine(error.to_string()))?;
        Ok(Self {
            engine,
            ticker,
            linker,
            cache,
        })
    }

    /// Loads a plugin from the bytes of its file. `label` names it in errors. `pinned` is the SHA-256 that it must have.
    ///
    /// Compiles for seconds when the cache has nothing, so it runs where blocking is allowed.
    pub async fn load(
        self: &Arc<Self>,
        label: &str,
        bytes: Arc<[u8]>,
        pinned: Option<[u8; 32]>,
    ) -> Result<Arc<Plugin>, PluginError> {
        let digest: [u8; 32] = Sha256::digest(&bytes).into();
        let hex = hex(&digest);
        if pinned.is_some_and(|pinned| pinned != digest) {
            return Err(PluginError::Pinned { found: hex });
        }
        recognise(&bytes)?;
        let this = Arc::clone(self);
        let size = bytes.len();
        let task_digest = hex.clone();
        let prepared =
            tokio::task::spawn_blocking(move || this.prepare(&bytes, &task_digest)).await;
        let prepared = prepared.map_err(|error| PluginError::Compile(error.to_string()))??;
        let description = self.describe(label, &prepared.pre, &hex).await?;
        Ok(Arc::new(Plugin {
            pre: prepared.pre,
            description,
            digest: hex,
            imports: prepared.imports,
            size,
            compile_time: prepared.compile_time,
        }))
    }

    fn prepare(&self, bytes: &[u8], digest: &str) -> Result<Prepared, PluginError> {
        let begin = Instant::now();
        let key = format!("{digest}-{:016x}", engine::fingerprint(&self.engine));
        let cached = self
            .cache
            .as_ref()
            .and_then(|cache| cache.get(&self.engine, &key));
        let fresh = cached.is_none();
        let component = match cached {
            Some(component) => component,
            None => self.compile(bytes, &key)?,
        };
        let compile_time = fresh.then(|| begin.elapsed());
        let ty = component.component_type();
        let imports = ty
            .imports(&self.engine)
            .map(|(name, _)| name.to_owned())
            .collect::<Vec<_>>();
        let exports = ty
            .exports(&self.engine)
            .map(|(name, _)| name.to_owned())
            .collect::<Vec<_>>();
        check_exports(&exports)?;
        let pre = self
            .linker
            .instantiate_pre(&component)
            .map_err(|error| PluginError::Import(error.root_cause().to_string()))?;
        let pre = SourcePluginPre::new(pre)
            .map_err(|error| PluginError::Contract(error.root_cause().to_string()))?;
        Ok(Prepared {
            pre,
            imports,
            compile_time,
        })
    }

    fn compile(&self, bytes: &[u8], key: &str) -> Result<Component, PluginError> {
        let component = Component::from_binary(&self.engine, bytes)
            .map_err(|error| PluginError::Compile(error.root_cause().to_string()))?;
        if let Some(cache) = &self.cache
            && let Ok(compiled) = component.serialize()
        {
            cache.put(key, &Compiled(compiled));
        }
        Ok(component)
    }

    /// Asks a plugin what it is, in a still world, once per digest: it can't say one thing to `check` and another to
    /// `run` (trust rule 3).
    async fn describe(
        &self,
        label: &str,
        pre: &SourcePluginPre<Guest>,
        digest: &str,
    ) -> Result<Description, PluginError> {
        if let Some(known) = self
            .cache
            .as_ref()
            .and_then(|cache| cache.description(digest))
            .filter(|known| known.validate().is_ok())
        {
            return Ok(known);
        }
        let limits = Limits::default();
        let mut store = instance::store(
            &self.engine,
            label.into(),
            Network::Still,
            &limits,
            &Arc::default(),
        );
        let _running = self.ticker.running();
        let described = instance::call(&mut store, limits.cpu, async |store| {
            let plugin = pre.instantiate_async(&mut *store).await?;
            plugin.logweir_pipeline_source().call_describe(store).await
        });
        let described = described.await.map_err(PluginError::Describe)?;
        let description = convert::description(described);
        description
            .validate()
            .map_err(|error| PluginError::Describe(error.to_string()))?;
        if let Some(cache) = &self.cache {
            cache.remember_description(digest, &description);
        }
        Ok(description)
    }

    /// What a plugin finds wrong with a configuration (JSON). It is asked in an instance without network and
    /// credential: opening a reader takes neither. That one breaks when it is asked is an objection too.
    pub async fn objections(&self, plugin: &Plugin, config: &str) -> Vec<ConfigIssue> {
        let limits = Limits::default();
        let label = plugin.description.name.as_str().into();
        let mut store =
            instance::store(&self.engine, label, Network::None, &limits, &Arc::default());
        let _running = self.ticker.running();
        let opened = instance::call(&mut store, limits.cpu, async |store| {
            let instance = plugin.pre.instantiate_async(&mut *store).await?;
            let reader = instance.logweir_pipeline_source().reader();
            reader
                .call_open(store, config, &convert::start(Start::First))
                .await
        });
        match opened.await {
            Ok(Err(types::Error::Config(issues))) => convert::config_issues(issues, None),
            Ok(_) => Vec::new(),
            Err(why) => vec![ConfigIssue {
                key: String::new(),
                message: format!("the plugin breaks when it is asked about this: {why}"),
            }],
        }
    }
}

struct Prepared {
    pre: SourcePluginPre<Guest>,
    imports: Vec<String>,
    compile_time: Option<Duration>,
}

/// Tells a component from what people take for one, by its first bytes (the preamble of the binary format).
fn recognise(bytes: &[u8]) -> Result<(), PluginError> {
    if bytes.len() > FILE_BYTES_MAX {
        return Err(PluginError::TooLarge { bytes: bytes.len() });
    }
    match bytes.first_chunk::<8>() {
        Some([0, b'a', b's', b'm', 0x0d, 0, 1, 0]) => Ok(()),
        Some([0, b'a', b's', b'm', 1, 0, 0, 0]) => Err(PluginError::CoreModule),
        Some([0x7f, b'E', b'L', b'F', ..]) => Err(PluginError::Precompiled),
        _ => Err(PluginError::NotWasm),
    }
}

fn check_exports(exports: &[String]) -> Result<(), PluginError> {
    if exports.iter().any(|name| name == SOURCE) {
        return Ok(());
    }
    let ours: Vec<_> = exports
        .iter()
        .filter_map(|name| name.strip_prefix(PACKAGE))
        .collect();
    match ours.iter().find_map(|name| name.split_once('@')) {
        Some(("source", version)) => Err(PluginError::Version {
            found: version.to_owned(),
        }),
        Some((interface, _)) => Err(PluginError::World {
            found: interface.to_owned(),
        }),
        None => Err(PluginError::NotAPlugin {
            exports: exports.to_vec(),
        }),
    }
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            write!(text, "{byte:02x}").unwrap_or_default();
            text
        })
}
