//! Owns every task of a pipeline, from the first page to the last commit.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, Interval, sleep_until};
use tokio_util::sync::CancellationToken;

use super::acks::{Acks, Committer};
use super::assembly::{AssembledSource, Assembly};
use super::audit::{AuditTask, Desk};
use super::delivery::Delivery;
use super::phase::Phase;
use super::startup::Found;
use super::status::{Board, Status};
use super::{OutputEnd, OutputReport, Report, SourceEnd, SourceReport};

/// Who a task is.
#[derive(Debug, Clone, Copy)]
enum Role {
    Source(usize),
    Output(usize),
    Committer,
    Audit,
}

/// How a task ended.
enum Ended {
    Source(SourceEnd),
    Output(OutputEnd),
    Committer(Result<(), String>),
    Audit,
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

pub(crate) struct Supervisor {
    tasks: JoinSet<Ended>,
    roles: HashMap<Id, Role>,
    sources: Vec<Watched>,
    outputs: Vec<Served>,
    acks: Acks,
    board: Board,
    desk: Desk,
    finish: CancellationToken,
    give_up: CancellationToken,
    /// Whether the committer ended before its time.
    state_failed: bool,
    status: watch::Sender<Status>,
}

impl Supervisor {
    pub(crate) fn start(
        assembly: Assembly,
        status: watch::Sender<Status>,
        desk: Desk,
        found: &Found,
    ) -> Self {
        let mut supervisor = Self {
            tasks: JoinSet::new(),
            roles: HashMap::new(),
            sources: Vec::new(),
            outputs: Vec::new(),
            acks: assembly.acks,
            board: assembly.board,
            desk,
            finish: assembly.finish,
            give_up: assembly.give_up,
            state_failed: false,
            status,
        };
        supervisor.start_committer(assembly.committer);
        for source in assembly.sources {
            let audited = found.audited(&source.name);
            supervisor.start_source(source, audited);
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

    fn start_source(&mut self, source: AssembledSource, audited: Option<u64>) {
        let AssembledSource {
            name,
            outputs,
            stop,
            auditor,
            task,
        } = source;
        let index = self.sources.len();
        self.desk.add(Arc::clone(&name), auditor, audited);
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

    fn start_audit(&mut self, audit: AuditTask) {
        let task = self.tasks.spawn(async {
            audit.run().await;
            Ended::Audit
        });
        self.roles.insert(task.id(), Role::Audit);
    }

    /// Waits for all tasks to end, in the order in which they can: sources, outputs, the committer.
    pub(crate) async fn run(
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
                audit = self.desk.next() => self.start_audit(audit),
                () = shutdown.cancelled(), if deadline.is_none() => {
                    self.desk.close_all();
                    deadline = Some(Instant::now() + drain);
                }
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
            (Some(Role::Audit), ended) => {
                self.desk.ended();
                if let Err(why) = ended {
                    tracing::error!(error = why, "an audit stopped");
                }
            }
            (Some(Role::Committer), _) => self.state_failed(),
        }
    }

    fn source_ended(&mut self, index: usize, end: SourceEnd) {
        self.desk.close(index);
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
