//! Owns every task of a pipeline, from the first page to the last commit.

mod begin;
mod change;

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, Interval, sleep_until};
use tokio_util::sync::CancellationToken;

use super::acks::{Committer, Storage, acks};
use super::assembly::Common;
use super::audit::{Desk, Task};
use super::board::{Board, Gauges};
use super::budget::Budget;
use super::burial::Burial;
use super::change::AskedChange;
use super::crowd::Crowd;
use super::dead_letter::DeadLetter;
use super::delivery::Delivery;
use super::phase::Phase;
use super::seats::{Seats, SourceSeat, failed};
use super::startup::Found;
use super::status::Status;
use super::{Options, OutputEnd, PipelineSpec, Report, SourceEnd};
use crate::state::State;

/// What a pipeline is supervised with.
pub(crate) struct Parts {
    pub(crate) state: State,
    pub(crate) dead_letter: DeadLetter,
    pub(crate) options: Arc<Options>,
    /// Read no more.
    pub(crate) shutdown: CancellationToken,
    pub(crate) reopen: watch::Receiver<u64>,
    pub(crate) status: watch::Sender<Status>,
    pub(crate) desk: Desk,
    pub(crate) changes: mpsc::Receiver<AskedChange>,
}

/// Who a task is.
#[derive(Debug, Clone, Copy)]
enum Role {
    Source(usize),
    Output(usize),
    Committer,
    /// Of this source.
    Errand(usize),
}

/// How a task ended.
enum Ended {
    Source(SourceEnd),
    Output(OutputEnd, Option<Box<Delivery>>),
    Committer(Result<(), String>),
    Errand,
}

pub(crate) struct Supervisor {
    tasks: JoinSet<Ended>,
    roles: HashMap<Id, Role>,
    seats: Seats,
    common: Common,
    gauges: Gauges,
    board: Board,
    desk: Desk,
    changes: mpsc::Receiver<AskedChange>,
    /// Cancelled when everything is in the books.
    finish: CancellationToken,
    /// Whether the committer ended before its time.
    state_failed: bool,
    status: watch::Sender<Status>,
}

impl Supervisor {
    pub(crate) fn start(parts: Parts, spec: PipelineSpec, found: &Found) -> Self {
        let (finish, give_up) = (CancellationToken::new(), CancellationToken::new());
        let gauges = Gauges::default();
        let (acks, committer) = acks(Storage {
            state: parts.state.clone(),
            options: Arc::clone(&parts.options),
            gauges: gauges.clone(),
            finish: finish.clone(),
            give_up: give_up.clone(),
        });
        let options = parts.options;
        let common = Common {
            state: parts.state,
            burial: Burial::new(parts.dead_letter, Arc::clone(&options), give_up.clone()),
            budget: Budget::new(options.budget),
            crowd: Crowd::new(options.readers, options.timing.slice),
            options,
            acks,
            reopen: parts.reopen,
            shutdown: parts.shutdown,
            give_up,
        };
        let mut supervisor = Self {
            tasks: JoinSet::new(),
            roles: HashMap::new(),
            seats: Seats::default(),
            common,
            gauges,
            board: Board::default(),
            desk: parts.desk,
            changes: parts.changes,
            finish,
            state_failed: false,
            status: parts.status,
        };
        supervisor.start_committer(committer);
        let outputs: Vec<_> = spec
            .outputs
            .into_iter()
            .map(|output| supervisor.add_output(output, found))
            .collect();
        let sources: Vec<_> = spec
            .sources
            .into_iter()
            .map(|source| supervisor.add_source(source, found))
            .collect();
        supervisor.seats.written = outputs;
        supervisor.seats.read = sources;
        supervisor.board = supervisor.seats.board();
        supervisor
    }

    fn start_committer(&mut self, committer: Committer) {
        let task = self
            .tasks
            .spawn(async { Ended::Committer(committer.run().await) });
        self.roles.insert(task.id(), Role::Committer);
    }

    fn start_errand(&mut self, (index, errand): (usize, Task)) {
        let task = self.tasks.spawn(async {
            errand.run().await;
            Ended::Errand
        });
        self.roles.insert(task.id(), Role::Errand(index));
    }

