//! Properties of the books under any order of deliveries.

use proptest::prelude::*;

use super::*;
use crate::state::Digest;

fn owner() -> Owner {
    Owner {
        plugin: "generator".to_owned(),
        origin: String::new(),
    }
}

fn books(sources: usize, outputs: usize) -> Books {
    let mut books = Books::default();
    for index in 0..sources {
        assert_eq!(books.add_source(format!("s{index}").into(), owner()), index);
    }
    for index in 0..outputs {
        assert_eq!(books.add_output(format!("o{index}").into()), index);
    }
    books
}

fn page(checkpoint: u64, records: u64, outputs: usize) -> Accepted {
    let digest = |index| Digest {
        id: checkpoint,
        bytes: index,
    };
    Accepted {
        checkpoint: Some(checkpoint.to_string().into()),
        began: None,
        records,
        dead: 0,
        rows: vec![LedgerRow {
            digests: (0..records).map(digest).collect(),
            oldest: 0,
            newest: 0,
            early: false,
        }],
        outputs,
    }
}

fn delivered(source: usize, number: u64) -> Delivered {
    Delivered {
        source,
        number,
        dead: 0,
    }
}

fn checkpoints(commit: &Commit) -> Vec<(&str, &str, u64)> {
    commit
        .sources
        .iter()
        .map(|source| {
            let checkpoint = source.checkpoint.as_deref().unwrap();
            (&*source.name, checkpoint, source.settled)
        })
        .collect()
}

fn positions(commit: &Commit) -> Vec<(&str, &str)> {
    commit
        .positions
        .iter()
        .map(|(output, position)| (&**output, &**position))
        .collect()
}

#[test]
fn a_checkpoint_waits_for_the_batch_before_it() {
    let mut books = books(1, 1);
    let (first, second) = (
        books.accept(0, page(1, 10, 1)),
        books.accept(0, page(2, 10, 1)),
    );
    books.deliver(0, &[delivered(0, second)], None);
    assert_eq!(books.take(), None);
    books.deliver(0, &[delivered(0, first)], None);
    let (_, commit) = books.take().unwrap();
    assert_eq!(checkpoints(&commit), [("s0", "2", 20)]);
}

#[test]
fn delivery_16_a_position_waits_for_the_slower_output_and_the_other_source() {
    let mut books = books(2, 2);
    let one = books.accept(0, page(1, 1, 2));
    let other = books.accept(1, page(1, 1, 1));
    books.deliver(0, &[delivered(0, one)], Some("100".to_owned()));
    books.deliver(0, &[delivered(1, other)], Some("200".to_owned()));
    let (_, commit) = books.take().unwrap();
    assert_eq!(checkpoints(&commit), [("s1", "1", 1)]);
    assert_eq!(positions(&commit), []);
    books.deliver(1, &[delivered(0, one)], None);
    let (_, commit) = books.take().unwrap();
    assert_eq!(checkpoints(&commit), [("s0", "1", 1)]);
    assert_eq!(positions(&commit), [("o0", "200")]);
}

#[test]
fn delivery_16_a_position_that_names_a_new_place_waits_for_nothing_and_is_not_taken_back() {
    let mut books = books(1, 2);
    let one = books.accept(0, page(1, 1, 2));
    books.deliver(0, &[delivered(0, one)], Some("100".to_owned()));
    books.begin(0, "0 and new".to_owned());
    let (_, commit) = books.take().unwrap();
    assert_eq!(positions(&commit), [("o0", "0 and new")]);
    books.deliver(1, &[delivered(0, one)], None);
    let (_, commit) = books.take().unwrap();
    assert_eq!(checkpoints(&commit), [("s0", "1", 1)]);
    assert_eq!(positions(&commit), []);
    assert_eq!(books.position(0), Some("0 and new"));
    let two = books.accept(0, page(2, 1, 1));
    books.deliver(0, &[delivered(0, two)], Some("200 and new".to_owned()));
    let (_, commit) = books.take().unwrap();
    assert_eq!(positions(&commit), [("o0", "200 and new")]);
}

