//! What a new process finds in the state, compared with what it is to run.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::blocking::off_worker;
use super::{PipelineError, PipelineSpec, SourceSpec};
use crate::stage::Start;
use crate::state::{LedgerSize, State, StateError, StoredSource};

/// The position of an output that is known but has no position (yet): its row tells an output that has been there
/// all the time from one that starts in mid-stream.
pub(crate) const KNOWN: &str = "";

/// What our clock and that of a system may differ in, and what the first page may take. In nanoseconds.
const CLOCKS_DIFFER: u64 = 3_600_000_000_000;

/// What is stored.
pub(crate) struct Found {
    sources: HashMap<String, StoredSource>,
    positions: HashMap<String, String>,
    /// When the newest finished audit of each source ended.
    audited: HashMap<String, u64>,
    /// What was learnt of each source.
    habits: HashMap<String, String>,
}

impl Found {
    pub(crate) async fn load(state: &State) -> Result<Self, PipelineError> {
        let state = state.clone();
        let load = move || -> Result<Self, StateError> {
            Ok(Self {
                sources: state.sources()?.into_iter().collect(),
                positions: state.positions()?.into_iter().collect(),
                audited: state.audited()?.into_iter().collect(),
                habits: state.habits()?.into_iter().collect(),
            })
        };
        Ok(off_worker(load).await??)
    }

    /// Where a source begins, or why it must not (delivery rule 18).
    pub(crate) fn start(&self, spec: &SourceSpec) -> Result<Start, String> {
        let Some(stored) = self.sources.get(&*spec.name) else {
            return Ok(Start::First);
        };
        stored.owner.admits(&spec.name, &spec.owner)?;
        Ok(match stored.rewind_to {
            Some(time) => Start::At(time),
            None => Start::Checkpoint(Arc::clone(&stored.checkpoint)),
        })
    }

    /// Since when everything of a source was read, or is read from now on; nanoseconds since 1970, 0 if that is not known.
    pub(crate) fn read_since(&self, name: &str) -> u64 {
        let stored = self.sources.get(name);
        let times = stored.map(|stored| [stored.read_since, stored.rewind_to]);
        times.into_iter().flatten().flatten().min().unwrap_or(0)
    }

    /// What was published no later may have been brought by a backfill; nanoseconds since 1970, 0 if there was none.
    pub(crate) fn backfilled_until(&self, name: &str) -> u64 {
        let stored = self.sources.get(name);
        stored
            .and_then(|stored| stored.backfilled_until)
            .unwrap_or(0)
    }

    /// When a source's newest finished audit ended, nanoseconds since 1970.
    pub(crate) fn audited(&self, name: &str) -> Option<u64> {
        self.audited.get(name).copied()
    }

    /// How large a source's ledger is.
    pub(crate) fn ledger(&self, name: &str) -> LedgerSize {
        let stored = self.sources.get(name);
        stored.map_or_else(LedgerSize::default, |stored| stored.ledger)
    }

    /// What was learnt of a source, as [`super::status::SourceGauge::habit`] told it.
    pub(crate) fn habit(&self, name: &str) -> Option<&str> {
        self.habits.get(name).map(String::as_str)
    }

    /// Whether an output has been part of an earlier run.
    pub(crate) fn knows_output(&self, name: &str) -> bool {
        self.positions.contains_key(name)
    }

    /// Where an output was.
    pub(crate) fn position(&self, name: &str) -> Option<String> {
        let position = self.positions.get(name)?;
        (position != KNOWN).then(|| position.clone())
    }

    /// Names what a person may not expect.
    pub(crate) fn log_surprises(&self, spec: &PipelineSpec) {
        for name in self.orphans(spec) {
            tracing::warn!(
                source = name,
                "the state has a checkpoint of a source that is not configured; `logweir state forget {name}` removes it"
            );
        }
        for (name, since) in self.short_of_the_past(spec) {
            let since = super::audit::time(since);
            tracing::warn!(
                source = name,
                "more of the past is configured than was read; `logweir backfill {name} --since {since}` reads the rest"
            );
        }
        for (output, source) in self.in_mid_stream(spec) {
            tracing::warn!(
                output,
                source,
                "this output is new and starts in mid-stream: it gets what comes after the source's checkpoint"
            );
        }
    }

