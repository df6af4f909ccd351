//! The filter against the simplest one that could be.

use proptest::prelude::*;

use super::*;

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
