//! Lines that an earlier run wrote and that a replay may bring again.
//!
//! They are a multiset of digests: a replay may have other page borders, and identical records count one by one. Each
//! line that a replay asks for is taken out and counts as delivered. What nobody asks for stays: it belongs to a source
//! that has not come back yet, or whose checkpoint is already behind it. It is named in the position, so that the next
//! run knows it too, and forgotten after [`KEPT_SECONDS`].

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};

use sha2::{Digest, Sha256};

use super::position::Stretch;

/// 24 bytes each: 400 MB. It takes days of one source going on while another's output is down to get there.
const LINES_MAX: usize = 16 << 20;

/// More would make each position long. What goes beyond is rounded up to one stretch.
const STRETCHES_MAX: usize = 256;

/// A source that comes back later than this may deliver again what was in flight when it left.
const KEPT_SECONDS: u64 = 30 * 24 * 60 * 60;

const READ_SIZE: usize = 256 << 10;

/// Long enough that two lines never share one by accident.
type LineDigest = [u8; 16];

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    digest: LineDigest,
    start: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Unclaimed {
    /// By digest, then by place; of equal ones, the first are claimed first. Claimed ones leave when half are.
    lines: Vec<Line>,
    claimed: usize,
    /// Where the unclaimed ones are: start to end and when they were found.
    stretches: BTreeMap<u64, (u64, u64)>,
}

impl Unclaimed {
    /// Reads stretches of whole lines. Says too whether all of them could be kept in mind.
    pub(super) fn read(
        file: &File,
        stretches: impl IntoIterator<Item = Stretch>,
        now: u64,
    ) -> io::Result<(Self, bool)> {
        let mut unclaimed = Self::default();
        let mut complete = true;
        for stretch in stretches {
            let kept = stretch.found.saturating_add(KEPT_SECONDS) >= now;
            if !kept || stretch.start >= stretch.end {
                continue;
            }
            let end = unclaimed.read_lines(file, stretch)?;
            if end > stretch.start {
                unclaimed
                    .stretches
                    .insert(stretch.start, (end, stretch.found));
            }
            complete &= end == stretch.end;
        }
        unclaimed.lines.sort_unstable();
        unclaimed.lines.shrink_to_fit();
        Ok((unclaimed, complete))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.stretches.is_empty()
    }

    /// Takes one line with this text out, if there is one.
    pub(super) fn claim(&mut self, text: &[u8]) -> bool {
        let digest = shorten(Sha256::digest(text).as_slice());
        let from = self.lines.partition_point(|line| line.digest < digest);
        let equal = self.lines.get(from..).unwrap_or_default();
        let equal = equal.partition_point(|line| line.digest == digest);
        let equal = self.lines.get(from..from + equal).unwrap_or_default();
        let claimed = equal.partition_point(|line| !self.holds(line.start));
        let Some(line) = equal.get(claimed) else {
            return false;
        };
        let start = line.start;
        self.take(start, start + text.len() as u64 + 1);
        self.claimed += 1;
        if self.claimed > self.lines.len() / 2 {
            self.let_go();
        }
        true
    }

    /// For the position.
    pub(super) fn stretches(&self) -> Vec<Stretch> {
        let stretch = |(&start, &(end, found)): (&u64, &(u64, u64))| Stretch { start, end, found };
        let mut stretches: Vec<_> = self.stretches.iter().map(stretch).collect();
        if let Some(last) = stretches
            .last()
            .copied()
            .filter(|_| stretches.len() > STRETCHES_MAX)
        {
            stretches.truncate(STRETCHES_MAX);
            if let Some(rest) = stretches.last_mut() {
                rest.end = last.end;
            }
        }
        stretches
    }

    fn holds(&self, start: u64) -> bool {
        let before = self.stretches.range(..=start).next_back();
        before.is_some_and(|(_, (end, _))| start < *end)
    }

    fn take(&mut self, start: u64, end: u64) {
        let before = self.stretches.range(..=start).next_back();
        let Some((first, (last, found))) = before.map(|(&first, &rest)| (first, rest)) else {
            return;
        };
        self.stretches.remove(&first);
        if first < start {
            self.stretches.insert(first, (start, found));
        }
        if end < last {
            self.stretches.insert(end, (last, found));
        }
    }

    fn let_go(&mut self) {
        let mut lines = std::mem::take(&mut self.lines);
        lines.retain(|line| self.holds(line.start));
        lines.shrink_to_fit();
        self.lines = lines;
        self.claimed = 0;
    }

