//! `logweir status`: how a running host is doing.

mod screen;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use logweir::config::{ConfigErrors, Loaded, suggestion};
use logweir::control::{Answer, Client, ControlError, Request};
use logweir::state::State;
use logweir::telemetry::escape;
use logweir::telemetry::overview::Overview;
use serde_json::json;

use super::{Common, Usage};

const EXAMPLES: &str = "\
Examples:
  logweir status           all sources and outputs of the run with this configuration
  logweir status acme      one source, and the outputs
  logweir status --watch   again and again
  logweir status --json    for programs; moments are seconds since 1970

Exits with 1 when nothing runs; what is stored is shown then.";

/// How often `--watch` looks.
const WATCH: Duration = Duration::from_secs(2);
/// Moves the cursor home and clears what is below.
const HOME_AND_CLEAR: &str = "\u{1b}[H\u{1b}[J";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Show this source alone.
    source: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Look every 2 seconds, until stopped.
    #[arg(short, long)]
    watch: bool,
}

pub(crate) fn run(common: &Common, args: &Args) -> anyhow::Result<ExitCode> {
    let loaded = match Loaded::load(&common.config) {
        Ok(loaded) => loaded,
        Err(errors) => return of_another_configuration(common, args, errors),
    };
    super::start_plain_log(common)?;
    check_source(&loaded, args)?;
    let Some(mut client) = Client::connect(&loaded.plan.state)? else {
        nothing_runs(&loaded, args)?;
        return Ok(ExitCode::FAILURE);
    };
    follow(&mut client, args)
}

/// What runs still does what the configuration said before it was broken, or taken away. Where its state is, is not known
/// then, but where it is by default.
fn of_another_configuration(
    common: &Common,
    args: &Args,
    errors: ConfigErrors,
) -> anyhow::Result<ExitCode> {
    let folder = super::state_folder(common, None);
    let Ok(Some(mut client)) = Client::connect(&folder) else {
        return Err(super::validate::usage(errors));
    };
    super::start_plain_log(common)?;
    super::tell(&errors.render(super::colour()));
    super::tell("What runs does what was configured before:\n");
    follow(&mut client, args)
}

fn follow(client: &mut Client, args: &Args) -> anyhow::Result<ExitCode> {
    loop {
        let overview = ask(client)?;
        show(&narrowed(overview, args)?, args)?;
        if !args.watch {
            return Ok(ExitCode::SUCCESS);
        }
        std::thread::sleep(WATCH);
    }
}

fn check_source(loaded: &Loaded, args: &Args) -> anyhow::Result<()> {
    let Some(name) = &args.source else {
        return Ok(());
    };
    let sources = loaded.plan.sources.iter();
    let known: Vec<_> = sources.map(|source| &*source.name).collect();
    if known.contains(&name.as_str()) {
        return Ok(());
    }
    let advice = suggestion(name, &known, "the sources are").unwrap_or_default();
    let name = escape::line(name);
    Err(Usage(format!("there is no source `{name}`; {advice}")).into())
}

fn ask(client: &mut Client) -> anyhow::Result<Overview> {
    match client.ask(&Request::Status)? {
        Answer::Status(overview) => Ok(*overview),
        Answer::Refused(why) => Err(ControlError::refused(why).into()),
        other => Err(ControlError::Answer(format!("{other:?}")).into()),
    }
}

/// The picture with one source alone, if one was asked for.
fn narrowed(mut overview: Overview, args: &Args) -> anyhow::Result<Overview> {
    let Some(name) = &args.source else {
        return Ok(overview);
    };
    overview.sources.retain(|source| source.name == *name);
    if overview.sources.is_empty() {
        bail!(
            "the host runs with a configuration that has no source `{name}` yet: `logweir reload`"
        );
    }
    Ok(overview)
}

fn show(overview: &Overview, args: &Args) -> anyhow::Result<()> {
    if args.json {
        let found = json!({"running": true, "host": overview});
        let text = found.to_string();
        return super::print(&format!("{}\n", escape::json(&text)));
    }
    let page = screen::render(overview);
    if !args.watch {
        return super::print(&page);
    }
    if std::io::IsTerminal::is_terminal(&std::io::stdout()) {
        super::print(&format!("{HOME_AND_CLEAR}{page}"))
    } else {
        super::print(&format!("{page}\n"))
    }
}

/// Says so, with what is stored.
fn nothing_runs(loaded: &Loaded, args: &Args) -> anyhow::Result<()> {
    let folder = &loaded.plan.state;
    let stored = match State::open_existing(folder)? {
        Some(state) => state.sources()?,
        None => Vec::new(),
    };
    let wanted = |name: &str| args.source.as_deref().is_none_or(|wanted| wanted == name);
    let stored: Vec<_> = stored.iter().filter(|(name, _)| wanted(name)).collect();
    if args.json {
        let stored: Vec<_> = stored
            .iter()
            .map(|(name, stored)| {
                json!({
                    "name": name, "settled": stored.settled, "dead_letters": stored.dead,
                    "updated_at": stored.updated / 1_000_000_000,
                })
            })
            .collect();
        let found = json!({"running": false, "state": folder, "stored": stored});
        return super::print(&format!("{}\n", escape::json(&found.to_string())));
    }
    let mut page = format!("no Logweir runs with the state in {}\n", folder.display());
    if stored.is_empty() {
        page.push_str("and nothing is stored there\n");
    }
    for (name, stored) in stored {
        page.push_str(&screen::stored(name, stored));
    }
    super::print(&page)
}
