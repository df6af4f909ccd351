//! Why a file can't be written to.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::stage::StageError;

#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    #[error("{} can't be {verb}: {}", .path.display(), reason(.source))]
    Io {
        path: PathBuf,
        verb: &'static str,
        source: io::Error,
    },
    #[error("{} is in use by another process, which writes to it; two would mix their lines", .0.display())]
    Locked(PathBuf),
    #[error("{} is not a plain file", .0.display())]
    NotAFile(PathBuf),
    #[error("`{0}` can't be part of a path")]
    Name(String),
    #[error("the position of this output is damaged: {0}")]
    Position(serde_json::Error),
    #[error(
        "the position of this output was written by a newer version of logweir (layout {0}); use that version"
    )]
    NewerPosition(u32),
}

impl FileError {
    /// For `map_err`, with what was tried.
    pub(super) fn io(path: &Path, verb: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| Self::Io {
            path: path.to_owned(),
            verb,
            source,
        }
    }
}

impl From<FileError> for StageError {
    /// What a person can put right while we run is tried again and again: nothing is lost meanwhile.
    fn from(error: FileError) -> Self {
        let text = error.to_string();
        match error {
            FileError::Io { .. } | FileError::Locked(_) | FileError::NotAFile(_) => {
                Self::Transient(text)
            }
            FileError::Name(_) | FileError::Position(_) | FileError::NewerPosition(_) => {
                Self::Permanent(text)
            }
        }
    }
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::StorageFull => "the disk is full".to_owned(),
        ErrorKind::QuotaExceeded => "the user's share of the disk is full".to_owned(),
        _ => error.to_string(),
    }
}
