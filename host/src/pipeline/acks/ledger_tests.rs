//! Properties of the ledger under any order of deliveries.

use proptest::prelude::*;

use super::*;

fn owner() -> Owner {
    Owner {
        plugin: "generator".to_owned(),
        origin: String::new(),
    }
}

fn ledger(sources: usize, outputs: usize) -> Ledger {
    let source = |index| (format!("s{index}").into(), owner());
    Ledger::new(
        (0..sources).map(source).collect(),
        (0..outputs)
            .map(|index| format!("o{index}").into())
            .collect(),
    )
}

fn page(checkpoint: u64, records: u64, outputs: usize) -> Accepted {
    Accepted {
        checkpoint: checkpoint.to_string().into(),
        records,
        dead: 0,
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
        .map(|source| (&*source.name, &*source.checkpoint, source.settled))
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
    let mut ledger = ledger(1, 1);
    let (first, second) = (
        ledger.accept(0, page(1, 10, 1)),
        ledger.accept(0, page(2, 10, 1)),
    );
    ledger.deliver(0, &[delivered(0, second)], None);
    assert_eq!(ledger.take(), None);
    ledger.deliver(0, &[delivered(0, first)], None);
    let (_, commit) = ledger.take().unwrap();
    assert_eq!(checkpoints(&commit), [("s0", "2", 20)]);
}

#[test]
fn delivery_16_a_position_waits_for_the_slower_output_and_the_other_source() {
    let mut ledger = ledger(2, 2);
    let one = ledger.accept(0, page(1, 1, 2));
    let other = ledger.accept(1, page(1, 1, 1));
    ledger.deliver(0, &[delivered(0, one)], Some("100".to_owned()));
    ledger.deliver(0, &[delivered(1, other)], Some("200".to_owned()));
    let (_, commit) = ledger.take().unwrap();
    assert_eq!(checkpoints(&commit), [("s1", "1", 1)]);
    assert_eq!(positions(&commit), []);
    ledger.deliver(1, &[delivered(0, one)], None);
    let (_, commit) = ledger.take().unwrap();
    assert_eq!(checkpoints(&commit), [("s0", "1", 1)]);
    assert_eq!(positions(&commit), [("o0", "200")]);
}

#[test]
fn empty_pages_behind_an_unsettled_batch_take_no_memory() {
    let mut ledger = ledger(1, 1);
    let number = ledger.accept(0, page(1, 5, 1));
    for checkpoint in 2..1000 {
        ledger.accept(0, page(checkpoint, 0, 0));
    }
    assert_eq!(ledger.sources[0].unsettled.len(), 1);
    assert_eq!(ledger.take(), None);
    ledger.deliver(0, &[delivered(0, number)], None);
    let (_, commit) = ledger.take().unwrap();
    assert_eq!(checkpoints(&commit), [("s0", "999", 5)]);
}

#[test]
fn an_empty_page_that_moves_nothing_costs_no_transaction() {
    let mut ledger = ledger(1, 1);
    ledger.accept(0, page(1, 0, 0));
    assert_eq!(ledger.urgency(), Urgency::Low);
    ledger.take().unwrap();
    ledger.accept(0, page(1, 0, 0));
    assert_eq!(ledger.urgency(), Urgency::Nothing);
    ledger.accept(0, page(2, 0, 0));
    assert_eq!(ledger.urgency(), Urgency::Low);
}

#[test]
fn what_could_not_be_stored_is_in_the_next_commit() {
    let mut ledger = ledger(1, 1);
    let one = ledger.accept(0, page(1, 10, 1));
    ledger.deliver(0, &[delivered(0, one)], Some("a".to_owned()));
    let (first, failed) = ledger.take().unwrap();
    let two = ledger.accept(0, page(2, 7, 1));
    ledger.deliver(0, &[delivered(0, two)], None);
    ledger.restore(failed);
    let (second, commit) = ledger.take().unwrap();
    assert_eq!(second, first + 1);
    assert_eq!(checkpoints(&commit), [("s0", "2", 17)]);
    assert_eq!(positions(&commit), [("o0", "a")]);
}

#[test]
fn a_restored_commit_does_not_overtake_a_newer_one() {
    let mut ledger = ledger(1, 1);
    let one = ledger.accept(0, page(1, 1, 1));
    ledger.deliver(0, &[delivered(0, one)], Some("a".to_owned()));
    let (_, failed) = ledger.take().unwrap();
    let two = ledger.accept(0, page(2, 1, 1));
    ledger.deliver(0, &[delivered(0, two)], Some("b".to_owned()));
    ledger.restore(failed);
    let (_, commit) = ledger.take().unwrap();
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
    /// Per source: the stored checkpoint, as the number of pages before it.
    stored: [usize; 3],
    /// Per output: the stored position, as the number of batches before it.
    positions: [usize; 2],
}

/// Source 0 has both outputs, source 1 the first and source 2 the second.
const OUTPUTS_OF: [&[usize]; 3] = [&[0, 1], &[0], &[1]];

impl World {
    fn apply(&mut self, ledger: &mut Ledger, event: &Event) {
        match *event {
            Event::Accept { source, empty } => self.accept(ledger, source, empty),
            Event::Write { output, batches } => self.write(ledger, output, batches),
            Event::Commit { stored } => {
                let Some((_, commit)) = ledger.take() else {
                    return;
                };
                if stored {
                    self.store(&commit);
                } else {
                    ledger.restore(commit);
                }
            }
        }
    }

    fn accept(&mut self, ledger: &mut Ledger, source: usize, empty: bool) {
        let outputs = if empty { &[][..] } else { OUTPUTS_OF[source] };
        self.pages[source].push(outputs.to_vec());
        let number_of_pages = self.pages[source].len();
        let number = ledger.accept(
            source,
            page(number_of_pages as u64, u64::from(!empty), outputs.len()),
        );
        for output in outputs {
            self.queues[*output].push((source, number_of_pages - 1, number));
        }
    }

    fn write(&mut self, ledger: &mut Ledger, output: usize, batches: usize) {
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
        ledger.deliver(output, &delivered, Some(end.to_string()));
    }

    fn store(&mut self, commit: &Commit) {
        for (name, checkpoint, _) in checkpoints(commit) {
            let source: usize = name
                .trim_start_matches(char::is_alphabetic)
                .parse()
                .unwrap();
            self.stored[source] = checkpoint.parse().unwrap();
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
        let mut ledger = ledger(3, 2);
        let mut world = World::default();
        for event in &events {
            world.apply(&mut ledger, event);
        }
        for output in 0..2 {
            world.write(&mut ledger, output, usize::MAX / 2);
        }
        world.apply(&mut ledger, &Event::Commit { stored: true });
        for source in 0..3 {
            prop_assert_eq!(world.stored[source], world.pages[source].len());
        }
        for output in 0..2 {
            prop_assert_eq!(world.positions[output], world.queues[output].len());
        }
    }
}
