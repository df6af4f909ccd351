//! `logweir demo`: a simulated Okta org in the process, its last 60 days, and what happens in it now.
//!
//! This is the only part of the program that knows the simulated org. Everything between the org and the screen is what
//! `logweir run` does: the same configuration, plugin, gate, pipeline and outputs.

use std::collections::HashMap;
use std::fmt::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use futures::FutureExt;
use logweir::config::Loaded;
use logweir::host::Routed;
use logweir::output::console::{self, ConsoleFormat, ConsolePlan};
use logweir::pipeline::{Options, OutputSpec, QueueLimits};
use logweir::record::Batch;
use logweir::stage::{CheckReport, Output, StageError, Written};
use logweir::units::Period;
use okta_sim::{Org, OrgConfig};
use tokio::net::TcpListener;

use super::progress::Screen;
use super::signals::Signals;
use super::{Common, run, validate};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// End by itself after this time, for example `10s`; else Ctrl-C ends it.
    #[arg(long = "for", value_name = "TIME")]
    duration: Option<Period>,
    /// Events of the past 60 days.
    #[arg(long, default_value_t = 50_000)]
    events: usize,
    /// New events per second.
    #[arg(long, default_value_t = 2.0)]
    live_per_sec: f64,
}

const INTRODUCTION: &str = "\
This is Logweir at work on a simulated Okta organisation: nothing leaves this machine.

  organisation ──HTTP──► gate ──► okta plugin (WebAssembly, sandboxed) ──► file, screen

The plugin is untrusted: it never sees the token, and when it reads, it reaches GET /api/v1/logs
and nothing else.
";

/// The org accepts no other token, and nobody else does.
const TOKEN: &str = "demo-token";

pub(crate) fn run(common: &Common, args: &Args) -> anyhow::Result<ExitCode> {
    super::tell(INTRODUCTION);
    let folder = tempfile::tempdir()?;
    let screen = Screen::choose(common.quiet, false);
    super::start_demo_log(common, &screen)?;
    super::tell(&format!(
        "making up {} events of the last 60 days …",
        args.events
    ));
    let org = Org::new(OrgConfig {
        events: args.events,
        days: 60.0,
        token: TOKEN.to_owned(),
        seed: SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs(),
        late_percent: 1.0,
        live_per_sec: args.live_per_sec,
        ..OrgConfig::default()
    });
    let report = super::block_on(follow(folder.path(), org.clone(), args, screen))?;
    farewell(&report, folder.path(), &org);
    Ok(if report.failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

async fn follow(
    folder: &Path,
    org: Org,
    args: &Args,
    screen: Screen,
) -> anyhow::Result<logweir::pipeline::Report> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let served = org.serve(listener)?;
    let config = folder.join("logweir.yaml");
    std::fs::write(folder.join("token"), TOKEN)?;
    std::fs::write(&config, configuration(served.addr()))?;
    let loaded = Loaded::load(&config).map_err(validate::usage)?;
    let signals = Signals::listen()?;
    if let Some(Period(duration)) = args.duration {
        let stop = signals.stop.clone();
        tokio::spawn(async move {
            tokio::time::sleep(duration).await;
            stop.cancel();
        });
    }
    let mut outputs: Vec<_> = loaded.plan.outputs.iter().map(Routed::planned).collect();
    outputs.push(shown(screen.clone())?);
    run::follow(&loaded, outputs, Options::default(), screen, signals, None).await
}

fn configuration(org: SocketAddr) -> String {
    format!(
        "sources:
  demo:
    plugin: okta
    config:
      url: http://{org}
      backfill: 60d
      poll: 1s
    credentials:
      api_token: ${{file:token}}
outputs:
  archive:
    type: file
    inputs: [demo]
    path: demo.ndjson
"
    )
}

/// The screen as one more output of the pipeline.
fn shown(screen: Screen) -> anyhow::Result<Routed> {
    let began = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos())?;
    let open = move |_position: Option<String>| {
        let screen = screen.clone();
        async move {
            let lines = console::open(ConsolePlan {
                format: ConsoleFormat::Line,
            })?;
            let show = Show {
                began,
                screen,
                lines,
                past: Past::default(),
            };
            Ok(Box::new(show) as Box<dyn Output>)
        }
        .boxed()
    };
    let spec = OutputSpec {
        name: Arc::from("screen"),
        open: Box::new(open),
        queue: QueueLimits::default(),
    };
    Ok(Routed {
        spec,
        inputs: vec![Arc::from("demo")],
    })
}

