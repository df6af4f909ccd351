//! Writing pieces of JSON: identifiers out of chance, quoted text.

use rand::rngs::StdRng;
use rand::{Rng, RngExt};

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Identifiers, and choices out of constant tables.
pub(super) trait Chance {
    /// So many digits and letters.
    fn base62(&mut self, length: usize) -> String;
    /// So many hexadecimal digits.
    fn hex(&mut self, length: usize) -> String;
    /// Okta's object identifiers: a kind of three characters, 13 of chance, the org's four.
    fn id(&mut self, kind: &str) -> String;
    /// One of a table's rows.
    fn pick<'a, T>(&mut self, table: &'a [T]) -> &'a T;
    /// True in so many of 1,000 cases.
    fn per_mille(&mut self, share: u32) -> bool;
}

impl Chance for StdRng {
    fn base62(&mut self, length: usize) -> String {
        let mut text = String::with_capacity(length);
        let mut bits = 0;
        for position in 0..length {
            if position % 10 == 0 {
                bits = self.next_u64();
            }
            let digit = usize::try_from(bits % 62).unwrap_or_default();
            text.push(char::from(DIGITS.get(digit).copied().unwrap_or(b'0')));
            bits /= 62;
        }
        text
    }

    fn hex(&mut self, length: usize) -> String {
        let mut text = String::with_capacity(length + 16);
        while text.len() < length {
            text.push_str(&format!("{:016x}", self.next_u64()));
        }
        text.truncate(length);
        text
    }

    fn id(&mut self, kind: &str) -> String {
        let chance = self.base62(13);
        format!("{kind}{chance}s1d7")
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "below the length; no table is empty"
    )]
    fn pick<'a, T>(&mut self, table: &'a [T]) -> &'a T {
        &table[self.random_range(0..table.len())]
    }

    fn per_mille(&mut self, share: u32) -> bool {
        self.next_u32() % 1000 < share
    }
}

/// Text as a JSON string, quotes included.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Appends all of these.
pub(super) fn put<const N: usize>(out: &mut Vec<u8>, parts: [&str; N]) {
    for part in parts {
        out.extend_from_slice(part.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn identifiers_have_their_length() {
        let mut rng = StdRng::seed_from_u64(1);
        assert_eq!(rng.base62(27).len(), 27);
        assert_eq!(rng.hex(33).len(), 33);
        assert_eq!(rng.id("00u").len(), 20);
    }

    #[test]
    fn quoted_text_escapes() {
        assert_eq!(quoted("a\"b\nc"), r#""a\"b\nc""#);
    }
}
