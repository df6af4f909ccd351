//! Bytes near those of a corpus, without a fuzzer: the same for the same seed, on every machine.

/// The longest text that is made.
const BYTES_MAX: usize = 8 << 10;

/// Bytes that end, begin or break something in most formats.
const SIGNS: &[u8] = b"\0\n\r\t \"'\\/,:;<>[]{}()=&?#%+-.0179eEutfn\x1b\x7f\x80\x9b\xc3\xff";

/// Makes texts of a corpus by a few changes each.
#[derive(Debug)]
pub struct Mutator<'a> {
    corpus: &'a [Vec<u8>],
    state: u64,
}

impl<'a> Mutator<'a> {
    /// One that makes the same texts for the same corpus and seed.
    pub fn new(corpus: &'a [Vec<u8>], seed: u64) -> Self {
        Self {
            corpus,
            state: seed,
        }
    }

    /// The next text: one of the corpus, changed once to eight times.
    pub fn text(&mut self) -> Vec<u8> {
        let mut text = self.seed().to_vec();
        for _ in 0..=self.below(7) {
            self.change(&mut text);
        }
        text.truncate(BYTES_MAX);
        text
    }

    fn change(&mut self, text: &mut Vec<u8>) {
        let at = self.below(text.len());
        let length = self.below((text.len() - at).min(64));
        match self.below(8) {
            0 => text.truncate(at),
            1 => drop(text.drain(at..at + length)),
            2 => {
                let again = text[at..at + length].to_vec();
                text.splice(at..at, again);
            }
            3 => {
                let to = self.below(text.len());
                let moved: Vec<_> = text.drain(at..at + length).collect();
                let to = to.min(text.len());
                text.splice(to..to, moved);
            }
            4 => {
                let other = self.seed();
                let from = self.below(other.len());
                let part = &other[from..other.len().min(from + self.below(256))];
                text.splice(at..at + length, part.iter().copied());
            }
            5 => {
                let sign = self.sign();
                text.insert(at, sign);
            }
            6 if at < text.len() => text[at] = self.sign(),
            _ if at < text.len() => text[at] ^= 1 << self.below(7),
            _ => {}
        }
    }

    fn seed(&mut self) -> &'a [u8] {
        let at = self.below(self.corpus.len().saturating_sub(1));
        self.corpus.get(at).map_or(&[], Vec::as_slice)
    }

    fn sign(&mut self) -> u8 {
        SIGNS[self.below(SIGNS.len() - 1)]
    }

    /// A number from 0 to `most`, that one too. SplitMix64 (Steele, Lea, Flood 2014).
    fn below(&mut self, most: usize) -> usize {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = self.state;
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        number ^= number >> 31;
        usize::try_from(number % (most as u64 + 1)).unwrap_or(0)
    }
}
