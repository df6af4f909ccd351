//! What a running pipeline can be made into. What stays as it is goes on undisturbed.
//!
//! - A source that is **renewed** stops, and is read anew behind its newest accepted page. What was accepted settles
//!   meanwhile as it would have.
//! - A source that is **left out** stops; what was accepted from it settles, and its checkpoint stays in the state.
//! - An output that is **renewed** gets another writer, which takes over what waits for it.
//! - An output that is **left out** gets nothing new, and ends when it has delivered what waits for it. While it fails
//!   that would never be, and the checkpoints of its sources would never move again: so it is refused.
//! - **Routes** count for what is read from now on: a batch waits for the outputs whose queues it was put into.
//!
//! All of it is judged before any of it is done.

use std::collections::HashSet;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::audit::PipelineHandle;
use super::startup::Found;
use super::{OutputSpec, PipelineError, SourceSpec};

/// What a pipeline is to be made of. Whoever is not named is part of it no more.
pub struct NextSpec {
    /// What is read, in this order.
    pub sources: Vec<NextSource>,
    /// Where records go, in this order.
    pub outputs: Vec<NextOutput>,
}

/// One source of it.
pub enum NextSource {
    /// One that is read already, and goes on as it does.
    Same {
        /// Its name.
        name: Arc<str>,
        /// The outputs that get its records from now on, as indices into [`NextSpec::outputs`].
        outputs: Vec<usize>,
    },
    /// One that is new, or is read in another way. Its outputs are indices into [`NextSpec::outputs`].
    Renewed(SourceSpec),
}

/// One output of it.
pub enum NextOutput {
    /// One that is written already, and goes on as it does: its name.
    Same(Arc<str>),
    /// One that is new, or is written in another way.
    Renewed(OutputSpec),
}

impl NextSource {
    /// Its name.
    pub fn name(&self) -> &Arc<str> {
        match self {
            Self::Same { name, .. } => name,
            Self::Renewed(spec) => &spec.name,
        }
    }

    /// The outputs that get its records, as indices into [`NextSpec::outputs`].
    pub fn outputs(&self) -> &[usize] {
        match self {
            Self::Same { outputs, .. } => outputs,
            Self::Renewed(spec) => &spec.outputs,
        }
    }
}

impl NextOutput {
    /// Its name.
    pub fn name(&self) -> &Arc<str> {
        match self {
            Self::Same(name) => name,
            Self::Renewed(spec) => &spec.name,
        }
    }
}

impl NextSpec {
    /// Refuses what could not work in any pipeline.
    pub(crate) fn check(&self) -> Result<(), PipelineError> {
        let sources = self.sources.iter().map(NextSource::name);
        let outputs = self.outputs.iter().map(NextOutput::name);
        let routes = self.sources.iter();
        let routes = routes.map(|source| (source.name(), source.outputs()));
        check(sources, outputs, routes)
    }
}

/// Refuses what could not work, whatever is in the state: names that are given twice, outputs that are not there.
pub(crate) fn check<'a>(
    sources: impl Iterator<Item = &'a Arc<str>>,
    outputs: impl Iterator<Item = &'a Arc<str>>,
    mut routes: impl Iterator<Item = (&'a Arc<str>, &'a [usize])>,
) -> Result<(), PipelineError> {
    let outputs: Vec<_> = outputs.collect();
    let number = outputs.len();
    if let Some(name) = twice(sources).or_else(|| twice(outputs.into_iter())) {
        return Err(PipelineError::NameTwice(Arc::clone(name)));
    }
    let nowhere = routes.find_map(|(name, outputs)| {
        let unknown = outputs.iter().find(|output| **output >= number)?;
        Some(PipelineError::NoSuchOutput(Arc::clone(name), *unknown))
    });
    nowhere.map_or(Ok(()), Err)
}

fn twice<'a>(mut names: impl Iterator<Item = &'a Arc<str>>) -> Option<&'a Arc<str>> {
    let mut seen = HashSet::new();
    names.find(|name| !seen.insert(Arc::clone(name)))
}

/// What is still to be done when a change was made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changed {
    /// Outputs that were left out and still deliver what waited for them, and how many records that is.
    pub draining: Vec<(Arc<str>, usize)>,
}

/// Why a pipeline stays as it is.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// It could not work, or the state can't be read.
    #[error(transparent)]
    Pipeline(#[from] PipelineError),
    /// What is to stay as it is, is not there.
    #[error("there is no {0} in the pipeline that could stay as it is")]
    Unknown(Arc<str>),
    /// The stored checkpoint belongs to another system (delivery rule 18).
    #[error("{0}")]
    Owner(String),
    /// Records wait for an output that is to go, and it does not take them (delivery rule 23).
    #[error(
        "{waiting} records wait for output {output}, which can't be written ({why}); it goes when it has them. Make it \
         work again, or restart without it: what is not settled is read again then"
    )]
    Stuck {
        /// Its name.
        output: Arc<str>,
        /// How many records wait.
        waiting: usize,
        /// Why it does not take them.
        why: String,
    },
    /// The output failed for good, and what waited for it is to be read again.
    #[error("output {0} has failed for good, and its sources have stopped: restart to change that")]
    Failed(Arc<str>),
    /// The output has not seen earlier changes yet.
    #[error(
        "output {0} hangs in a write and has not seen earlier changes yet; try again when it has, or restart"
    )]
    Hanging(Arc<str>),
    /// The pipeline is about to end.
    #[error("it is about to end")]
    Ending,
}

/// A change that was asked for.
pub(crate) struct AskedChange {
    pub(crate) next: NextSpec,
    /// What is stored of those who are new.
    pub(crate) found: Found,
    pub(crate) outcome: oneshot::Sender<Result<Changed, ChangeError>>,
}

impl PipelineHandle {
    /// Makes the pipeline into something else, or changes nothing and says why. It returns when what is new has begun;
    /// a source that is renewed begins when its outputs have made room for what it had read.
    pub async fn change(&self, next: NextSpec) -> Result<Changed, ChangeError> {
        next.check()?;
        let found = Found::load(&self.state).await?;
        let (outcome, answer) = oneshot::channel();
        let asked = AskedChange {
            next,
            found,
            outcome,
        };
        let sent = self.changes.send(asked).await;
        sent.map_err(|_| ChangeError::Ending)?;
        answer.await.unwrap_or(Err(ChangeError::Ending))
    }
}
