//! Makes the tasks of a pipeline, at its start and at each reload, and connects them: queues, gauges, tokens, and what
//! each task begins with.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::acks::Acks;
use super::audit::Auditor;
use super::budget::Budget;
use super::burial::Burial;
use super::crowd::Crowd;
use super::delivery::{self, Delivery, Renewal};
use super::inlet::Inlet;
use super::overlap::Delivered;
use super::queue::{QueueSender, Queues, queue};
use super::routes::{Route, Routes};
use super::source::{self, SourceTask, Tide};
use super::status::{OutputGauge, SourceGauge};
use super::{Options, OutputSpec};
use crate::stage::{Source, Start};
use crate::state::State;

/// Reloads that one output may have to catch up with: it sees them when its current attempt to write is over.
pub(crate) const RENEWALS_MAX: usize = 4;

/// What all tasks share.
pub(crate) struct Common {
    pub(crate) state: State,
    pub(crate) options: Arc<Options>,
    pub(crate) acks: Acks,
    pub(crate) budget: Budget,
    pub(crate) crowd: Crowd,
    pub(crate) burial: Burial,
    /// Another value for each request to open files anew.
    pub(crate) reopen: watch::Receiver<u64>,
    /// Read no more.
    pub(crate) shutdown: CancellationToken,
    /// Cancelled when nothing is to be waited for any more.
    pub(crate) give_up: CancellationToken,
}

/// What stays of a source from one task to the next.
pub(crate) struct Identity {
    /// Its number in the books.
    pub(crate) index: usize,
    pub(crate) name: Arc<str>,
    pub(crate) gauge: Arc<SourceGauge>,
    /// See [`Inlet::turn`].
    pub(crate) turn: Arc<Semaphore>,
    /// See [`Inlet::border`].
    pub(crate) read_since: Arc<AtomicU64>,
    /// See [`Inlet::may_be_backfilled`].
    pub(crate) backfilled_until: Arc<AtomicU64>,
    /// For how long the system that is read keeps a record, if that is known.
    pub(crate) retention: Option<Duration>,
}

/// A source's task, and what reaches it.
pub(crate) struct AssembledSource {
    pub(crate) task: SourceTask,
    /// What an audit of it works with.
    pub(crate) auditor: Auditor,
    pub(crate) stop: CancellationToken,
    pub(crate) routes: Arc<Routes>,
}

/// An output's task, and what reaches it.
pub(crate) struct AssembledOutput {
    pub(crate) delivery: Delivery,
    pub(crate) queue: QueueSender,
    pub(crate) renewals: mpsc::Sender<Renewal>,
}

impl Common {
    /// Makes the task of a source. Nothing runs yet.
    pub(crate) fn source(
        &self,
        identity: &Identity,
        source: Arc<dyn Source>,
        routes: Vec<Route>,
        start: Start,
    ) -> AssembledSource {
        let stop = self.shutdown.child_token();
        let routes = Arc::new(Routes::new(routes));
        let delivered = Delivered {
            acks: self.acks.clone(),
            state: self.state.clone(),
            index: identity.index,
            name: Arc::clone(&identity.name),
        };
        let inlet = Arc::new(Inlet {
            delivered,
            routes: Arc::clone(&routes),
            budget: self.budget.clone(),
            burial: self.burial.clone(),
            gauge: Arc::clone(&identity.gauge),
            options: Arc::clone(&self.options),
            turn: Arc::clone(&identity.turn),
            read_since: Arc::clone(&identity.read_since),
            backfilled_until: Arc::clone(&identity.backfilled_until),
            stop: stop.clone(),
            give_up: self.give_up.clone(),
        });
        let tide = watch::Sender::new(Tide::default());
        let auditor = Auditor {
            inlet: Arc::clone(&inlet),
            source: Arc::clone(&source),
            tide: tide.subscribe(),
            retention: identity.retention,
        };
        let wiring = source::Wiring {
            inlet,
            source,
            tide,
            member: Arc::new(self.crowd.join()),
        };
        AssembledSource {
            task: SourceTask::new(wiring, start),
            auditor,
            stop,
            routes,
        }
    }

    /// Makes the task of an output, whose number in the books is `index`. Nothing runs yet.
    pub(crate) fn output(
        &self,
        index: usize,
        spec: OutputSpec,
        gauge: Arc<OutputGauge>,
        position: Option<String>,
    ) -> AssembledOutput {
        let (queue, receiver) = queue(spec.queue);
        gauge.queue(receiver.depth());
        let (renewals, renewed) = mpsc::channel(RENEWALS_MAX);
        let wiring = delivery::Wiring {
            index,
            name: spec.name,
            open: spec.open,
            queues: Queues::new(receiver),
            acks: self.acks.clone(),
            burial: self.burial.clone(),
            gauge,
            options: Arc::clone(&self.options),
            reopen: self.reopen.clone(),
            renewals: renewed,
            give_up: self.give_up.clone(),
        };
        AssembledOutput {
            delivery: Delivery::new(wiring, position),
            queue,
            renewals,
        }
    }
}
