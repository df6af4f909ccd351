//! Makes a running pipeline into another one: judges, then does.

use std::collections::HashSet;

use super::{OutputEnd, Phase, Supervisor};
use crate::pipeline::change::{
    AskedChange, ChangeError, Changed, NextOutput, NextSource, NextSpec,
};
use crate::pipeline::delivery::Renewal;
use crate::pipeline::queue::queue;
use crate::pipeline::seats::NextWork;
use crate::pipeline::startup::Found;
use crate::pipeline::{OutputSpec, SourceSpec};
use crate::stage::Start;

impl Supervisor {
    /// Makes a change, or refuses it, and answers who asked.
    pub(super) fn change(&mut self, asked: AskedChange) {
        let judged = self.judge(&asked.next, &asked.found);
        let outcome = judged.map(|()| self.apply(asked.next, &asked.found));
        self.publish();
        // Whoever asked may be gone.
        drop(asked.outcome.send(outcome));
    }

    /// Whether all of a change can be made. Nothing is done yet.
    fn judge(&self, next: &NextSpec, found: &Found) -> Result<(), ChangeError> {
        // A change may have been on its way when the last source ended, and the queues with it.
        if self.common.shutdown.is_cancelled() || self.state_failed || self.seats.all_read() {
            return Err(ChangeError::Ending);
        }
        for source in &next.sources {
            match source {
                NextSource::Same { name, .. } => {
                    let seat = self.seats.source_named(name);
                    if !seat.is_some_and(|seat| self.seats.read.contains(&seat)) {
                        return Err(ChangeError::Unknown(name.clone()));
                    }
                }
                NextSource::Renewed(spec) => self.judge_owner(spec, found)?,
            }
        }
        for output in &next.outputs {
            self.judge_output(output)?;
        }
        let stay: HashSet<_> = next.outputs.iter().map(NextOutput::name).collect();
        let mut present = self.seats.written.iter();
        present.try_for_each(|index| match self.seats.outputs.get(*index) {
            Some(seat) if !stay.contains(&seat.name) => self.judge_leaving(*index),
            _ => Ok(()),
        })
    }

    /// What was accepted in this process may not be stored yet.
    fn judge_owner(&self, spec: &SourceSpec, found: &Found) -> Result<(), ChangeError> {
        let seat = self.seats.source_named(&spec.name);
        let accepted = seat.filter(|seat| self.common.acks.newest(*seat).is_some());
        let judged = match accepted.and_then(|seat| self.seats.sources.get(seat)) {
            Some(seat) => seat.owner.admits(&spec.name, &spec.owner),
            None => found.start(spec).map(drop),
        };
        judged.map_err(ChangeError::Owner)
    }

    fn judge_output(&self, output: &NextOutput) -> Result<(), ChangeError> {
        let name = output.name();
        let index = self.seats.output_named(name);
        let seat = index.and_then(|index| self.seats.outputs.get(index));
        match (output, seat) {
            (NextOutput::Same(_), _) => {
                let present = index.is_some_and(|index| self.seats.written.contains(&index));
                present
                    .then_some(())
                    .ok_or_else(|| ChangeError::Unknown(name.clone()))
            }
            (NextOutput::Renewed(_), None) => Ok(()),
            (NextOutput::Renewed(_), Some(seat)) => match &seat.end {
                Some(OutputEnd::Drained) => Ok(()),
                Some(_) => Err(ChangeError::Failed(name.clone())),
                None if seat.renewals.capacity() == 0 => Err(ChangeError::Hanging(name.clone())),
                None => Ok(()),
            },
        }
    }

    fn judge_leaving(&self, index: usize) -> Result<(), ChangeError> {
        let Some(seat) = self.seats.outputs.get(index) else {
            return Ok(());
        };
        if matches!(
            seat.end,
            Some(OutputEnd::Failed(_) | OutputEnd::Interrupted)
        ) {
            return Err(ChangeError::Failed(seat.name.clone()));
        }
        let waiting = seat.gauge.waiting();
        match seat.gauge.trouble() {
            Some(why) if waiting > 0 => Err(ChangeError::Stuck {
                output: seat.name.clone(),
                waiting,
                why,
            }),
            _ => Ok(()),
        }
    }