    fn orphans<'a>(&'a self, spec: &PipelineSpec) -> Vec<&'a str> {
        let configured = |name: &str| spec.sources.iter().any(|source| *source.name == *name);
        let mut orphans: Vec<_> = self
            .sources
            .keys()
            .map(String::as_str)
            .filter(|name| !configured(name))
            .collect();
        orphans.sort_unstable();
        orphans
    }

    /// Sources whose first read would go further back now than it did, and where it would begin.
    fn short_of_the_past<'a>(&self, spec: &'a PipelineSpec) -> Vec<(&'a str, u64)> {
        let short = |source: &'a SourceSpec| {
            let stored = self.sources.get(&*source.name)?;
            let wanted = source.expectations.backfill?;
            let kept = source.expectations.retention.unwrap_or(Duration::MAX);
            let wanted = u64::try_from(wanted.min(kept).as_nanos()).unwrap_or(u64::MAX);
            let begins = stored.first?.saturating_sub(wanted);
            let reads = self.read_since(&source.name);
            (begins.saturating_add(CLOCKS_DIFFER) < reads).then_some((&*source.name, begins))
        };
        spec.sources.iter().filter_map(short).collect()
    }

    /// New outputs of sources that have been read before.
    fn in_mid_stream<'a>(&self, spec: &'a PipelineSpec) -> Vec<(&'a str, &'a str)> {
        let mut found = Vec::new();
        for source in spec
            .sources
            .iter()
            .filter(|source| self.sources.contains_key(&*source.name))
        {
            let outputs = source
                .outputs
                .iter()
                .filter_map(|output| spec.outputs.get(*output));
            let new = outputs.filter(|output| !self.knows_output(&output.name));
            found.extend(new.map(|output| (&*output.name, &*source.name)));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use futures::FutureExt;

    use super::super::{OutputSpec, QueueLimits};
    use super::*;
    use crate::stage::{CheckReport, Reader, Source, StageError};
    use crate::state::Owner;

    struct Nothing;

    #[async_trait]
    impl Source for Nothing {
        async fn open(&self, _: Start) -> Result<Box<dyn Reader>, StageError> {
            Err(StageError::Permanent("there is nothing".to_owned()))
        }

        async fn check(&self) -> Result<CheckReport, StageError> {
            Ok(CheckReport::default())
        }
    }

    fn owner() -> Owner {
        Owner {
            plugin: "numbers".to_owned(),
            origin: "https://acme.example".to_owned(),
        }
    }

    fn source(name: &str, outputs: &[usize]) -> SourceSpec {
        SourceSpec {
            name: name.into(),
            source: Arc::new(Nothing),
            owner: owner(),
            outputs: outputs.to_vec(),
            expectations: crate::pipeline::Expectations::default(),
        }
    }

    fn output(name: &str) -> OutputSpec {
        OutputSpec {
            name: name.into(),
            open: Box::new(|_| async { Err(StageError::Permanent(String::new())) }.boxed()),
            queue: QueueLimits::default(),
        }
    }

    fn stored() -> StoredSource {
        StoredSource {
            owner: owner(),
            checkpoint: "7".into(),
            rewind_to: None,
            settled: 7,
            dead: 0,
            updated: 0,
            backfilled_until: None,
            read_since: Some(1_000_000_000_000_000),
            first: Some(2_000_000_000_000_000),
            ledger: LedgerSize::default(),
        }
    }

    fn found(sources: &[&str], positions: &[(&str, &str)]) -> Found {
        Found {
            sources: sources
                .iter()
                .map(|name| ((*name).to_owned(), stored()))
                .collect(),
            positions: positions
                .iter()
                .map(|(name, at)| ((*name).to_owned(), (*at).to_owned()))
                .collect(),
            audited: HashMap::new(),
            habits: HashMap::new(),
        }
    }

    #[test]
    fn delivery_18_rows_of_sources_that_are_not_configured_are_named() {
        let found = found(&["gone", "acme", "away"], &[]);
        let spec = PipelineSpec {
            sources: vec![source("acme", &[]), source("new", &[])],
            outputs: vec![],
        };
        assert_eq!(found.orphans(&spec), ["away", "gone"]);
        assert_eq!(
            found.start(&spec.sources[0]),
            Ok(Start::Checkpoint("7".into()))
        );
        assert_eq!(found.start(&spec.sources[1]), Ok(Start::First));
    }

    #[test]
    fn delivery_15_a_longer_backfill_in_the_configuration_is_named_and_not_begun() {
        let second = 1_000_000_000;
        let short = |backfill, retention: Option<u64>| {
            let mut source = source("acme", &[]);
            source.expectations.backfill = Some(Duration::from_secs(backfill));
            source.expectations.retention = retention.map(Duration::from_secs);
            let spec = PipelineSpec {
                sources: vec![source],
                outputs: vec![],
            };
            let found = found(&["acme"], &[]);
            found
                .short_of_the_past(&spec)
                .pop()
                .map(|(_, since)| since / second)
        };
        assert_eq!(short(1_000_000, None), None, "as far as it was read");
        assert_eq!(short(1_500_000, None), Some(500_000));
        assert_eq!(short(500_000, None), None);
        assert_eq!(short(1_500_000, Some(1_000_000)), None, "there is no more");
    }

    #[test]
    fn delivery_18_an_output_that_starts_in_mid_stream_is_named_once() {
        let spec = PipelineSpec {
            sources: vec![source("acme", &[0, 1, 2]), source("new", &[2])],
            outputs: vec![output("archive"), output("console"), output("siem")],
        };
        let found = found(&["acme"], &[("archive", "100"), ("console", KNOWN)]);
        assert_eq!(found.in_mid_stream(&spec), [("siem", "acme")]);
        assert_eq!(found.position("archive").as_deref(), Some("100"));
        assert_eq!(found.position("console"), None);
    }
}