    /// Digests the lines of a stretch, and says where the last one ends that was kept in mind.
    fn read_lines(&mut self, mut file: &File, stretch: Stretch) -> io::Result<u64> {
        file.seek(SeekFrom::Start(stretch.start))?;
        let mut reader =
            BufReader::with_capacity(READ_SIZE, file.take(stretch.end - stretch.start));
        let mut sha256 = Sha256::new();
        let mut start = stretch.start;
        let mut at = start;
        while self.lines.len() < LINES_MAX {
            let bytes = reader.fill_buf()?;
            if bytes.is_empty() {
                break;
            }
            let newline = memchr::memchr(b'\n', bytes);
            let text = bytes
                .get(..newline.unwrap_or(bytes.len()))
                .unwrap_or_default();
            sha256.update(text);
            let used = text.len() + usize::from(newline.is_some());
            reader.consume(used);
            at += used as u64;
            if newline.is_some() {
                let digest = shorten(sha256.finalize_reset().as_slice());
                self.lines.push(Line { digest, start });
                start = at;
            }
        }
        Ok(start)
    }
}

fn shorten(sha256: &[u8]) -> LineDigest {
    sha256.first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn file(text: &str) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    fn stretch(start: u64, end: u64) -> Stretch {
        Stretch {
            start,
            end,
            found: NOW,
        }
    }

    fn places(unclaimed: &Unclaimed) -> Vec<(u64, u64)> {
        let stretches = unclaimed.stretches();
        stretches
            .iter()
            .map(|stretch| (stretch.start, stretch.end))
            .collect()
    }

    #[test]
    fn identical_lines_count_one_by_one() {
        let file = file("a\nbb\na\na\n");
        let (mut unclaimed, complete) = Unclaimed::read(&file, [stretch(0, 9)], NOW).unwrap();
        assert!(complete);
        assert!(unclaimed.claim(b"a"));
        assert_eq!(places(&unclaimed), [(2, 9)]);
        assert!(!unclaimed.claim(b"b"));
        assert!(unclaimed.claim(b"a"));
        assert_eq!(places(&unclaimed), [(2, 5), (7, 9)]);
        assert!(unclaimed.claim(b"a"));
        assert!(!unclaimed.claim(b"a"));
        assert!(!unclaimed.is_empty());
        assert!(unclaimed.claim(b"bb"));
        assert!(unclaimed.is_empty());
        assert!(!unclaimed.claim(b"bb"));
    }

    #[test]
    fn only_the_stretches_are_known() {
        let file = file("1\n22\n333\n4444\n");
        let (mut unclaimed, _) =
            Unclaimed::read(&file, [stretch(2, 5), stretch(9, 14)], NOW).unwrap();
        assert!(!unclaimed.claim(b"1"));
        assert!(!unclaimed.claim(b"333"));
        assert!(unclaimed.claim(b"4444"));
        assert!(unclaimed.claim(b"22"));
    }

    #[test]
    fn what_nobody_asked_for_is_forgotten_at_last() {
        let file = file("1\n2\n");
        let read = |now| Unclaimed::read(&file, [stretch(0, 4)], now).unwrap().0;
        assert!(!read(NOW + KEPT_SECONDS).is_empty());
        assert!(read(NOW + KEPT_SECONDS + 1).is_empty());
    }

    #[test]
    fn long_lines_are_digested_piece_by_piece() {
        let long = "x".repeat(3 * READ_SIZE + 1);
        let file = file(&format!("{long}\nshort\n"));
        let length = file.metadata().unwrap().len();
        let (mut unclaimed, _) = Unclaimed::read(&file, [stretch(0, length)], NOW).unwrap();
        assert!(unclaimed.claim(long.as_bytes()));
        assert!(unclaimed.claim(b"short"));
        assert!(unclaimed.is_empty());
    }

    #[test]
    fn many_stretches_are_rounded_up_in_the_position() {
        let text: String = (0..2_000).map(|number| format!("{number:04}\n")).collect();
        let (mut unclaimed, _) = Unclaimed::read(&file(&text), [stretch(0, 10_000)], NOW).unwrap();
        for number in (0..2_000).step_by(2) {
            assert!(unclaimed.claim(format!("{number:04}").as_bytes()));
        }
        let stretches = unclaimed.stretches();
        assert_eq!(stretches.len(), STRETCHES_MAX);
        assert_eq!((stretches[0].start, stretches[0].end), (5, 10));
        let last = stretches[STRETCHES_MAX - 1];
        assert_eq!(
            (last.start, last.end),
            (5 + 10 * (STRETCHES_MAX as u64 - 1), 10_000)
        );
    }
}
