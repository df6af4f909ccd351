//! Connects the tasks of a pipeline: queues, gauges, tokens, and what each task begins with.

use std::collections::HashSet;
use std::sync::Arc;

use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

use super::acks::{Acks, Committer, Storage, acks};
use super::audit::Auditor;
use super::budget::Budget;
use super::burial::Burial;
use super::dead_letter::DeadLetter;
use super::delivery::{self, Delivery};
use super::inlet::Inlet;
use super::overlap::Delivered;
use super::queue::{QueueReceiver, QueueSender, queue};
use super::source::{self, SourceTask, Tide};
use super::startup::{Found, KNOWN};
use super::status::{Board, OutputGauge, SourceGauge};
use super::{Options, OutputSpec, PipelineError, PipelineSpec, SourceSpec};
use crate::stage::Start;
use crate::state::State;

/// What a pipeline is assembled from.
pub(crate) struct Parts {
    pub(crate) spec: PipelineSpec,
    pub(crate) state: State,
    pub(crate) dead_letter: DeadLetter,
    pub(crate) options: Arc<Options>,
    /// Read no more.
    pub(crate) shutdown: CancellationToken,
    pub(crate) reopen: watch::Receiver<u64>,
}

/// A pipeline whose tasks only have to be started.
pub(crate) struct Assembly {
    pub(crate) sources: Vec<AssembledSource>,
    pub(crate) outputs: Vec<(Arc<str>, Delivery)>,
    pub(crate) committer: Committer,
    pub(crate) acks: Acks,
    pub(crate) board: Board,
    /// Cancelled when everything is in the books.
    pub(crate) finish: CancellationToken,
    /// Cancelled when nothing is to be waited for any more.
    pub(crate) give_up: CancellationToken,
}

/// A source's task, or why it must not run.
pub(crate) struct AssembledSource {
    pub(crate) name: Arc<str>,
    pub(crate) outputs: Vec<usize>,
    pub(crate) stop: CancellationToken,
    /// What an audit of it works with.
    pub(crate) auditor: Auditor,
    pub(crate) task: Result<SourceTask, String>,
}

/// What all tasks share.
struct Common {
    state: State,
    options: Arc<Options>,
    acks: Acks,
    budget: Budget,
    burial: Burial,
    give_up: CancellationToken,
}

/// Refuses what could not work, whatever is in the state.
pub(crate) fn check(spec: &PipelineSpec) -> Result<(), PipelineError> {
    let sources = spec.sources.iter().map(|source| &source.name);
    let outputs = spec.outputs.iter().map(|output| &output.name);
    if let Some(name) = twice(sources).or_else(|| twice(outputs)) {
        return Err(PipelineError::NameTwice(Arc::clone(name)));
    }
    for source in &spec.sources {
        let unknown = source
            .outputs
            .iter()
            .find(|output| **output >= spec.outputs.len());
        if let Some(unknown) = unknown {
            return Err(PipelineError::NoSuchOutput(
                Arc::clone(&source.name),
                *unknown,
            ));
        }
    }
    Ok(())
}

fn twice<'a>(mut names: impl Iterator<Item = &'a Arc<str>>) -> Option<&'a Arc<str>> {
    let mut seen = HashSet::new();
    names.find(|name| !seen.insert(Arc::clone(name)))
}

/// Connects everything. Nothing runs yet.
pub(crate) fn assemble(parts: Parts, found: &Found) -> Assembly {
    let Parts {
        spec,
        state,
        dead_letter,
        options,
        shutdown,
        reopen,
    } = parts;
    let (finish, give_up) = (CancellationToken::new(), CancellationToken::new());
    let (senders, receivers): (Vec<_>, Vec<_>) = spec
        .outputs
        .iter()
        .map(|output| queue(output.queue))
        .unzip();
    let board = board(&spec, &receivers);
    let names = spec.sources.iter().map(|source| Arc::clone(&source.name));
    let storage = Storage {
        state: state.clone(),
        options: Arc::clone(&options),
        gauges: names.zip(board.sources.iter().map(Arc::clone)).collect(),
        finish: finish.clone(),
        give_up: give_up.clone(),
    };
    let (acks, committer) = books(&spec, storage);
    let common = Common {
        state,
        burial: Burial::new(dead_letter, Arc::clone(&options), give_up.clone()),
        budget: Budget::new(options.budget),
        options,
        acks: acks.clone(),
        give_up: give_up.clone(),
    };
    let named = spec.outputs.iter().map(|output| Arc::clone(&output.name));
    let senders: Vec<_> = named.zip(senders).collect();
    let sources = spec.sources.into_iter().zip(&board.sources).enumerate();
    let sources = sources.map(|(index, (spec, gauge))| {
        let start = found.start(&spec);
        gauge.ledger(found.ledger(&spec.name));
        assemble_source(
            &common,
            index,
            spec,
            Arc::clone(gauge),
            &senders,
            shutdown.child_token(),
            start,
        )
    });
    let sources = sources.collect();
    let outputs = assemble_outputs(&common, spec.outputs, receivers, &board, found, &reopen);
    Assembly {
        sources,
        outputs,
        committer,
        acks,
        board,
        finish,
        give_up,
    }
}

