//! `logweir state list|show|rewind|adopt|forget`: what is stored of sources, for people.

use std::fmt::Write;
use std::process::ExitCode;

use anyhow::bail;
use jiff::Timestamp;
use logweir::config::{Loaded, suggestion};
use logweir::host::HostError;
use logweir::state::{LedgerSize, State, StoredSource, Verdict};
use logweir::telemetry::acts::{self, Act, Actor};
use logweir::telemetry::escape;

use super::moment::{self, Moment};
use super::{Common, Usage, errand, prompt};

const EXAMPLES: &str = "\
Examples:
  logweir state list
  logweir state show acme
  logweir state rewind acme --to 7d --dry-run    what would come again
  logweir state adopt acme      its organisation has another domain now: go on where it was
  logweir state forget acme     its next run reads from the beginning again

What is read again is delivered again.";

/// Looks into and settles what is stored of sources.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum Command {
    /// List what is stored: how far every source and every output is.
    List,
    /// Show what is stored of one source.
    Show(ShowArgs),
    /// Have a source begin again at a time: its next run reads from there.
    Rewind(RewindArgs),
    /// Have a source go on where it was, at the address that the configuration has now.
    Adopt(AdoptArgs),
    /// Forget how far a source is: its next run reads from the beginning again.
    Forget(ForgetArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct ShowArgs {
    /// Name of the source, as `state list` shows it.
    source: String,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RewindArgs {
    /// Name of the source, as `state list` shows it.
    source: String,
    /// Where to begin: a time like 2026-11-27T08:00:00Z, or how long ago, like 7d.
    #[arg(long, value_name = "TIME")]
    to: Moment,
    /// Say what would come again, and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Don't ask.
    #[arg(long)]
    yes: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct AdoptArgs {
    /// Name of the source, as `state list` shows it.
    source: String,
    /// Say what would be changed, and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Don't ask.
    #[arg(long)]
    yes: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ForgetArgs {
    /// Name of the source, as `state list` shows it.
    source: String,
    /// Say what would be forgotten, and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Don't ask.
    #[arg(long)]
    yes: bool,
}

pub(crate) fn run(common: &Common, command: &Command) -> anyhow::Result<ExitCode> {
    let loaded = Loaded::load(&common.config).map_err(super::validate::usage)?;
    super::start_act_log(common, &loaded.plan)?;
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
        (Command::Show(args), Some(state)) => show(&state, args)?,
        (Command::Rewind(args), Some(state)) => rewind(&state, args)?,
        (Command::Adopt(args), Some(state)) => adopt(&loaded, &state, args)?,
        (Command::Forget(args), Some(state)) => forget(&state, args)?,
        (
            Command::Show(ShowArgs { source })
            | Command::Rewind(RewindArgs { source, .. })
            | Command::Adopt(AdoptArgs { source, .. })
            | Command::Forget(ForgetArgs { source, .. }),
            None,
        ) => return Err(unknown(source, &[]).into()),
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
    let mut text = format!(
        "\nsource {}\n  reads       {} through plugin {}\n  settled     {} record{}, {} of them in the dead letter\n  \
         updated     {}\n  ledger      {}\n  checkpoint  {}\n",
        escape::line(name),
        escape::line(&stored.owner.origin),
        escape::line(&stored.owner.plugin),
        stored.settled,
        if stored.settled == 1 { "" } else { "s" },
        stored.dead,
        moment::shown(stored.updated),
        ledger(stored.ledger),
        escape::line(&stored.checkpoint),
    );
    if let Some(time) = stored.rewind_to {
        text += &format!(
            "  rewound     its next run begins at {}, not at the checkpoint\n",
            moment::shown(time)
        );
    }
    text
}

fn ledger(size: LedgerSize) -> String {
    let Some(since) = size.complete_since else {
        return "empty: nothing was delivered since there are ledgers".to_owned();
    };
    format!(
        "{} record{} in {} bytes, complete since {}",
        size.ids,
        if size.ids == 1 { "" } else { "s" },
        size.bytes(),
        moment::shown(since)
    )
}

fn show(state: &State, args: &ShowArgs) -> anyhow::Result<()> {
    let stored = find(state, &args.source)?;
    let mut text = describe(&args.source, &stored).trim_start().to_owned();
    if let Some(audit) = state.audit(&args.source)? {
        let (since, until) = (moment::shown(audit.since), moment::shown(audit.until));
        let how = match audit.finished {
            Some(time) => format!("ended {}", moment::shown(time)),
            None => "was interrupted; the next one goes on where it was".to_owned(),
        };
        let (missing, _) = state.count_suspects(&args.source, Verdict::Missing)?;
        let (fixed, _) = state.count_suspects(&args.source, Verdict::Fixed)?;
        writeln!(
            text,
            "  audit       of {since} to {until} {how}: {} compared, {missing} missing, {fixed} delivered late",
            audit.read
        )?;
    }
    if let Some(backfill) = state.backfill(&args.source)? {
        let (since, until) = (moment::shown(backfill.since), moment::shown(backfill.until));
        writeln!(
            text,
            "  backfill    of {since} to {until} was interrupted; the next one goes on where it was: {} read, {} delivered",
            backfill.read, backfill.delivered
        )?;
    }
    super::print(&text)
}

/// What is stored of a source, or who there is.
fn find(state: &State, name: &str) -> anyhow::Result<StoredSource> {
    let sources = state.sources()?;
    if let Some((_, stored)) = sources.iter().find(|(known, _)| known == name) {
        return Ok(stored.clone());
    }
    let known: Vec<_> = sources.iter().map(|(name, _)| name.as_str()).collect();
    Err(unknown(name, &known).into())
}

fn rewind(state: &State, args: &RewindArgs) -> anyhow::Result<()> {
    let name = &args.source;
    // Held from before the question: a running host would write it again.
    let _lock = (!args.dry_run).then(|| state.lock()).transpose()?;
    let stored = find(state, name)?;
    let to = args.to.before(Timestamp::now())?;
    super::tell(describe(name, &stored).trim_start());
    super::tell(&comes_again(state, name, &stored, to)?);
    if args.dry_run {
        super::tell("nothing was changed");
        return Ok(());
    }
    prompt::confirm(
        args.yes,
        "rewind",
        &format!("Have `{name}` begin at {}?", moment::shown(to)),
    )?;
    state.rewind(name, to)?;
    let what = format!(
        "a source was rewound: its next run begins at {}",
        moment::shown(to)
    );
    acts::record(Act::StateRewound, Actor::command(), name, &what);
    super::tell(&format!(
        "rewound: the next run of `{name}` begins at {}",
        moment::shown(to)
    ));
    Ok(())
}

/// What a rewind brings again, as far as the ledger knows.
fn comes_again(
    state: &State,
    name: &str,
    stored: &StoredSource,
    to: u64,
) -> anyhow::Result<String> {
    let again = state.delivered_since(name, to)?;
    let known = stored.ledger.complete_since;
    let beyond = match known {
        Some(since) if since <= to => String::new(),
        Some(since) => format!(
            "; what was delivered of before {} comes again too, and is not counted here",
            moment::shown(since)
        ),
        None => "; what was delivered before there was a ledger comes again too".to_owned(),
    };
    Ok(format!(
        "The next run reads from {} on, whatever was delivered of it: at most {again} record{} come{} again{beyond}.",
        moment::shown(to),
        if again == 1 { "" } else { "s" },
        if again == 1 { "s" } else { "" },
    ))
}

fn adopt(loaded: &Loaded, state: &State, args: &AdoptArgs) -> anyhow::Result<()> {
    let name = &args.source;
    // Held from before the question: a running host would write it again.
    let _lock = (!args.dry_run).then(|| state.lock()).transpose()?;
    let before = find(state, name)?.owner;
    errand::check_source(loaded, name)?;
    let mut planned = loaded.plan.sources.iter();
    let Some(planned) = planned.find(|source| *source.name == **name) else {
        bail!("`{}` is not configured", escape::line(name));
    };
    let mut assembly = super::assembly(&loaded.plan.state)?;
    let now = super::block_on(async { anyhow::Ok(assembly.owner(planned).await) })?;
    let now = now.map_err(|issues| super::usage_of(loaded, HostError::Issues(issues)))?;
    if now.plugin != before.plugin {
        bail!(
            "what is stored of `{}` is of the plugin {}, and no other one can read it; choose another name",
            escape::line(name),
            escape::line(&before.plugin)
        );
    }
    let (from, to) = (escape::line(&before.origin), escape::line(&now.origin));
    if now.origin == before.origin {
        super::tell(&format!("`{name}` is at {to} already; nothing was changed"));
        return Ok(());
    }
    super::tell(&format!(
        "`{name}` was read at {from}, and the configuration has it at {to}. It goes on there, where it was: right if that is\n\
         the same organisation at another address, and wrong if it is another one, whose past would never be read.",
    ));
    if args.dry_run {
        super::tell("nothing was changed");
        return Ok(());
    }
    let question = format!("Is that the same organisation as before, `{name}`?");
    prompt::confirm(args.yes, "adopt", &question)?;
    state.adopt(name, &now.origin)?;
    let what = format!("a source goes on at {to}, and was at {from}");
    acts::record(Act::StateAdopted, Actor::command(), name, &what);
    super::tell(&format!(
        "adopted: the next run of `{name}` goes on at {to}"
    ));
    Ok(())
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
    let _lock = (!args.dry_run).then(|| state.lock()).transpose()?;
    let stored = find(state, name)?;
    super::tell(describe(name, &stored).trim_start());
    super::tell(
        "The next run reads from the beginning again, as the configuration says. What is there already comes once more.",
    );
    if args.dry_run {
        super::tell("nothing was changed");
        return Ok(());
    }
    prompt::confirm(args.yes, "forget", &format!("Forget how far `{name}` is?"))?;
    state.forget(name)?;
    acts::record(
        Act::StateForgotten,
        Actor::command(),
        name,
        "forgot how far a source is",
    );
    super::tell(&format!(
        "forgotten: `{name}` starts from the beginning at its next run"
    ));
    Ok(())
}
