//! Where the past meets what is live: the ids of live's first events.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};

/// Digits of base64url (RFC 4648 section 5).
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// 96 bits of an id's SHA-256, in base64url. Ids that differ have the same with a chance of 10⁻²⁰ in a read of 60
/// days: nobody will see it.
pub type IdDigest = [u8; 16];

/// As many ids as are kept: all of a page that Okta is asked for. Any first part of live's first page would do.
const MAX_IDS: usize = 1000;

/// Where the past ends, and whether it may be beyond already.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seam {
    /// Digests of the ids of live's first events. The past ends before the first of any of them.
    pub ids: Ids,
    /// While live catches up with where the past was when live had its first events: digest of the id of the past's
    /// last event then. When live comes to it, the past is beyond the seam.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub behind: Option<String>,
}

/// A set of ids. In JSON one text, 16 digits an id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ids(Vec<IdDigest>);

/// The digest of an id.
pub fn id_digest(id: &[u8]) -> IdDigest {
    let hash = Sha256::digest(id);
    let mut digits = [0; 16];
    let (triples, _) = hash.as_chunks::<3>();
    for (four, &[a, b, c]) in digits.as_chunks_mut::<4>().0.iter_mut().zip(triples) {
        let bits = u32::from_be_bytes([0, a, b, c]);
        *four = [18, 12, 6, 0].map(|shift| digit(bits >> shift));
    }
    digits
}

fn digit(bits: u32) -> u8 {
    DIGITS.get((bits & 63) as usize).copied().unwrap_or(b'A')
}

impl Ids {
    /// A set of the first ones.
    pub fn new(ids: impl Iterator<Item = IdDigest>) -> Self {
        let mut ids: Vec<_> = ids.take(MAX_IDS).collect();
        ids.sort_unstable();
        ids.dedup();
        Self(ids)
    }

    /// Whether it is in here.
    pub fn contain(&self, id: &IdDigest) -> bool {
        self.0.binary_search(id).is_ok()
    }
}

impl Serialize for Ids {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let bytes = self.0.as_flattened();
        serializer.serialize_str(std::str::from_utf8(bytes).unwrap_or_default())
    }
}

impl<'de> Deserialize<'de> for Ids {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let (ids, rest) = text.as_bytes().as_chunks();
        if !rest.is_empty() || ids.len() > MAX_IDS || !text.bytes().all(|b| DIGITS.contains(&b)) {
            return Err(de::Error::custom("the ids at the seam are none"));
        }
        Ok(Self::new(ids.iter().copied()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_96_bits_of_sha256_in_base64url() {
        // SHA-256 of "abc" begins with ba7816bf8f01cfea414140de.
        assert_eq!(&id_digest(b"abc"), b"ungWv48Bz-pBQUDe");
    }

    #[test]
    fn a_set_of_ids_is_one_text() {
        let ids = Ids::new(["b", "a", "b"].iter().map(|id| id_digest(id.as_bytes())));
        let text = serde_json::to_string(&ids).unwrap();
        assert_eq!(text.len(), 2 + 2 * 16);
        assert_eq!(serde_json::from_str::<Ids>(&text).unwrap(), ids);
        assert!(ids.contain(&id_digest(b"a")) && !ids.contain(&id_digest(b"c")));
        for none in ["\"abc\"", "\"ungWv48Bz+pBQUDe\"", "7"] {
            assert!(serde_json::from_str::<Ids>(none).is_err(), "{none}");
        }
        let many = Ids::new((0..2000_u32).map(|n| id_digest(&n.to_le_bytes())));
        assert_eq!(many.0.len(), MAX_IDS);
    }
}
