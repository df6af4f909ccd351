//! Short names for bytes.

use sha2::{Digest, Sha256};

/// The first half of the SHA-256 of some bytes, as 32 hexadecimal digits behind `sha256:`.
pub(crate) fn digest(bytes: &[u8]) -> String {
    let digits = Sha256::digest(bytes)
        .into_iter()
        .take(16)
        .flat_map(|byte| [byte >> 4, byte & 15]);
    let digits = digits.filter_map(|digit| char::from_digit(u32::from(digit), 16));
    "sha256:".chars().chain(digits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_half_a_sha256() {
        assert_eq!(digest(b"abc"), "sha256:ba7816bf8f01cfea414140de5dae2223");
    }
}
