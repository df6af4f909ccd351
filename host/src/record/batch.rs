//! Many records in one buffer, handed around without copies.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use super::{Entry, Severity, Span};

/// The longest id or kind, in bytes, that a batch may hold.
pub const MAX_TEXT_OF_ENTRY: u32 = 512;

/// Records of one source that share one buffer. Cloning it copies no record.
#[derive(Clone)]
pub struct Batch {
    source: Arc<str>,
    body: Bytes,
    entries: Arc<[Entry]>,
}

/// Why a body and its entries are no batch (trust rule 16).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// The spans are 32-bit offsets.
    #[error("its body has {0} bytes, more than 4 GiB")]
    BodyTooLong(usize),
    /// A span ends behind the body.
    #[error("the {what} of record {index} ends at byte {end} of a body of {length}")]
    Outside {
        /// Position of the record in the batch.
        index: usize,
        /// Which span.
        what: &'static str,
        /// Where the span ends.
        end: u64,
        /// Length of the body.
        length: usize,
    },
    /// A span cuts a character in two.
    #[error("the {what} of record {index} begins or ends within a character")]
    WithinCharacter {
        /// Position of the record in the batch.
        index: usize,
        /// Which span.
        what: &'static str,
    },
    /// A text begins before the one before it ended.
    #[error("the text of record {index} overlaps the one before it")]
    Overlap {
        /// Position of the record in the batch.
        index: usize,
    },
    /// A record has no text.
    #[error("record {index} has no text")]
    Empty {
        /// Position of the record in the batch.
        index: usize,
    },
    /// An id or kind is longer than [`MAX_TEXT_OF_ENTRY`].
    #[error("the {what} of record {index} has {length} bytes, more than {MAX_TEXT_OF_ENTRY}")]
    TooLong {
        /// Position of the record in the batch.
        index: usize,
        /// Which span.
        what: &'static str,
        /// Its length.
        length: u32,
    },
}

impl Batch {
    /// Takes a body and its entries, and checks every span: inside the body, on character boundaries, texts not empty,
    /// in order and without overlap, ids and kinds at most [`MAX_TEXT_OF_ENTRY`] bytes.
    pub fn new(source: Arc<str>, body: String, entries: Vec<Entry>) -> Result<Self, BatchError> {
        if u32::try_from(body.len()).is_err() {
            return Err(BatchError::BodyTooLong(body.len()));
        }
        let mut free_from = 0;
        for (index, entry) in entries.iter().enumerate() {
            if entry.text.length == 0 {
                return Err(BatchError::Empty { index });
            }
            check_span(&body, entry.text, index, "text")?;
            if entry.text.offset < free_from {
                return Err(BatchError::Overlap { index });
            }
            free_from = entry.text.offset + entry.text.length;
            for (what, span) in [("id", entry.id), ("kind", entry.kind)] {
                check_span(&body, span, index, what)?;
                if span.length > MAX_TEXT_OF_ENTRY {
                    return Err(BatchError::TooLong {
                        index,
                        what,
                        length: span.length,
                    });
                }
            }
        }
        Ok(Self {
            source,
            body: Bytes::from(body),
            entries: entries.into(),
        })
    }

    /// The records at these places. No record is copied: what does not stay keeps its memory until the rest goes.
    pub fn only(&self, stays: impl Fn(usize) -> bool) -> Self {
        let entries = self.entries.iter().enumerate();
        let entries = entries.filter(|(index, _)| stays(*index));
        Self {
            source: Arc::clone(&self.source),
            body: self.body.clone(),
            entries: entries.map(|(_, entry)| *entry).collect(),
        }
    }

    /// The name of the source, as the configuration gives it.
    pub fn source(&self) -> &Arc<str> {
        &self.source
    }

    /// The records, in the order of the source.
    pub fn records(&self) -> Records<'_> {
        Records {
            body: &self.body,
            entries: self.entries.iter(),
        }
    }

    /// The record at `index`.
    pub fn get(&self, index: usize) -> Option<RecordRef<'_>> {
        self.entries.get(index).map(|entry| RecordRef {
            body: &self.body,
            entry,
        })
    }

    /// How many records there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The bytes of memory that this batch, and every clone of it, keeps from being freed.
    pub fn pinned_bytes(&self) -> usize {
        self.body.len() + self.entries.len() * size_of::<Entry>()
    }

    /// The bytes of the records themselves.
    pub fn text_bytes(&self) -> u64 {
        self.entries
            .iter()
            .map(|entry| u64::from(entry.text.length))
            .sum()
    }
}

impl fmt::Debug for Batch {
    /// Says how much there is, never what: records belong in no log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("source", &self.source)
            .field("records", &self.len())
            .finish_non_exhaustive()
    }
}

