//! The gauges of a pipeline, together: by name for who counts, in order for who looks.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::phase::Failure;
use super::status::{OutputGauge, SourceGauge, Status};

/// The gauges of all sources that this process has read, by name. Cloning shares them.
#[derive(Clone, Default)]
pub(crate) struct Gauges(Arc<Mutex<HashMap<Arc<str>, Arc<SourceGauge>>>>);

impl Gauges {
    pub(crate) fn add(&self, gauge: Arc<SourceGauge>) {
        self.all().insert(Arc::clone(gauge.name()), gauge);
    }

    pub(crate) fn get(&self, name: &str) -> Option<Arc<SourceGauge>> {
        self.all().get(name).cloned()
    }

    pub(crate) fn list(&self) -> Vec<(Arc<str>, Arc<SourceGauge>)> {
        let of =
            |(name, gauge): (&Arc<str>, &Arc<SourceGauge>)| (Arc::clone(name), Arc::clone(gauge));
        self.all().iter().map(of).collect()
    }

    fn all(&self) -> MutexGuard<'_, HashMap<Arc<str>, Arc<SourceGauge>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The gauges of what is part of a pipeline, in its order.
#[derive(Default)]
pub(crate) struct Board {
    pub(crate) sources: Vec<Arc<SourceGauge>>,
    pub(crate) outputs: Vec<Arc<OutputGauge>>,
}

impl Board {
    pub(crate) fn snapshot(&self, state: Option<Failure>) -> Status {
        let at = Instant::now();
        let sources = self.sources.iter().map(|gauge| gauge.snapshot(at));
        let outputs = self.outputs.iter().map(|gauge| gauge.snapshot(at));
        Status {
            sources: sources.collect(),
            outputs: outputs.collect(),
            state,
            taken: Some(at),
        }
    }
}
