//! `logweir audit`: what does a source have that was never delivered?

use std::fmt::Write;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::bail;
use jiff::Timestamp;
use logweir::config::Loaded;
use logweir::control::{Answer, Request};
use logweir::pipeline::{AuditError, AuditProgress, AuditReport, AuditRequest, AuditStep, Missing};
use logweir::state::State;
use logweir::telemetry::escape;
use serde::Serialize;

use super::moment::{self, Moment};
use super::progress::Screen;
use super::{Common, errand, validate};

const EXAMPLES: &str = "\
Examples:
  logweir audit acme                compare the last 7 days with what was delivered
  logweir audit acme --since 1d     less of it
  logweir audit acme --fix          deliver what is missing
  logweir audit acme --json         for programs

What is new is followed meanwhile. A running host is asked to do it; with `audit: { every: 1d }` it
does so by itself. Ctrl-C interrupts it; the same command goes on where it was.
Exit codes: 0 everything is delivered, 1 something is missing or the audit failed.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Name of the source.
    source: String,
    /// Where to begin: a time, or how long ago, as for `state rewind`.
    #[arg(long, value_name = "TIME", default_value = "7d")]
    since: Moment,
    /// Deliver what is missing.
    #[arg(long)]
    fix: bool,
    /// Print what was found as JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(common: &Common, args: &Args) -> anyhow::Result<ExitCode> {
    let loaded = Loaded::load(&common.config).map_err(validate::usage)?;
    super::start_log(common, &loaded.plan, &Screen::Nothing)?;
    errand::check_source(&loaded, &args.source)?;
    let request = AuditRequest {
        source: args.source.as_str().into(),
        since: args.since.before(Timestamp::now())?,
        fix: args.fix,
        as_far_as_known: false,
    };
    // What can't be audited need not be read either.
    match State::open_existing(&loaded.plan.state)? {
        Some(state) => request.known(&state).map(drop)?,
        None => return Err(AuditError::NothingKnown(request.source).into()),
    }
    let request = Request::Audit {
        source: args.source.clone(),
        since: request.since,
        fix: request.fix,
    };
    let mut teller = Teller::new(common.quiet);
    let answer = errand::run(&loaded, &args.source, &request, |news| teller.hear(news))?;
    let Answer::Audit(report) = answer else {
        bail!("the host answered something else than was asked");
    };
    let text = if args.json {
        json(&args.source, &report)?
    } else {
        page(&args.source, &report)?
    };
    super::print(&text)?;
    Ok(if report.missing == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Says what an audit is doing: that it begins, once for each step, and now and then how far it is.
struct Teller {
    quiet: bool,
    begun: bool,
    step: AuditStep,
    said: Instant,
}

impl Teller {
    fn new(quiet: bool) -> Self {
        Self {
            quiet,
            begun: false,
            step: AuditStep::Queued,
            said: Instant::now(),
        }
    }

    fn hear(&mut self, news: &Answer) {
        let Answer::AuditProgress(progress) = news else {
            return;
        };
        let before = std::mem::replace(&mut self.step, progress.step);
        if !self.begun && progress.step != AuditStep::Queued {
            self.begun = true;
            self.say(&begins(progress));
        }
        let line = match progress.step {
            step if step != before => said_of(progress),
            _ if self.said.elapsed() >= errand::SILENCE_MAX => so_far(progress),
            _ => None,
        };
        if let Some(line) = line {
            self.say(&line);
        }
    }

    fn say(&mut self, line: &str) {
        self.said = Instant::now();
        if !self.quiet {
            super::tell(line);
        }
    }
}

fn begins(progress: &AuditProgress) -> String {
    let (since, until) = (moment::shown(progress.since), moment::shown(progress.until));
    match progress.resumed {
        true => format!("going on with an interrupted audit of {since} to {until}"),
        false => format!("reading {since} to {until} again"),
    }
}

fn said_of(progress: &AuditProgress) -> Option<String> {
    match progress.step {
        AuditStep::Queued | AuditStep::Reading | AuditStep::Done => None,
        AuditStep::WaitingForLive => Some(format!(
            "{} compared, {} unknown; waiting whether they are on their way",
            progress.read, progress.suspects
        )),
        AuditStep::Delivering => Some("delivering what is missing".to_owned()),
    }
}

fn so_far(progress: &AuditProgress) -> Option<String> {
    if progress.step == AuditStep::Queued {
        return Some(errand::QUEUED.to_owned());
    }
    let reached = moment::shown(progress.reached?);
    Some(format!(
        "{} compared, up to {reached}; {} unknown so far",
        progress.read, progress.suspects
    ))
}

/// What was found, and behind it, where it stays in sight, how much that is.
fn page(source: &str, report: &AuditReport) -> anyhow::Result<String> {
    let mut text = String::new();
    for missing in &report.named {
        let what = match missing.fixed {
            true => "delivered",
            false => "missing  ",
        };
        let id = match missing.id.as_str() {
            "" => "(no id)",
            id => id,
        };
        let (id, published) = (escape::line(id), moment::shown(missing.published));
        let late = late(missing);
        writeln!(
            text,
            "{what}  {id}  published {published}, persisted at most {late} later"
        )?;
    }
    let named = report.named.len() as u64;
    if named < report.missing + report.fixed {
        writeln!(text, "and {} more", report.missing + report.fixed - named)?;
    }
    writeln!(
        text,
        "audit of {source}, {} to {}\n  compared   {}\n  missing    {}\n  delivered  {} of what was missing",
        moment::shown(report.since),
        moment::shown(report.until),
        report.read,
        report.missing,
        report.fixed,
    )?;
    if report.differing > 0 {
        let differing = report.differing;
        writeln!(
            text,
            "  differing  {differing} were delivered with other bytes"
        )?;
    }
    if report.missing > 0 {
        writeln!(
            text,
            "`logweir audit {source} --fix` delivers what is missing"
        )?;
    }
    Ok(text)
}

/// How late a record was persisted at most, to the second.
fn late(missing: &Missing) -> String {
    let seconds = late_seconds(missing);
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (hours, minutes, seconds) = (rest / 3_600, rest / 60 % 60, rest % 60);
    match days {
        0 => format!("{hours}:{minutes:02}:{seconds:02}"),
        _ => format!("{days}d {hours}:{minutes:02}:{seconds:02}"),
    }
}

fn late_seconds(missing: &Missing) -> u64 {
    missing.seen.saturating_sub(missing.published) / 1_000_000_000
}

/// What `--json` prints. Keys are only ever added.
#[derive(Serialize)]
struct Json<'a> {
    source: &'a str,
    since: String,
    until: String,
    complete: bool,
    compared: u64,
    missing: u64,
    delivered: u64,
    differing: u64,
    records: Vec<JsonRecord<'a>>,
}

#[derive(Serialize)]
struct JsonRecord<'a> {
    id: &'a str,
    published: String,
    persisted_before: String,
    late_seconds_max: u64,
    delivered: bool,
}

fn json(source: &str, report: &AuditReport) -> anyhow::Result<String> {
    let record = |missing| {
        let Missing {
            id,
            published,
            seen,
            fixed,
        }: &Missing = missing;
        JsonRecord {
            id,
            published: moment::shown(*published),
            persisted_before: moment::shown(*seen),
            late_seconds_max: late_seconds(missing),
            delivered: *fixed,
        }
    };
    let json = Json {
        source,
        since: moment::shown(report.since),
        until: moment::shown(report.until),
        complete: report.missing == 0,
        compared: report.read,
        missing: report.missing,
        delivered: report.fixed,
        differing: report.differing,
        records: report.named.iter().map(record).collect(),
    };
    Ok(format!("{}\n", serde_json::to_string_pretty(&json)?))
}
