//! The numbers that stand for one record.

/// A stretch of a batch's body, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// First byte.
    pub offset: u32,
    /// Number of bytes; 0 is an absent text.
    pub length: u32,
}

impl Span {
    /// The stretch as a range of indices.
    pub fn range(self) -> std::ops::Range<usize> {
        let start = self.offset as usize;
        start..start + self.length as usize
    }
}

/// How much a record matters, as its source said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
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

impl Severity {
    /// The name in upper case, padded by nobody.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
        }
    }
}

/// One record: where its text, id and kind are, when it happened, how much it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Entry {
    /// The record itself, one complete JSON value.
    pub text: Span,
    /// What identifies it at its source, without escapes.
    pub id: Span,
    /// What sort of record it is, without escapes; empty when it has none.
    pub kind: Span,
    /// Nanoseconds since 1970-01-01T00:00:00Z.
    pub time: u64,
    /// How much it matters.
    pub severity: Severity,
}
