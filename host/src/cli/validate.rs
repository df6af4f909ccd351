//! `logweir validate`: pure and offline.
//!
//! What is built in is asked too: the plugin's schema and its own rules. A plugin in a file need not be on this machine,
//! so it is asked by `check` and `run` alone.

use std::process::ExitCode;

use logweir::config::{ConfigErrors, Loaded, PluginRef};
use logweir::host::{Assembly, HostError};

use super::{Common, Page};

const EXAMPLES: &str = "\
Examples:
  logweir validate                        logweir.yaml, and the files of logweir.d beside it
  logweir validate -c /etc/logweir.yaml   another one

Nothing is connected to, no secret is read, and the files that it names need not be there.
`logweir check` tries it.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {}

pub(crate) fn run(common: &Common, _args: &Args) -> anyhow::Result<ExitCode> {
    let loaded = Loaded::load(&common.config).map_err(usage)?;
    super::start_plain_log(common)?;
    super::block_on(ask_plugins(&loaded))?;
    let warnings = loaded.render_warnings(super::colour());
    if !warnings.is_empty() {
        super::tell(&warnings);
    }
    let plan = &loaded.plan;
    let sources = named("source", plan.sources.iter().map(|source| &*source.name));
    let outputs = named("output", plan.outputs.iter().map(|output| &*output.name));
    super::print(&format!(
        "{} is valid: {sources}, {outputs}\n",
        common.config.display()
    ))?;
    Ok(ExitCode::SUCCESS)
}

async fn ask_plugins(loaded: &Loaded) -> anyhow::Result<()> {
    // A state folder of somebody else's, or a damaged one, says nothing about the configuration.
    let assembly = super::assembly(&loaded.plan.state);
    let mut assembly = assembly.or_else(|_| anyhow::Ok(Assembly::uncached()?))?;
    let mut issues = Vec::new();
    for source in &loaded.plan.sources {
        if matches!(source.plugin, PluginRef::Builtin(_)) {
            issues.extend(assembly.validate(source).await.err().unwrap_or_default());
        }
    }
    if issues.is_empty() {
        Ok(())
    } else {
        Err(super::usage_of(loaded, HostError::Issues(issues)))
    }
}

/// "2 outputs (archive, screen)".
fn named<'a>(noun: &str, names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.collect();
    let plural = if names.len() == 1 { "" } else { "s" };
    format!("{} {noun}{plural} ({})", names.len(), names.join(", "))
}

/// The errors of a configuration as one page, and exit code 2.
pub(crate) fn usage(errors: ConfigErrors) -> anyhow::Error {
    Page(errors.render(super::colour())).into()
}
