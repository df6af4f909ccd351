//! Who has which batch, and how far checkpoints and positions may move. No I/O, no time, no tasks.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::state::{Commit, Owner, SourceCommit};

/// The bookkeeping of all sources and outputs.
pub(super) struct Ledger {
    sources: Vec<SourceLedger>,
    outputs: Vec<OutputLedger>,
    taken: u64,
}

/// A page that was accepted.
pub(crate) struct Accepted {
    /// Where to go on after it.
    pub(crate) checkpoint: Arc<str>,
    /// Its records, those included that could not be records.
    pub(crate) records: u64,
    /// Those that are in the dead letter already.
    pub(crate) dead: u64,
    /// How many outputs must have it before it is settled.
    pub(crate) outputs: usize,
}

/// A batch that an output has durably.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Delivered {
    /// Index of its source.
    pub(crate) source: usize,
    /// Its number among the batches of its source.
    pub(crate) number: u64,
    /// Records that the output refused, in the dead letter by now.
    pub(crate) dead: u64,
}

/// How urgently there is something to store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Urgency {
    /// Nothing is to be stored.
    Nothing,
    /// Only checkpoints that moved over empty pages.
    Low,
    /// Records settled, or a position.
    High,
}

struct SourceLedger {
    name: Arc<str>,
    owner: Owner,
    /// The number that the next batch gets.
    next: u64,
    /// The batches behind the settled ones; the last has the number before `next`.
    unsettled: VecDeque<Unsettled>,
    pending: Option<Pending>,
    /// The checkpoint of the newest settled page.
    reached: Option<Arc<str>>,
}

struct Unsettled {
    pending: Pending,
    /// Outputs that do not have it yet.
    lacking: usize,
}

/// What a commit will say of a source.
struct Pending {
    checkpoint: Arc<str>,
    records: u64,
    dead: u64,
}

struct OutputLedger {
    name: Arc<str>,
    /// Writes whose positions can't be stored yet, in their order.
    writes: VecDeque<Write>,
    pending: Option<String>,
}

struct Write {
    position: Option<String>,
    /// Per source, the number of the newest batch in it.
    newest: Vec<(usize, u64)>,
}

impl Pending {
    /// Adds what comes right behind.
    fn extend(&mut self, later: Pending) {
        self.checkpoint = later.checkpoint;
        self.records += later.records;
        self.dead = (self.dead + later.dead).min(self.records);
    }
}

impl SourceLedger {
    /// The number of the first batch that is not in the settled run.
    fn first_unsettled(&self) -> u64 {
        self.next - self.unsettled.len() as u64
    }

    fn is_settled(&self, number: u64) -> bool {
        number < self.first_unsettled()
    }

    /// Moves the checkpoint over all settled batches at the front.
    fn advance(&mut self) {
        while let Some(settled) = self.unsettled.pop_front_if(|front| front.lacking == 0) {
            self.move_over(settled.pending);
        }
    }

    fn move_over(&mut self, settled: Pending) {
        self.reached = Some(Arc::clone(&settled.checkpoint));
        match &mut self.pending {
            Some(pending) => pending.extend(settled),
            None => self.pending = Some(settled),
        }
    }
}

impl Ledger {
    pub(super) fn new(sources: Vec<(Arc<str>, Owner)>, outputs: Vec<Arc<str>>) -> Self {
        let source = |(name, owner)| SourceLedger {
            name,
            owner,
            next: 0,
            unsettled: VecDeque::new(),
            pending: None,
            reached: None,
        };
        let output = |name| OutputLedger {
            name,
            writes: VecDeque::new(),
            pending: None,
        };
        Self {
            sources: sources.into_iter().map(source).collect(),
            outputs: outputs.into_iter().map(output).collect(),
            taken: 0,
        }
    }

    /// Enters a page and says which number its batch has. A page that no output needs to have is no batch of its own:
    /// its checkpoint belongs to the batch before it, so that an idle source behind a failing output takes no memory.
    pub(super) fn accept(&mut self, source: usize, page: Accepted) -> u64 {
        let Some(source) = self.sources.get_mut(source) else {
            return 0;
        };
        let pending = Pending {
            checkpoint: page.checkpoint,
            records: page.records,
            dead: page.dead,
        };
        if page.outputs > 0 {
            source.unsettled.push_back(Unsettled {
                pending,
                lacking: page.outputs,
            });
            source.next += 1;
        } else if let Some(last) = source.unsettled.back_mut() {
            last.pending.extend(pending);
        } else if pending.records > 0 || source.reached.as_ref() != Some(&pending.checkpoint) {
            source.move_over(pending);
        }
        source.next.saturating_sub(1)
    }

