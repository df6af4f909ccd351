//! From what was prepared to a pipeline.

use std::sync::Arc;

use futures::FutureExt;

use super::expectations::expectations;
use super::{Host, HostError, HostSource, granted};
use crate::config::{OutputEntry, Plan, SourcePlan};
use crate::pipeline::dead_letter::DeadLetter;
use crate::pipeline::{
    AuditOptions, Options, OutputSpec, Pipeline, PipelineSpec, QueueLimits, SourceSpec,
};
use crate::stage::Source;
use crate::state::StateLock;

/// An output and the sources whose records go there.
pub struct Routed {
    /// The output.
    pub spec: OutputSpec,
    /// Names of sources.
    pub inputs: Vec<Arc<str>>,
}

impl Routed {
    /// An output as the configuration says.
    pub fn planned(entry: &OutputEntry) -> Self {
        let plan = entry.plan.clone();
        let open = move |position: Option<String>| {
            let plan = plan.clone();
            async move { plan.open(position.as_deref()).await }.boxed()
        };
        let limit = |limit: u64| usize::try_from(limit).unwrap_or(usize::MAX);
        let queue = QueueLimits {
            bytes: limit(entry.queue.bytes),
            records: limit(entry.queue.records),
        };
        let spec = OutputSpec {
            name: Arc::clone(&entry.name),
            open: Box::new(open),
            queue,
        };
        Self {
            spec,
            inputs: entry.inputs.clone(),
        }
    }
}

/// A source for the pipeline, with what its plan says of what is normal.
pub(super) fn source_spec(
    source: &HostSource,
    plan: Option<&SourcePlan>,
    outputs: Vec<usize>,
) -> SourceSpec {
    let expectations = plan.map(|plan| expectations(plan, &source.plugin));
    SourceSpec {
        name: Arc::clone(&source.name),
        source: Arc::clone(&source.source) as Arc<dyn Source>,
        owner: source.owner.clone(),
        outputs,
        expectations: expectations.unwrap_or_default(),
    }
}

impl Host {
    /// Puts the pipeline together, with what the plan says of ledger and audits. Nobody else may move these checkpoints until the lock is dropped.
    pub fn pipeline(
        &self,
        plan: &Plan,
        outputs: Vec<Routed>,
        options: Options,
    ) -> Result<(Pipeline, StateLock), HostError> {
        let lock = self.state.lock()?;
        granted::note(&self.state, &self.sources)?;
        let sources = self.sources.iter().map(|source| {
            let planned = plan.sources.iter().find(|plan| plan.name == source.name);
            let reads = |routed: &Routed| routed.inputs.contains(&source.name);
            let routed = outputs.iter().enumerate();
            let routed = routed.filter(|(_, routed)| reads(routed));
            source_spec(source, planned, routed.map(|(at, _)| at).collect())
        });
        let spec = PipelineSpec {
            sources: sources.collect(),
            outputs: outputs.into_iter().map(|routed| routed.spec).collect(),
        };
        let dead_letter = DeadLetter::new(plan.dead_letter.clone());
        // Who reads one source alone has something of their own in mind.
        let regularly = plan.audit.filter(|_| options.only.is_none());
        let audit = regularly.map(|audit| AuditOptions {
            every: audit.every,
            since: audit.since,
            fix: audit.fix,
        });
        let options = Options {
            readers: plan.readers.unwrap_or(options.readers),
            ledger_keep: plan.ledger.keep,
            audit,
            ..options
        };
        Ok((
            Pipeline::new(spec, self.state.clone(), dead_letter, options),
            lock,
        ))
    }
}
