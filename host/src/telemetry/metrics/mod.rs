//! The picture of a running host as Prometheus text (OpenMetrics 1.0).
//!
//! Nothing is counted here: counters are where things happen, and are read when somebody scrapes. A counter counts what
//! it is named after: `…_source_records` are records that sources read, `…_source_requests` requests that went out,
//! answered or not, and a request that was tried again is two requests and no record.
//!
//! Names: `logweir_`, what it is about, what is counted, its unit; counters end in `_total`. Labels are names from the
//! configuration, status codes, and words of ours: as many series as the configuration is long, whatever peers say.

mod families;
mod source;

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, text};
use prometheus_client::registry::Registry;

use self::families::{Families, Labels, Value, known, phases, single};
use super::health;
use super::overview::{OutputView, Overview, Process};

/// The media type of [`render`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The metrics of one moment.
pub fn render(overview: Overview) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Picture(overview)));
    let mut page = String::new();
    text::encode(&mut page, &registry)?;
    Ok(page)
}

#[derive(Debug)]
struct Picture(Overview);

impl Collector for Picture {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Self(overview) = self;
        let mut families = Families::new(encoder);
        of_process(&mut families, &overview.process)?;
        of_host(&mut families, overview)?;
        source::encode(&mut families, &overview.sources)?;
        of_outputs(&mut families, &overview.outputs)
    }
}

