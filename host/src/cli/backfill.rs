//! `logweir backfill`: reads more of the past than the first run did.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::bail;
use jiff::Timestamp;
use logweir::config::Loaded;
use logweir::control::{Answer, Request};
use logweir::pipeline::{BackfillError, BackfillProgress, BackfillReport, BackfillRequest};
use logweir::state::State;
use serde::Serialize;

use super::moment::{self, Moment};
use super::progress::Screen;
use super::{Common, errand, prompt, validate};

const EXAMPLES: &str = "\
Examples:
  logweir backfill acme --since 90d             what the first run left out of the last 90 days
  logweir backfill acme --since 90d --dry-run   say which stretch that is

A longer `backfill` in the configuration does nothing to a source that was read before: this does.
What is new is followed meanwhile and comes first; what was delivered already does not come again.
Ctrl-C interrupts it; the same command goes on where it was.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Name of the source.
    source: String,
    /// Where to begin: a time, or how long ago, as for `state rewind`.
    #[arg(long, value_name = "TIME")]
    since: Moment,
    /// Say what would be read, and read nothing.
    #[arg(long)]
    dry_run: bool,
    /// Don't ask.
    #[arg(long)]
    yes: bool,
    /// Print what came of it as JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(common: &Common, args: &Args) -> anyhow::Result<ExitCode> {
    let loaded = Loaded::load(&common.config).map_err(validate::usage)?;
    super::start_log(common, &loaded.plan, &Screen::Nothing)?;
    errand::check_source(&loaded, &args.source)?;
    let wanted = BackfillRequest {
        source: args.source.as_str().into(),
        since: args.since.before(Timestamp::now())?,
    };
    let until = match State::open_existing(&loaded.plan.state)? {
        Some(state) => wanted.until(&state)?,
        None => return Err(BackfillError::BeginningUnknown(wanted.source).into()),
    };
    let (since, name) = (wanted.since, &args.source);
    super::tell(&format!(
        "{name} was read since {until}; what was published between {since} and then will be read, as far as it is kept, \
         and delivered unless it was",
        since = moment::shown(since),
        until = moment::shown(until),
    ));
    if args.dry_run {
        super::tell("nothing was read");
        return Ok(ExitCode::SUCCESS);
    }
    let question = format!("Read `{name}` since {}?", moment::shown(since));
    prompt::confirm(args.yes, "read", &question)?;
    let request = Request::Backfill {
        source: name.clone(),
        since,
    };
    let mut teller = Teller {
        quiet: common.quiet,
        begun: false,
        said: Instant::now(),
    };
    let answer = errand::run(&loaded, name, &request, |news| teller.hear(news))?;
    let Answer::Backfill(report) = answer else {
        bail!("the host answered something else than was asked");
    };
    super::print(&if args.json {
        json(name, &report)?
    } else {
        page(name, &report)
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Says that it begins, and now and then how far it is.
struct Teller {
    quiet: bool,
    begun: bool,
    said: Instant,
}

impl Teller {
    fn hear(&mut self, news: &Answer) {
        let Answer::BackfillProgress(progress) = news else {
            return;
        };
        let before = std::mem::replace(&mut self.begun, progress.begun);
        let line = match progress.begun {
            true if !before => begins(progress),
            _ if self.said.elapsed() < errand::SILENCE_MAX => return,
            true => so_far(progress),
            false => errand::QUEUED.to_owned(),
        };
        self.said = Instant::now();
        if !self.quiet {
            super::tell(&line);
        }
    }
}

fn begins(progress: &BackfillProgress) -> String {
    let (since, until) = (moment::shown(progress.since), moment::shown(progress.until));
    match progress.resumed {
        true => format!("going on with {since} to {until}"),
        false => format!("reading {since} to {until}"),
    }
}

fn so_far(progress: &BackfillProgress) -> String {
    let reached = progress.reached.map(moment::shown).unwrap_or_default();
    let BackfillProgress {
        read, delivered, ..
    } = progress;
    format!("{read} read, {delivered} delivered, up to {reached}")
}

fn page(source: &str, report: &BackfillReport) -> String {
    format!(
        "{source} is read since {} now\n  read       {}\n  delivered  {}\n",
        moment::shown(report.since),
        report.read,
        report.delivered,
    )
}

/// What `--json` prints. Keys are only ever added.
#[derive(Serialize)]
struct Json<'a> {
    source: &'a str,
    since: String,
    until: String,
    read: u64,
    delivered: u64,
}

fn json(source: &str, report: &BackfillReport) -> anyhow::Result<String> {
    let json = Json {
        source,
        since: moment::shown(report.since),
        until: moment::shown(report.until),
        read: report.read,
        delivered: report.delivered,
    };
    Ok(format!("{}\n", serde_json::to_string_pretty(&json)?))
}