    /// Outputs first, so that there are queues to fill; then who fills them.
    fn apply(&mut self, next: NextSpec, found: &Found) -> Changed {
        let outputs: Vec<usize> = next
            .outputs
            .into_iter()
            .filter_map(|output| self.apply_output(output, found))
            .collect();
        let seats_of = |numbers: &[usize]| {
            let seats = numbers.iter().filter_map(|number| outputs.get(*number));
            seats.copied().collect::<Vec<_>>()
        };
        let mut sources = Vec::with_capacity(next.sources.len());
        for source in next.sources {
            let to = seats_of(source.outputs());
            sources.extend(match source {
                NextSource::Same { name, .. } => self.reroute(&name, to),
                NextSource::Renewed(spec) => Some(self.renew_source(
                    SourceSpec {
                        outputs: to,
                        ..spec
                    },
                    found,
                )),
            });
        }
        let left_out = std::mem::replace(&mut self.seats.read, sources);
        for index in left_out {
            if !self.seats.read.contains(&index) {
                self.leave_out_source(index);
            }
        }
        let left_out = std::mem::replace(&mut self.seats.written, outputs);
        let mut draining = Vec::new();
        for index in left_out {
            if self.seats.written.contains(&index) {
                continue;
            }
            if let Some(seat) = self.seats.outputs.get_mut(index) {
                seat.queue = None;
                draining.push((seat.name.clone(), seat.gauge.waiting()));
            }
        }
        self.board = self.seats.board();
        Changed { draining }
    }

    /// The seat of an output, with everything that is new about it.
    fn apply_output(&mut self, output: NextOutput, found: &Found) -> Option<usize> {
        match output {
            NextOutput::Same(name) => self.seats.output_named(&name),
            NextOutput::Renewed(spec) => match self.seats.output_named(&spec.name) {
                Some(index) => {
                    self.renew_output(index, spec);
                    Some(index)
                }
                None => Some(self.add_output(spec, found)),
            },
        }
    }

    fn renew_output(&mut self, index: usize, spec: OutputSpec) {
        let Some(seat) = self.seats.outputs.get_mut(index) else {
            return;
        };
        let (sender, receiver) = queue(spec.queue);
        seat.gauge.queue(receiver.depth());
        seat.queue = Some(sender);
        let renewal = Renewal {
            open: spec.open,
            queue: receiver,
        };
        match seat.parked.take() {
            Some(mut delivery) => {
                delivery.renew(renewal);
                seat.end = None;
                seat.gauge.phase(Phase::Starting);
                self.start_output(index, *delivery);
            }
            None => {
                // There is room, as was judged; one that fails at this moment stops its sources itself.
                drop(seat.renewals.try_send(renewal));
            }
        }
    }

    /// Sends what a source reads from now on elsewhere.
    fn reroute(&mut self, name: &str, outputs: Vec<usize>) -> Option<usize> {
        let index = self.seats.source_named(name)?;
        let routes = self.seats.routes(&outputs);
        let seat = self.seats.sources.get_mut(index)?;
        // One that is about to be renewed ends along its old routes.
        if let Some(work) = seat.work.as_ref().filter(|_| seat.next.is_none()) {
            work.routes.replace(routes);
        }
        seat.lead_to(outputs, self.common.acks.accepted(index));
        Some(index)
    }

    /// The seat of a source that is new or read in another way.
    fn renew_source(&mut self, spec: SourceSpec, found: &Found) -> usize {
        let Some(index) = self.seats.source_named(&spec.name) else {
            return self.add_source(spec, found);
        };
        let next = NextWork {
            start: found.start(&spec).unwrap_or(Start::First),
            source: spec.source,
            owner: spec.owner,
        };
        self.desk.pause(index);
        if let Some(seat) = self.seats.sources.get_mut(index) {
            seat.stop();
            seat.lead_to(spec.outputs, self.common.acks.accepted(index));
            seat.identity.retention = spec.expectations.retention;
            seat.identity.gauge.renew(spec.expectations);
            if seat.work.is_some() {
                seat.next = Some(next);
            } else {
                self.start_source(index, next);
            }
        }
        index
    }

    /// Stops a source. What was accepted from it settles.
    fn leave_out_source(&mut self, index: usize) {
        self.desk.close(index);
        if let Some(seat) = self.seats.sources.get_mut(index) {
            seat.next = None;
            seat.stop();
        }
    }
}
