//! Lines of JSON in files, exactly once (delivery rule 16).
//!
//! The file is its own ledger. A position names each file (path, device and inode) and the offset before which
//! everything is settled; it is stored in the checkpoints' transaction. What is behind the offset when a file is opened
//! was written before and may be brought again by a replay: those lines are digested, and a record that is found among
//! them counts as delivered. So other page borders, several sources in one file, a slower second output and a reader
//! that tails the file are all harmless.
//!
//! Whose a file is:
//!
//! - **Ours** is what the position names, and it names each file before the first write to it: a file that was just
//!   made, or that was there before and ends where we begin. Nothing is ever cut but a torn last line behind that place.
//!   Links, dots and a folder that was moved change nothing: names are those without links, and what has another name
//!   now is known by its inode.
//! - **Somebody else's** is all the rest: a file at a path that the configuration did not name before, one that was put
//!   into the place of ours, one that was truncated. We add lines at its end.
//!
//! What an error means:
//!
//! - **A write fails in mid-line** (a full disk): the torn line is cut at once, as the file may be rotated away before
//!   the next attempt. Whole lines stay, and are found by the next attempt.
//! - **A sync fails**: nothing of the call counts. The system forgets which pages it could not write, so a second sync
//!   proves nothing; what is read back is written again in place before it is claimed (`disk`). This holds for a
//!   restart too, which can't know how the process before it ended.
//! - **A crash** at any point is a sync that never came.
//!
//! It is at least once, and the log says so, when the file is not the one that was known: rotated away while nothing
//! ran or while records were in flight, truncated, restored. A fragment of a line
//! stays where nobody can come back to cut it: at the end of a file that was rotated away after a crash and before the
//! next start, and in one that is truncated in the midst of a write that is then killed.
//!
//! Only bytes are compared. A new record that equals to the byte one that was in flight in a crash, and that nobody
//! asked for since, is taken for it. Records with an id or a time never do; a source of others should have an output
//! of its own, where nothing stays in flight for long.

mod disk;
mod error;
mod folders;
mod open;
mod position;
mod probe;
mod tail;
mod template;
mod unclaimed;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::task::spawn_blocking;

use self::disk::SystemDisk;
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

impl FilePlan {
    /// The file for the records of a source, if that is the name of one.
    pub fn file(&self, source: &str) -> Option<PathBuf> {
        self.template.path(source).ok()
    }
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
    let opened =
        off_worker(move || Writer::new(template, position.as_deref(), Arc::new(SystemDisk)));
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

    async fn prepare(&mut self, batches: &[Batch]) -> Result<bool, StageError> {
        let batches = batches.to_vec();
        self.work(move |writer| writer.prepare(&batches)).await
    }

    fn begin(&self, position: &str) -> Result<String, StageError> {
        let writer = self.writer.as_ref();
        let writer = writer.ok_or_else(interrupted)?;
        Ok(writer.begin(position)?)
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
            return Err(interrupted());
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

fn interrupted() -> StageError {
    StageError::Crashed("a write was interrupted".to_owned())
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