#[test]
fn what_an_audit_delivers_moves_no_checkpoint_and_is_in_the_ledger() {
    let mut books = books(1, 1);
    let live = books.accept(0, page(1, 2, 1));
    let mut late = page(77, 3, 1);
    late.checkpoint = None;
    let late = books.accept(0, late);
    books.deliver(0, &[delivered(0, live), delivered(0, late)], None);
    assert!(!books.is_stored(0, late + 1));
    let (_, commit) = books.take().unwrap();
    assert_eq!(checkpoints(&commit), [("s0", "1", 5)]);
    let rows: Vec<_> = commit.sources[0]
        .rows
        .iter()
        .map(|row| row.digests[0].id)
        .collect();
    assert_eq!(rows, [1, 77]);
    assert!(!books.is_stored(0, late + 1), "it is on its way");
    assert_eq!(books.unstored(0).len(), 2);
    books.stored();
    assert!(books.is_stored(0, late + 1));
    assert_eq!(books.unstored(0), []);
}

#[test]
fn whether_the_first_batches_are_settled_is_known() {
    let mut books = books(2, 1);
    let numbers: Vec<_> = (0..3)
        .map(|number| books.accept(0, page(number, 1, 1)))
        .collect();
    assert_eq!((books.accepted(0), books.accepted(1)), (3, 0));
    books.deliver(
        0,
        &[delivered(0, numbers[1]), delivered(0, numbers[0])],
        None,
    );
    let settled: Vec<_> = (0..5)
        .map(|batches| books.has_settled(0, batches))
        .collect();
    assert_eq!(settled, [true, true, true, false, false]);
    books.deliver(0, &[delivered(0, numbers[2])], None);
    assert!(books.has_settled(0, 9), "there are no more");
    assert!(!books.is_stored(0, 3) && books.is_stored(1, 0));
}

#[test]
fn delivery_19_one_source_that_stands_still_makes_no_list_of_what_others_write() {
    let mut books = books(2, 2);
    let stuck = books.accept(0, page(1, 1, 2));
    books.deliver(0, &[delivered(0, stuck)], Some("0".to_owned()));
    for number in 1..=1_000 {
        let batch = books.accept(1, page(number, 1, 1));
        books.deliver(0, &[delivered(1, batch)], Some(number.to_string()));
    }
    assert_eq!(books.outputs[0].writes.len(), 1);
    assert_eq!(books.position(0), None);
    books.deliver(1, &[delivered(0, stuck)], None);
    assert_eq!(books.position(0), Some("1000"));
    assert_eq!(books.outputs[0].writes.len(), 0);
}

#[test]
fn where_the_first_read_began_is_said_once() {
    let mut books = books(1, 1);
    let mut first = page(1, 0, 0);
    first.began = Some(60);
    books.accept(0, first);
    books.accept(0, page(2, 0, 0));
    let (_, commit) = books.take().unwrap();
    assert_eq!(commit.sources[0].began, Some(60));
}

#[test]
fn empty_pages_behind_an_unsettled_batch_take_no_memory() {
    let mut books = books(1, 1);
    let number = books.accept(0, page(1, 5, 1));
    for checkpoint in 2..1000 {
        books.accept(0, page(checkpoint, 0, 0));
    }
    assert_eq!(books.sources[0].unsettled.len(), 1);
    assert_eq!(books.take(), None);
    books.deliver(0, &[delivered(0, number)], None);
    let (_, commit) = books.take().unwrap();
    assert_eq!(checkpoints(&commit), [("s0", "999", 5)]);
}

#[test]
fn an_empty_page_that_moves_nothing_costs_no_transaction() {
    let mut books = books(1, 1);
    books.accept(0, page(1, 0, 0));
    assert_eq!(books.urgency(), Urgency::Low);
    books.take().unwrap();
    books.accept(0, page(1, 0, 0));
    assert_eq!(books.urgency(), Urgency::Nothing);
    books.accept(0, page(2, 0, 0));
    assert_eq!(books.urgency(), Urgency::Low);
}

