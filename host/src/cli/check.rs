//! `logweir check`: reaches every source and output, and writes nothing.

use std::process::ExitCode;

use logweir::config::{Loaded, Plan, suggestion};
use logweir::host::{Assembly, HostError, HostSource};
use logweir::output::OutputPlan;
use logweir::stage::{CheckReport, CheckStatus, Source, StageError};
use logweir::state::State;

use super::{Common, Usage, report, validate};

const EXAMPLES: &str = "\
Examples:
  logweir check           every source and output
  logweir check acme      this one alone

It delivers nothing and writes nothing. Exit code 1: something does not work; warnings don't count.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Only these sources and outputs; all of them when none is named.
    names: Vec<String>,
}

pub(crate) fn run(common: &Common, args: &Args) -> anyhow::Result<ExitCode> {
    let loaded = Loaded::load(&common.config).map_err(validate::usage)?;
    super::start_plain_log(common)?;
    refuse_unknown(&loaded.plan, &args.names)?;
    let failed = super::block_on(check(&loaded, &args.names))?;
    if failed.is_empty() {
        super::print("everything works\n")?;
        return Ok(ExitCode::SUCCESS);
    }
    super::print(&format!("failed: {}\n", failed.join(", ")))?;
    Ok(ExitCode::FAILURE)
}

fn refuse_unknown(plan: &Plan, wanted: &[String]) -> anyhow::Result<()> {
    let sources = plan.sources.iter().map(|source| &*source.name);
    let known: Vec<_> = sources
        .chain(plan.outputs.iter().map(|output| &*output.name))
        .collect();
    let Some(unknown) = wanted.iter().find(|name| !known.contains(&name.as_str())) else {
        return Ok(());
    };
    let advice = suggestion(unknown, &known, "there are").unwrap_or_default();
    Err(Usage(format!(
        "there is no source or output `{unknown}`; {advice}"
    ))
    .into())
}

/// Names of what failed.
async fn check(loaded: &Loaded, names: &[String]) -> anyhow::Result<Vec<String>> {
    let plan = &loaded.plan;
    let wanted = |name: &str| names.is_empty() || names.iter().any(|wanted| wanted == name);
    let state = State::open_existing(&plan.state)?;
    let mut failed = Vec::new();
    for source in sources(loaded, wanted).await? {
        let title = format!("source {} reads {}", source.name, source.owner.origin);
        let found = source.source.check().await;
        if show(&title, found, "check")? {
            failed.push(format!("source {}", source.name));
        }
    }
    for output in plan.outputs.iter().filter(|output| wanted(&output.name)) {
        let position = state
            .as_ref()
            .map(|state| state.position(&output.name))
            .transpose()?
            .flatten();
        let found = probe(&output.plan, position.as_deref()).await;
        if show(&format!("output {}", output.name), found, "open")? {
            failed.push(format!("output {}", output.name));
        }
    }
    Ok(failed)
}

/// The sources, with everything that is wrong with any of them.
async fn sources(
    loaded: &Loaded,
    wanted: impl Fn(&str) -> bool,
) -> anyhow::Result<Vec<HostSource>> {
    let mut assembly: Assembly = super::assembly(&loaded.plan.state)?;
    let (mut sources, mut issues) = (Vec::new(), Vec::new());
    for source in loaded
        .plan
        .sources
        .iter()
        .filter(|source| wanted(&source.name))
    {
        match assembly.source(source).await {
            Ok(source) => sources.push(source),
            Err(found) => issues.extend(found),
        }
    }
    if issues.is_empty() {
        Ok(sources)
    } else {
        Err(super::usage_of(loaded, HostError::Issues(issues)))
    }
}

async fn probe(plan: &OutputPlan, position: Option<&str>) -> Result<CheckReport, StageError> {
    plan.open(position).await?.check().await
}

/// Shows what was found; says whether it failed.
fn show(title: &str, found: Result<CheckReport, StageError>, step: &str) -> anyhow::Result<bool> {
    let found = found.unwrap_or_else(|error| report::of_error(step, &error));
    super::print(&format!("{title}\n{}\n", report::render(&found)))?;
    Ok(found.worst() == CheckStatus::Failed)
}
