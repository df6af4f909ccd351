//! What the ledger remembers of a record: 16 bytes.
//!
//! Eight are the hash of its id, eight the hash of its bytes, both XXH3 with a seed of this database. A look-up
//! compares ids first, so that another version of a record is told from the record itself. Nobody outside knows the
//! seed, so nobody can choose two ids of one hash; by chance, an unknown id among ten million meets one of ten
//! million known ones once in two hundred thousand audits. A cryptographic hash would cost ten times as much on each
//! record, for a list that only its own reader can harm.

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Bytes of one digest where it is stored.
pub(super) const DIGEST_BYTES: usize = 16;

/// What is remembered of one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest {
    /// Hash of its id; of its bytes, if it has no id.
    pub id: u64,
    /// Hash of its bytes.
    pub bytes: u64,
}

/// Makes digests that compare with those of one database.
#[derive(Clone, Copy)]
pub struct Digester {
    seed: u64,
}

impl Digester {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// The digest of a record. One without an id, like what a source could not even take apart, is known by its bytes.
    pub fn digest(self, id: &str, bytes: &[u8]) -> Digest {
        let hash = xxh3_64_with_seed(bytes, self.seed);
        let id = if id.is_empty() {
            hash
        } else {
            xxh3_64_with_seed(id.as_bytes(), self.seed)
        };
        Digest { id, bytes: hash }
    }
}

/// Digests in the form in which they are stored.
pub(super) fn encode(digests: &[Digest]) -> Vec<u8> {
    let mut blob = Vec::with_capacity(digests.len() * DIGEST_BYTES);
    for digest in digests {
        blob.extend_from_slice(&digest.id.to_le_bytes());
        blob.extend_from_slice(&digest.bytes.to_le_bytes());
    }
    blob
}

/// Stored digests; none if these bytes are no such thing.
pub(super) fn decode(blob: &[u8]) -> Option<impl Iterator<Item = Digest>> {
    let (digests, rest) = blob.as_chunks::<DIGEST_BYTES>();
    rest.is_empty().then(|| digests.iter().map(decode_one))
}

fn decode_one(digest: &[u8; DIGEST_BYTES]) -> Digest {
    let both = u128::from_le_bytes(*digest);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the lower half is what is wanted"
    )]
    let id = both as u64;
    let bytes = u64::try_from(both >> 64).unwrap_or_default();
    Digest { id, bytes }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_read_back_and_anything_else_is_none() {
        let digester = Digester::new(7);
        let digests = [
            digester.digest("a", b"{}"),
            digester.digest("", b"{\"a\":1}"),
        ];
        let blob = encode(&digests);
        assert_eq!(blob.len(), 2 * DIGEST_BYTES);
        assert_eq!(decode(&blob).unwrap().collect::<Vec<_>>(), digests);
        assert!(decode(&blob[1..]).is_none());
        assert_eq!(digests[1].id, digests[1].bytes);
    }

    #[test]
    fn id_and_bytes_are_told_apart_and_the_seed_counts() {
        let digester = Digester::new(7);
        let (one, other) = (digester.digest("a", b"1"), digester.digest("a", b"2"));
        assert_eq!(one.id, other.id);
        assert_ne!(one.bytes, other.bytes);
        assert_ne!(Digester::new(8).digest("a", b"1"), one);
    }
}
