//! Why the state can't be used, and the way out of it.

use std::io;
use std::path::PathBuf;

use rusqlite::ErrorCode;

/// Why the state can't be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The folder, or a file in it, can't be made, read or written.
    #[error("{} can't be used: {source}", .path.display())]
    Io {
        /// What can't be used.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Somebody else could change what is in there.
    #[error(
        "{} {reason}: whoever can change the state can change what runs here; give it to the user that runs logweir, \
         with mode 0700", .path.display()
    )]
    Unsafe {
        /// The folder or file.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The database can't be read as one.
    #[error(
        "{} is damaged ({reason}); nothing was changed: restore it from a backup, or move it away together with its \
         -wal and -shm files, and every source starts from the beginning, as its configuration says", .path.display()
    )]
    Damaged {
        /// The database.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// The database is of something else.
    #[error("{} is a database of another program; name another folder as `state:`", .path.display())]
    Foreign {
        /// The database.
        path: PathBuf,
    },
    /// A newer version wrote it.
    #[error(
        "{} was written by a newer version of logweir (layout {found}, this one knows up to {known}); use that \
         version, or restore a backup from before it", .path.display()
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// The layout it has.
        found: i64,
        /// The newest layout that this version knows.
        known: i64,
    },
    /// Another process moves the checkpoints.
    #[error(
        "the state in {} is in use by {}; `logweir status` shows what runs, `logweir reload` has it take up a changed \
         configuration; for anything else, stop it first",
        .folder.display(), process(*.pid)
    )]
    Locked {
        /// The folder.
        folder: PathBuf,
        /// The process, if it said its id.
        pid: Option<u32>,
    },
    /// There is no room for it.
    #[error("{} can't be written: the disk is full", .path.display())]
    Full {
        /// The database.
        path: PathBuf,
    },
    /// Anything else that SQLite says.
    #[error("{}: {source}", .path.display())]
    Database {
        /// The database.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
}

impl StateError {
    pub(super) fn of_database(path: PathBuf, source: rusqlite::Error) -> Self {
        match source.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged {
                path,
                reason: source.to_string(),
            },
            Some(ErrorCode::DiskFull) => Self::Full { path },
            _ => Self::Database { path, source },
        }
    }
}

fn process(pid: Option<u32>) -> String {
    pid.map_or_else(
        || "another process".to_owned(),
        |pid| format!("process {pid}"),
    )
}
