//! Where pipelines run, one after the other.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use logweir::pipeline::dead_letter::DeadLetter;
use logweir::pipeline::{Options, Pipeline, PipelineHandle, PipelineSpec, Report, Status, Timing};
use logweir::state::State;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::destination::{Destination, output};
use crate::system::{System, source};

/// Where pipelines run, one after the other.
pub(crate) struct House {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) state: State,
    pub(crate) options: Options,
    pub(crate) dead_letter: PathBuf,
}

impl House {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let state = State::open(&folder.path().join("state")).unwrap();
        let dead_letter = folder.path().join("dead-letter.ndjson");
        let timing = Timing {
            retry_first: Duration::from_millis(1),
            retry_longest: Duration::from_millis(4),
            credential_poll: Duration::from_millis(1),
            commit_pause: Duration::from_millis(1),
            idle_commit: Duration::from_millis(1),
            snapshot: Duration::from_millis(1),
            ..Timing::default()
        };
        let options = Options {
            timing,
            ..Options::default()
        };
        Self {
            folder,
            state,
            options,
            dead_letter,
        }
    }

    pub(crate) fn once(mut self) -> Self {
        self.options.once = true;
        self
    }

    pub(crate) fn timing(mut self, change: impl FnOnce(&mut Timing)) -> Self {
        change(&mut self.options.timing);
        self
    }

    pub(crate) fn pipeline(&self, spec: PipelineSpec) -> Pipeline {
        let dead_letter = DeadLetter::new(self.dead_letter.clone());
        Pipeline::new(spec, self.state.clone(), dead_letter, self.options.clone())
    }

    /// Starts a pipeline in which every system goes to every destination.
    pub(crate) fn start(
        &self,
        systems: &[&Arc<System>],
        destinations: &[&Arc<Destination>],
    ) -> Running {
        let all: Vec<_> = (0..destinations.len()).collect();
        let systems = systems.iter().map(|system| source(system, &all));
        let destinations = destinations.iter().map(|destination| output(destination));
        self.start_spec(PipelineSpec {
            sources: systems.collect(),
            outputs: destinations.collect(),
        })
    }

    pub(crate) fn start_spec(&self, spec: PipelineSpec) -> Running {
        self.start_with_handle(spec).0
    }

    pub(crate) fn start_with_handle(&self, spec: PipelineSpec) -> (Running, PipelineHandle) {
        let pipeline = self.pipeline(spec);
        let handle = pipeline.handle();
        let shutdown = CancellationToken::new();
        let reopen = watch::Sender::new(0);
        let status = pipeline.status();
        let run = pipeline.run(shutdown.clone(), reopen.subscribe());
        let task = tokio::spawn(async { run.await.unwrap() });
        let running = Running {
            task,
            status,
            shutdown,
            reopen,
        };
        (running, handle)
    }

    /// The number of records before the stored checkpoint.
    pub(crate) fn stored(&self, system: &System) -> Option<u64> {
        let stored = self.state.source(system.name).unwrap();
        stored.map(|stored| stored.checkpoint.parse().unwrap())
    }

    pub(crate) fn dead_lines(&self) -> Vec<String> {
        let text = std::fs::read_to_string(&self.dead_letter).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

/// A pipeline at work.
pub(crate) struct Running {
    task: JoinHandle<Report>,
    pub(crate) status: watch::Receiver<Status>,
    pub(crate) shutdown: CancellationToken,
    pub(crate) reopen: watch::Sender<u64>,
}

impl Running {
    pub(crate) async fn report(self) -> Report {
        let report = tokio::time::timeout(PATIENCE, self.task).await;
        report.expect("the pipeline ends").unwrap()
    }

    pub(crate) async fn stop(self) -> Report {
        self.shutdown.cancel();
        self.report().await
    }

    pub(crate) async fn until_status(&mut self, holds: impl FnMut(&Status) -> bool) -> Status {
        let status = tokio::time::timeout(PATIENCE, self.status.wait_for(holds)).await;
        status.expect("the status comes about").unwrap().clone()
    }

    /// Waits until the first source has this many settled records.
    pub(crate) async fn until_settled(&mut self, records: u64) -> Status {
        self.until_status(|status| status.sources[0].settled == records)
            .await
    }
}

pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until something holds.
pub(crate) async fn until(holds: impl Fn() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting)
        .await
        .expect("it comes about");
}
