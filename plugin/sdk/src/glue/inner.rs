//! The source that a component was composed with.

use std::time::Duration;

use super::source::bindings::logweir::pipeline::source;
use super::types;
use crate::Source;
use crate::types::{CheckReport, CheckStatus, Description, Error, Pace, Page, ResetFormat, Start};

/// The source that this component was composed with, for a plugin that wraps another one.
#[derive(Debug)]
pub struct Inner(source::Reader);

impl Source for Inner {
    fn describe() -> Description {
        source::describe()
    }

    fn open(config: &str, start: Start) -> Result<Self, Error> {
        Ok(Self(source::Reader::open(config, &start)?))
    }

    fn check(&mut self) -> Result<CheckReport, Error> {
        Ok(self.0.check()?)
    }

    fn read(&mut self) -> Result<Page, Error> {
        Ok(self.0.read()?.into())
    }
}

impl From<types::Error> for Error {
    fn from(error: types::Error) -> Self {
        match error {
            types::Error::Config(issues) => Self::Config(issues),
            types::Error::Unauthorized(why) => Self::Unauthorized(why),
            types::Error::Throttled(ms) => Self::Throttled(Duration::from_millis(ms)),
            types::Error::Transient(why) => Self::Transient(why),
            types::Error::Permanent(why) => Self::Permanent(why),
        }
    }
}

impl From<types::Pace> for Pace {
    fn from(pace: types::Pace) -> Self {
        match pace {
            types::Pace::Now => Self::Now,
            types::Pace::After(ms) => Self::After(Duration::from_millis(ms)),
        }
    }
}

impl From<types::Page> for Page {
    fn from(page: types::Page) -> Self {
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

/// See [`types`]: these two are read by adapters alone.
impl CheckStatus {
    pub(crate) fn _lift(number: u8) -> Self {
        match number {
            0 => Self::Ok,
            1 => Self::Warning,
            _ => Self::Failed,
        }
    }
}

impl ResetFormat {
    pub(crate) fn _lift(number: u8) -> Self {
        match number {
            0 => Self::EpochSeconds,
            _ => Self::DeltaSeconds,
        }
    }
}
