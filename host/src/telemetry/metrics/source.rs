//! What is measured of each source.

use std::fmt;

use super::families::{Families, Labels, Value, phases};
use crate::telemetry::health;
use crate::telemetry::overview::{PhaseView, SourceView};

/// A name, a help text, and what is counted. Each sample's name gets a `_total`.
type Counter = (&'static str, &'static str, fn(&SourceView) -> u64);

const COUNTERS: [Counter; 9] = [
    ("logweir_source_records", "Records read.", |s| s.records),
    ("logweir_source_bytes", "Bytes of the records read.", |s| {
        s.bytes
    }),
    (
        "logweir_source_refused_records",
        "Records read that could not be records.",
        |s| s.refused,
    ),
    (
        "logweir_source_settled_records",
        "Records that every output has, behind the stored checkpoint.",
        |s| s.settled,
    ),
    (
        "logweir_source_dead_letter_records",
        "Settled records that went to the dead letter.",
        |s| s.dead_letters,
    ),
    (
        "logweir_source_repeated_records",
        "Records that came again and were not delivered again.",
        |s| s.repeated,
    ),
    (
        "logweir_source_differing_records",
        "Records that came again with other bytes.",
        |s| s.differing,
    ),
    (
        "logweir_source_refused_requests",
        "Requests of the plugin that it may not make, and that did not go out.",
        |s| s.requests.refused,
    ),
    (
        "logweir_source_response_bytes",
        "Bytes of answers, decompressed.",
        |s| s.requests.bytes,
    ),
];

/// A name, a help text, and what is measured; no sample where it is not known.
type Gauge = (&'static str, &'static str, fn(&SourceView) -> Option<f64>);

const GAUGES: [Gauge; 17] = [
    (
        "logweir_source_unsettled_records",
        "Records on their way.",
        |s| Some(s.unsettled as f64),
    ),
    (
        "logweir_source_ledger_records",
        "Delivered records that are remembered.",
        |s| Some(s.ledger.records as f64),
    ),
    (
        "logweir_source_ledger_bytes",
        "What that takes on the disk.",
        |s| Some(s.ledger.bytes as f64),
    ),
    (
        "logweir_source_backfill_ratio",
        "How much of the past has been read, from 0 to 1.",
        share,
    ),
    (
        "logweir_source_checkpoint_lag_seconds",
        "How long ago that is up to which everything is settled.",
        |s| s.lag_seconds.map(|seconds| seconds as f64),
    ),
    (
        "logweir_source_newest_record_timestamp_seconds",
        "How far it was read, by the times of its records: while the past is read, how far that is.",
        |s| s.reached_at.map(|at| at as f64),
    ),
    (
        "logweir_source_last_arrival_timestamp_seconds",
        "When the newest record came.",
        |s| s.silence.last_record_at.map(|at| at as f64),
    ),
    (
        "logweir_source_silent",
        "Whether nothing came for too long.",
        |s| Some(f64::from(s.silence.silent_seconds.is_some())),
    ),
    (
        "logweir_source_silence_limit_seconds",
        "How long is too long.",
        |s| s.silence.limit_seconds.map(|seconds| seconds as f64),
    ),
    (
        "logweir_source_retention_left_seconds",
        "Until the system that is read forgets what is not settled.",
        |s| Some(s.retention.as_ref()?.left_seconds? as f64),
    ),
    (
        "logweir_source_expiring",
        "Whether that is near, and comes nearer.",
        |s| Some(f64::from(health::expiry(s).is_some())),
    ),
    (
        "logweir_source_held_seconds",
        "For how long requests are held back from now on.",
        |s| Some(s.held_seconds.unwrap_or(0.0)),
    ),
    (
        "logweir_source_budget_limit_requests",
        "Requests that the system that is read allows in a window.",
        |s| Some(s.budget.as_ref()?.limit as f64),
    ),
    (
        "logweir_source_budget_remaining_requests",
        "Requests that are left in this window.",
        |s| Some(s.budget.as_ref()?.remaining as f64),
    ),
    (
        "logweir_plugin_instances",
        "Instances of a source's plugin that are alive.",
        |s| Some(s.plugin.instances as f64),
    ),
    (
        "logweir_plugin_memory_bytes",
        "Memory of these instances.",
        |s| Some(s.plugin.memory_bytes as f64),
    ),
    (
        "logweir_plugin_memory_peak_bytes",
        "The most memory that they ever had.",
        |s| Some(s.plugin.memory_peak_bytes as f64),
    ),
];

/// The word for requests that got no answer, among status codes.
const UNANSWERED: &str = "none";

/// Writes everything about all sources.
pub(super) fn encode(page: &mut Families<'_>, sources: &[SourceView]) -> fmt::Result {
    let phases = sources
        .iter()
        .flat_map(|source| phases("source", &source.name, &source.state));
    page.gauge(
        "logweir_source_phase",
        "What a source is doing: 1 for what it does.",
        phases,
    )?;
    for (name, help, count) in COUNTERS {
        let samples = sources.iter().map(|s| (labels(s), count(s).into()));
        page.counter(name, help, samples)?;
    }
    for (name, help, measure) in GAUGES {
        let sample = |s| Some((labels(s), whole(measure(s)?)));
        page.gauge(name, help, sources.iter().filter_map(sample))?;
    }
    let busy = |s| (labels(s), Value::Real(s.plugin.busy_seconds));
    page.counter(
        "logweir_plugin_busy_seconds",
        "Time spent in a source's plugin, its waits left out.",
        sources.iter().map(busy),
    )?;
    restarts(page, sources)?;
    requests(page, sources)
}

fn labels(source: &SourceView) -> Labels<'_, 1> {
    [("source", &source.name)]
}

/// Without a fraction where there is none: sizes and moments are read by people too.
fn whole(value: f64) -> Value {
    let is_whole = value.fract() == 0.0 && (0.0..9e15).contains(&value);
    if is_whole {
        Value::Whole(value as u64)
    } else {
        Value::Real(value)
    }
}

fn share(source: &SourceView) -> Option<f64> {
    match source.state {
        PhaseView::Backfill { share, .. } => share,
        _ => None,
    }
}

fn restarts(page: &mut Families<'_>, sources: &[SourceView]) -> fmt::Result {
    let samples = sources.iter().flat_map(|source| {
        let restarts = source.restarts.iter();
        restarts.map(|(reason, count)| {
            let labels = [("source", source.name.as_str()), ("reason", reason)];
            (labels, Value::Whole(*count))
        })
    });
    page.counter(
        "logweir_source_restarts",
        "How often a plugin's instance was ended, and why.",
        samples,
    )
}

fn requests(page: &mut Families<'_>, sources: &[SourceView]) -> fmt::Result {
    let counts = sources.iter().flat_map(|source| {
        let requests = &source.requests;
        let answered = requests.by_status.iter();
        let answered = answered.map(|(status, count)| (status.to_string(), *count));
        let all = answered.chain([(UNANSWERED.to_owned(), requests.unanswered)]);
        all.map(|(status, count)| (source.name.as_str(), status, count))
    });
    let counts: Vec<_> = counts.collect();
    let samples = counts.iter().map(|(source, status, count)| {
        let labels = [("source", *source), ("status", status.as_str())];
        (labels, Value::Whole(*count))
    });
    page.counter(
        "logweir_source_requests",
        "Requests that went out, by the status of their answer.",
        samples,
    )
}
