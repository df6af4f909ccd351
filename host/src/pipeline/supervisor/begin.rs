//! Gives seats to sources and outputs, and starts their tasks.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tokio::sync::Semaphore;

use super::{Ended, Role, Supervisor};
use crate::pipeline::assembly::Identity;
use crate::pipeline::delivery::Delivery;
use crate::pipeline::seats::{NextWork, OutputSeat, SourceSeat, SourceWork};
use crate::pipeline::startup::{Found, KNOWN};
use crate::pipeline::status::{OutputGauge, SourceGauge};
use crate::pipeline::{OutputSpec, SourceEnd, SourceSpec};
use crate::stage::Start;

impl Supervisor {
    /// Gives a seat to a source and starts its task, unless it must not run. The seats of its outputs are those that
    /// the specification says.
    pub(super) fn add_source(&mut self, spec: SourceSpec, found: &Found) -> usize {
        let name = Arc::clone(&spec.name);
        let index = self
            .common
            .acks
            .add_source(Arc::clone(&name), spec.owner.clone());
        let gauge = Arc::new(SourceGauge::new(Arc::clone(&name), spec.expectations));
        gauge.ledger(found.ledger(&name));
        if let Some(habit) = found.habit(&name) {
            gauge.recall(habit);
        }
        self.gauges.add(Arc::clone(&gauge));
        self.desk.add(Arc::clone(&name), found.audited(&name));
        let start = found.start(&spec);
        let read_since = found.read_since(&name);
        let backfilled_until = found.backfilled_until(&name);
        self.seats.sources.push(SourceSeat {
            identity: Identity {
                index,
                name,
                gauge,
                turn: Arc::new(Semaphore::new(1)),
                read_since: Arc::new(AtomicU64::new(read_since)),
                backfilled_until: Arc::new(AtomicU64::new(backfilled_until)),
                retention: spec.expectations.retention,
            },
            owner: spec.owner.clone(),
            outputs: spec.outputs,
            left: HashMap::new(),
            work: None,
            next: None,
            end: None,
            fault: None,
        });
        match start {
            Ok(start) => {
                let (source, owner) = (spec.source, spec.owner);
                let work = NextWork {
                    source,
                    owner,
                    start,
                };
                self.start_source(index, work);
            }
            Err(why) => self.source_ended(index, SourceEnd::Stopped(why)),
        }
        index
    }

    /// Starts the task of a source behind the newest page that was accepted from it (delivery rule 2).
    pub(super) fn start_source(&mut self, index: usize, work: NextWork) {
        let Some(seat) = self.seats.sources.get(index) else {
            return;
        };
        if let Some(why) = self.seats.lost(seat, &self.common.acks) {
            return self.source_ended(index, SourceEnd::Stopped(why));
        }
        let newest = self.common.acks.newest(index);
        if newest.is_some()
            && let Err(why) = seat.owner.admits(&seat.identity.name, &work.owner)
        {
            return self.source_ended(index, SourceEnd::Stopped(why));
        }
        self.common.acks.own(index, work.owner.clone());
        let start = newest.map_or(work.start, Start::Checkpoint);
        let routes = self.seats.routes(&seat.outputs);
        let assembled = self
            .common
            .source(&seat.identity, work.source, routes, start);
        self.desk.renew(index, assembled.auditor);
        if let Some(seat) = self.seats.sources.get_mut(index) {
            seat.owner = work.owner;
            seat.end = None;
            seat.fault = None;
            seat.work = Some(SourceWork {
                stop: assembled.stop,
                routes: assembled.routes,
            });
        }
        let task = assembled.task;
        let task = self.tasks.spawn(async { Ended::Source(task.run().await) });
        self.roles.insert(task.id(), Role::Source(index));
    }

    /// Gives a seat to an output and starts its task.
    pub(super) fn add_output(&mut self, spec: OutputSpec, found: &Found) -> usize {
        let name = Arc::clone(&spec.name);
        let acks = &self.common.acks;
        let index = acks.add_output(Arc::clone(&name));
        if !found.knows_output(&name) {
            acks.deliver(index, &[], Some(KNOWN.to_owned()));
        }
        let gauge = Arc::new(OutputGauge::new(Arc::clone(&name)));
        let position = found.position(&name);
        let assembled = self
            .common
            .output(index, spec, Arc::clone(&gauge), position);
        self.seats.outputs.push(OutputSeat {
            name,
            gauge,
            queue: Some(assembled.queue),
            renewals: assembled.renewals,
            parked: None,
            end: None,
        });
        self.start_output(index, assembled.delivery);
        index
    }

    pub(super) fn start_output(&mut self, index: usize, delivery: Delivery) {
        let task = self.tasks.spawn(async {
            let (end, rest) = delivery.run().await;
            Ended::Output(end, rest.map(Box::new))
        });
        self.roles.insert(task.id(), Role::Output(index));
    }
}