#[test]
fn what_could_not_be_stored_is_in_the_next_commit() {
    let mut books = books(1, 1);
    let one = books.accept(0, page(1, 10, 1));
    books.deliver(0, &[delivered(0, one)], Some("a".to_owned()));
    let (first, failed) = books.take().unwrap();
    let two = books.accept(0, page(2, 7, 1));
    books.deliver(0, &[delivered(0, two)], None);
    books.restore(failed);
    let (second, commit) = books.take().unwrap();
    assert_eq!(second, first + 1);
    assert_eq!(checkpoints(&commit), [("s0", "2", 17)]);
    assert_eq!(positions(&commit), [("o0", "a")]);
}

#[test]
fn a_restored_commit_does_not_overtake_a_newer_one() {
    let mut books = books(1, 1);
    let one = books.accept(0, page(1, 1, 1));
    books.deliver(0, &[delivered(0, one)], Some("a".to_owned()));
    let (_, failed) = books.take().unwrap();
    let two = books.accept(0, page(2, 1, 1));
    books.deliver(0, &[delivered(0, two)], Some("b".to_owned()));
    books.restore(failed);
    let (_, commit) = books.take().unwrap();
    assert_eq!(positions(&commit), [("o0", "b")]);
}

/// One event in the life of a pipeline with some sources and outputs.
#[derive(Debug, Clone)]
enum Event {
    /// A source's page is accepted, with records or without.
    Accept { source: usize, empty: bool },
    /// An output writes this many of the batches it has not written yet, in its order.
    Write { output: usize, batches: usize },
    /// A commit is taken, and stored or not.
    Commit { stored: bool },
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        3 => (0..3usize, prop::bool::weighted(0.2)).prop_map(|(source, empty)| Event::Accept { source, empty }),
        3 => (0..2usize, 1..4usize).prop_map(|(output, batches)| Event::Write { output, batches }),
        1 => prop::bool::weighted(0.7).prop_map(|stored| Event::Commit { stored }),
    ];
    prop::collection::vec(event, 1..200)
}

/// What is true of the world, kept the simplest way.
#[derive(Default)]
struct World {
    /// Per source, per page: which outputs it still lacks.
    pages: [Vec<Vec<usize>>; 3],
    /// Per output: pages (source, page, number) in the order it gets them, and how many it has.
    queues: [Vec<(usize, usize, u64)>; 2],
    written: [usize; 2],
    /// Per source: the pages that have records.
    records: [Vec<u64>; 3],
    /// Per source: the stored checkpoint, as the number of pages before it.
    stored: [usize; 3],
    /// Per output: the stored position, as the number of batches before it.
    positions: [usize; 2],
    /// Per source: the pages whose records are in the stored ledger, in the order in which they came there.
    ledger: [Vec<u64>; 3],
}

/// Source 0 has both outputs, source 1 the first and source 2 the second.
const OUTPUTS_OF: [&[usize]; 3] = [&[0, 1], &[0], &[1]];

impl World {
    fn apply(&mut self, books: &mut Books, event: &Event) {
        self.happens(books, event);
        self.check_ledger(books);
    }

    fn happens(&mut self, books: &mut Books, event: &Event) {
        match *event {
            Event::Accept { source, empty } => self.accept(books, source, empty),
            Event::Write { output, batches } => self.write(books, output, batches),
            Event::Commit { stored } => {
                let Some((_, commit)) = books.take() else {
                    return;
                };
                if stored {
                    books.stored();
                    self.store(&commit);
                } else {
                    books.restore(commit);
                }
            }
        }
    }

