//! What a pipeline is made of at the moment. No tasks, no time.
//!
//! Whoever was ever part of a pipeline keeps its seat, and with it its number in the books: what was accepted from a
//! source, or queued for an output, settles after a reload took it out, and is known when a later one brings it back.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::acks::Acks;
use super::assembly::Identity;
use super::board::Board;
use super::delivery::{Delivery, Renewal};
use super::queue::QueueSender;
use super::routes::{Route, Routes};
use super::status::OutputGauge;
use super::{OutputEnd, OutputReport, Report, SourceEnd, SourceReport};
use crate::stage::{Source, Start};
use crate::state::Owner;

/// A source, at work or not.
pub(crate) struct SourceSeat {
    pub(crate) identity: Identity,
    pub(crate) owner: Owner,
    /// The outputs that get its records, by their seats.
    pub(crate) outputs: Vec<usize>,
    /// Outputs that got its records before, and how many of its batches they may be among.
    pub(crate) left: HashMap<usize, u64>,
    /// Its task, while there is one.
    pub(crate) work: Option<SourceWork>,
    /// What is read when the task of before has ended.
    pub(crate) next: Option<NextWork>,
    /// How its newest task ended; none while there is one, or is to be.
    pub(crate) end: Option<SourceEnd>,
    /// Why its task was told to stop, if that is the fault of an output.
    pub(crate) fault: Option<String>,
}

impl SourceSeat {
    /// Its records go to these outputs from now on. So many batches were accepted when nothing began on the old ways any
    /// more: a page of its live reader and one of an errand may still be underway there.
    pub(crate) fn lead_to(&mut self, outputs: Vec<usize>, accepted: u64) {
        let before = std::mem::replace(&mut self.outputs, outputs);
        let before = before.into_iter().map(|output| (output, accepted + 2));
        self.left.extend(before);
    }

    /// Whether its checkpoint may wait for an output.
    pub(crate) fn waits_for(&self, output: usize, acks: &Acks) -> bool {
        let left = self.left.get(&output);
        self.outputs.contains(&output)
            || left.is_some_and(|batches| !acks.has_settled(self.identity.index, *batches))
    }

    /// Tells its task to stop, if there is one.
    pub(crate) fn stop(&self) {
        if let Some(work) = &self.work {
            work.stop.cancel();
        }
    }
}

/// A source's task, as others see it.
pub(crate) struct SourceWork {
    pub(crate) stop: CancellationToken,
    pub(crate) routes: Arc<Routes>,
}

/// What a source's task is made of.
pub(crate) struct NextWork {
    pub(crate) source: Arc<dyn Source>,
    pub(crate) owner: Owner,
    /// Where to begin if nothing was accepted in this process.
    pub(crate) start: Start,
}

/// An output, at work or not.
pub(crate) struct OutputSeat {
    pub(crate) name: Arc<str>,
    pub(crate) gauge: Arc<OutputGauge>,
    /// What routes are made of; none when nobody may fill it any more.
    pub(crate) queue: Option<QueueSender>,
    pub(crate) renewals: mpsc::Sender<Renewal>,
    /// Its task, when it has nothing left to do.
    pub(crate) parked: Option<Box<Delivery>>,
    /// How its task ended; none while there is one.
    pub(crate) end: Option<OutputEnd>,
}

/// All seats, and who of them is part of the pipeline, in its order.
#[derive(Default)]
pub(crate) struct Seats {
    pub(crate) sources: Vec<SourceSeat>,
    pub(crate) outputs: Vec<OutputSeat>,
    pub(crate) read: Vec<usize>,
    pub(crate) written: Vec<usize>,
}

impl Seats {
    pub(crate) fn source_named(&self, name: &str) -> Option<usize> {
        let mut sources = self.sources.iter();
        sources.position(|seat| *seat.identity.name == *name)
    }

    pub(crate) fn output_named(&self, name: &str) -> Option<usize> {
        self.outputs.iter().position(|seat| *seat.name == *name)
    }

    /// The routes to these outputs.
    pub(crate) fn routes(&self, outputs: &[usize]) -> Vec<Route> {
        let seats = outputs
            .iter()
            .filter_map(|output| self.outputs.get(*output));
        let route = |seat: &OutputSeat| {
            Some(Route {
                name: Arc::clone(&seat.name),
                queue: seat.queue.clone()?,
            })
        };
        seats.filter_map(route).collect()
    }

    /// Why the checkpoint of a source can't move any more, if it waits for an output that has failed for good.
    pub(crate) fn lost(&self, source: &SourceSeat, acks: &Acks) -> Option<String> {
        let mut outputs = self.outputs.iter().enumerate();
        outputs.find_map(|(index, output)| match &output.end {
            Some(OutputEnd::Failed(why)) if source.waits_for(index, acks) => {
                Some(failed(&output.name, why))
            }
            _ => None,
        })
    }

    /// Outputs that are part of the pipeline, and those that are not any more and still have something to deliver.
    fn shown_outputs(&self) -> Vec<&OutputSeat> {
        let written: HashSet<_> = self.written.iter().copied().collect();
        let present = self
            .written
            .iter()
            .filter_map(|index| self.outputs.get(*index));
        let leaving = self.outputs.iter().enumerate();
        let leaving = leaving.filter(|(index, seat)| {
            !written.contains(index) && seat.end != Some(OutputEnd::Drained)
        });
        present.chain(leaving.map(|(_, seat)| seat)).collect()
    }

