//! Placeholder.
use super::OptionError;
use crate::stage::{Output, StageError};

/// How records look on standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConsoleFormat {
    /// `line` on a terminal, `ndjson` into a pipe or file.
    #[default]
    Auto,
    /// The records as they came, one a line.
    Ndjson,
    /// One readable line a record.
    Line,
}

/// Records on standard output, at least once.
#[derive(Debug, Clone, Default, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsoleConfig {
    /// How records look.
    #[serde(default)]
    pub format: ConsoleFormat,
}

/// What a console output is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsolePlan {
    /// How records look.
    pub format: ConsoleFormat,
}

impl ConsoleConfig {
    /// Decides what can be decided without touching anything.
    pub fn plan(&self) -> Result<ConsolePlan, OptionError> {
        Ok(ConsolePlan {
            format: self.format,
        })
    }
}

/// Opens the output.
pub fn open(_plan: ConsolePlan) -> Result<Box<dyn Output>, StageError> {
    Err(StageError::Permanent(String::new()))
}
