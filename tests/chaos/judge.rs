//! What must be true when a storm is over.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;

use okta_sim::Report;
use xxhash_rust::xxh3::xxh3_128;

use crate::home::{Home, SHARED, SMALL};
use crate::org::{Org, Orgs};

/// Where an event belongs.
#[derive(Debug, Clone, Copy)]
struct Place {
    org: usize,
    /// In the order of persistence.
    index: usize,
}

/// Every event that an org persisted, by its bytes.
struct Persisted {
    /// Two events that share 128 bits by accident are not to be expected before the sun burns out.
    places: HashMap<u128, Place>,
    /// Events of each org.
    counts: Vec<usize>,
}

impl Persisted {
    fn of(orgs: &Orgs) -> Self {
        let (mut places, mut counts) = (HashMap::new(), Vec::new());
        for (org, each) in orgs.all.iter().enumerate() {
            let mut index = 0;
            for block in each.persisted() {
                for line in block.split(|byte| *byte == b'\n') {
                    if line.is_empty() {
                        continue;
                    }
                    let before = places.insert(xxh3_128(line), Place { org, index });
                    assert!(before.is_none(), "an org made an event twice");
                    index += 1;
                }
            }
            counts.push(index);
        }
        Self { places, counts }
    }
}

/// The events of one org in an output, as they are found.
#[derive(Debug, Clone)]
struct Found {
    times: Vec<u8>,
    /// The newest event of each of two readers, the greater one first: each delivers in the order of persistence, and
    /// what is live is read beside the past (delivery rule 1).
    newest: [Option<usize>; 2],
    disorder: usize,
}

impl Found {
    fn new(events: usize) -> Self {
        Self {
            times: vec![0; events],
            newest: [None; 2],
            disorder: 0,
        }
    }

    fn add(&mut self, index: usize) {
        self.times[index] = self.times[index].saturating_add(1);
        // Two rising sequences hold them all if and only if they do when each goes to the greater one that it fits.
        let fitting = self.newest.iter_mut().find(|newest| **newest < Some(index));
        match fitting {
            Some(newest) => *newest = Some(index),
            None => self.disorder += 1,
        }
        if self.newest[0] < self.newest[1] {
            self.newest.swap(0, 1);
        }
    }

    /// What is wrong, if anything is.
    fn wrong(&self) -> Option<String> {
        let lost = self.times.iter().filter(|times| **times == 0).count();
        let twice = self.times.iter().filter(|times| **times > 1).count();
        let first = |wanted: fn(&u8) -> bool| self.times.iter().position(wanted);
        let first = first(|times| *times == 0).or(first(|times| *times > 1));
        (lost + twice + self.disorder > 0).then(|| {
            format!(
                "lost {lost}, duplicated {twice}, out of order {}; the first is number {first:?} of {}",
                self.disorder,
                self.times.len()
            )
        })
    }
}

/// Everything that is wrong, a line each; nothing if all is well.
pub(crate) fn judge(home: &Home, orgs: &Orgs) -> Vec<String> {
    let persisted = Persisted::of(orgs);
    let mut wrong = Vec::new();
    let everybody: Vec<_> = (0..orgs.all.len()).collect();
    let mut outputs = vec![(SHARED.to_owned(), everybody)];
    for (number, org) in orgs.all.iter().enumerate() {
        outputs.push((format!("{SMALL}/{}.ndjson", org.name), vec![number]));
    }
    for (output, of) in outputs {
        let files = home.files(&output);
        let found = read(&files, &persisted, &mut wrong);
        for (number, found) in found.iter().enumerate() {
            let name = &orgs.all[number].name;
            if !of.contains(&number) {
                if found.times.iter().any(|times| *times > 0) {
                    wrong.push(format!("{output}: it has events of {name}"));
                }
            } else if let Some(what) = found.wrong() {
                wrong.push(format!("{output}: {name}: {what}"));
            }
        }
    }
    let lines = home.lines(SHARED);
    let settled = home.settled();
    if settled != lines {
        wrong.push(format!(
            "{lines} lines are there and {settled} records are settled"
        ));
    }
    if home.path(".logweir/dead-letter.ndjson").exists() {
        wrong.push("an answer that is no page became a record of the dead letter".to_owned());
    }
    wrong.extend(orgs.all.iter().filter_map(rules));
    wrong
}

fn read(files: &[PathBuf], persisted: &Persisted, wrong: &mut Vec<String>) -> Vec<Found> {
    let mut found: Vec<_> = persisted.counts.iter().map(|it| Found::new(*it)).collect();
    for path in files {
        let mut file = BufReader::with_capacity(1 << 20, File::open(path).unwrap());
        let mut line = Vec::new();
        let (mut number, mut foreign) = (0, None);
        while file.read_until(b'\n', &mut line).unwrap() > 0 {
            number += 1;
            let text = line.strip_suffix(b"\n");
            let place = text.and_then(|text| persisted.places.get(&xxh3_128(text)));
            match place {
                Some(place) => found[place.org].add(place.index),
                None => foreign = foreign.or(Some(number)),
            }
            line.clear();
        }
        if let Some(number) = foreign {
            let path = path.display();
            wrong.push(format!("{path}: line {number} is no event, or torn"));
        }
    }
    found
}

/// The check before a storm asks once for a window; nothing else does.
const ASKED_BY_CHECK: u64 = 1;

/// What an org has to say about who reads it.
fn rules(org: &Org) -> Option<String> {
    let report = Report {
        windows: Vec::new(),
        ..org.report()
    };
    let Report {
        violations,
        throttled,
        bounded,
        ..
    } = &report;
    let broken = !violations.is_empty() || *throttled > 0 || *bounded > ASKED_BY_CHECK;
    let name = &org.name;
    broken.then(|| {
        format!(
            "{name}: {throttled} 429s were ours, and rules were broken: {violations:#?}\n{report:?}"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::Found;

    fn wrong(events: usize, order: &[usize]) -> Option<String> {
        let mut found = Found::new(events);
        order.iter().for_each(|index| found.add(*index));
        found.wrong()
    }

    #[test]
    fn two_readers_that_interleave_are_in_order_and_three_are_not() {
        assert_eq!(wrong(6, &[0, 1, 4, 2, 5, 3]), None);
        let three = wrong(3, &[2, 1, 0]).unwrap();
        assert!(three.contains("out of order 1"), "{three}");
    }

    #[test]
    fn what_is_missing_and_what_is_there_twice_is_counted() {
        let both = wrong(4, &[0, 1, 1, 3]).unwrap();
        assert!(both.contains("lost 1, duplicated 1"), "{both}");
    }
}
