//! `logweir validate`: pure and offline.
//!
//! What is built in is asked too: the plugin's schema and its own rules. A plugin in a file need not be on this machine,
//! so it is asked by `check` and `run` alone.

use std::process::ExitCode;

use logweir::config::{ConfigErrors, Flawed, Loaded, Plan, PluginRef, SourcePlan};
use logweir::host::{self, Assembly, HostError, Section, SourceIssue};
use logweir::telemetry::silence::Silence;
use logweir::units::Period;

use super::{Common, Page};

const EXAMPLES: &str = "\
Examples:
  logweir validate                        logweir.yaml, and the files of logweir.d beside it
  logweir validate -c /etc/logweir.yaml   another one

Nothing is connected to, no secret is read, and the files that it names need not be there.
`logweir check` tries it.";

/// So many names are read by a person.
const NAMES_SHOWN_MAX: usize = 10;

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {}

pub(crate) fn run(common: &Common, _args: &Args) -> anyhow::Result<ExitCode> {
    let loaded = load(common)?;
    super::start_plain_log(common)?;
    super::block_on(ask_plugins(&loaded))?;
    let warnings = loaded.render_warnings(super::colour());
    if !warnings.is_empty() {
        super::tell(&warnings);
    }
    let plan = &loaded.plan;
    for (template, sources) in loaded.templates() {
        let plural = if sources == 1 { "" } else { "s" };
        super::print(&format!("{template} makes {sources} source{plural}\n"))?;
    }
    let sources = named("source", plan.sources.iter().map(|source| &*source.name));
    let outputs = named("output", plan.outputs.iter().map(|output| &*output.name));
    super::print(&format!(
        "{} is valid: {sources}, {outputs}\n{}",
        common.config.display(),
        settings(plan)
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// The configuration, or all that can be found wrong with it.
pub(crate) fn load(common: &Common) -> anyhow::Result<Loaded> {
    let (errors, rest) = match Loaded::load_or_rest(&common.config) {
        Ok(loaded) => return Ok(loaded),
        Err(Flawed { errors, rest }) => (errors, rest),
    };
    super::start_plain_log(common)?;
    let more = rest.map(|rest| super::block_on(of_configurations(&rest)));
    Err(usage(match more.transpose()? {
        Some(more) => errors.and(more),
        None => errors,
    }))
}

async fn ask_plugins(loaded: &Loaded) -> anyhow::Result<()> {
    let issues = issues(loaded).await?;
    match issues.is_empty() {
        true => Ok(()),
        false => Err(super::usage_of(loaded, HostError::Issues(issues))),
    }
}

/// What plugins find wrong in their configurations, where something else is wrong already. What they would say of the
/// rest may come of that.
async fn of_configurations(rest: &Loaded) -> anyhow::Result<ConfigErrors> {
    let mut issues = issues(rest).await?;
    issues.retain(|issue| issue.section == Section::Config);
    Ok(host::errors_of(rest, &issues))
}

async fn issues(loaded: &Loaded) -> anyhow::Result<Vec<SourceIssue>> {
    // A state folder of somebody else's, or a damaged one, says nothing about the configuration.
    let assembly = super::assembly(&loaded.plan.state);
    let mut assembly = assembly.or_else(|_| anyhow::Ok(Assembly::uncached()?))?;
    let mut issues = Vec::new();
    for source in &loaded.plan.sources {
        if matches!(source.plugin, PluginRef::Builtin(_)) {
            issues.extend(assembly.validate(source).await.err().unwrap_or_default());
        }
    }
    Ok(issues)
}

/// What goes without saying, said: how the run watches itself, and what it takes of the peers' limits.
fn settings(plan: &Plan) -> String {
    let period = |duration| Period(duration).to_string();
    let silence = by_source(plan, |source| match source.silence {
        Silence::Learn => "learnt".to_owned(),
        Silence::Never => "never".to_owned(),
        Silence::After(after) => format!("after {}", period(after)),
    });
    let share = by_source(plan, |source| {
        format!("{} of each limit", source.share.unwrap_or_default())
    });
    let audits = plan.audit.map(|audit| {
        let (every, since) = (period(audit.every), period(audit.since));
        let then = match audit.fix {
            true => "delivered",
            false => "named",
        };
        format!("every {every}, of the last {since}; what is missing is {then}")
    });
    let listen = plan
        .listen
        .map(|address| format!("{address}, for health and metrics"));
    let lines = [
        ("silence", silence),
        ("budget", share),
        ("ledger", format!("remembers {}", period(plan.ledger.keep))),
        (
            "audits",
            audits.unwrap_or_else(|| "when asked for: there is no `audit:`".to_owned()),
        ),
        (
            "listen",
            listen.unwrap_or_else(|| "nowhere: there is no `listen:`".to_owned()),
        ),
    ];
    lines
        .map(|(what, said)| format!("  {what:<8}  {said}\n"))
        .concat()
}

/// What is said of every source, once for all of which the same is said.
fn by_source(plan: &Plan, say: impl Fn(&SourcePlan) -> String) -> String {
    let mut said: Vec<(String, Vec<&str>)> = Vec::new();
    for source in &plan.sources {
        let text = say(source);
        match said.iter_mut().find(|(known, _)| *known == text) {
            Some((_, names)) => names.push(&source.name),
            None => said.push((text, vec![&source.name])),
        }
    }
    if let [(text, _)] = &said[..] {
        return text.clone();
    }
    let groups = said.iter().map(|(text, names)| {
        let shown: Vec<_> = names.iter().take(NAMES_SHOWN_MAX).copied().collect();
        let more = match names.len().saturating_sub(NAMES_SHOWN_MAX) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!("{text} ({}{more})", shown.join(", "))
    });
    groups.collect::<Vec<_>>().join(", ")
}

/// "2 outputs (archive, screen)"; nobody reads the names of hundreds.
fn named<'a>(noun: &str, names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.collect();
    let plural = if names.len() == 1 { "" } else { "s" };
    let shown: Vec<_> = names.iter().copied().take(NAMES_SHOWN_MAX).collect();
    let more = match names.len() - shown.len() {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    format!(
        "{} {noun}{plural} ({}{more})",
        names.len(),
        shown.join(", ")
    )
}

/// The errors of a configuration as one page, and exit code 2.
pub(crate) fn usage(errors: ConfigErrors) -> anyhow::Error {
    Page(errors.render(super::colour())).into()
}