fn board(spec: &PipelineSpec, receivers: &[QueueReceiver]) -> Board {
    let source = |spec: &SourceSpec| {
        let name = Arc::clone(&spec.name);
        Arc::new(SourceGauge::new(name, spec.expectations))
    };
    let output = |(spec, receiver): (&OutputSpec, &QueueReceiver)| {
        Arc::new(OutputGauge::new(Arc::clone(&spec.name), receiver.depth()))
    };
    Board {
        sources: spec.sources.iter().map(source).collect(),
        outputs: spec.outputs.iter().zip(receivers).map(output).collect(),
    }
}

fn books(spec: &PipelineSpec, storage: Storage) -> (Acks, Committer) {
    let source = |source: &SourceSpec| (Arc::clone(&source.name), source.owner.clone());
    let outputs = spec.outputs.iter().map(|output| Arc::clone(&output.name));
    acks(
        spec.sources.iter().map(source).collect(),
        outputs.collect(),
        storage,
    )
}

fn assemble_source(
    common: &Common,
    index: usize,
    spec: SourceSpec,
    gauge: Arc<SourceGauge>,
    senders: &[(Arc<str>, QueueSender)],
    stop: CancellationToken,
    start: Result<Start, String>,
) -> AssembledSource {
    let name = Arc::clone(&spec.name);
    let outputs = spec
        .outputs
        .iter()
        .filter_map(|output| senders.get(*output).cloned());
    let delivered = Delivered {
        acks: common.acks.clone(),
        state: common.state.clone(),
        index,
        name: spec.name,
    };
    let inlet = Arc::new(Inlet {
        delivered,
        outputs: outputs.collect(),
        budget: common.budget.clone(),
        burial: common.burial.clone(),
        gauge,
        options: Arc::clone(&common.options),
        turn: Semaphore::new(1),
        stop: stop.clone(),
        give_up: common.give_up.clone(),
    });
    let tide = watch::Sender::new(Tide::default());
    let auditor = Auditor {
        inlet: Arc::clone(&inlet),
        source: Arc::clone(&spec.source),
        tide: tide.subscribe(),
    };
    let wiring = source::Wiring {
        inlet,
        source: spec.source,
        tide,
    };
    let task = start.map(|start| SourceTask::new(wiring, start));
    AssembledSource {
        name,
        outputs: spec.outputs,
        stop,
        auditor,
        task,
    }
}

fn assemble_outputs(
    common: &Common,
    specs: Vec<OutputSpec>,
    queues: Vec<QueueReceiver>,
    board: &Board,
    found: &Found,
    reopen: &watch::Receiver<u64>,
) -> Vec<(Arc<str>, Delivery)> {
    let outputs = specs
        .into_iter()
        .zip(queues)
        .zip(&board.outputs)
        .enumerate();
    let assemble = |(index, ((spec, queue), gauge)): (
        usize,
        ((OutputSpec, QueueReceiver), &Arc<OutputGauge>),
    )| {
        if !found.knows_output(&spec.name) {
            common.acks.deliver(index, &[], Some(KNOWN.to_owned()));
        }
        let position = found.position(&spec.name);
        let wiring = delivery::Wiring {
            index,
            name: Arc::clone(&spec.name),
            open: spec.open,
            queue,
            acks: common.acks.clone(),
            burial: common.burial.clone(),
            gauge: Arc::clone(gauge),
            options: Arc::clone(&common.options),
            reopen: reopen.clone(),
            give_up: common.give_up.clone(),
        };
        (spec.name, Delivery::new(wiring, position))
    };
    outputs.map(assemble).collect()
}
