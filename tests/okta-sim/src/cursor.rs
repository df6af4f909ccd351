//! The `after` of a `next` link: opaque, and good only for the link it was made for.
//!
//! A token holds a position and a digest of the rest of its link, encrypted under a key with the message's own digest as
//! its nonce (as in SIV, RFC 5297): it says nothing, cannot be made up, and is the same for the same link.

use sha2::{Digest, Sha256};

const TAG_BYTES: usize = 16;
const TEXT_BYTES: usize = 24;
/// Hexadecimal digits of a token.
const TOKEN_CHARS: usize = 2 * (TAG_BYTES + TEXT_BYTES);

/// Where the next page begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Position {
    /// At this place in the order of persistence.
    Polling(u32),
    /// Behind the event published then, which has this place in the order of persistence.
    Bounded(i64, u32),
}

/// Why a token is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It has a token's form: perhaps one that was given before all were made invalid.
    Unknown,
    /// It was never a token.
    MadeUp,
}

/// Makes and reads tokens.
#[derive(Debug)]
pub(crate) struct Cursors {
    seed: u64,
    /// How often all tokens were made invalid.
    epoch: u32,
}

impl Cursors {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, epoch: 0 }
    }

    /// No token given so far is known any more.
    pub(crate) fn invalidate(&mut self) {
        self.epoch += 1;
    }

    /// The token for a position and the link's query without its `after`.
    pub(crate) fn seal(&self, position: Position, link: &str) -> String {
        let text = encode(position, digest(link));
        let tag = self.tag(&text);
        let text = self.crypt(&tag, text);
        tag.iter()
            .chain(&text)
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    /// The position in a token, and whether it belongs to this link.
    pub(crate) fn open(&self, token: &str, link: &str) -> Result<(Position, bool), Refused> {
        let bytes = unhex(token).ok_or(Refused::MadeUp)?;
        let (tag, text) = bytes
            .split_first_chunk::<TAG_BYTES>()
            .ok_or(Refused::MadeUp)?;
        let text = <[u8; TEXT_BYTES]>::try_from(text).map_err(|_| Refused::MadeUp)?;
        let text = self.crypt(tag, text);
        if self.tag(&text) != *tag {
            return Err(Refused::Unknown);
        }
        let (position, of_link) = decode(&text).ok_or(Refused::Unknown)?;
        Ok((position, of_link == digest(link)))
    }

    fn tag(&self, text: &[u8; TEXT_BYTES]) -> [u8; TAG_BYTES] {
        let hash = self.hash(b"tag", text);
        hash.first_chunk().copied().unwrap_or_default()
    }

    fn crypt(&self, tag: &[u8; TAG_BYTES], mut text: [u8; TEXT_BYTES]) -> [u8; TEXT_BYTES] {
        for (byte, key) in text.iter_mut().zip(self.hash(b"key", tag)) {
            *byte ^= key;
        }
        text
    }

    fn hash(&self, use_: &[u8], input: &[u8]) -> [u8; 32] {
        Sha256::new()
            .chain_update(b"okta-sim cursor")
            .chain_update(self.seed.to_le_bytes())
            .chain_update(self.epoch.to_le_bytes())
            .chain_update(use_)
            .chain_update(input)
            .finalize()
            .into()
    }
}

fn encode(position: Position, link: [u8; 8]) -> [u8; TEXT_BYTES] {
    let (kind, published, index) = match position {
        Position::Polling(index) => (0_u32, 0, index),
        Position::Bounded(published, index) => (1, published, index),
    };
    let mut text = [0; TEXT_BYTES];
    let parts = kind.to_le_bytes().into_iter().chain(index.to_le_bytes());
    let parts = parts.chain(published.to_le_bytes()).chain(link);
    for (byte, part) in text.iter_mut().zip(parts) {
        *byte = part;
    }
    text
}

fn decode(text: &[u8; TEXT_BYTES]) -> Option<(Position, [u8; 8])> {
    let (kind, rest) = text.split_first_chunk()?;
    let (index, rest) = rest.split_first_chunk()?;
    let (published, rest) = rest.split_first_chunk()?;
    let index = u32::from_le_bytes(*index);
    let position = match u32::from_le_bytes(*kind) {
        0 => Position::Polling(index),
        _ => Position::Bounded(i64::from_le_bytes(*published), index),
    };
    Some((position, *rest.first_chunk()?))
}

fn digest(link: &str) -> [u8; 8] {
    let hash: [u8; 32] = Sha256::digest(link).into();
    hash.first_chunk().copied().unwrap_or_default()
}

fn unhex(token: &str) -> Option<Vec<u8>> {
    let lower = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if token.len() != TOKEN_CHARS || !token.bytes().all(lower) {
        return None;
    }
    let digit = |byte: &u8| char::from(*byte).to_digit(16).unwrap_or_default();
    let (pairs, _) = token.as_bytes().as_chunks::<2>();
    let byte = |[high, low]: &[u8; 2]| u8::try_from(digit(high) * 16 + digit(low)).ok();
    pairs.iter().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn token_belongs_to_its_link() {
        let cursors = Cursors::new(1);
        let token = cursors.seal(Position::Polling(42), "limit=1");
        assert_eq!(
            cursors.open(&token, "limit=1"),
            Ok((Position::Polling(42), true))
        );
        assert_eq!(
            cursors.open(&token, "limit=2"),
            Ok((Position::Polling(42), false))
        );
    }

    #[test]
    fn neighbours_have_nothing_in_common() {
        let cursors = Cursors::new(1);
        let [one, two] = [1, 2].map(|at| cursors.seal(Position::Polling(at), "limit=1"));
        let same = one.bytes().zip(two.bytes()).filter(|(a, b)| a == b).count();
        assert!(same < 20, "{one} {two}");
    }

    #[test]
    fn made_up_or_old_tokens_are_refused() {
        let mut cursors = Cursors::new(1);
        let token = cursors.seal(Position::Polling(42), "limit=1");
        assert_eq!(cursors.open("2026-01-01", "limit=1"), Err(Refused::MadeUp));
        assert_eq!(
            cursors.open(&token.replace('0', "1"), "limit=1"),
            Err(Refused::Unknown)
        );
        cursors.invalidate();
        assert_eq!(cursors.open(&token, "limit=1"), Err(Refused::Unknown));
    }

    proptest! {
        #[test]
        fn positions_come_back(published in any::<i64>(), index in any::<u32>()) {
            let cursors = Cursors::new(9);
            for position in [Position::Polling(index), Position::Bounded(published, index)] {
                let token = cursors.seal(position, "q");
                prop_assert_eq!(cursors.open(&token, "q"), Ok((position, true)));
            }
        }
    }
}
