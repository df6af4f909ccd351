//! A running host takes up another configuration: what differs, and nothing else (delivery rule 23).
//!
//! Everything is validated first, in this order: the configuration by itself; what can't change in a running process;
//! files that an old and a new output would both write; the plugins' own rules and grants; whether the secrets of what is
//! new can be read; and what only the [pipeline](crate::pipeline) can judge. Whatever is wrong, nothing has changed, and
//! all of it is said at its place in the configuration.
//!
//! What differs is told by what two configurations mean ([`difference`]): a comment or the order of keys is no difference,
//! another default share is one for each source that has it. A source whose plugin, `ca_file` or `client_cert` is a file
//! with other content than before differs too. A secret in a file is read again when the file changes, with or without a
//! reload ([`crate::plugin::Credentials::stamp`]).
//!
//! Files are looked at every few seconds ([`watch`]).

mod conflict;
mod difference;
mod watch;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use super::run::{Routed, source_spec};
use super::{Assembly, Host, HostSource, Roster, Section, SourceIssue, errors_of, granted};
use crate::config::{ConfigDiagnostic, ConfigErrors, Loaded, Plan, PluginRef, SourcePlan};
use crate::http::NetworkPolicy;
use crate::pipeline::{ChangeError, NextOutput, NextSource, NextSpec, PipelineHandle};
use crate::stage::StageError;
use crate::telemetry::acts::Act;
pub use difference::{Changes, Difference};
pub use watch::FileWatch;

/// Changes what a running host does to what its configuration says now.
pub struct Reloader {
    config: PathBuf,
    /// What was read of it, the newest time.
    files: Vec<PathBuf>,
    plan: Plan,
    assembly: Assembly,
    /// By source, the digest of the plugin that reads it.
    plugins: HashMap<Arc<str>, String>,
    /// Networks whose files have other content than what sources were made with.
    networks: HashSet<NetworkPolicy>,
    roster: Roster,
    pipeline: PipelineHandle,
}

/// What a reload changed.
pub struct Reloaded {
    /// What is different.
    pub difference: Difference,
    /// Outputs that were left out and still deliver what waited for them, and how many records that is.
    pub draining: Vec<(Arc<str>, usize)>,
    /// What somebody should look at, although it works.
    pub warnings: Vec<String>,
}

impl fmt::Display for Reloaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.difference.fmt(f)?;
        for (output, records) in self.draining.iter().filter(|(_, records)| *records > 0) {
            write!(f, "; {records} records still wait for {output}")?;
        }
        Ok(())
    }
}

