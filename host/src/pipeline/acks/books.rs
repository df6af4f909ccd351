//! Who has which batch, and how far checkpoints and positions may move. No I/O, no time, no tasks.

use std::collections::VecDeque;
use std::sync::Arc;

use super::output_book::OutputBook;
use crate::state::{Commit, LedgerRow, Owner, SourceCommit};

/// The bookkeeping of all sources and outputs. A source or output keeps its number for as long as the process lives.
#[derive(Default)]
pub(super) struct Books {
    sources: Vec<SourceBook>,
    outputs: Vec<OutputBook>,
    taken: u64,
}

/// A page that was accepted.
pub(crate) struct Accepted {
    /// Where to go on after it; none if it is not the live reader's.
    pub(crate) checkpoint: Option<Arc<str>>,
    /// Where the source's first read began, if this page is a part of it. Nanoseconds since 1970.
    pub(crate) began: Option<u64>,
    /// Its records, those included that could not be records.
    pub(crate) records: u64,
    /// The same records, as the ledger will have them.
    pub(crate) rows: Vec<LedgerRow>,
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

struct SourceBook {
    name: Arc<str>,
    owner: Owner,
    /// The number that the next batch gets.
    next: u64,
    /// The batches behind the settled ones; the last has the number before `next`.
    unsettled: VecDeque<Unsettled>,
    pending: Option<Pending>,
    /// The checkpoint of the newest settled page.
    reached: Option<Arc<str>>,
    /// The checkpoint of the newest accepted page.
    newest: Option<Arc<str>>,
    /// What is on its way to the disk: no longer here, not yet there.
    leaving: Vec<Arc<LedgerRow>>,
    /// Batches before this one were settled when the newest commit was taken.
    taken_below: u64,
    /// Batches before this one are settled, and the state says so.
    stored_below: u64,
}

struct Unsettled {
    pending: Pending,
    /// Outputs that do not have it yet.
    lacking: usize,
}

/// What a commit will say of a source.
#[derive(Default)]
struct Pending {
    checkpoint: Option<Arc<str>>,
    began: Option<u64>,
    records: u64,
    dead: u64,
    rows: Vec<Arc<LedgerRow>>,
}

impl Pending {
    /// Adds what comes right behind.
    fn extend(&mut self, later: Pending) {
        self.checkpoint = later.checkpoint.or(self.checkpoint.take());
        self.began = self.began.or(later.began);
        self.records += later.records;
        self.dead = (self.dead + later.dead).min(self.records);
        self.rows.extend(later.rows);
    }
}

impl SourceBook {
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
        if settled.checkpoint.is_some() {
            self.reached.clone_from(&settled.checkpoint);
        }
        match &mut self.pending {
            Some(pending) => pending.extend(settled),
            None => self.pending = Some(settled),
        }
    }
}

impl Books {
    /// Opens the book of a source, and says which number the source has from now on.
    pub(super) fn add_source(&mut self, name: Arc<str>, owner: Owner) -> usize {
        self.sources.push(SourceBook {
            name,
            owner,
            next: 0,
            unsettled: VecDeque::new(),
            pending: None,
            reached: None,
            newest: None,
            leaving: Vec::new(),
            taken_below: 0,
            stored_below: 0,
        });
        self.sources.len() - 1
    }

    /// Opens the book of an output, and says which number the output has from now on.
    pub(super) fn add_output(&mut self, name: Arc<str>) -> usize {
        self.outputs.push(OutputBook::new(name));
        self.outputs.len() - 1
    }

    /// What is accepted from a source from now on belongs to this owner.
    pub(super) fn own(&mut self, source: usize, owner: Owner) {
        if let Some(source) = self.sources.get_mut(source) {
            source.owner = owner;
        }
    }

    /// The checkpoint of the newest page that was accepted from a source (delivery rule 2).
    pub(super) fn newest(&self, source: usize) -> Option<Arc<str>> {
        self.sources.get(source)?.newest.clone()
    }

    /// Enters a page and says which number its batch has. A page that no output needs to have is no batch of its own:
    /// its checkpoint belongs to the batch before it, so that an idle source behind a failing output takes no memory.
    pub(super) fn accept(&mut self, source: usize, page: Accepted) -> u64 {
        let Some(source) = self.sources.get_mut(source) else {
            return 0;
        };
        if page.checkpoint.is_some() {
            source.newest.clone_from(&page.checkpoint);
        }
        let pending = Pending {
            checkpoint: page.checkpoint,
            began: page.began,
            records: page.records,
            dead: page.dead,
            rows: rows(page.rows),
        };
        if page.outputs > 0 {
            source.unsettled.push_back(Unsettled {
                pending,
                lacking: page.outputs,
            });
            source.next += 1;
        } else if let Some(last) = source.unsettled.back_mut() {
            last.pending.extend(pending);
        } else if pending.records > 0 || source.reached != pending.checkpoint {
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
            output.wrote(position, newest);
        }
        self.move_positions();
    }