    fn shown_sources(&self) -> impl Iterator<Item = &SourceSeat> {
        self.read
            .iter()
            .filter_map(|index| self.sources.get(*index))
    }

    /// The gauges of what is to be seen.
    pub(crate) fn board(&self) -> Board {
        let sources = self.shown_sources();
        let outputs = self.shown_outputs().into_iter();
        Board {
            sources: sources
                .map(|seat| Arc::clone(&seat.identity.gauge))
                .collect(),
            outputs: outputs.map(|seat| Arc::clone(&seat.gauge)).collect(),
        }
    }

    /// Whether nothing is read any more, nor will be.
    pub(crate) fn all_read(&self) -> bool {
        self.sources.iter().all(|seat| seat.end.is_some())
    }

    /// Whether nothing is written any more.
    pub(crate) fn all_written(&self) -> bool {
        self.outputs.iter().all(|seat| seat.end.is_some())
    }

    /// What became of everything.
    pub(crate) fn report(&self, state_failed: bool) -> Report {
        let source = |seat: &SourceSeat| {
            let (read, settled, dead) = seat.identity.gauge.counts();
            SourceReport {
                name: Arc::clone(&seat.identity.name),
                end: seat.end.clone().unwrap_or(SourceEnd::ShutDown),
                read,
                settled,
                dead,
            }
        };
        let output = |seat: &OutputSeat| OutputReport {
            name: Arc::clone(&seat.name),
            end: seat.end.clone().unwrap_or(OutputEnd::Interrupted),
            written: seat.gauge.records(),
        };
        let sources: Vec<_> = self.shown_sources().map(source).collect();
        let outputs: Vec<_> = self.shown_outputs().into_iter().map(output).collect();
        let mut ends = sources.iter().map(|source| &source.end);
        let stopped = ends.any(|end| matches!(end, SourceEnd::Stopped(_)));
        let mut ends = outputs.iter().map(|output| &output.end);
        let failed = ends.any(|end| matches!(end, OutputEnd::Failed(_)));
        Report {
            failed: state_failed || stopped || failed,
            sources,
            outputs,
        }
    }
}

/// Why sources stop whose output failed for good.
pub(crate) fn failed(output: &str, why: &str) -> String {
    format!("output {output} failed: {why}")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use tokio::sync::Semaphore;

    use super::super::acks::{Accepted, Delivered, Storage, acks};
    use super::super::board::Gauges;
    use super::super::status::SourceGauge;
    use super::super::{Expectations, Options};
    use super::*;
    use crate::state::State;

    fn seat(index: usize, owner: Owner, outputs: Vec<usize>) -> SourceSeat {
        let name: Arc<str> = "acme".into();
        SourceSeat {
            identity: Identity {
                index,
                gauge: Arc::new(SourceGauge::new(Arc::clone(&name), Expectations::default())),
                name,
                turn: Arc::new(Semaphore::new(1)),
                read_since: Arc::new(AtomicU64::new(0)),
                backfilled_until: Arc::new(AtomicU64::new(0)),
                retention: None,
            },
            owner,
            outputs,
            left: HashMap::new(),
            work: None,
            next: None,
            end: None,
            fault: None,
        }
    }

    #[test]
    fn a_source_waits_for_an_output_that_it_left_until_what_was_underway_to_it_is_settled() {
        let folder = tempfile::tempdir().unwrap();
        let (acks, _committer) = acks(Storage {
            state: State::open(&folder.path().join("state")).unwrap(),
            options: Arc::new(Options::default()),
            gauges: Gauges::default(),
            finish: CancellationToken::new(),
            give_up: CancellationToken::new(),
        });
        let owner = Owner {
            plugin: "numbers".to_owned(),
            origin: String::new(),
        };
        let source = acks.add_source("acme".into(), owner.clone());
        let [old, new] = ["old", "new"].map(|name| acks.add_output(name.into()));
        let accept = || {
            let page = Accepted {
                checkpoint: Some("1".into()),
                began: None,
                records: 1,
                rows: Vec::new(),
                dead: 0,
                outputs: 1,
            };
            acks.accept(source, page)
        };
        let settle = |number| {
            let delivered = Delivered {
                source,
                number,
                dead: 0,
            };
            acks.deliver(old, &[delivered], None);
        };
        let mut seat = seat(source, owner, vec![old]);
        assert!(seat.waits_for(old, &acks) && !seat.waits_for(new, &acks));
        let first = accept();
        seat.lead_to(vec![new], acks.accepted(source));
        assert!(seat.waits_for(old, &acks) && seat.waits_for(new, &acks));
        settle(first);
        assert!(!seat.waits_for(old, &acks), "it has all there is");
        let [of_live, of_errand] = [accept(), accept()];
        settle(of_live);
        assert!(seat.waits_for(old, &acks));
        settle(of_errand);
        assert!(!seat.waits_for(old, &acks));
        accept();
        assert!(!seat.waits_for(old, &acks), "that went another way");
    }
}
