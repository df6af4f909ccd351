//! The filter against the simplest one that could be.

use proptest::prelude::*;

use super::*;
use crate::record::{Entry, Span};

fn digest(id: u64, bytes: u64) -> Digest {
    Digest { id, bytes }
}

fn judge(known: &[Digest], page: &[Digest]) -> Vec<Kinship> {
    let mut sieve = Sieve::new(page);
    known.iter().for_each(|digest| sieve.know(*digest));
    sieve.judge(page)
}

#[test]
fn delivery_12_same_id_and_bytes_are_one_record_and_other_bytes_another() {
    let known = [digest(1, 10), digest(2, 20), digest(9, 90)];
    let page = [
        digest(1, 10),
        digest(2, 21),
        digest(3, 30),
        digest(3, 30),
        digest(3, 31),
        digest(2, 21),
        digest(2, 20),
    ];
    use Kinship::{Differing, New, Repeated};
    let expected = [
        Repeated, Differing, New, Repeated, Differing, Repeated, Repeated,
    ];
    assert_eq!(judge(&known, &page), expected);
}

#[test]
fn the_times_of_a_page_are_from_its_oldest_to_its_newest() {
    let times_of = |of: &[u64]| {
        let entry = |(offset, time): (u32, &u64)| Entry {
            text: Span { offset, length: 1 },
            time: *time,
            ..Entry::default()
        };
        let entries = (0..).zip(of).map(entry).collect();
        let body = "1".repeat(of.len());
        times(&Batch::new("acme".into(), body, entries).unwrap())
    };
    assert_eq!(times_of(&[7, 0, 3, 9, 5]), Some(3..=9));
    assert_eq!(times_of(&[4]), Some(4..=4));
    assert_eq!(times_of(&[0, 0]), None, "nothing is known");
    assert_eq!(times_of(&[]), None);
}

fn digests() -> impl Strategy<Value = Vec<Digest>> {
    let digest = (0..12u64, 0..3u64).prop_map(|(id, bytes)| digest(id, bytes));
    prop::collection::vec(digest, 0..40)
}

proptest! {
    #[test]
    fn delivery_12_every_record_goes_on_once_whatever_was_known(known in digests(), page in digests()) {
        let judged = judge(&known, &page);
        prop_assert_eq!(judged.len(), page.len());
        let mut seen = known;
        for (digest, kinship) in page.into_iter().zip(judged) {
            let expected = if seen.contains(&digest) {
                Kinship::Repeated
            } else if seen.iter().any(|known| known.id == digest.id) {
                Kinship::Differing
            } else {
                Kinship::New
            };
            prop_assert_eq!(kinship, expected);
            seen.push(digest);
        }
    }
}
