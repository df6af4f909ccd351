//! The destinations. Each is a file or folder of one shape: configuration, plan, the output itself.

use std::path::Path;

use crate::stage::{Output, StageError};

pub mod console;
pub mod file;
mod line;

pub use console::{ConsoleConfig, ConsolePlan};
pub use file::{FileConfig, FilePlan};

/// An option of an output that can't be, found without touching anything.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct OptionError {
    /// The option's name, as in the configuration.
    pub key: &'static str,
    /// What is wrong and what to write instead.
    pub message: String,
}

/// What an output is to do, with everything decided that can be decided without touching disk or network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutputPlan {
    /// Lines of JSON in files.
    File(FilePlan),
    /// Lines on standard output.
    Console(ConsolePlan),
}

impl OutputPlan {
    /// Opens the output. `position` is what it returned for the newest batch that was settled everywhere.
    pub async fn open(&self, position: Option<&str>) -> Result<Box<dyn Output>, StageError> {
        match self {
            Self::File(plan) => file::open(plan.clone(), position).await,
            Self::Console(plan) => console::open(plan.clone()),
        }
    }
}

/// The folder that relative paths in a configuration start from.
pub type BaseFolder<'a> = &'a Path;
