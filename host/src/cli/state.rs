//! `logweir state list|forget`: what is stored of sources, for people.

use std::fmt::Write;
use std::process::ExitCode;

use anyhow::bail;
use jiff::Timestamp;
use logweir::config::{Loaded, suggestion};
use logweir::state::{State, StoredSource};
use logweir::telemetry::escape;

use super::{Common, Usage, prompt};

const EXAMPLES: &str = "\
Examples:
  logweir state list
  logweir state forget acme     its next run reads from the beginning again";

/// Looks into and settles what is stored of sources.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum Command {
    /// List what is stored: how far every source and every output is.
    List,
    /// Forget how far a source is: its next run reads from the beginning again.
    Forget(ForgetArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct ForgetArgs {
    /// Name of the source, as `state list` shows it.
    source: String,
    /// Don't ask.
    #[arg(long)]
    yes: bool,
}

pub(crate) fn run(common: &Common, command: &Command) -> anyhow::Result<ExitCode> {
    let loaded = Loaded::load(&common.config).map_err(super::validate::usage)?;
    super::start_plain_log(common)?;
    let folder = &loaded.plan.state;
    let state = State::open_existing(folder)?;
    match (command, state) {
        (Command::List, Some(state)) => list(&state)?,
        (Command::List, None) => {
            super::print(&format!(
                "nothing is stored yet: no run has made {}\n",
                folder.display()
            ))?;
        }
        (Command::Forget(args), Some(state)) => forget(&state, args)?,
        (Command::Forget(args), None) => return Err(unknown(&args.source, &[]).into()),
    }
    Ok(ExitCode::SUCCESS)
}

fn list(state: &State) -> anyhow::Result<()> {
    let (sources, positions) = (state.sources()?, state.positions()?);
    let mut text = format!("state in {}\n", state.folder().display());
    if sources.is_empty() {
        text.push_str("\nno source has been read yet\n");
    }
    for (name, stored) in &sources {
        text.push_str(&describe(name, stored));
    }
    for (output, position) in positions
        .iter()
        .filter(|(_, position)| !position.is_empty())
    {
        writeln!(
            text,
            "\noutput {}\n  position    {}",
            escape::line(output),
            escape::line(position)
        )?;
    }
    super::print(&text)
}

fn describe(name: &str, stored: &StoredSource) -> String {
    let updated = i128::from(stored.updated);
    let updated = Timestamp::from_nanosecond(updated)
        .map_or_else(|_| "?".to_owned(), |time| format!("{time:.0}"));
    format!(
        "\nsource {}\n  reads       {} through plugin {}\n  settled     {} record{}, {} of them in the dead letter\n  \
         updated     {updated}\n  checkpoint  {}\n",
        escape::line(name),
        escape::line(&stored.owner.origin),
        escape::line(&stored.owner.plugin),
        stored.settled,
        if stored.settled == 1 { "" } else { "s" },
        stored.dead,
        escape::line(&stored.checkpoint),
    )
}

fn unknown(name: &str, known: &[&str]) -> Usage {
    let advice = suggestion(name, known, "there is")
        .unwrap_or_else(|| "no source has been read yet".to_owned());
    Usage(format!(
        "nothing is stored of `{}`; {advice}",
        escape::line(name)
    ))
}

fn forget(state: &State, args: &ForgetArgs) -> anyhow::Result<()> {
    let name = &args.source;
    // Held from before the question: a running host would write it again.
    let _lock = state.lock()?;
    let sources = state.sources()?;
    let Some((_, stored)) = sources.iter().find(|(known, _)| known == name) else {
        let known: Vec<_> = sources.iter().map(|(name, _)| name.as_str()).collect();
        return Err(unknown(name, &known).into());
    };
    super::tell(describe(name, stored).trim_start());
    super::tell(
        "The next run reads from the beginning again, as the configuration says. What is there already comes once more.",
    );
    if !args.yes {
        if !prompt::interactive() {
            return Err(Usage(
                "nothing was changed: say --yes to forget without being asked".to_owned(),
            )
            .into());
        }
        if !prompt::yes(&format!("Forget how far `{name}` is?"))? {
            bail!("nothing was changed");
        }
    }
    state.forget(name)?;
    super::tell(&format!(
        "forgotten: `{name}` starts from the beginning at its next run"
    ));
    Ok(())
}
