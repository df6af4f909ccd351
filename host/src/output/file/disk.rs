//! What the output asks of a disk, so that tests can put one in its place that fails as disks do.
//!
//! A failed sync is final. The system marks the pages that it could not write as clean: they can still be read, the
//! next sync succeeds, and they are on no disk. So nothing that is read back counts as being there until it was written
//! once more, by [`rewrite`], and synced.

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

const BLOCK_SIZE: usize = 256 << 10;

/// The calls that may fail in ways that matter here.
pub(super) trait Disk: fmt::Debug + Send + Sync {
    /// Appends all of it, or a part and an error.
    fn append(&self, mut file: &File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    /// Writes in place, into a file that is not set to append.
    fn write_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        file.write_all_at(bytes, offset)
    }

    /// Returns when what was written is on the disk.
    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    /// Returns when the names in a folder are on the disk.
    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }
}

/// The disk there is.
#[derive(Debug)]
pub(super) struct SystemDisk;

impl Disk for SystemDisk {}

/// Writes what is between two offsets to the same place once more, so that the next sync means it.
///
/// In the mode that appends, Linux appends whatever the offset (pwrite(2), "BUGS"): the mode is left for the time.
pub(super) fn rewrite(disk: &dyn Disk, file: &File, from: u64, end: u64) -> io::Result<()> {
    if from >= end {
        return Ok(());
    }
    let flags = fcntl_getfl(file)?;
    fcntl_setfl(file, flags - OFlags::APPEND)?;
    let rewritten = rewrite_blocks(disk, file, from, end);
    fcntl_setfl(file, flags)?;
    rewritten
}

fn rewrite_blocks(disk: &dyn Disk, file: &File, from: u64, end: u64) -> io::Result<()> {
    let mut block = Vec::new();
    let mut at = from;
    while at < end {
        let size = usize::try_from(end - at).unwrap_or(BLOCK_SIZE);
        block.resize(size.min(BLOCK_SIZE), 0);
        file.read_exact_at(&mut block, at)?;
        disk.write_at(file, &block, at)?;
        at += block.len() as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_rewritten_is_the_same_and_appending_goes_on_at_the_end() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text: String = (0..200_000).map(|number| format!("{number}\n")).collect();
        std::fs::write(file.path(), &text).unwrap();
        let mut handle = File::options()
            .read(true)
            .append(true)
            .open(file.path())
            .unwrap();
        rewrite(&SystemDisk, &handle, 7, text.len() as u64).unwrap();
        handle.write_all(b"more\n").unwrap();
        let now = std::fs::read_to_string(file.path()).unwrap();
        assert!(now == text + "more\n");
    }
}