fn of_process(page: &mut Families<'_>, process: &Process) -> fmt::Result {
    let version: [(Labels<'_, 1>, Value); 1] =
        [([("version", process.version.as_str())], Value::Whole(1))];
    page.gauge("logweir_build_info", "The version that runs.", version)?;
    let uptime = single(process.uptime_seconds);
    page.gauge(
        "logweir_uptime_seconds",
        "Time since the program started.",
        uptime,
    )?;
    let usage = process.usage;
    page.gauge(
        "logweir_process_resident_memory_bytes",
        "Memory that the process has in use.",
        known(usage.resident_bytes),
    )?;
    page.counter(
        "logweir_process_cpu_seconds",
        "CPU time of the process.",
        known(usage.cpu_seconds),
    )?;
    page.gauge(
        "logweir_process_open_files",
        "Files and sockets that the process has open.",
        known(usage.open_files),
    )
}

fn of_host(page: &mut Families<'_>, overview: &Overview) -> fmt::Result {
    page.gauge(
        "logweir_ready",
        "Whether everything works: 1, or 0 as /readyz explains.",
        single(health::readiness(overview).ready),
    )?;
    page.gauge(
        "logweir_state_writable",
        "Whether checkpoints can be stored; nothing is read while they can't.",
        single(overview.state.failing.is_none()),
    )?;
    page.gauge(
        "logweir_configuration_current",
        "Whether what runs is what the configuration says: 0 after a reload that was refused.",
        single(overview.reload.as_ref().is_none_or(|reload| reload.applied)),
    )
}

fn of_outputs(page: &mut Families<'_>, outputs: &[OutputView]) -> fmt::Result {
    let each = |value: fn(&OutputView) -> u64| {
        outputs.iter().map(move |output| {
            (
                [("output", output.name.as_str())],
                Value::Whole(value(output)),
            )
        })
    };
    let phases = outputs
        .iter()
        .flat_map(|output| phases("output", &output.name, &output.state));
    page.gauge(
        "logweir_output_phase",
        "What an output is doing: 1 for what it does.",
        phases,
    )?;
    page.counter(
        "logweir_output_records",
        "Records delivered, those included that the output refused.",
        each(|o| o.records),
    )?;
    page.counter(
        "logweir_output_bytes",
        "Bytes of the records delivered.",
        each(|o| o.bytes),
    )?;
    page.counter(
        "logweir_output_refused_records",
        "Records that the output refused.",
        each(|o| o.refused),
    )?;
    page.gauge(
        "logweir_output_queue_records",
        "Records that wait for the output or are being written.",
        each(|o| o.queued_records),
    )?;
    page.gauge(
        "logweir_output_queue_bytes",
        "Memory that these take.",
        each(|o| o.queued_bytes),
    )
}

#[cfg(test)]
mod tests {
    use super::super::overview::{BudgetView, PhaseView, RetentionView, SilenceView, SourceView};
    use super::*;

    fn full_picture() -> Overview {
        let mut overview = Overview::default();
        overview.process.version = "1.2.3".to_owned();
        overview.process.usage.resident_bytes = Some(1);
        overview.process.usage.cpu_seconds = Some(0.5);
        overview.process.usage.open_files = Some(9);
        let mut source = SourceView {
            name: "acme".to_owned(),
            state: PhaseView::Backfill {
                share: Some(0.25),
                to_go_seconds: None,
            },
            reached_at: Some(1),
            lag_seconds: Some(2),
            restarts: [("memory".to_owned(), 0)].into(),
            silence: SilenceView {
                last_record_at: Some(3),
                limit_seconds: Some(4),
                silent_seconds: None,
            },
            retention: Some(RetentionView {
                keeps_seconds: 9,
                left_seconds: Some(8),
                passes_in_seconds: None,
            }),
            budget: Some(BudgetView {
                limit: 60,
                remaining: 34,
                resets_in_seconds: None,
            }),
            ..SourceView::default()
        };
        source.requests.by_status.insert(200, 5);
        overview.sources.push(source);
        overview.outputs.push(OutputView {
            name: "archive".to_owned(),
            ..OutputView::default()
        });
        overview
    }

    #[test]
    fn names_stay_as_they_are() {
        let page = render(full_picture()).unwrap();
        let types: Vec<_> = page
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE "))
            .collect();
        insta::assert_snapshot!(types.join("\n"), @r"
        logweir_build_info gauge
        logweir_uptime_seconds gauge
        logweir_process_resident_memory_bytes gauge
        logweir_process_cpu_seconds counter
        logweir_process_open_files gauge
        logweir_ready gauge
        logweir_state_writable gauge
        logweir_configuration_current gauge
        logweir_source_phase gauge
        logweir_source_records counter
        logweir_source_bytes counter
        logweir_source_refused_records counter
        logweir_source_settled_records counter
        logweir_source_dead_letter_records counter
        logweir_source_repeated_records counter
        logweir_source_differing_records counter
        logweir_source_refused_requests counter
        logweir_source_response_bytes counter
        logweir_source_unsettled_records gauge
        logweir_source_ledger_records gauge
        logweir_source_ledger_bytes gauge
        logweir_source_backfill_ratio gauge
        logweir_source_checkpoint_lag_seconds gauge
        logweir_source_newest_record_timestamp_seconds gauge
        logweir_source_last_arrival_timestamp_seconds gauge
        logweir_source_silent gauge
        logweir_source_silence_limit_seconds gauge
        logweir_source_retention_left_seconds gauge
        logweir_source_expiring gauge
        logweir_source_held_seconds gauge
        logweir_source_budget_limit_requests gauge
        logweir_source_budget_remaining_requests gauge
        logweir_plugin_instances gauge
        logweir_plugin_memory_bytes gauge
        logweir_plugin_memory_peak_bytes gauge
        logweir_plugin_busy_seconds counter
        logweir_source_restarts counter
        logweir_source_requests counter
        logweir_output_phase gauge
        logweir_output_records counter
        logweir_output_bytes counter
        logweir_output_refused_records counter
        logweir_output_queue_records gauge
        logweir_output_queue_bytes gauge
        ");
        for line in page.lines().filter(|line| line.starts_with("# TYPE ")) {
            assert!(line.starts_with("# TYPE logweir_"), "{line}");
        }
    }

    #[test]
    fn every_family_has_a_sample_and_no_label_is_a_word_of_others() {
        let page = render(full_picture()).unwrap();
        let samples: Vec<_> = page.lines().filter(|line| !line.starts_with('#')).collect();
        for family in page.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
            let name = family.split(' ').next().unwrap();
            assert!(
                samples.iter().any(|sample| sample.starts_with(name)),
                "{name}"
            );
        }
        let known = ["source", "output", "phase", "reason", "status", "version"];
        for sample in samples {
            let Some((_, labels)) = sample.split_once('{') else {
                continue;
            };
            for label in labels.split('}').next().unwrap().split(',') {
                let name = label.split('=').next().unwrap();
                assert!(known.contains(&name), "{sample}");
            }
        }
    }

    #[test]
    fn trap_30_an_error_of_a_peer_is_no_label() {
        let mut overview = full_picture();
        let why = "https://acme.example.com/api?after=cursor".to_owned();
        overview.sources[0].state = PhaseView::Stopped { why: why.clone() };
        overview.outputs[0].state = PhaseView::Waiting {
            until_at: None,
            reason: why,
        };
        assert!(!render(overview).unwrap().contains("cursor"));
    }

    #[test]
    fn trap_33_a_value_stands_behind_the_name_of_what_it_counts() {
        let page = render(full_picture()).unwrap();
        for line in [
            "logweir_source_requests_total{source=\"acme\",status=\"200\"} 5",
            "logweir_source_requests_total{source=\"acme\",status=\"none\"} 0",
            "logweir_source_records_total{source=\"acme\"} 0",
            "logweir_source_backfill_ratio{source=\"acme\"} 0.25",
            "logweir_source_phase{source=\"acme\",phase=\"backfill\"} 1",
            "logweir_source_phase{source=\"acme\",phase=\"live\"} 0",
            "logweir_source_budget_remaining_requests{source=\"acme\"} 34",
        ] {
            assert!(page.lines().any(|found| found == line), "{line}\n{page}");
        }
        assert!(page.ends_with("# EOF\n"));
    }
}
