//! Lines of JSON in files, exactly once (delivery rule 16).
//!
//! The file is its own ledger. A position names each file (device and inode) and the offset before which everything is
//! settled; it is stored in the checkpoints' transaction. What is behind the offset when a file is opened was written
//! before and may be brought again by a replay: those lines are digested, and a record that is found among them counts
//! as delivered. So other page borders, several sources in one file, a slower second output and a reader that tails
//! the file are all harmless. Nothing is ever cut but a torn last line of ours.
//!
//! It is at least once, and the log says so, when the file is not the one that was known: rotated away while nothing
//! ran or while records were in flight, truncated, restored.
//!
//! Only bytes are compared. A new record that equals to the byte one that was in flight in a crash, and that nobody
//! asked for since, is taken for it. Records with an id or a time never do; a source of others should have an output
//! of its own, where nothing stays in flight for long.

mod error;
mod open;
mod position;
mod probe;
mod template;
mod unclaimed;
mod writer;

use async_trait::async_trait;
use tokio::task::spawn_blocking;

use self::error::FileError;
use self::template::PathTemplate;
use self::writer::Writer;
use super::{BaseFolder, OptionError};
use crate::record::Batch;
use crate::stage::{CheckReport, Output, StageError, Written};

/// Lines of JSON in files, exactly once.
#[derive(Debug, Clone, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileConfig {
    /// Where to. `{source}` stands for the name of the source; a literal folder or file name must come before it.
    pub path: String,
}

/// What a file output is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilePlan {
    template: PathTemplate,
}

impl FileConfig {
    /// Decides what can be decided without touching the disk.
    pub fn plan(&self, base: BaseFolder<'_>) -> Result<FilePlan, OptionError> {
        let template = PathTemplate::parse(&self.path, base);
        let template = template.map_err(|message| OptionError {
            key: "path",
            message,
        })?;
        Ok(FilePlan { template })
    }
}

/// Opens the output. No file is made, opened or locked before the first record for it comes.
pub async fn open(plan: FilePlan, position: Option<&str>) -> Result<Box<dyn Output>, StageError> {
    let position = position.map(str::to_owned);
    let template = plan.template.clone();
    let opened = off_worker(move || Writer::new(template, position.as_deref()));
    let writer = opened.await??;
    Ok(Box::new(FileOutput {
        first_position: writer.position()?,
        plan,
        writer: Some(writer),
    }))
}

struct FileOutput {
    plan: FilePlan,
    first_position: String,
    /// Nothing while a call is at work, and after one that nobody waited for: what it wrote, nobody knows.
    writer: Option<Writer>,
}

#[async_trait]
impl Output for FileOutput {
    fn position(&self) -> Option<String> {
        Some(self.first_position.clone())
    }

    async fn check(&mut self) -> Result<CheckReport, StageError> {
        let template = self.plan.template.clone();
        off_worker(move || probe::check(&template)).await
    }

    async fn write(&mut self, batches: &[Batch]) -> Result<Written, StageError> {
        let batches = batches.to_vec();
        let position = self.work(move |writer| writer.write(&batches)).await?;
        Ok(Written {
            rejected: Vec::new(),
            position: Some(position),
        })
    }

    async fn reopen(&mut self) -> Result<(), StageError> {
        self.work(Writer::reopen).await
    }
}

impl FileOutput {
    async fn work<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Writer) -> Result<T, FileError> + Send + 'static,
    ) -> Result<T, StageError> {
        let Some(mut writer) = self.writer.take() else {
            return Err(StageError::Crashed("a write was interrupted".to_owned()));
        };
        let (writer, result) = off_worker(move || {
            let result = work(&mut writer);
            (writer, result)
        })
        .await?;
        self.writer = Some(writer);
        Ok(result?)
    }
}

/// Disks block; workers of the runtime must not.
async fn off_worker<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StageError> {
    let done = spawn_blocking(work).await;
    done.map_err(|error| StageError::Crashed(format!("writing a file failed: {error}")))
}

#[cfg(test)]
mod tests;