    fn accept(&mut self, books: &mut Books, source: usize, empty: bool) {
        let outputs = if empty { &[][..] } else { OUTPUTS_OF[source] };
        self.pages[source].push(outputs.to_vec());
        let number_of_pages = self.pages[source].len();
        if !empty {
            self.records[source].push(number_of_pages as u64);
        }
        let number = books.accept(
            source,
            page(number_of_pages as u64, u64::from(!empty), outputs.len()),
        );
        for output in outputs {
            self.queues[*output].push((source, number_of_pages - 1, number));
        }
    }

    fn write(&mut self, books: &mut Books, output: usize, batches: usize) {
        let written = self.written[output];
        let end = (written + batches).min(self.queues[output].len());
        let batches: Vec<_> = self.queues[output][written..end].to_vec();
        if batches.is_empty() {
            return;
        }
        for (source, page, _) in &batches {
            self.pages[*source][*page].retain(|lacking| *lacking != output);
        }
        self.written[output] = end;
        let delivered: Vec<_> = batches
            .iter()
            .map(|(source, _, number)| delivered(*source, *number))
            .collect();
        books.deliver(output, &delivered, Some(end.to_string()));
    }

    fn store(&mut self, commit: &Commit) {
        for (name, checkpoint, _) in checkpoints(commit) {
            let source: usize = name
                .trim_start_matches(char::is_alphabetic)
                .parse()
                .unwrap();
            self.stored[source] = checkpoint.parse().unwrap();
        }
        for source in &commit.sources {
            let index: usize = source.name.trim_start_matches('s').parse().unwrap();
            let pages = source.rows.iter().map(|row| row.digests[0].id);
            self.ledger[index].extend(pages);
        }
        for (name, position) in positions(commit) {
            let output: usize = name
                .trim_start_matches(char::is_alphabetic)
                .parse()
                .unwrap();
            self.positions[output] = position.parse().unwrap();
        }
        self.check();
    }

    /// The pages with records among the first ones of a source, by what is known of them.
    fn pages_with_records(&self, source: usize, pages: usize) -> Vec<u64> {
        let with_records = |page: &u64| self.records[source].contains(page);
        (1..=pages as u64).filter(with_records).collect()
    }

    /// The ledger holds what is behind the stored checkpoint, and nothing else; the books hold the rest.
    fn check_ledger(&self, books: &Books) {
        for source in 0..3 {
            let stored = self.pages_with_records(source, self.stored[source]);
            assert_eq!(self.ledger[source], stored, "the ledger of {source}");
            let unstored = books.unstored(source);
            let unstored: Vec<_> = unstored.iter().map(|row| row.digests[0].id).collect();
            let all = self.pages_with_records(source, self.pages[source].len());
            assert_eq!(
                [stored, unstored].concat(),
                all,
                "what is known of {source}"
            );
        }
    }

    fn settled_pages(&self, source: usize) -> usize {
        self.pages[source]
            .iter()
            .take_while(|lacking| lacking.is_empty())
            .count()
    }

    fn check(&self) {
        for source in 0..3 {
            assert!(
                self.stored[source] <= self.settled_pages(source),
                "the checkpoint of {source} passed an unsettled batch"
            );
        }
        for output in 0..2 {
            for (source, page, _) in &self.queues[output][..self.positions[output]] {
                assert!(
                    *page < self.stored[*source],
                    "the position of {output} passed what source {source} will replay"
                );
            }
        }
    }
}

proptest! {
    #[test]
    fn the_checkpoint_never_passes_an_unsettled_batch(events in events()) {
        let mut books = books(3, 2);
        let mut world = World::default();
        for event in &events {
            world.apply(&mut books, event);
        }
        for output in 0..2 {
            world.write(&mut books, output, usize::MAX / 2);
        }
        world.apply(&mut books, &Event::Commit { stored: true });
        for source in 0..3 {
            prop_assert_eq!(world.stored[source], world.pages[source].len());
        }
        for output in 0..2 {
            prop_assert_eq!(world.positions[output], world.queues[output].len());
        }
    }
}
