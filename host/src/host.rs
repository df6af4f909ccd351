//! Puts the house together: a plan becomes plugins, gates, sources and outputs, and these a running pipeline. This is
//! the library's door.

mod credentials;
mod expectations;
mod granted;
mod issues;
mod memory;
mod observer;
mod parts;
mod reload;
mod roster;
mod run;
mod secrets;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::{Plan, PluginRef, SourcePlan};
use crate::gate::{Budgets, Gate, GateConfig, Grant, GrantError, Granting};
use crate::http::{Clients, NetworkPolicy};
use crate::plugin::{BUILTIN, Cache, ComponentSource, Plugin, PluginError, Plugins, builtin};
use crate::stage::ConfigIssue;
use crate::state::{Owner, State, StateError};
use crate::units::in_tenths;
use memory::StateMemory;
use secrets::Secrets;

pub use issues::{errors_of, message_at};
pub use observer::Observer;
pub use reload::{Changes, Difference, FileWatch, ReloadError, Reloaded, Reloader};
pub use roster::Roster;
pub use run::Routed;

/// Everything a plan names, loaded and connected, and not yet running.
pub struct Host {
    /// The sources, in the order of the plan.
    pub sources: Vec<HostSource>,
    /// Where checkpoints are.
    pub state: State,
    /// The sources that are read at the moment, by name: after a reload others than at the start.
    pub roster: Roster,
    assembly: Assembly,
}

/// One source, ready to be checked or read.
pub struct HostSource {
    /// Its name.
    pub name: Arc<str>,
    /// Its plugin.
    pub plugin: Arc<Plugin>,
    /// The source itself.
    pub source: Arc<ComponentSource>,
    /// Who its checkpoint belongs to.
    pub owner: Owner,
    /// What its plugin may reach, a line each, for people.
    pub grants: String,
}

/// Something in a source's configuration that only its plugin could know to be wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceIssue {
    /// Name of the source.
    pub source: Arc<str>,
    /// The part of the source that the key is in.
    pub section: Section,
    /// A JSON pointer into that part.
    pub key: String,
    /// What is wrong and what to write instead.
    pub message: String,
}

/// The parts of a source's configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// `plugin:`
    Plugin,
    /// `config:`
    Config,
    /// `credentials:`
    Credentials,
    /// `grants:`
    Grants,
    /// `network:`
    Network,
}

impl Section {
    /// The JSON pointer from the source to this part.
    pub fn pointer(self) -> &'static str {
        match self {
            Self::Plugin => "/plugin",
            Self::Config => "/config",
            Self::Credentials => "/credentials",
            Self::Grants => "/grants",
            Self::Network => "/network",
        }
    }
}

/// Why a plan can't be made to run.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The state is unusable.
    #[error(transparent)]
    State(#[from] StateError),
    /// The engine can't be made.
    #[error(transparent)]
    Engine(PluginError),
    /// The configuration is wrong in ways that only plugins could tell.
    #[error("{}", .0.iter().map(|issue| format!("source {}: {}: {}", issue.source, issue.key, issue.message)).collect::<Vec<_>>().join("\n"))]
    Issues(Vec<SourceIssue>),
}

/// Loads plugins and keeps what several sources share.
pub struct Assembly {
    plugins: Arc<Plugins>,
    clients: Clients,
    budgets: Arc<Budgets>,
    /// By where they came from: a file may have the name of a built-in plugin.
    loaded: HashMap<Origin, Arc<Plugin>>,
}

/// Where a plugin comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Origin {
    Builtin(String),
    File(PathBuf),
}

impl Assembly {
    /// An engine, with a cache of compiled plugins in the state folder.
    pub fn new(state: &State) -> Result<Self, HostError> {
        let folder = state.folder().join("compiled");
        let cache = Cache::new(folder, Arc::new(StateMemory(state.clone())));
        Self::with_cache(Some(cache))
    }

    /// An engine that compiles every plugin anew, for who must leave nothing behind.
    pub fn uncached() -> Result<Self, HostError> {
        Self::with_cache(None)
    }

    fn with_cache(cache: Option<Cache>) -> Result<Self, HostError> {
        let plugins = Plugins::new(cache).map_err(HostError::Engine)?;
        Ok(Self {
            plugins: Arc::new(plugins),
            clients: Clients::default(),
            budgets: Arc::default(),
            loaded: HashMap::new(),
        })
    }

