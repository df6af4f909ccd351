//! Owns every task of a pipeline, from the first page to the last commit.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;

use super::acks::{Acks, Committer};
use super::assembly::{AssembledSource, Assembly, Parts, assemble, check};
use super::dead_letter::DeadLetter;
use super::delivery::Delivery;
use super::startup::Found;
use super::status::{Board, Phase, Status};
use super::{Options, OutputEnd, OutputReport, PipelineSpec, Report, SourceEnd, SourceReport};
use crate::state::{State, StateError};

/// Why a pipeline can't begin.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// The state can't be read.
    #[error(transparent)]
    State(#[from] StateError),
    /// Reading the state did not come to an end.
    #[error("reading the state failed: {0}")]
    Interrupted(#[from] JoinError),
    /// Two sources or two outputs would share one row of the state.
    #[error("the name {0} is given twice")]
    NameTwice(Arc<str>),
    /// A source names an output that is not part of the pipeline.
    #[error("source {0} has no output with the number {1}")]
    NoSuchOutput(Arc<str>, usize),
}

/// Sources and outputs, put together and not running yet.
pub struct Pipeline {
    spec: PipelineSpec,
    state: State,
    dead_letter: DeadLetter,
    options: Arc<Options>,
    status: watch::Sender<Status>,
}

impl Pipeline {
    /// Puts a pipeline together. The caller holds the state's lock while it runs.
    pub fn new(
        spec: PipelineSpec,
        state: State,
        dead_letter: DeadLetter,
        options: Options,
    ) -> Self {
        let status = watch::Sender::new(Status::starting(&spec));
        Self {
            spec,
            state,
            dead_letter,
            options: Arc::new(options),
            status,
        }
    }

    /// Snapshots of what it is doing. Looking never makes a record wait; the last one is what it ended with.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// Runs until every source has ended and what was accepted is settled.
    ///
    /// Cancelling `shutdown` stops reading, delivers what was accepted for as long as [`super::Timing::drain`] allows,
    /// stores the checkpoints and returns. A new value in `reopen` has every output open its files anew. With
    /// [`Options::once`] it also ends when every source is caught up.
    pub async fn run(
        self,
        shutdown: CancellationToken,
        reopen: watch::Receiver<u64>,
    ) -> Result<Report, PipelineError> {
        check(&self.spec)?;
        let found = Found::load(&self.state).await?;
        found.log_surprises(&self.spec);
        let drain = self.options.timing.drain;
        let mut ticks = interval(self.options.timing.snapshot);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let parts = Parts {
            spec: self.spec,
            state: self.state,
            dead_letter: self.dead_letter,
            options: self.options,
            shutdown: shutdown.clone(),
            reopen,
        };
        let supervisor = Supervisor::start(assemble(parts, &found), self.status);
        Ok(supervisor.run(shutdown, drain, ticks).await)
    }
}

/// Who a task is.
#[derive(Debug, Clone, Copy)]
enum Role {
    Source(usize),
    Output(usize),
    Committer,
}

/// How a task ended.
enum Ended {
    Source(SourceEnd),
    Output(OutputEnd),
    Committer(Result<(), String>),
}

/// A source, how it is told to stop, and how it ended.
struct Watched {
    name: Arc<str>,
    outputs: Vec<usize>,
    stop: CancellationToken,
    end: Option<SourceEnd>,
}

/// An output and how it ended.
struct Served {
    name: Arc<str>,
    end: Option<OutputEnd>,
}

struct Supervisor {
    tasks: JoinSet<Ended>,
    roles: HashMap<Id, Role>,
    sources: Vec<Watched>,
    outputs: Vec<Served>,
    acks: Acks,
    board: Board,
    finish: CancellationToken,
    give_up: CancellationToken,
    /// Whether the committer ended before its time.
    state_failed: bool,
    status: watch::Sender<Status>,
}

impl Supervisor {
    fn start(assembly: Assembly, status: watch::Sender<Status>) -> Self {
        let mut supervisor = Self {
            tasks: JoinSet::new(),
            roles: HashMap::new(),
            sources: Vec::new(),
            outputs: Vec::new(),
            acks: assembly.acks,
            board: assembly.board,
            finish: assembly.finish,
            give_up: assembly.give_up,
            state_failed: false,
            status,
        };
        supervisor.start_committer(assembly.committer);
        for source in assembly.sources {
            supervisor.start_source(source);
        }
        for (name, delivery) in assembly.outputs {
            supervisor.start_output(name, delivery);
        }
        supervisor
    }

    fn start_committer(&mut self, committer: Committer) {
        let task = self
            .tasks
            .spawn(async { Ended::Committer(committer.run().await) });
        self.roles.insert(task.id(), Role::Committer);
    }

    fn start_source(&mut self, source: AssembledSource) {
        let AssembledSource {
            name,
            outputs,
            stop,
            task,
        } = source;
        let index = self.sources.len();
        self.sources.push(Watched {
            name,
            outputs,
            stop,
            end: None,
        });
        match task {
            Ok(task) => {
                let task = self.tasks.spawn(async { Ended::Source(task.run().await) });
                self.roles.insert(task.id(), Role::Source(index));
            }
            Err(why) => self.source_ended(index, SourceEnd::Stopped(why)),
        }
    }

    fn start_output(&mut self, name: Arc<str>, delivery: Delivery) {
        let task = self
            .tasks
            .spawn(async { Ended::Output(delivery.run().await) });
        self.roles
            .insert(task.id(), Role::Output(self.outputs.len()));
        self.outputs.push(Served { name, end: None });
    }

    /// Waits for all tasks to end, in the order in which they can: sources, outputs, the committer.
    async fn run(
        mut self,
        shutdown: CancellationToken,
        drain: std::time::Duration,
        mut ticks: Interval,
    ) -> Report {
        let mut deadline = None;
        loop {
            tokio::select! {
                ended = self.tasks.join_next_with_id() => match ended {
                    Some(ended) => self.ended(ended),
                    None => break,
                },
                () = shutdown.cancelled(), if deadline.is_none() => deadline = Some(Instant::now() + drain),
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if self.is_draining_since(deadline) => {
                    tracing::warn!("what could not be delivered in time is read again after the next start");
                    self.give_up.cancel();
                }
                _ = ticks.tick() => self.publish(),
            }
            let delivered = self.outputs.iter().all(|output| output.end.is_some());
            if delivered && self.sources.iter().all(|source| source.end.is_some()) {
                self.finish.cancel();
            }
        }
        self.publish();
        self.report()
    }

    fn is_draining_since(&self, deadline: Option<Instant>) -> bool {
        deadline.is_some() && !self.give_up.is_cancelled()
    }

    fn ended(&mut self, ended: Result<(Id, Ended), JoinError>) {
        let (id, ended) = match ended {
            Ok((id, ended)) => (id, Ok(ended)),
            Err(panic) => (
                panic.id(),
                Err(format!("a bug: its task ended early: {panic}")),
            ),
        };
        match (self.roles.remove(&id), ended) {
            (Some(Role::Source(index)), ended) => {
                let end = match ended {
                    Ok(Ended::Source(end)) => end,
                    Ok(_) => return,
                    Err(why) => SourceEnd::Stopped(why),
                };
                self.source_ended(index, end);
            }
            (Some(Role::Output(index)), ended) => {
                let end = match ended {
                    Ok(Ended::Output(end)) => end,
                    Ok(_) => return,
                    Err(why) => OutputEnd::Failed(why),
                };
                self.output_ended(index, end);
            }
            (Some(Role::Committer), Ok(Ended::Committer(Ok(())))) | (None, _) => {}
            (Some(Role::Committer), _) => self.state_failed(),
        }
    }

    fn source_ended(&mut self, index: usize, end: SourceEnd) {
        let Some((source, gauge)) = self
            .sources
            .get_mut(index)
            .zip(self.board.sources.get(index))
        else {
            return;
        };
        match &end {
            SourceEnd::Stopped(why) => {
                tracing::error!(source = %source.name, error = why, "stopped");
                gauge.phase(Phase::Stopped { why: why.clone() });
            }
            SourceEnd::CaughtUp | SourceEnd::ShutDown => {
                tracing::info!(source = %source.name, ?end, "ended");
                gauge.phase(Phase::Finished);
            }
        }
        source.end = Some(end);
    }

    /// The checkpoints of an output's sources can't move without it.
    fn output_ended(&mut self, index: usize, end: OutputEnd) {
        let Some((output, gauge)) = self
            .outputs
            .get_mut(index)
            .zip(self.board.outputs.get(index))
        else {
            return;
        };
        match &end {
            OutputEnd::Failed(why) => {
                tracing::error!(output = %output.name, error = why, "failed for good, and so its sources stop");
                gauge.phase(Phase::Stopped { why: why.clone() });
                for source in self
                    .sources
                    .iter()
                    .filter(|source| source.outputs.contains(&index))
                {
                    source.stop.cancel();
                }
            }
            OutputEnd::Drained | OutputEnd::Interrupted => gauge.phase(Phase::Finished),
        }
        output.end = Some(end);
    }

    /// Without checkpoints there is no point in reading or writing any more.
    fn state_failed(&mut self) {
        self.state_failed = true;
        for source in &self.sources {
            source.stop.cancel();
        }
        self.give_up.cancel();
    }

    fn publish(&self) {
        self.status
            .send_replace(self.board.snapshot(self.acks.failing()));
    }

    fn report(self) -> Report {
        let gauges = self.board.sources.iter();
        let sources = self.sources.into_iter().zip(gauges).map(|(source, gauge)| {
            let (read, settled, dead) = gauge.counts();
            SourceReport {
                name: source.name,
                end: source.end.unwrap_or(SourceEnd::ShutDown),
                read,
                settled,
                dead,
            }
        });
        let gauges = self.board.outputs.iter();
        let outputs = self
            .outputs
            .into_iter()
            .zip(gauges)
            .map(|(output, gauge)| OutputReport {
                name: output.name,
                end: output.end.unwrap_or(OutputEnd::Interrupted),
                written: gauge.records(),
            });
        let (sources, outputs): (Vec<_>, Vec<_>) = (sources.collect(), outputs.collect());
        let stopped = sources
            .iter()
            .any(|source| matches!(source.end, SourceEnd::Stopped(_)));
        let failed = outputs
            .iter()
            .any(|output| matches!(output.end, OutputEnd::Failed(_)));
        Report {
            failed: self.state_failed || stopped || failed,
            sources,
            outputs,
        }
    }
}