/// Why nothing changed.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// The configuration is wrong, or can't be taken up by a running process.
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    /// The pipeline can't be changed like this now.
    #[error(transparent)]
    Pipeline(#[from] ChangeError),
    /// The configuration could not be read to its end.
    #[error("reading the configuration failed: {0}")]
    Interrupted(#[from] tokio::task::JoinError),
}

impl Host {
    /// What changes a pipeline that was made by [`Host::pipeline`] of what was loaded from `config`.
    pub fn reloader(self, config: PathBuf, loaded: &Loaded, pipeline: PipelineHandle) -> Reloader {
        Reloader {
            config,
            files: files_of(loaded),
            plan: loaded.plan.clone(),
            assembly: self.assembly,
            plugins: self.sources.iter().map(plugin_of).collect(),
            networks: HashSet::new(),
            roster: self.roster,
            pipeline,
        }
    }
}

fn files_of(loaded: &Loaded) -> Vec<PathBuf> {
    loaded.files().map(PathBuf::from).collect()
}

fn plugin_of(source: &HostSource) -> (Arc<str>, String) {
    (Arc::clone(&source.name), source.plugin.digest().to_owned())
}

impl Reloader {
    /// What the host does at the moment.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The files of the configuration, as they were read the newest time, be it that it was refused.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// Reads the configuration, and changes what differs from what the host does; or says why not, and changes nothing.
    pub async fn reload(&mut self) -> Result<Reloaded, ReloadError> {
        let config = self.config.clone();
        let loaded = tokio::task::spawn_blocking(move || Loaded::load(&config)).await?;
        self.files = match &loaded {
            Ok(loaded) => files_of(loaded),
            Err(errors) => errors.files().to_vec(),
        };
        let loaded = loaded?;
        self.check_whole(&loaded)?;
        let outdated = self.outdated(&loaded).await?;
        let difference = Difference::between(&self.plan, &loaded.plan, |source| {
            self.outdated_keys(source, &outdated)
        });
        let sources = self.make(&loaded, &difference).await?;
        let mut draining = Vec::new();
        if !difference.is_empty() {
            let next = self.next(&loaded.plan, &difference, &sources);
            draining = self.pipeline.change(next).await?.draining;
            log_added(&difference, &loaded.plan);
            if let Err(error) = granted::note(&self.pipeline.state, &sources) {
                tracing::warn!(%error, "what plugins may reach could not be compared with before");
            }
        }
        self.networks.clear();
        self.roster.add(&sources);
        self.plugins.extend(sources.iter().map(plugin_of));
        let is_read = |name: &str| loaded.plan.sources.iter().any(|plan| *plan.name == *name);
        self.roster.keep(is_read);
        self.plugins.retain(|name, _| is_read(name));
        let warnings = loaded.warnings().iter().map(ConfigDiagnostic::to_string);
        let warnings = warnings.collect();
        self.plan = loaded.plan;
        Ok(Reloaded {
            difference,
            draining,
            warnings,
        })
    }

    /// What can be said about both configurations without making anything.
    fn check_whole(&self, loaded: &Loaded) -> Result<(), ConfigErrors> {
        let fixed = difference::fixed(&self.plan, &loaded.plan);
        let fixed = fixed.into_iter().map(|key| {
            let message = format!("`{key}` can't change while Logweir runs: restart it");
            loaded.setting_issue(key, &message)
        });
        let conflicts = conflict::between(&self.plan, &loaded.plan);
        let conflicts = conflicts
            .into_iter()
            .map(|conflict| loaded.output_issue(&conflict.output, "/path", &conflict.to_string()));
        refuse(fixed.chain(conflicts).collect())
    }

    /// Sources whose plugin is in a file that has other content than what reads them. What is loaded from now on is the
    /// new content.
    async fn outdated(&mut self, loaded: &Loaded) -> Result<HashSet<Arc<str>>, ConfigErrors> {
        self.networks.extend(self.assembly.look_again());
        let (mut outdated, mut issues) = (HashSet::new(), Vec::new());
        for plan in &loaded.plan.sources {
            let Some(digest) = self.plugins.get(&plan.name) else {
                continue;
            };
            if let PluginRef::Builtin(_) = plan.plugin {
                continue;
            }
            match self.assembly.plugin(&plan.plugin).await {
                Ok(plugin) if plugin.digest() == digest => {}
                Ok(_) => drop(outdated.insert(Arc::clone(&plan.name))),
                Err(message) => issues.push(SourceIssue {
                    source: Arc::clone(&plan.name),
                    section: Section::Plugin,
                    key: String::new(),
                    message,
                }),
            }
        }
        match issues.is_empty() {
            true => Ok(outdated),
            false => Err(errors_of(loaded, &issues)),
        }
    }

    /// The keys of a source that say what they said and mean something else.
    fn outdated_keys(&self, source: &SourcePlan, plugins: &HashSet<Arc<str>>) -> Vec<&'static str> {
        let plugin = plugins.contains(&source.name).then_some("plugin");
        let network = self.networks.contains(&source.network).then_some("network");
        plugin.into_iter().chain(network).collect()
    }

    /// Makes what is new or changed, with everything that can be wrong with it.
    async fn make(
        &mut self,
        loaded: &Loaded,
        difference: &Difference,
    ) -> Result<Vec<HostSource>, ConfigErrors> {
        let (mut made, mut issues) = (Vec::new(), Vec::new());
        let plans = loaded.plan.sources.iter();
        for plan in plans.filter(|plan| difference.sources.concerns(&plan.name)) {
            match self.assembly.source(plan).await {
                Ok(source) => {
                    issues.extend(unreadable(&source).await);
                    made.push(source);
                }
                Err(found) => issues.extend(found),
            }
        }
        match issues.is_empty() {
            true => Ok(made),
            false => Err(errors_of(loaded, &issues)),
        }
    }

    /// What the pipeline is to be.
    fn next(&self, plan: &Plan, difference: &Difference, made: &[HostSource]) -> NextSpec {
        let source = |planned: &SourcePlan| {
            let outputs = plan.outputs.iter().enumerate();
            let outputs = outputs.filter(|(_, output)| output.inputs.contains(&planned.name));
            let outputs: Vec<_> = outputs.map(|(at, _)| at).collect();
            match made.iter().find(|source| source.name == planned.name) {
                Some(source) => NextSource::Renewed(source_spec(source, Some(planned), outputs)),
                None => NextSource::Same {
                    name: Arc::clone(&planned.name),
                    outputs,
                },
            }
        };
        let output = |planned| {
            let Routed { spec, .. } = Routed::planned(planned);
            match difference.rewrites(&self.plan, planned) {
                true => NextOutput::Renewed(spec),
                false => NextOutput::Same(spec.name),
            }
        };
        NextSpec {
            sources: plan.sources.iter().map(source).collect(),
            outputs: plan.outputs.iter().map(output).collect(),
        }
    }
}

fn refuse(errors: Vec<ConfigDiagnostic>) -> Result<(), ConfigErrors> {
    match errors.is_empty() {
        true => Ok(()),
        false => Err(ConfigErrors::new(errors)),
    }
}

/// Whether the secrets of a source can't be read. At the start of a host they may still come; a change that is asked for
/// while things work had better work.
async fn unreadable(source: &HostSource) -> Option<SourceIssue> {
    let error = source.source.read_credentials().await.err()?;
    let message = match error {
        StageError::Unauthorized(message) => message,
        other => other.to_string(),
    };
    Some(SourceIssue {
        source: Arc::clone(&source.name),
        section: Section::Credentials,
        key: String::new(),
        message,
    })
}

/// Who gave power to a plugin should find it in the log (trust rule 21); [`granted`] tells what changed of it later.
fn log_added(difference: &Difference, plan: &Plan) {
    let added = &difference.sources.added;
    let granted = plan
        .sources
        .iter()
        .filter(|source| !source.grants.is_empty());
    for source in granted.filter(|source| added.contains(&source.name)) {
        tracing::warn!(act = %Act::GrantsChanged, source = %source.name, "its plugin may do something from now on");
    }
}