    /// Loads a built-in plugin or a file, once. What a reference pins holds whoever loaded the file first.
    pub async fn plugin(&mut self, reference: &PluginRef) -> Result<Arc<Plugin>, String> {
        let (origin, label) = match reference {
            PluginRef::Builtin(name) => (Origin::Builtin(name.clone()), name.clone()),
            PluginRef::File { path, .. } => {
                (Origin::File(path.clone()), path.display().to_string())
            }
        };
        let unusable = |error: PluginError| format!("{label} can't be used: {error}");
        if let Some(plugin) = self.loaded.get(&origin) {
            if let PluginRef::File { sha256, .. } = reference {
                plugin.check_pin(*sha256).map_err(unusable)?;
            }
            return Ok(Arc::clone(plugin));
        }
        let (bytes, pinned) = read(reference)?;
        let plugin = self.plugins.load(&label, bytes, pinned).await;
        let plugin = plugin.map_err(unusable)?;
        if let Some(time) = plugin.compile_time() {
            tracing::info!(
                plugin = label,
                seconds = in_tenths(time),
                "compiled the plugin"
            );
        }
        self.loaded.insert(origin, Arc::clone(&plugin));
        Ok(plugin)
    }

    /// Forgets plugins of files that have other content by now, so that they are loaded anew, and network clients
    /// likewise. Says whose those were.
    fn look_again(&mut self) -> Vec<NetworkPolicy> {
        self.loaded.retain(|origin, plugin| match origin {
            Origin::Builtin(_) => true,
            Origin::File(path) => read_file(path).is_ok_and(|bytes| plugin.is_of(&bytes)),
        });
        self.clients.look_again()
    }

    /// Makes a source of its plan, with everything that can be wrong with it.
    pub async fn source(&mut self, plan: &SourcePlan) -> Result<HostSource, Vec<SourceIssue>> {
        let (plugin, grants) = self.validate(plan).await?;
        self.connect(plan, plugin, grants).map_err(|message| {
            vec![SourceIssue {
                source: Arc::clone(&plan.name),
                section: Section::Network,
                key: String::new(),
                message,
            }]
        })
    }

    /// What is wrong with a plugin's configuration: first by its schema, then in the plugin's own words. Offline.
    pub async fn objections(
        &self,
        plugin: &Plugin,
        config: &serde_json::Value,
    ) -> Vec<ConfigIssue> {
        let found =
            crate::config::check_against_schema(&plugin.description().config_schema, config);
        if found.is_empty() {
            return self.plugins.objections(plugin, &config.to_string()).await;
        }
        found
            .into_iter()
            .map(|(key, message)| ConfigIssue { key, message })
            .collect()
    }

    /// Everything that can be found wrong with a source without connecting to anything; else its plugin and its grants.
    pub async fn validate(
        &mut self,
        plan: &SourcePlan,
    ) -> Result<(Arc<Plugin>, Vec<Grant>), Vec<SourceIssue>> {
        let issue = |section, key: &str, message: String| SourceIssue {
            source: Arc::clone(&plan.name),
            section,
            key: key.to_owned(),
            message,
        };
        let plugin = self.plugin(&plan.plugin).await;
        let plugin = plugin.map_err(|message| vec![issue(Section::Plugin, "", message)])?;
        let description = plugin.description();
        let objections = self.objections(&plugin, &plan.config).await;
        let mut issues: Vec<_> = objections
            .into_iter()
            .map(|objection| issue(Section::Config, &objection.key, objection.message))
            .collect();
        let kinds = &description.credentials;
        let mut about = |(kind, message): (String, String)| {
            issues.push(issue(Section::Credentials, &format!("/{kind}"), message));
        };
        credentials::wrong(plan, kinds)
            .into_iter()
            .for_each(&mut about);
        let granting = match &plan.plugin {
            PluginRef::Builtin(_) => Granting::BuiltIn,
            PluginRef::File { .. } => Granting::Listed(&plan.grants),
        };
        let grants = match Grant::resolve_all(description, &plan.config, granting) {
            Ok(grants) => grants,
            // The plugin said it in better words.
            Err(GrantError::Value { .. }) if !issues.is_empty() => Vec::new(),
            Err(error) => {
                issues.push(grant_issue(plan, &error));
                Vec::new()
            }
        };
        if let Some(message) = credentials::missing(plan, &grants, kinds) {
            issues.push(issue(Section::Credentials, "", message));
        }
        if let Some((kind, message)) = credentials::unused(plan, &grants) {
            issues.push(issue(Section::Credentials, &format!("/{kind}"), message));
        }
        if issues.is_empty() {
            Ok((plugin, grants))
        } else {
            Err(issues)
        }
    }

