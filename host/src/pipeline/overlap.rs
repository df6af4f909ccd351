//! Tells records that were delivered from those that were not (delivery rule 12).
//!
//! Nothing is kept between two pages, so the memory it takes is that of the page, however long the ledger is, and
//! pages that can't repeat anything pay nothing. A record that comes again has the time that it had, so a page is
//! compared first with what is remembered of its times: a few rows. Only if some of it is not found there, it is
//! compared with everything known of the source: a plugin that gives a record another time than before costs that,
//! and repeats nothing.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::acks::Acks;
use super::blocking::off_worker;
use crate::record::{Batch, RecordRef};
use crate::state::{Digest, State, StateError};

/// What is known of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kinship {
    /// Nothing.
    New,
    /// The same record, byte for byte, was delivered or is on its way.
    Repeated,
    /// Another record of the same id was delivered or is on its way.
    Differing,
}

/// Some digests, and what turned up that has the same ids.
struct Sieve {
    /// By id, the bytes known.
    known: HashMap<u64, Vec<u64>>,
}

impl Sieve {
    fn new(wanted: &[Digest]) -> Self {
        Self {
            known: wanted
                .iter()
                .map(|digest| (digest.id, Vec::new()))
                .collect(),
        }
    }

    fn know(&mut self, digest: Digest) {
        if let Some(bytes) = self.known.get_mut(&digest.id)
            && !bytes.contains(&digest.bytes)
        {
            bytes.push(digest.bytes);
        }
    }

    /// Whether each of them, as it is, turned up.
    fn knows_all(&self, digests: &[Digest]) -> bool {
        let knows = |digest: &Digest| {
            let known = self.known.get(&digest.id);
            known.is_some_and(|bytes| bytes.contains(&digest.bytes))
        };
        digests.iter().all(knows)
    }

    /// Judges one record after the other; each is known to those behind it.
    fn judge(mut self, digests: &[Digest]) -> Vec<Kinship> {
        let judge = |digest: &Digest| {
            let bytes = self.known.entry(digest.id).or_default();
            if bytes.contains(&digest.bytes) {
                return Kinship::Repeated;
            }
            bytes.push(digest.bytes);
            if bytes.len() == 1 {
                Kinship::New
            } else {
                Kinship::Differing
            }
        };
        digests.iter().map(judge).collect()
    }
}

/// Everything known of what was accepted from one source.
#[derive(Clone)]
pub(crate) struct Delivered {
    pub(crate) acks: Acks,
    pub(crate) state: State,
    /// Index of the source.
    pub(crate) index: usize,
    /// Its name.
    pub(crate) name: Arc<str>,
}

/// Why it can't be said what was delivered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LookupError {
    /// The ledger can't be read.
    #[error(transparent)]
    State(#[from] StateError),
    /// Reading it did not come to an end.
    #[error("looking into the ledger failed: {0}")]
    Interrupted(#[from] tokio::task::JoinError),
}

impl Delivered {
    /// Compares records with the ledger, with what is on its way there, and with each other. What is on its way is
    /// looked at first: it may be in the ledger a moment later. `times` are those of the records, as far as known.
    pub(crate) async fn compare(
        &self,
        digests: Vec<Digest>,
        times: Option<RangeInclusive<u64>>,
    ) -> Result<Vec<Kinship>, LookupError> {
        if digests.is_empty() {
            return Ok(Vec::new());
        }
        let unstored = self.acks.unstored(self.index);
        let (state, name) = (self.state.clone(), Arc::clone(&self.name));
        let compare = move || {
            let mut sieve = Sieve::new(&digests);
            for row in &unstored {
                row.digests.iter().for_each(|digest| sieve.know(*digest));
            }
            if let Some(times) = times {
                state.for_each_delivered_at(&name, &times, |digest| sieve.know(digest))?;
            }
            if !sieve.knows_all(&digests) {
                state.for_each_delivered(&name, |digest| sieve.know(digest))?;
            }
            Ok::<_, StateError>(sieve.judge(&digests))
        };
        Ok(off_worker(compare).await??)
    }
}

/// The times of records, from the oldest to the newest; none if none of them has one.
pub(crate) fn times(batch: &Batch) -> Option<RangeInclusive<u64>> {
    // A record without a time says nothing.
    let times = || {
        batch
            .records()
            .map(RecordRef::time)
            .filter(|time| *time > 0)
    };
    Some(times().min()?..=times().max()?)
}

#[cfg(test)]
#[path = "overlap_tests.rs"]
mod tests;
