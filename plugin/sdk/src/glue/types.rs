//! The contract's types in the shape that the generated code takes apart and puts together.
//!
//! It names fields and cases alone, so this crate's own types serve, but for those where the contract counts
//! milliseconds.

use crate::types::{self as plain, milliseconds};

pub use crate::types::{
    Batch, CheckReport, CheckStatus, ConfigIssue, CredentialKind, CredentialScheme, Description,
    Entry, Finding, HeaderScheme, HttpNeed, OauthScheme, Progress, RateLimit, Refused, Rejected,
    ResetFormat, Severity, Span, Start, Window,
};

/// [`plain::Error`] with milliseconds.
#[derive(Debug)]
pub enum Error {
    /// Stop: a person must change something.
    Config(Vec<ConfigIssue>),
    /// Credential or permission.
    Unauthorized(String),
    /// Come again after this many milliseconds.
    Throttled(u64),
    /// Try again, with back-off.
    Transient(String),
    /// Stop: a bug, or a peer that breaks its own rules for good.
    Permanent(String),
}

impl From<plain::Error> for Error {
    fn from(error: plain::Error) -> Self {
        match error {
            plain::Error::Config(issues) => Self::Config(issues),
            plain::Error::Unauthorized(why) => Self::Unauthorized(why),
            plain::Error::Throttled(time) => Self::Throttled(milliseconds(time)),
            plain::Error::Transient(why) => Self::Transient(why),
            plain::Error::Permanent(why) => Self::Permanent(why),
        }
    }
}

/// [`plain::Pace`] with milliseconds.
#[derive(Debug)]
pub enum Pace {
    /// At once.
    Now,
    /// After this many milliseconds.
    After(u64),
}

impl From<plain::Pace> for Pace {
    fn from(pace: plain::Pace) -> Self {
        match pace {
            plain::Pace::Now => Self::Now,
            plain::Pace::After(time) => Self::After(milliseconds(time)),
        }
    }
}

/// [`plain::Page`] with this module's [`Pace`].
#[derive(Debug)]
pub struct Page {
    /// The records.
    pub batch: Batch,
    /// What could not be a record.
    pub refused: Vec<Refused>,
    /// Where to go on.
    pub checkpoint: String,
    /// When to read again.
    pub pace: Pace,
    /// Whether records may have been delivered before.
    pub overlap: bool,
    /// How far the reader is.
    pub progress: Progress,
}

impl From<plain::Page> for Page {
    fn from(page: plain::Page) -> Self {
        Self {
            batch: page.batch,
            refused: page.refused,
            checkpoint: page.checkpoint,
            pace: page.pace.into(),
            overlap: page.overlap,
            progress: page.progress,
        }
    }
}

/// The generated code reads an enum's number by a function of this name. The ABI admits no number without a case.
impl Severity {
    pub(crate) fn _lift(number: u8) -> Self {
        match number {
            0 => Self::Debug,
            1 => Self::Info,
            2 => Self::Warn,
            _ => Self::Error,
        }
    }
}