    /// An output is about to write to places that no position names: this one does, and waits for nothing to settle.
    /// Those of writes that still wait would take the names away again, so they are dropped; an older position than
    /// could be had only makes what is read back longer.
    pub(super) fn begin(&mut self, output: usize, position: String) {
        if let Some(output) = self.outputs.get_mut(output) {
            output.begin(position);
        }
    }

    /// The newest position of an output that is stored or about to be.
    pub(super) fn position(&self, output: usize) -> Option<&str> {
        self.outputs.get(output)?.position.as_deref()
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
            output.advance(settled);
        }
    }

    pub(super) fn urgency(&self) -> Urgency {
        let pending: Vec<_> = self
            .sources
            .iter()
            .filter_map(|source| source.pending.as_ref())
            .collect();
        let positions = self.outputs.iter().any(|output| output.pending);
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
            source.leaving.clone_from(&pending.rows);
            source.taken_below = source.first_unsettled();
            Some(SourceCommit {
                name: Arc::clone(&source.name),
                owner: source.owner.clone(),
                checkpoint: pending.checkpoint,
                began: pending.began,
                settled: pending.records,
                dead: pending.dead,
                rows: pending.rows,
            })
        });
        let positions = self.outputs.iter_mut().filter_map(|output| {
            let pending = std::mem::take(&mut output.pending);
            let position = output.position.clone().filter(|_| pending)?;
            Some((output.name.to_string(), position))
        });
        let commit = Commit {
            sources: sources.collect(),
            positions: positions.collect(),
            ..Commit::default()
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

    /// What was taken is durable.
    pub(super) fn stored(&mut self) {
        for source in &mut self.sources {
            source.leaving.clear();
            source.stored_below = source.taken_below;
        }
    }

    /// How many batches were accepted from a source.
    pub(super) fn accepted(&self, source: usize) -> u64 {
        self.sources.get(source).map_or(0, |source| source.next)
    }

    /// Whether the first batches of a source, so many or as many as there are, are settled.
    pub(super) fn has_settled(&self, source: usize, batches: u64) -> bool {
        let source = self.sources.get(source);
        source.is_none_or(|source| batches.min(source.next) <= source.first_unsettled())
    }

    /// Whether so many batches of a source are settled, and the state says so.
    pub(super) fn is_stored(&self, source: usize, batches: u64) -> bool {
        let source = self.sources.get(source);
        source.is_some_and(|source| batches <= source.stored_below)
    }

    /// What was accepted from a source and is not in the stored ledger yet: unsettled, settled and not taken, taken and
    /// not stored. Who looks here first and into the ledger afterwards misses nothing.
    pub(super) fn unstored(&self, source: usize) -> Vec<Arc<LedgerRow>> {
        let Some(source) = self.sources.get(source) else {
            return Vec::new();
        };
        let unsettled = source
            .unsettled
            .iter()
            .flat_map(|unsettled| &unsettled.pending.rows);
        let pending = source.pending.iter().flat_map(|pending| &pending.rows);
        let rows = source.leaving.iter().chain(pending).chain(unsettled);
        rows.map(Arc::clone).collect()
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
            source.leaving.clear();
            let mut pending = Pending {
                checkpoint: failed.checkpoint,
                began: failed.began,
                records: failed.settled,
                dead: failed.dead,
                rows: failed.rows,
            };
            if let Some(later) = source.pending.take() {
                pending.extend(later);
            }
            source.pending = Some(pending);
        }
        for (name, _) in commit.positions {
            if let Some(output) = self.outputs.iter_mut().find(|output| *output.name == *name) {
                output.pending = true;
            }
        }
    }
}

/// What a page adds to the ledger; nothing, if it has no records.
fn rows(rows: Vec<LedgerRow>) -> Vec<Arc<LedgerRow>> {
    let rows = rows.into_iter().filter(|row| !row.digests.is_empty());
    rows.map(Arc::new).collect()
}

#[cfg(test)]
#[path = "books_tests.rs"]
mod tests;
