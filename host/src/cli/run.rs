//! `logweir run`.

use std::path::Path;
use std::process::ExitCode;

use logweir::config::{self, Loaded, Plan};
use logweir::host::{Host, Routed};
use logweir::output::OutputPlan;
use logweir::pipeline::{Options, OutputEnd, Report, SourceEnd};

use super::progress::{self, Screen};
use super::reloads::Reloads;
use super::serve::{Answers, Bound, Served};
use super::signals::Signals;
use super::{Common, validate};

const EXAMPLES: &str = "\
Examples:
  logweir run            read the past, then follow what is new; Ctrl-C stops and loses nothing
  logweir run --once     read everything up to now, deliver it, exit: for cron
  logweir status         from another terminal: how it is doing
  logweir reload         from another terminal: take up what changed in the configuration
  kill -HUP PID          open output files anew, after a log rotation, and reload

`--once` tries what can't be reached for a quarter of an hour. Started on a terminal, it stops when
that is closed.
What changes in the configuration is taken up a few seconds later, unless it says `reload: manual`.";

#[derive(Debug, Default, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Read until caught up, deliver, and exit: 0, or 1 when something failed.
    #[arg(long)]
    once: bool,
}

pub(crate) fn run(common: &Common, args: &Args) -> anyhow::Result<ExitCode> {
    // Before it is read: what changes meanwhile is another configuration.
    let stamp = config::stamp(&common.config, &[]);
    let loaded = validate::load(common)?;
    let screen = Screen::choose(common.quiet, records_on_terminal(&loaded.plan));
    super::start_log(common, &loaded.plan, &screen)?;
    for warning in loaded.warnings() {
        tracing::warn!(place = warning.position(), "{warning}");
    }
    super::open_files::allow(&loaded.plan);
    let options = Options {
        once: args.once,
        ..Options::default()
    };
    let outputs = loaded.plan.outputs.iter().map(Routed::planned).collect();
    let signals = Signals::listen()?;
    let report = super::block_on(async {
        let reload = (!args.once).then_some(Reload {
            config: &common.config,
            stamp,
        });
        follow(&loaded, outputs, options, screen, signals, reload).await
    })?;
    conclude(&report);
    Ok(if report.failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// A configuration that is taken up again when it changes.
pub(crate) struct Reload<'a> {
    /// Its main file.
    pub(crate) config: &'a Path,
    /// The stamp of its files before they were read.
    pub(crate) stamp: u64,
}

/// Runs a plan's sources into these outputs until they are done or a signal comes.
pub(crate) async fn follow(
    loaded: &Loaded,
    outputs: Vec<Routed>,
    options: Options,
    screen: Screen,
    signals: Signals,
    reload: Option<Reload<'_>>,
) -> anyhow::Result<Report> {
    let host = Host::prepare(&loaded.plan)
        .await
        .map_err(|error| super::usage_of(loaded, error))?;
    let (pipeline, lock) = host.pipeline(&loaded.plan, outputs, options)?;
    let bound = Bound::at(loaded.plan.listen).await?;
    let observer = host.observer(&pipeline, bound.as_ref().map(Bound::address));
    let (roster, state) = (host.roster.clone(), host.state.clone());
    let reloads = reload.map(|reload| {
        let config = reload.config.to_owned();
        let reloader = host.reloader(config, loaded, pipeline.handle());
        Reloads::start(reloader, reload, signals.reopen())
    });
    let observer = match &reloads {
        Some((reloads, _)) => observer.with_reloads(reloads.newest()),
        None => observer,
    };
    let (reloads, reloading) = reloads.unzip();
    let answers = Answers::new(observer, pipeline.handle(), reloads);
    let served = Served::start(bound, &state, &lock, answers);
    let shown = tokio::spawn(progress::show(screen, roster, pipeline.status()));
    let report = pipeline.run(signals.stop.clone(), signals.reopen()).await?;
    if let Some(reloading) = reloading {
        reloading.abort();
    }
    // The status it shows has ended with the pipeline.
    shown.await?;
    served.end().await;
    Ok(report)
}

/// Says how every source and output ended.
pub(crate) fn conclude(report: &Report) {
    for source in &report.sources {
        let (read, settled, dead) = (source.read, source.settled, source.dead);
        match &source.end {
            SourceEnd::CaughtUp => {
                tracing::info!(source = %source.name, read, settled, dead, "caught up")
            }
            SourceEnd::ShutDown => {
                tracing::info!(source = %source.name, read, settled, dead, "stopped as asked")
            }
            SourceEnd::Stopped(why) => {
                tracing::error!(source = %source.name, read, settled, dead, why, "stopped")
            }
        }
    }
    for output in &report.outputs {
        match &output.end {
            OutputEnd::Drained => {
                tracing::info!(output = %output.name, written = output.written, "delivered")
            }
            OutputEnd::Interrupted => {
                tracing::warn!(output = %output.name, "could not be given the rest in time; it is read again next time");
            }
            OutputEnd::Failed(why) => tracing::error!(output = %output.name, why, "failed"),
        }
    }
}

fn records_on_terminal(plan: &Plan) -> bool {
    use std::io::IsTerminal;
    let console = plan
        .outputs
        .iter()
        .any(|output| matches!(output.plan, OutputPlan::Console(_)));
    console && std::io::stdout().is_terminal()
}
