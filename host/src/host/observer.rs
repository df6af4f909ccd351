//! Takes the picture of a running host that status, metrics and health are made of.

use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

use super::{Host, Roster};
use crate::gate::GateStats;
use crate::pipeline::{Failure, OutputStatus, Phase, Pipeline, SourceStatus, Status, Vitals};
use crate::plugin::Meter;
use crate::stage::Crash;
use crate::telemetry::overview::{
    BudgetView, LedgerView, OutputView, Overview, PhaseView, PluginView, Process, ReloadView,
    RequestsView, RetentionView, SilenceView, SourceView, StateView, Trouble, bounded,
};
use crate::telemetry::process::Usage;

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// Looks at a running host. Looking makes no record wait: it reads counters and the newest snapshot of the pipeline.
pub struct Observer {
    started: (SystemTime, Instant),
    folder: String,
    listen: Option<SocketAddr>,
    status: watch::Receiver<Status>,
    roster: Roster,
    reloads: watch::Receiver<Option<ReloadView>>,
}

impl Host {
    /// An observer of this pipeline, which was made by [`Host::pipeline`]. `listen` is where health and metrics are
    /// served, if they are.
    pub fn observer(&self, pipeline: &Pipeline, listen: Option<SocketAddr>) -> Observer {
        Observer {
            started: (SystemTime::now(), Instant::now()),
            folder: self.state.folder().display().to_string(),
            listen,
            status: pipeline.status(),
            roster: self.roster.clone(),
            // Nobody reloads until somebody says so.
            reloads: watch::Sender::default().subscribe(),
        }
    }
}

impl Observer {
    /// Tells of the newest reload, too.
    pub fn with_reloads(self, reloads: watch::Receiver<Option<ReloadView>>) -> Self {
        Self { reloads, ..self }
    }

    /// Everything as it is now.
    pub fn overview(&self) -> Overview {
        let status = self.status.borrow().clone();
        let sources = status.sources.iter().map(|source| self.source(source));
        Overview {
            process: self.process(&status),
            state: StateView {
                folder: self.folder.clone(),
                failing: status.state.as_ref().map(trouble),
            },
            sources: sources.collect(),
            outputs: status.outputs.iter().map(output).collect(),
            reload: self.reloads.borrow().clone(),
        }
    }

    fn process(&self, status: &Status) -> Process {
        let (wall, clock) = self.started;
        let since_1970 = wall.duration_since(UNIX_EPOCH).unwrap_or_default();
        Process {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            started_at: since_1970.as_secs(),
            uptime_seconds: clock.elapsed().as_secs_f64(),
            listen: self.listen.map(|listen| listen.to_string()),
            heartbeat_seconds: status.taken.map(|taken| taken.elapsed().as_secs_f64()),
            usage: Usage::now(),
        }
    }

    fn source(&self, status: &SourceStatus) -> SourceView {
        let mut view = source(status);
        if let Some(source) = self.roster.get(&status.name) {
            let stats = source.gate().stats();
            view.budget = budget(&stats);
            view.held_seconds = stats.hold.as_ref().map(|hold| hold.lasts.as_secs_f64());
            view.requests = requests(stats);
            view.plugin = plugin(source.meter());
        }
        view
    }
}

fn source(status: &SourceStatus) -> SourceView {
    let vitals = &status.vitals;
    let restarts = Crash::ALL.iter().map(|crash| {
        let count = status.restarts.get(crash).copied().unwrap_or(0);
        (crash.as_str().to_owned(), count)
    });
    SourceView {
        name: status.name.to_string(),
        state: phase(&status.phase, vitals.to_go),
        records: status.records,
        bytes: status.bytes,
        refused: status.refused,
        settled: status.settled,
        dead_letters: status.dead,
        unsettled: status.unsettled,
        repeated: status.repeated,
        differing: status.differing,
        ledger: LedgerView {
            records: status.ledger.ids,
            bytes: status.ledger.bytes(),
            complete_since_at: status.ledger.complete_since.map(seconds),
        },
        records_per_minute: vitals.per_minute,
        reached_at: status.reached.map(seconds),
        settled_at: vitals.settled_until.map(seconds),
        lag_seconds: vitals
            .settled_until
            .map(|moment| now().saturating_sub(seconds(moment))),
        silence: SilenceView {
            last_record_at: vitals.last_record.map(seconds),
            limit_seconds: vitals.silence_limit.map(|limit| limit.as_secs()),
            silent_seconds: vitals.silent_for.map(|silent| silent.as_secs()),
        },
        retention: retention(vitals),
        restarts: restarts.collect(),
        ..SourceView::default()
    }
}

fn retention(vitals: &Vitals) -> Option<RetentionView> {
    let expiry = vitals.expiry;
    Some(RetentionView {
        keeps_seconds: vitals.retention?.as_secs(),
        left_seconds: expiry.map(|expiry| expiry.left.as_secs()),
        passes_in_seconds: expiry.and_then(|expiry| Some(expiry.passes_in?.as_secs())),
    })
}

fn output(status: &OutputStatus) -> OutputView {
    OutputView {
        name: status.name.to_string(),
        state: phase(&status.phase, None),
        records: status.records,
        bytes: status.bytes,
        refused: status.refused,
        records_per_minute: status.per_minute,
        queued_records: status.queued_records as u64,
        queued_bytes: status.queued_bytes as u64,
        last_error: status.last_error.as_ref().map(trouble),
    }
}

fn phase(phase: &Phase, to_go: Option<Duration>) -> PhaseView {
    match phase {
        Phase::Starting => PhaseView::Starting,
        Phase::Backfill { .. } => PhaseView::Backfill {
            share: phase.share(),
            to_go_seconds: to_go.map(|to_go| to_go.as_secs()),
        },
        Phase::Live => PhaseView::Live,
        Phase::Waiting { until, reason } => PhaseView::Waiting {
            until_at: until.map(seconds),
            reason: bounded(reason),
        },
        Phase::Failing(failure) => PhaseView::Failing(trouble(failure)),
        Phase::Stopped { why } => PhaseView::Stopped { why: bounded(why) },
        Phase::Finished => PhaseView::Finished,
    }
}

fn trouble(failure: &Failure) -> Trouble {
    Trouble {
        why: bounded(&failure.why),
        since_at: seconds(failure.since),
    }
}

fn requests(stats: GateStats) -> RequestsView {
    RequestsView {
        by_status: stats.answers,
        unanswered: stats.failed,
        refused: stats.refused,
        bytes: stats.bytes,
    }
}

/// The budget that is nearest to its end, of those that the source's needs have.
fn budget(stats: &GateStats) -> Option<BudgetView> {
    let budgets = stats.budgets.iter().map(|(_, budget)| budget);
    let least = budgets.min_by_key(|budget| budget.remaining)?;
    Some(BudgetView {
        limit: least.limit,
        remaining: least.remaining,
        resets_in_seconds: least.resets_in.map(|left| left.as_secs_f64()),
    })
}

fn plugin(meter: &Meter) -> PluginView {
    PluginView {
        instances: meter.instances(),
        memory_bytes: meter.memory(),
        memory_peak_bytes: meter.memory_peak(),
        busy_seconds: meter.busy().as_secs_f64(),
    }
}

fn seconds(nanos: u64) -> u64 {
    nanos / NANOS_PER_SECOND
}

fn now() -> u64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
    since_1970.unwrap_or_default().as_secs()
}
