//! How far a string goes on without quote, backslash or control character: the loop that most bytes of a page pass.
//!
//! Sixteen bytes at a time, as vectors where the processor has them (SSE2, which every x86-64 has, NEON, and simd128 in
//! WebAssembly). No pointer is read through: a vector is made from an array.

/// How many bytes of `bytes` come before the first quote, backslash or control character; all of them if there is none.
#[inline]
pub(super) fn plain(bytes: &[u8]) -> usize {
    let mut rest = bytes;
    while let Some((chunk, behind)) = rest.split_first_chunk::<WIDTH>() {
        let at = first(chunk);
        if at < WIDTH {
            return bytes.len() - rest.len() + at;
        }
        rest = behind;
    }
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'!' | b'#'..=b'[' | b']'..);
    let at = rest.iter().position(|byte| !is_plain(byte));
    bytes.len() - rest.len() + at.unwrap_or(rest.len())
}

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
use wasm::{WIDTH, first};

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod wasm {
    use std::arch::wasm32::{i8x16_bitmask, u8x16_eq, u8x16_le, u8x16_splat, u64x2, v128_or};

    pub(super) const WIDTH: usize = 16;

    /// Where the first byte is that ends a plain stretch; `WIDTH` or more if there is none.
    #[inline]
    pub(super) fn first(chunk: &[u8; WIDTH]) -> usize {
        let both = u128::from_le_bytes(*chunk);
        let bytes = u64x2(both as u64, (both >> 64) as u64);
        let quote = u8x16_eq(bytes, u8x16_splat(b'"'));
        let backslash = u8x16_eq(bytes, u8x16_splat(b'\\'));
        let control = u8x16_le(bytes, u8x16_splat(0x1f));
        let found = v128_or(v128_or(quote, backslash), control);
        u32::from(i8x16_bitmask(found)).trailing_zeros() as usize
    }
}

#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
use portable::{WIDTH, first};

#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
mod portable {
    pub(super) const WIDTH: usize = 8;

    /// Where the first byte is that ends a plain stretch; `WIDTH` or more if there is none.
    ///
    /// Mycroft's test for a byte below a bound: exact for the lowest byte that it finds, and no other is looked at.
    #[inline]
    pub(super) fn first(chunk: &[u8; WIDTH]) -> usize {
        let bytes = u64::from_le_bytes(*chunk);
        let quote = bytes ^ every(b'"');
        let backslash = bytes ^ every(b'\\');
        let found = (bytes.wrapping_sub(every(b' ')) & !bytes)
            | (quote.wrapping_sub(every(1)) & !quote)
            | (backslash.wrapping_sub(every(1)) & !backslash);
        ((found & every(0x80)).trailing_zeros() / 8) as usize
    }

    /// Eight copies of a byte.
    const fn every(byte: u8) -> u64 {
        0x0101_0101_0101_0101 * byte as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_judged_at_every_place() {
        for byte in 0..=u8::MAX {
            let ends = byte < b' ' || byte == b'"' || byte == b'\\';
            for before in 0..40 {
                for after in [0, 1, 7, 30] {
                    let mut bytes = vec![0x80; before];
                    bytes.push(byte);
                    bytes.resize(bytes.len() + after, b'a');
                    let expected = if ends { before } else { bytes.len() };
                    assert_eq!(plain(&bytes), expected, "{byte} behind {before}");
                }
            }
        }
    }
}
