//! `logweir audit`: what does a source have that was never delivered?

use std::fmt::Write;
use std::process::ExitCode;

use anyhow::Context;
use jiff::Timestamp;
use logweir::config::{Loaded, suggestion};
use logweir::host::{Host, HostError, Routed};
use logweir::pipeline::{
    AuditError, AuditProgress, AuditReport, AuditRequest, AuditStep, Missing, Options, Pipeline,
};
use logweir::state::{State, StateError};
use logweir::telemetry::escape;
use serde::Serialize;
use tokio::sync::watch;

use super::moment::{self, Moment};
use super::progress::Screen;
use super::signals::Signals;
use super::{Common, Usage, validate};

const EXAMPLES: &str = "\
Examples:
  logweir audit acme                compare the last 7 days with what was delivered
  logweir audit acme --since 1d     less of it
  logweir audit acme --fix          deliver what is missing
  logweir audit acme --json         for programs

What is new is followed meanwhile. A running host audits by itself: `audit: { every: 1d }`.
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
    let names = loaded.plan.sources.iter().map(|source| &*source.name);
    let names: Vec<_> = names.collect();
    if !names.contains(&args.source.as_str()) {
        let advice = suggestion(&args.source, &names, "there is").unwrap_or_default();
        let source = escape::line(&args.source);
        return Err(Usage(format!("there is no source `{source}`; {advice}")).into());
    }
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
    let report = super::block_on(audit(&loaded, request, common.quiet))?;
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

/// Runs the source, and the audit beside it, until that has ended.
async fn audit(loaded: &Loaded, request: AuditRequest, quiet: bool) -> anyhow::Result<AuditReport> {
    let signals = Signals::listen()?;
    let host = Host::prepare(&loaded.plan)
        .await
        .map_err(|error| super::usage_of(loaded, error))?;
    let outputs = loaded.plan.outputs.iter().map(Routed::planned).collect();
    let options = Options {
        only: Some(request.source.clone()),
        ..Options::default()
    };
    let (pipeline, _lock) = host
        .pipeline(&loaded.plan, outputs, options)
        .map_err(locked)?;
    let handle = pipeline.handle();
    let asked = async {
        let run = handle.audit(request)?;
        let shown = show(run.progress.clone(), quiet);
        let outcome = async {
            let outcome = run.outcome().await;
            signals.stop.cancel();
            outcome
        };
        tokio::join!(shown, outcome).1
    };
    let (outcome, ended) = tokio::join!(asked, follow(pipeline, &signals));
    ended?;
    Ok(outcome.map_err(|error: AuditError| error)?)
}

/// Runs the pipeline; when it ends before the audit does, that is why the audit does not.
async fn follow(pipeline: Pipeline, signals: &Signals) -> anyhow::Result<()> {
    let report = pipeline
        .run(signals.stop.clone(), signals.reopen())
        .await
        .context("the source can't be read")?;
    if report.failed {
        super::run::conclude(&report);
    }
    Ok(())
}

/// The state has one owner; this one can't be asked.
fn locked(error: HostError) -> anyhow::Error {
    let held = matches!(&error, HostError::State(StateError::Locked { .. }));
    let error = anyhow::Error::from(error);
    if held {
        return error.context(
            "a running host audits by itself, with `audit: { every: 1d }` in its configuration; to audit now, stop it",
        );
    }
    error
}

/// Says what it is doing, once for each step.
async fn show(mut progress: watch::Receiver<AuditProgress>, quiet: bool) {
    let mut said = None;
    loop {
        let now = progress.borrow_and_update().clone();
        if said != Some(now.step) && !quiet {
            said = Some(now.step);
            if let Some(line) = said_of(&now) {
                super::tell(&line);
            }
        }
        if now.step == AuditStep::Done || progress.changed().await.is_err() {
            return;
        }
    }
}

fn said_of(progress: &AuditProgress) -> Option<String> {
    let (since, until) = (moment::shown(progress.since), moment::shown(progress.until));
    Some(match progress.step {
        AuditStep::Queued | AuditStep::Done => return None,
        AuditStep::Reading if progress.resumed => {
            format!("going on with an interrupted audit of {since} to {until}")
        }
        AuditStep::Reading => format!("reading {since} to {until} again"),
        AuditStep::WaitingForLive => format!(
            "{} compared, {} unknown; waiting whether they are on their way",
            progress.read, progress.suspects
        ),
        AuditStep::Delivering => "delivering what is missing".to_owned(),
    })
}

fn page(source: &str, report: &AuditReport) -> anyhow::Result<String> {
    let mut text = format!(
        "audit of {source}, {} to {}\n  compared   {}\n  missing    {}\n  delivered  {} of what was missing\n",
        moment::shown(report.since),
        moment::shown(report.until),
        report.read,
        report.missing,
        report.fixed,
    );
    if report.differing > 0 {
        writeln!(
            text,
            "  differing  {} were delivered with other bytes",
            report.differing
        )?;
    }
    for missing in &report.named {
        let what = if missing.fixed {
            "delivered"
        } else {
            "missing  "
        };
        writeln!(
            text,
            "{what}  {}  published {}, persisted {} later at most",
            escape::line(if missing.id.is_empty() {
                "(no id)"
            } else {
                &missing.id
            }),
            moment::shown(missing.published),
            late(missing),
        )?;
    }
    let named = report.named.len() as u64;
    if named < report.missing + report.fixed {
        writeln!(text, "and {} more", report.missing + report.fixed - named)?;
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