    /// Who the checkpoint of a source belongs to. Offline.
    pub async fn owner(&mut self, plan: &SourcePlan) -> Result<Owner, Vec<SourceIssue>> {
        let (plugin, grants) = self.validate(plan).await?;
        Ok(parts::owner(&plugin, &grants))
    }

    fn connect(
        &self,
        plan: &SourcePlan,
        plugin: Arc<Plugin>,
        grants: Vec<Grant>,
    ) -> Result<HostSource, String> {
        let owner = parts::owner(&plugin, &grants);
        let told = granted::told(&grants);
        let gate = Gate::new(
            GateConfig {
                source: Arc::clone(&plan.name),
                grants,
                credentials: Vec::new(),
                network: plan.network.clone(),
                limits: parts::gate_limits(&plan.limits),
                share: plan.share,
                budgets: Arc::clone(&self.budgets),
            },
            &self.clients,
        );
        let gate = gate.map_err(|error| error.to_string())?;
        let secrets = Secrets {
            plans: plan.credentials.clone(),
            kinds: plugin.description().credentials.clone(),
        };
        let source = ComponentSource::new(
            Arc::clone(&plan.name),
            Arc::clone(&self.plugins),
            Arc::clone(&plugin),
            plan.config.to_string(),
            gate,
            parts::plugin_limits(&plan.limits),
            Box::new(secrets),
        );
        Ok(HostSource {
            name: Arc::clone(&plan.name),
            plugin,
            source: Arc::new(source),
            owner,
            grants: told,
        })
    }
}

impl Host {
    /// Makes everything that a plan names, and collects everything that is wrong.
    pub async fn prepare(plan: &Plan) -> Result<Self, HostError> {
        let state = State::open(&plan.state)?;
        let mut assembly = Assembly::new(&state)?;
        let mut sources = Vec::new();
        let mut issues = Vec::new();
        for source in &plan.sources {
            match assembly.source(source).await {
                Ok(source) => sources.push(source),
                Err(found) => issues.extend(found),
            }
        }
        if issues.is_empty() {
            Ok(Self {
                roster: Roster::new(&sources),
                sources,
                state,
                assembly,
            })
        } else {
            Err(HostError::Issues(issues))
        }
    }
}

/// The bytes of a plugin's file, and the SHA-256 that they must have.
type PluginBytes = (Arc<[u8]>, Option<[u8; 32]>);

fn read(reference: &PluginRef) -> Result<PluginBytes, String> {
    match reference {
        PluginRef::Builtin(name) => match builtin(name) {
            Some(bytes) => Ok((bytes.into(), None)),
            None => Err(format!(
                "there is no built-in plugin `{name}`; there is {}",
                BUILTIN.join(", ")
            )),
        },
        PluginRef::File { path, sha256 } => match read_file(path) {
            Ok(bytes) => Ok((bytes, *sha256)),
            Err(error) => Err(format!("{} can't be read: {error}", path.display())),
        },
    }
}

fn read_file(path: &Path) -> std::io::Result<Arc<[u8]>> {
    Ok(std::fs::read(path)?.into())
}

fn grant_issue(plan: &SourcePlan, error: &GrantError) -> SourceIssue {
    let (section, key, message) = match error {
        GrantError::Value { key, reason } => (Section::Config, format!("/{key}"), reason.clone()),
        GrantError::Granted { .. } => (Section::Grants, String::new(), error.to_string()),
        other => (Section::Plugin, String::new(), other.to_string()),
    };
    SourceIssue {
        source: Arc::clone(&plan.name),
        section,
        key,
        message,
    }
}
