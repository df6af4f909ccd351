//! One process moves checkpoints: a locked file that says which.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Write};
use std::path::Path;

use super::{StateError, folder};

/// See [`super::State::lock`].
#[derive(Debug)]
pub struct StateLock {
    /// The system gives the lock back when this is closed, even by a kill.
    file: File,
}

impl Drop for StateLock {
    /// Closing is not enough: a process that is just being started may hold a copy of the handle for a moment.
    fn drop(&mut self) {
        if let Err(error) = self.file.unlock() {
            tracing::debug!(%error, "the lock goes when the file is closed");
        }
    }
}

/// The file is never removed: a lock on a file that is no longer there keeps nobody out.
pub(super) fn take(folder: &Path) -> Result<StateLock, StateError> {
    let path = folder.join("lock");
    folder::private_file(&path)?;
    let opened = File::options().read(true).write(true).open(&path);
    let mut file = opened.map_err(|source| folder::failed(&path, source))?;
    match file.try_lock() {
        Ok(()) => {
            write_pid(&mut file).map_err(|source| folder::failed(&path, source))?;
            Ok(StateLock { file })
        }
        Err(TryLockError::WouldBlock) => Err(StateError::Locked {
            folder: folder.to_owned(),
            pid: read_pid(&mut file),
        }),
        Err(TryLockError::Error(source)) => Err(folder::failed(&path, source)),
    }
}

fn write_pid(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    writeln!(file, "{}", std::process::id())
}

/// Nothing, in the moment between taking the lock and writing the id.
fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
