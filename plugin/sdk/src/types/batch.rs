//! Records: one shared text, and numbers that say where things are in it.

/// How much a record matters, as its source said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(u8)]
pub enum Severity {
    /// Of use to whoever debugs the system that wrote it.
    Debug,
    /// Normal operation; also what stands for an absent or unknown severity.
    #[default]
    Info,
    /// Somebody should look.
    Warn,
    /// Something failed.
    Error,
}

/// A stretch of a batch's body, in bytes, on character boundaries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Span {
    /// First byte.
    pub offset: u32,
    /// Number of bytes; 0 is an absent text.
    pub length: u32,
}

impl Span {
    /// An absent text.
    pub const NONE: Self = Self::new(0, 0);

    /// The `length` bytes from `offset` on.
    pub const fn new(offset: u32, length: u32) -> Self {
        Self { offset, length }
    }

    /// Whether the text is absent.
    pub const fn is_empty(self) -> bool {
        self.length == 0
    }

    /// The byte after the last one.
    pub const fn end(self) -> u32 {
        self.offset.saturating_add(self.length)
    }

    /// The text, or `None` where `body` has no such stretch.
    pub fn text(self, body: &str) -> Option<&str> {
        let start = usize::try_from(self.offset).ok()?;
        let end = start.checked_add(usize::try_from(self.length).ok()?)?;
        body.get(start..end)
    }
}

/// One record: where its text is, and the little that routing, deduplication and idempotent writes need.
///
/// `id` and `kind` are plain text without escapes. Where the record's own text can't serve (escaped, computed,
/// missing), append the text to the body: [`Batch::append`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Entry {
    /// The record itself.
    pub text: Span,
    /// What identifies the record at its source. At most [`Entry::MAX_ID_BYTES`].
    pub id: Span,
    /// What sort of record it is, in the source's own words; empty when it has none. At most
    /// [`Entry::MAX_ID_BYTES`].
    pub kind: Span,
    /// When it happened, as the source says: nanoseconds since 1970-01-01T00:00:00Z.
    pub time: u64,
    /// How much it matters.
    pub severity: Severity,
}

impl Entry {
    /// The most bytes that an id or a kind may have.
    pub const MAX_ID_BYTES: usize = 512;
}

/// Records that share one text.
///
/// Each entry's text is one complete JSON value; texts come in order and do not overlap; what lies outside every span
/// means nothing. So a page's body can be a batch's as it came.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Batch {
    /// The text that all spans point into.
    pub body: String,
    /// The records, in the order of the source.
    pub entries: Vec<Entry>,
}

impl Batch {
    /// Appends a text to the body and says where it is now.
    ///
    /// Spans reach 4 GiB, which is what a plugin's memory holds. A text beyond gets a span outside the body, which the
    /// host refuses.
    pub fn append(&mut self, text: &str) -> Span {
        let offset = u32::try_from(self.body.len()).unwrap_or(u32::MAX);
        let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
        self.body.push_str(text);
        Span { offset, length }
    }

    /// A span's text, or `None` where the body has no such stretch.
    pub fn text(&self, span: Span) -> Option<&str> {
        span.text(&self.body)
    }

    /// Each record's text and entry; `None` for a text that is outside the body.
    pub fn records(&self) -> impl Iterator<Item = (Option<&str>, &Entry)> {
        let text = |entry: &Entry| entry.text.text(&self.body);
        self.entries.iter().map(move |entry| (text(entry), entry))
    }
}

/// What can't be a record (not UTF-8, not JSON). It goes to the dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The bytes as they came.
    pub bytes: Vec<u8>,
    /// Why, in a sentence for people.
    pub reason: String,
}

/// A record that a transform or an output could not take. It goes to the dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// Its position in the batch that was handed over, from 0.
    pub index: u32,
    /// Why, in a sentence for people.
    pub reason: String,
}

/// A batch and the port it leaves a transform by.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PortBatch {
    /// `""` is the main port; others are named in the plugin's documentation, for routes to choose from.
    pub port: String,
    /// The records.
    pub batch: Batch,
}

/// What became of a batch in a transform.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outcome {
    /// What goes on, by port.
    pub batches: Vec<PortBatch>,
    /// What could not be handled.
    pub rejected: Vec<Rejected>,
}

impl Outcome {
    /// Everything goes on by the main port.
    pub fn main(batch: Batch) -> Self {
        Self {
            batches: vec![PortBatch {
                port: String::new(),
                batch,
            }],
            rejected: Vec::new(),
        }
    }
}

/// What became of a batch in an output.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Written {
    /// What the destination refuses for good.
    pub rejected: Vec<Rejected>,
    /// Where the destination is now, where that has a meaning. It is stored in the checkpoint's transaction and given
    /// to the next [`crate::Output::open`]: this is how an output becomes exactly once by its own means.
    pub position: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_appended_text_is_found_again() {
        let mut batch = Batch {
            body: "[{}]".to_owned(),
            entries: Vec::new(),
        };
        let id = batch.append("é1");
        assert_eq!(id, Span::new(4, 3));
        assert_eq!(batch.text(id), Some("é1"));
        assert_eq!(id.end(), 7);
    }

    #[test]
    fn a_span_that_lies_has_no_text() {
        let body = "aé";
        assert_eq!(Span::new(0, 2).text(body), None, "ends inside a character");
        assert_eq!(Span::new(2, 9).text(body), None, "ends outside the body");
        assert_eq!(Span::new(u32::MAX, u32::MAX).text(body), None);
        assert_eq!(Span::new(1, 2).text(body), Some("é"));
    }
}
