//! The log: events in the order they were persisted, and an index by when they were published.
//!
//! The bytes lie as `e1,e2,e3,` in large segments, so that a page is a few slices which nobody copies. The newest events
//! are in an open segment, whose part of a page is copied. An event with a persistence time in the future is held, but
//! not visible yet.
//!
//! What is oldest can be forgotten, a segment at a time; the other events keep their places, counted from the first that
//! there ever was.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;

use bytes::{Bytes, BytesMut};

/// A segment is closed when it holds this much: a page of 1,000 events then touches two segments at most.
const SEGMENT_BYTES: usize = 4 << 20;

/// A page made of more slices than this is joined into one: many tiny writes cost more than one copy.
const PIECES_MAX: usize = 16;

#[derive(Debug, Clone, Copy)]
struct Entry {
    segment: u32,
    start: u32,
    end: u32,
    /// The index of the first event with the same uuid.
    first: u32,
    persisted: i64,
    published: i64,
}

/// All events of an org.
#[derive(Debug, Default)]
pub(crate) struct Store {
    sealed: VecDeque<Bytes>,
    open: Vec<u8>,
    entries: VecDeque<Entry>,
    /// Segments and events that were forgotten.
    segments_gone: usize,
    events_gone: usize,
    by_published: Vec<u32>,
    identities: HashMap<u128, u32>,
}

impl Store {
    /// Adds an event whose bytes `write` appends and whose identity it returns.
    ///
    /// Persistence only moves forward: a time before the newest event's becomes that event's.
    pub(crate) fn push(
        &mut self,
        published: i64,
        persisted: i64,
        write: impl FnOnce(&mut Vec<u8>) -> u128,
    ) {
        if self.open.len() >= SEGMENT_BYTES {
            self.seal();
        }
        let start = self.open.len();
        let identity = write(&mut self.open);
        let end = self.open.len();
        self.open.push(b',');
        let index = small(self.events_gone + self.entries.len());
        let first = *self.identities.entry(identity).or_insert(index);
        let newest = self.entries.back().map_or(i64::MIN, |last| last.persisted);
        self.entries.push_back(Entry {
            segment: small(self.segments_gone + self.sealed.len()),
            start: small(start),
            end: small(end),
            first,
            persisted: persisted.max(newest),
            published,
        });
        let place = self.place(published);
        self.by_published.insert(place, index);
    }

    /// Forgets the oldest events of which there are more than `keep`, as far as they fill segments.
    pub(crate) fn forget_beyond(&mut self, keep: usize) {
        let before = self.events_gone;
        while self.entries.len() > keep && !self.sealed.is_empty() {
            let oldest = small(self.segments_gone);
            let of_segment = self
                .entries
                .partition_point(|entry| entry.segment <= oldest);
            if self.entries.len() - of_segment < keep {
                break;
            }
            self.entries.drain(..of_segment);
            self.sealed.pop_front();
            self.segments_gone += 1;
            self.events_gone += of_segment;
        }
        if self.events_gone > before {
            let gone = small(self.events_gone);
            self.by_published.retain(|index| *index >= gone);
            self.identities.retain(|_, first| *first >= gone);
        }
    }

    /// The index of the oldest event that is not forgotten.
    pub(crate) fn oldest(&self) -> usize {
        self.events_gone
    }

    /// How many events are persisted at `now`, those included that were forgotten.
    pub(crate) fn visible(&self, now: i64) -> usize {
        self.first_from(now.saturating_add(1))
    }

    /// The index of the first event that was persisted at `since` or later.
    pub(crate) fn first_from(&self, since: i64) -> usize {
        let found = self
            .entries
            .partition_point(|entry| entry.persisted < since);
        self.events_gone + found
    }

    /// The indexes of the events published in `[since, until)`, in the order of publication.
    pub(crate) fn published_in(&self, since: i64, until: i64) -> &[u32] {
        let from = self
            .by_published
            .partition_point(|i| self.published(*i) < since);
        let to = self
            .by_published
            .partition_point(|i| self.published(*i) < until);
        self.by_published.get(from..to).unwrap_or_default()
    }

    /// When an event was published; the end of time for one that does not exist.
    pub(crate) fn published(&self, index: u32) -> i64 {
        self.entry(index as usize)
            .map_or(i64::MAX, |entry| entry.published)
    }

    /// What stands for an event's uuid: the same number for the same uuid.
    pub(crate) fn identity(&self, index: usize) -> usize {
        self.entry(index)
            .map_or(index, |entry| entry.first as usize)
    }

    /// One event's bytes.
    pub(crate) fn event(&self, index: usize) -> Bytes {
        self.entry(index)
            .map(|entry| self.slice(entry.segment, entry.start, entry.end))
            .unwrap_or_default()
    }

    /// The bytes of these events, joined by commas.
    pub(crate) fn join(&self, indexes: impl IntoIterator<Item = usize>) -> Vec<Bytes> {
        let mut runs: Vec<Range<usize>> = Vec::new();
        for index in indexes {
            match runs.last_mut() {
                Some(run) if run.end == index => run.end += 1,
                _ => runs.push(index..index + 1),
            }
        }
        let mut pieces = Vec::new();
        let last = runs.len().saturating_sub(1);
        for (position, run) in runs.into_iter().enumerate() {
            self.run(run, position == last, &mut pieces);
        }
        if pieces.len() > PIECES_MAX {
            pieces = vec![concatenate(&pieces)];
        }
        pieces
    }