/// Counts the past, and shows what is new.
struct Show {
    began: u64,
    screen: Screen,
    lines: Box<dyn Output>,
    past: Past,
}

/// What the past held.
struct Past {
    began: Instant,
    records: u64,
    bytes: u64,
    kinds: HashMap<String, u64>,
    over: bool,
}

impl Default for Past {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            records: 0,
            bytes: 0,
            kinds: HashMap::new(),
            over: false,
        }
    }
}

#[async_trait]
impl Output for Show {
    async fn check(&mut self) -> Result<CheckReport, StageError> {
        Ok(CheckReport::default())
    }

    async fn write(&mut self, batches: &[Batch]) -> Result<Written, StageError> {
        for batch in batches {
            let is_news = batch.records().any(|record| record.time() >= self.began);
            if !self.past.over && is_news {
                self.past.over = true;
                self.screen.clear();
                super::tell(&self.past.describe());
            }
            if self.past.over {
                self.lines.write(std::slice::from_ref(batch)).await?;
            } else {
                self.past.count(batch);
            }
        }
        Ok(Written::default())
    }
}

impl Past {
    fn count(&mut self, batch: &Batch) {
        self.records += batch.len() as u64;
        self.bytes += batch.text_bytes();
        for record in batch.records() {
            match self.kinds.get_mut(record.kind()) {
                Some(count) => *count += 1,
                None => drop(self.kinds.insert(record.kind().to_owned(), 1)),
            }
        }
    }

    fn describe(&self) -> String {
        let seconds = self.began.elapsed().as_secs_f64();
        let mut text = format!(
            "\nread the past: {} events ({:.0} MB) of {} types in {seconds:.1} s\n",
            self.records,
            self.bytes as f64 / 1e6,
            self.kinds.len(),
        );
        let mut kinds: Vec<_> = self.kinds.iter().collect();
        kinds.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        for (kind, count) in kinds.into_iter().take(5) {
            writeln!(text, "  {count:>8}  {kind}").unwrap_or_default();
        }
        text.push_str("\nnow following what is new; Ctrl-C ends it\n");
        text
    }
}

/// Says what became of it, after looking.
fn farewell(report: &logweir::pipeline::Report, folder: &Path, org: &Org) {
    let file = std::fs::read(folder.join("demo.ndjson")).unwrap_or_default();
    let lines = memchr::memchr_iter(b'\n', &file).count();
    let read: u64 = report.sources.iter().map(|source| source.read).sum();
    let verdict = if is_beginning_of(&file, org) && lines as u64 == read {
        "each event once, byte for byte as the organisation has it"
    } else {
        "which is not what the organisation has: please report this"
    };
    super::tell(&format!(
        "\n{read} events were read, and the file has {lines} lines: {verdict}.\n\n\
         Next, with your own organisation:\n  logweir connect okta --domain YOUR-ORG.okta.com\n  logweir run"
    ));
}

/// Whether the file holds what the org persisted, in its order, up to some event.
fn is_beginning_of(mut file: &[u8], org: &Org) -> bool {
    for block in org.ndjson() {
        let length = block.len().min(file.len());
        let (here, behind) = file.split_at(length);
        if !block.starts_with(here) {
            return false;
        }
        file = behind;
    }
    file.is_empty()
}
