//! The private folder: made 0700, and refused when somebody else could change what is in it.

use std::fs::{self, DirBuilder, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::StateError;

const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Makes the folder unless it is there, and gives its real path if it is ours alone.
///
/// A link is followed if it is root's or ours, as systemd makes one for `DynamicUser=`; what it leads to is judged
/// like any other folder.
pub(super) fn private(folder: &Path) -> Result<PathBuf, StateError> {
    let mut builder = DirBuilder::new();
    let made = builder.recursive(true).mode(0o700).create(folder);
    made.map_err(|source| failed(folder, source))?;
    let link = fs::symlink_metadata(folder).map_err(|source| failed(folder, source))?;
    if link.is_symlink() && link.uid() != 0 && link.uid() != our_uid() {
        return Err(refused(folder, "is a link that belongs to somebody else"));
    }
    let real = folder
        .canonicalize()
        .map_err(|source| failed(folder, source))?;
    let metadata = fs::metadata(&real).map_err(|source| failed(&real, source))?;
    judge(&real, &metadata)?;
    Ok(real)
}

/// Makes an empty file, 0600 from its first moment on, unless it is there and ours alone.
pub(super) fn private_file(path: &Path) -> Result<(), StateError> {
    let created = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    match created {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let metadata = fs::symlink_metadata(path).map_err(|source| failed(path, source))?;
            if !metadata.is_file() {
                return Err(refused(path, "is not a plain file"));
            }
            judge(path, &metadata)
        }
        Err(source) => Err(failed(path, source)),
    }
}

pub(super) fn failed(path: &Path, source: io::Error) -> StateError {
    StateError::Io {
        path: path.to_owned(),
        source,
    }
}

fn refused(path: &Path, reason: &'static str) -> StateError {
    StateError::Unsafe {
        path: path.to_owned(),
        reason,
    }
}

fn judge(path: &Path, metadata: &Metadata) -> Result<(), StateError> {
    if metadata.uid() != our_uid() {
        return Err(refused(path, "belongs to somebody else"));
    }
    if metadata.mode() & WRITABLE_BY_OTHERS != 0 {
        return Err(refused(path, "can be written by others"));
    }
    Ok(())
}

fn our_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}
