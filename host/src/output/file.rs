//! Placeholder.
use super::{BaseFolder, OptionError};
use crate::stage::{Output, StageError};

/// Lines of JSON in files, exactly once.
#[derive(Debug, Clone, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileConfig {
    /// Where to. `{source}` stands for the name of the source; a literal folder or file name must come before it.
    pub path: String,
}

/// What a file output is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilePlan {}

impl FileConfig {
    /// Decides what can be decided without touching the disk.
    pub fn plan(&self, _base: BaseFolder<'_>) -> Result<FilePlan, OptionError> {
        Ok(FilePlan {})
    }
}

/// Opens the output.
pub async fn open(_plan: FilePlan, _position: Option<&str>) -> Result<Box<dyn Output>, StageError> {
    Err(StageError::Permanent(String::new()))
}
