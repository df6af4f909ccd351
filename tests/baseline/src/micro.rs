//! What one event costs in a component, and natively, in one process.
//!
//! A component is timed through what the host calls, [`Reader::read`], so the cost of the call itself is in every
//! figure; it goes away in the difference between two readers that differ in one thing. Every round times all
//! variants, so that what else happens on the machine meets all of them; what is printed is the median of the rounds.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use logweir::gate::{Gate, GateConfig, GateLimits};
use logweir::http::{Clients, NetworkPolicy};
use logweir::plugin::{ComponentSource, Credentials, Limits, Plugin, Plugins};
use logweir::record::{self, Batch, Entry, Span};
use logweir::stage::{Reader, Source, Start};
use logweir_fixtures as fixtures;
use scan_fixture::Work;
use serde_json::json;

use crate::values;

/// As large as Okta's pages.
const EVENTS: u32 = 1000;
/// Scans of one timing, so that one lasts for milliseconds.
const SCANS: u32 = 10;
/// Calls of one timing, for the same reason.
const READS: u32 = 10;
const NAME: &str = "bench";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How often everything is timed.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
}

/// One line of the table: nanoseconds per event.
#[derive(Debug, serde::Serialize)]
pub(crate) struct Row {
    name: &'static str,
    guest_ns: f64,
    native_ns: f64,
}

pub(crate) async fn run(args: &Args) -> anyhow::Result<Vec<Row>> {
    let mut bench = Bench::new().await?;
    // The first round pays for first touches.
    bench.round().await?;
    let mut rounds = Vec::new();
    for _ in 0..args.rounds {
        rounds.push(bench.round().await?);
    }
    let median = |figure: fn(&Round) -> f64| median(rounds.iter().map(figure).collect());
    let scan_ns = median(|round| round.guest_scan);
    Ok(vec![
        Row {
            name: "page scan",
            guest_ns: scan_ns,
            native_ns: median(|round| round.native_scan),
        },
        Row {
            name: "page scan, native: serde_json",
            guest_ns: scan_ns,
            native_ns: median(|round| round.serde_scan),
        },
        Row {
            name: "batch to host",
            guest_ns: median(|round| round.guest_batch),
            native_ns: median(|round| round.native_batch),
        },
    ])
}

/// Nanoseconds per event.
struct Round {
    guest_scan: f64,
    native_scan: f64,
    serde_scan: f64,
    guest_batch: f64,
    native_batch: f64,
}

/// Everything that is timed.
struct Bench {
    /// Only makes its batch, and drops it.
    idle: Box<dyn Reader>,
    /// Scans before that.
    scanning: Box<dyn Reader>,
    /// Hands its batch over.
    handing: Box<dyn Reader>,
    native: Work,
}

impl Bench {
    async fn new() -> anyhow::Result<Self> {
        let plugins = Arc::new(Plugins::new(None)?);
        let plugin = plugins.load("scan", fixtures::scan().into(), None).await?;
        let mut handing = reader(&plugins, &plugin, 0, true).await?;
        let handed = handing.read().await?.batch;
        let native = Work::new(EVENTS)?;
        let texts = native.batch().records().filter_map(|(text, _)| text);
        let same = handed
            .records()
            .map(record::RecordRef::text)
            .eq(texts.map(str::as_bytes));
        ensure!(
            same && handed.len() == EVENTS as usize,
            "component and native found different events"
        );
        Ok(Self {
            idle: reader(&plugins, &plugin, 0, false).await?,
            scanning: reader(&plugins, &plugin, SCANS, false).await?,
            handing,
            native,
        })
    }

    async fn round(&mut self) -> anyhow::Result<Round> {
        let idle = per_event(read(&mut *self.idle).await?, READS);
        let scanning = per_event(read(&mut *self.scanning).await?, READS);
        let native_scan = per_event(self.native_scan()?, SCANS);
        let handing = per_event(read(&mut *self.handing).await?, READS);
        Ok(Round {
            guest_scan: (scanning - idle) / f64::from(SCANS),
            native_scan,
            serde_scan: per_event(self.serde_scan()?, SCANS),
            guest_batch: handing - idle,
            native_batch: per_event(self.native_batch()?, READS),
        })
    }

    fn native_scan(&mut self) -> anyhow::Result<Duration> {
        let begin = Instant::now();
        for _ in 0..SCANS {
            self.native.scan()?;
            black_box(self.native.batch());
        }
        Ok(begin.elapsed())
    }

    fn serde_scan(&self) -> anyhow::Result<Duration> {
        let begin = Instant::now();
        for _ in 0..SCANS {
            let events = values::split(black_box(self.native.batch().body.as_bytes()))?;
            black_box(events);
        }
        Ok(begin.elapsed())
    }

    /// What a native source would do with a page that it has scanned: check it, and make it a batch.
    fn native_batch(&self) -> anyhow::Result<Duration> {
        let mut spent = Duration::ZERO;
        for _ in 0..READS {
            let made = self.native.batch();
            let body = made.body.clone();
            let entries: Vec<_> = made.entries.iter().map(entry).collect();
            let begin = Instant::now();
            drop(black_box(Batch::new(
                NAME.into(),
                black_box(body),
                entries,
            )?));
            spent += begin.elapsed();
        }
        Ok(spent)
    }
}

async fn read(reader: &mut dyn Reader) -> anyhow::Result<Duration> {
    let begin = Instant::now();
    for _ in 0..READS {
        drop(black_box(reader.read().await?));
    }
    Ok(begin.elapsed())
}

fn per_event(time: Duration, times: u32) -> f64 {
    time.as_secs_f64() * 1e9 / f64::from(times) / f64::from(EVENTS)
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

/// A reader of the fixture: a component in an instance with the limits of any other.
async fn reader(
    plugins: &Arc<Plugins>,
    plugin: &Arc<Plugin>,
    rounds: u32,
    hand_over: bool,
) -> anyhow::Result<Box<dyn Reader>> {
    let config = GateConfig {
        source: NAME.into(),
        grants: Vec::new(),
        credentials: Vec::new(),
        network: NetworkPolicy::default(),
        limits: GateLimits::default(),
        share: None,
        budgets: Arc::default(),
    };
    let gate = Gate::new(config, &Clients::default()).context("the gate can't be made")?;
    let source = ComponentSource::new(
        NAME.into(),
        Arc::clone(plugins),
        Arc::clone(plugin),
        json!({"events": EVENTS, "rounds": rounds, "hand_over": hand_over}).to_string(),
        gate,
        Limits::default(),
        Box::new(Nothing),
    );
    Ok(source.open(Start::First).await?)
}

/// The fixture asks for no credential.
struct Nothing;

impl Credentials for Nothing {
    fn stamp(&self) -> u64 {
        1
    }

    fn resolve(&self) -> Result<Vec<logweir::gate::Credential>, String> {
        Ok(Vec::new())
    }
}

fn entry(entry: &logweir_plugin::types::Entry) -> Entry {
    let span = |span: logweir_plugin::types::Span| Span {
        offset: span.offset,
        length: span.length,
    };
    Entry {
        text: span(entry.text),
        id: span(entry.id),
        kind: span(entry.kind),
        time: entry.time,
        ..Entry::default()
    }
}