    /// Slices of neighbours, with the comma behind the last one unless nothing follows.
    fn run(&self, run: Range<usize>, nothing_follows: bool, pieces: &mut Vec<Bytes>) {
        let last = run.end.saturating_sub(1);
        let mut from = run.start;
        while let Some(first) = self.entry(from).filter(|_| from < run.end) {
            let of_segment = self
                .entries
                .partition_point(|entry| entry.segment <= first.segment);
            let beyond = (self.events_gone + of_segment).min(run.end);
            let Some(end) = self.entry(beyond.saturating_sub(1)) else {
                return;
            };
            let comma = u32::from(!(nothing_follows && beyond > last));
            pieces.push(self.slice(first.segment, first.start, end.end + comma));
            from = beyond;
        }
    }

    fn slice(&self, segment: u32, start: u32, end: u32) -> Bytes {
        let range = start as usize..end as usize;
        let known = (segment as usize).checked_sub(self.segments_gone);
        match known.and_then(|at| self.sealed.get(at)) {
            Some(sealed) => sealed.slice(range),
            None => Bytes::copy_from_slice(self.open.get(range).unwrap_or_default()),
        }
    }

    fn entry(&self, index: usize) -> Option<&Entry> {
        self.entries.get(index.checked_sub(self.events_gone)?)
    }

    /// Where an event published then belongs: behind those of the same millisecond.
    fn place(&self, published: i64) -> usize {
        match self.by_published.last() {
            Some(last) if self.published(*last) > published => self
                .by_published
                .partition_point(|i| self.published(*i) <= published),
            _ => self.by_published.len(),
        }
    }

    fn seal(&mut self) {
        let empty = Vec::with_capacity(SEGMENT_BYTES + (64 << 10));
        self.sealed
            .push_back(std::mem::replace(&mut self.open, empty).into());
    }
}

/// Events and segments are counted in 32 bits: more would not fit into memory.
fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Copies slices into one.
pub(crate) fn concatenate(pieces: &[Bytes]) -> Bytes {
    let mut whole = BytesMut::with_capacity(pieces.iter().map(Bytes::len).sum());
    for piece in pieces {
        whole.extend_from_slice(piece);
    }
    whole.freeze()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn push(store: &mut Store, text: &str, published: i64, persisted: i64) {
        store.push(published, persisted, |out| {
            out.extend_from_slice(text.as_bytes());
            text.len() as u128
        });
    }

    #[test]
    fn late_event_is_last_by_persistence_and_in_place_by_publication() {
        let mut store = Store::default();
        push(&mut store, "a", 10, 10);
        push(&mut store, "b", 20, 20);
        push(&mut store, "c", 15, 30);
        assert_eq!(store.first_from(21), 2);
        assert_eq!(store.published_in(0, 100), [0, 2, 1]);
        assert_eq!(store.published_in(15, 20), [2]);
    }

    #[test]
    fn persistence_never_goes_back() {
        let mut store = Store::default();
        push(&mut store, "a", 10, 50);
        push(&mut store, "b", 10, 40);
        assert_eq!(store.visible(49), 0);
        assert_eq!(store.visible(50), 2);
    }

    #[test]
    fn what_is_forgotten_moves_nothing_else() {
        let mut store = Store::default();
        for number in 0..10 {
            if number % 3 == 0 {
                store.seal();
            }
            push(&mut store, &format!("{number}"), number, number);
        }
        store.forget_beyond(5);
        assert_eq!(store.oldest(), 3, "a segment is forgotten as a whole");
        assert_eq!(store.visible(100), 10);
        assert_eq!(store.first_from(0), 3);
        assert_eq!(store.first_from(7), 7);
        assert_eq!(concatenate(&store.join(3..8)), "3,4,5,6,7");
        assert_eq!(store.published_in(0, 6), [3, 4, 5]);
        assert_eq!(store.event(2), "", "it is gone");
        push(&mut store, "10", 10, 10);
        assert_eq!(store.event(10), "10");
    }

    #[test]
    fn same_uuid_has_one_identity() {
        let mut store = Store::default();
        for text in ["a", "bb", "c"] {
            push(&mut store, text, 1, 1);
        }
        assert_eq!(store.identity(2), 0);
        assert_eq!(store.identity(1), 1);
    }

    #[test]
    fn pages_across_segments_are_whole() {
        let mut store = Store::default();
        let event = format!("\"{}\"", "x".repeat(SEGMENT_BYTES / 3));
        for _ in 0..7 {
            push(&mut store, &event, 1, 1);
        }
        let joined = concatenate(&store.join(1..6));
        assert_eq!(joined, [event.as_str(); 5].join(","));
    }

    proptest! {
        #[test]
        fn any_choice_of_events_is_joined_by_commas(
            choice in prop::collection::vec(0_usize..200, 0..60),
        ) {
            let mut store = Store::default();
            for number in 0..200 {
                if number % 60 == 59 {
                    store.seal();
                }
                push(&mut store, &number.to_string(), 0, 0);
            }
            let expected: Vec<_> = choice.iter().map(ToString::to_string).collect();
            prop_assert_eq!(concatenate(&store.join(choice)), expected.join(","));
        }
    }
}
