//! The folders that files are in: made when they are missing, and on the disk before a file in them counts.
//!
//! A file that is synced is not there after a power cut if its name is not, or the name of a folder above it. Who made
//! a folder does not matter: an attempt that failed, or a process that was killed, may have made it and not synced it.

use std::collections::HashSet;
use std::fs::DirBuilder;
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::disk::Disk;

/// What is known of folders. One that was synced, and got no new folder since, need not be synced again.
#[derive(Debug, Default)]
pub(super) struct Folders {
    synced: HashSet<PathBuf>,
}

impl Folders {
    /// Makes what is missing above a file.
    pub(super) fn make_above(&mut self, file: &Path) -> io::Result<()> {
        let Some(folder) = file.parent() else {
            return Ok(());
        };
        if folder.exists() {
            return Ok(());
        }
        // Said before it is done: it may be done in part.
        self.synced.clear();
        DirBuilder::new().recursive(true).mode(0o700).create(folder)
    }

    /// Syncs the name of a file, which is a path without links, and of all folders above it. The file may have another
    /// name in its folder by now: that is synced too.
    pub(super) fn sync_above(&mut self, file: &Path, disk: &dyn Disk) -> io::Result<()> {
        for (above, folder) in file.ancestors().skip(1).enumerate() {
            // The file's own name may be new, whatever is known of the folder.
            if above > 0 && self.synced.contains(folder) {
                continue;
            }
            match disk.sync_folder(folder) {
                Ok(()) => {
                    self.synced.insert(folder.to_owned());
                }
                // Nothing was made by us in what we may not read, or can't be synced at all.
                Err(error) if above > 0 && is_not_ours(&error) => {
                    self.synced.insert(folder.to_owned());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Folders near the root may be anything: another user's, read-only, of a file system that syncs no folders.
fn is_not_ours(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::PermissionDenied
            | ErrorKind::ReadOnlyFilesystem
            | ErrorKind::InvalidInput
            | ErrorKind::Unsupported
    )
}