fn check_span(body: &str, span: Span, index: usize, what: &'static str) -> Result<(), BatchError> {
    let end = u64::from(span.offset) + u64::from(span.length);
    if end > body.len() as u64 {
        return Err(BatchError::Outside {
            index,
            what,
            end,
            length: body.len(),
        });
    }
    let range = span.range();
    if !body.is_char_boundary(range.start) || !body.is_char_boundary(range.end) {
        return Err(BatchError::WithinCharacter { index, what });
    }
    Ok(())
}

/// One record of a batch.
#[derive(Clone, Copy)]
pub struct RecordRef<'a> {
    body: &'a Bytes,
    entry: &'a Entry,
}

impl<'a> RecordRef<'a> {
    /// The record's bytes: one complete JSON value, as the source sent it.
    pub fn text(self) -> &'a [u8] {
        self.slice(self.entry.text)
    }

    /// What identifies it at its source.
    pub fn id(self) -> &'a str {
        self.str(self.entry.id)
    }

    /// What sort of record it is; empty when it has none.
    pub fn kind(self) -> &'a str {
        self.str(self.entry.kind)
    }

    /// Nanoseconds since 1970-01-01T00:00:00Z.
    pub fn time(self) -> u64 {
        self.entry.time
    }

    /// How much it matters.
    pub fn severity(self) -> Severity {
        self.entry.severity
    }

    #[expect(clippy::indexing_slicing, reason = "Batch::new checked every span")]
    fn slice(self, span: Span) -> &'a [u8] {
        &self.body[span.range()]
    }

    fn str(self, span: Span) -> &'a str {
        std::str::from_utf8(self.slice(span)).unwrap_or_default()
    }
}

/// The records of a batch, in order.
#[derive(Clone)]
pub struct Records<'a> {
    body: &'a Bytes,
    entries: std::slice::Iter<'a, Entry>,
}

impl<'a> Iterator for Records<'a> {
    type Item = RecordRef<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        self.entries.next().map(|entry| RecordRef {
            body: self.body,
            entry,
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.entries.size_hint()
    }
}

impl ExactSizeIterator for Records<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(offset: u32, length: u32) -> Span {
        Span { offset, length }
    }

    fn entry(text: Span, id: Span) -> Entry {
        Entry {
            text,
            id,
            ..Entry::default()
        }
    }

    fn batch(body: &str, entries: Vec<Entry>) -> Result<Batch, BatchError> {
        Batch::new("acme".into(), body.to_owned(), entries)
    }

    #[test]
    fn records_are_slices_of_the_body() {
        let batch = batch(
            r#"[{"a":1},{"b":2}]"#,
            vec![entry(span(1, 7), span(3, 1)), entry(span(9, 7), span(0, 0))],
        );
        let batch = batch.unwrap();
        let texts: Vec<_> = batch.records().map(RecordRef::text).collect();
        assert_eq!(texts, [br#"{"a":1}"#, br#"{"b":2}"#]);
        assert_eq!(batch.get(0).unwrap().id(), "a");
        assert_eq!(batch.get(1).unwrap().id(), "");
    }

    #[test]
    fn a_part_of_a_batch_shares_its_body() {
        let entries =
            [(0, 2), (2, 3), (5, 4)].map(|(at, length)| entry(span(at, length), span(0, 0)));
        let batch = batch("{}[1]null", entries.to_vec()).unwrap();
        let part = batch.only(|index| index != 1);
        let texts: Vec<_> = part.records().map(RecordRef::text).collect();
        assert_eq!(texts, [&b"{}"[..], b"null"]);
        assert_eq!(part.body.as_ptr(), batch.body.as_ptr());
        assert!(batch.only(|_| false).is_empty());
    }

    #[test]
    fn a_batch_that_lies_is_refused() {
        let lies = [
            ("{}", vec![entry(span(1, 2), span(0, 0))], "ends at byte 3"),
            (
                "{}",
                vec![entry(span(u32::MAX, u32::MAX), span(0, 0))],
                "ends at byte",
            ),
            (
                "é1",
                vec![entry(span(1, 2), span(0, 0))],
                "within a character",
            ),
            (
                "{}{}",
                vec![entry(span(0, 3), span(0, 0)), entry(span(2, 2), span(0, 0))],
                "overlaps",
            ),
            (
                "{}{}",
                vec![entry(span(2, 2), span(0, 0)), entry(span(0, 2), span(0, 0))],
                "overlaps",
            ),
            ("{}", vec![entry(span(0, 0), span(0, 0))], "no text"),
            (
                "{}",
                vec![entry(span(0, 2), span(1, 2))],
                "the id of record 0",
            ),
        ];
        for (body, entries, says) in lies {
            let error = batch(body, entries).unwrap_err().to_string();
            assert!(error.contains(says), "{error} should say {says}");
        }
        let long = format!("{{}}{}", "x".repeat(513));
        let error = batch(&long, vec![entry(span(0, 2), span(2, 513))]).unwrap_err();
        assert!(matches!(error, BatchError::TooLong { length: 513, .. }));
    }
}