    /// An output has these batches, and is now at this position.
    pub(super) fn deliver(
        &mut self,
        output: usize,
        batches: &[Delivered],
        position: Option<String>,
    ) {
        let mut newest: Vec<(usize, u64)> = Vec::new();
        for batch in batches {
            self.deliver_one(batch);
            match newest
                .iter_mut()
                .find(|(source, _)| *source == batch.source)
            {
                Some((_, number)) => *number = batch.number.max(*number),
                None => newest.push((batch.source, batch.number)),
            }
        }
        if let Some(output) = self.outputs.get_mut(output) {
            output.writes.push_back(Write { position, newest });
        }
        self.move_positions();
    }

    fn deliver_one(&mut self, batch: &Delivered) {
        let Some(source) = self.sources.get_mut(batch.source) else {
            return;
        };
        let index = batch.number.checked_sub(source.first_unsettled());
        let unsettled =
            index.and_then(|index| source.unsettled.get_mut(usize::try_from(index).ok()?));
        if let Some(unsettled) = unsettled {
            unsettled.lacking = unsettled.lacking.saturating_sub(1);
            let dead = unsettled.pending.dead + batch.dead;
            unsettled.pending.dead = dead.min(unsettled.pending.records);
        }
        source.advance();
    }

    /// A position may be stored when everything up to it lies in settled runs (delivery rule 16): a replay then
    /// begins no later than at the position, for every source.
    fn move_positions(&mut self) {
        let settled = |&(source, number): &(usize, u64)| {
            let source = self.sources.get(source);
            source.is_none_or(|source| source.is_settled(number))
        };
        for output in &mut self.outputs {
            while let Some(write) = output
                .writes
                .pop_front_if(|write| write.newest.iter().all(settled))
            {
                output.pending = write.position.or(output.pending.take());
            }
        }
    }

    pub(super) fn urgency(&self) -> Urgency {
        let pending: Vec<_> = self
            .sources
            .iter()
            .filter_map(|source| source.pending.as_ref())
            .collect();
        let positions = self.outputs.iter().any(|output| output.pending.is_some());
        if positions || pending.iter().any(|pending| pending.records > 0) {
            Urgency::High
        } else if pending.is_empty() {
            Urgency::Nothing
        } else {
            Urgency::Low
        }
    }

    /// Takes what is to be stored, all of one moment, and numbers it.
    pub(super) fn take(&mut self) -> Option<(u64, Commit)> {
        let sources = self.sources.iter_mut().filter_map(|source| {
            let pending = source.pending.take()?;
            Some(SourceCommit {
                name: Arc::clone(&source.name),
                owner: source.owner.clone(),
                checkpoint: pending.checkpoint,
                settled: pending.records,
                dead: pending.dead,
            })
        });
        let positions = self.outputs.iter_mut().filter_map(|output| {
            let position = output.pending.take()?;
            Some((output.name.to_string(), position))
        });
        let commit = Commit {
            sources: sources.collect(),
            positions: positions.collect(),
        };
        if commit == Commit::default() {
            return None;
        }
        self.taken += 1;
        Some((self.taken, commit))
    }

    /// The number of the newest commit taken. What is entered now will be in the next one.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// Takes back what could not be stored; what settled meanwhile is newer.
    pub(super) fn restore(&mut self, commit: Commit) {
        for failed in commit.sources {
            let Some(source) = self
                .sources
                .iter_mut()
                .find(|source| source.name == failed.name)
            else {
                continue;
            };
            let mut pending = Pending {
                checkpoint: failed.checkpoint,
                records: failed.settled,
                dead: failed.dead,
            };
            if let Some(later) = source.pending.take() {
                pending.extend(later);
            }
            source.pending = Some(pending);
        }
        for (name, position) in commit.positions {
            if let Some(output) = self.outputs.iter_mut().find(|output| *output.name == *name) {
                output.pending.get_or_insert(position);
            }
        }
    }
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