    /// Waits for all tasks to end, in the order in which they can: sources, outputs, the committer.
    pub(crate) async fn run(mut self, drain: std::time::Duration, mut ticks: Interval) -> Report {
        let shutdown = self.common.shutdown.clone();
        let mut deadline = None;
        loop {
            tokio::select! {
                ended = self.tasks.join_next_with_id() => match ended {
                    Some(ended) => self.ended(ended),
                    None => break,
                },
                errand = self.desk.next() => self.start_errand(errand),
                Some(asked) = self.changes.recv() => self.change(asked),
                () = shutdown.cancelled(), if deadline.is_none() => {
                    self.wind_down();
                    deadline = Some(Instant::now() + drain);
                }
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if self.is_draining_since(deadline) => {
                    tracing::warn!("what could not be delivered in time is read again after the next start");
                    self.common.give_up.cancel();
                }
                _ = ticks.tick() => self.publish(),
            }
            self.finish_when_done();
        }
        self.publish();
        self.seats.report(self.state_failed)
    }

    fn is_draining_since(&self, deadline: Option<Instant>) -> bool {
        deadline.is_some() && !self.common.give_up.is_cancelled()
    }

    /// Nothing new begins.
    fn wind_down(&mut self) {
        self.desk.close_all();
        self.changes.close();
    }

    /// When nothing is read any more, the queues are closed; when those are empty, the books.
    fn finish_when_done(&mut self) {
        if !self.seats.all_read() {
            return;
        }
        self.changes.close();
        for seat in &mut self.seats.outputs {
            seat.queue = None;
        }
        if self.seats.all_written() {
            self.finish.cancel();
        }
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
                let (end, rest) = match ended {
                    Ok(Ended::Output(end, rest)) => (end, rest),
                    Ok(_) => return,
                    Err(why) => (OutputEnd::Failed(why), None),
                };
                self.output_ended(index, end, rest);
            }
            (Some(Role::Committer), Ok(Ended::Committer(Ok(())))) | (None, _) => {}
            (Some(Role::Errand(index)), ended) => {
                self.desk.ended(index);
                if let Err(why) = ended {
                    tracing::error!(error = why, "an audit or a backfill stopped");
                }
            }
            (Some(Role::Committer), _) => self.state_failed(),
        }
    }

    /// It gives its seat to what a reload put behind it, if there is something.
    fn source_ended(&mut self, index: usize, end: SourceEnd) {
        self.desk.close(index);
        let Some(seat) = self.seats.sources.get_mut(index) else {
            return;
        };
        // Whatever else is done for it ends too.
        seat.stop();
        seat.work = None;
        let next = seat.next.take();
        let may_go_on = !self.common.shutdown.is_cancelled() && !self.state_failed;
        let next = next.filter(|_| may_go_on && seat.fault.is_none());
        if let Some(next) = next {
            return self.start_source(index, next);
        }
        let end = match (end, seat.fault.take()) {
            (SourceEnd::ShutDown, Some(why)) => SourceEnd::Stopped(why),
            (end, _) => end,
        };
        let (name, gauge) = (&seat.identity.name, &seat.identity.gauge);
        match &end {
            SourceEnd::Stopped(why) => {
                tracing::error!(source = %name, error = why, "stopped");
                gauge.phase(Phase::Stopped { why: why.clone() });
            }
            SourceEnd::CaughtUp | SourceEnd::ShutDown => {
                tracing::info!(source = %name, ?end, "ended");
                gauge.phase(Phase::Finished);
            }
        }
        seat.end = Some(end);
    }

    /// The checkpoints of an output's sources can't move without it.
    fn output_ended(&mut self, index: usize, end: OutputEnd, rest: Option<Box<Delivery>>) {
        let Some(seat) = self.seats.outputs.get_mut(index) else {
            return;
        };
        if let Some(mut delivery) = rest {
            if let Some(renewal) = delivery.unseen() {
                delivery.renew(renewal);
                return self.start_output(index, *delivery);
            }
            seat.parked = Some(delivery);
        }
        match &end {
            OutputEnd::Failed(why) => {
                tracing::error!(output = %seat.name, error = why, "failed for good, and so its sources stop");
                seat.gauge.phase(Phase::Stopped { why: why.clone() });
                let fault = failed(&seat.name, why);
                let sources = self.seats.sources.iter_mut();
                let acks = &self.common.acks;
                for source in sources.filter(|source| source.waits_for(index, acks)) {
                    source.fault = Some(fault.clone());
                    source.stop();
                }
            }
            OutputEnd::Drained | OutputEnd::Interrupted => seat.gauge.phase(Phase::Finished),
        }
        if let Some(seat) = self.seats.outputs.get_mut(index) {
            seat.end = Some(end);
        }
        self.board = self.seats.board();
    }

    /// Without checkpoints there is no point in reading or writing any more.
    fn state_failed(&mut self) {
        self.state_failed = true;
        self.seats.sources.iter().for_each(SourceSeat::stop);
        self.common.give_up.cancel();
    }

    fn publish(&self) {
        let failing = self.common.acks.failing();
        self.status.send_replace(self.board.snapshot(failing));
    }
}
