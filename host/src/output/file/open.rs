//! One open file: locked, its tail read back, lines appended, synced.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::FileError;
use super::position::{FilePosition, Stretch};
use super::unclaimed::Unclaimed;
use crate::output::line;
use crate::record::Batch;

/// A buffer of this size stays in the processor's cache while it is filled and written.
const FLUSH_SIZE: usize = 256 << 10;

/// A file that is not the one we knew is only read back if that costs seconds at most.
const STRANGER_MAX: u64 = 1 << 30;

/// A file that only we append to.
#[derive(Debug)]
pub(super) struct OpenFile {
    file: File,
    path: PathBuf,
    dev: u64,
    ino: u64,
    end: u64,
    unclaimed: Unclaimed,
    /// Somebody left a last line without its end.
    unterminated: bool,
    /// How many folders above the file were made for it, as long as nothing of this is on the disk for sure.
    unsynced_folders: Option<usize>,
    /// The number of the call that wrote here last.
    pub(super) written_in: u64,
}

impl OpenFile {
    /// Opens or makes a file. With `known`, lines behind its offset are ours; without, all lines are: the file came
    /// into being after the first position was stored.
    pub(super) fn open(
        path: &Path,
        known: Option<&FilePosition>,
        now: u64,
    ) -> Result<Self, FileError> {
        let made = make_folders(path).map_err(FileError::io(path, "made"))?;
        let file = open_locked(path)?;
        let metadata = file.metadata().map_err(FileError::io(path, "read"))?;
        let mut open = Self {
            file,
            path: path.to_owned(),
            dev: metadata.dev(),
            ino: metadata.ino(),
            end: metadata.len(),
            unclaimed: Unclaimed::default(),
            unterminated: false,
            unsynced_folders: Some(made),
            written_in: 0,
        };
        open.read_back(known, now)
            .map_err(FileError::io(path, "read back"))?;
        Ok(open)
    }

    /// Whether the next line would go where the last one went. Not so after somebody removed or truncated the file.
    pub(super) fn is_intact(&mut self) -> Result<bool, FileError> {
        let metadata = self
            .file
            .metadata()
            .map_err(FileError::io(&self.path, "read"))?;
        if metadata.nlink() == 0 || metadata.len() < self.end {
            return Ok(false);
        }
        if metadata.len() > self.end {
            tracing::warn!(path = %self.path.display(), "somebody else writes to this file too");
            self.end = metadata.len();
            let last =
                byte_before(&self.file, self.end).map_err(FileError::io(&self.path, "read"))?;
            self.unterminated = last != Some(b'\n');
        }
        Ok(true)
    }

    /// Appends the records that are not there yet, one a line. `buffer` is empty before and after.
    pub(super) fn append<'a>(
        &mut self,
        batches: impl IntoIterator<Item = &'a Batch>,
        buffer: &mut Vec<u8>,
    ) -> Result<(), FileError> {
        for record in batches.into_iter().flat_map(Batch::records) {
            let start = buffer.len();
            line::push(buffer, record.text());
            if !self.unclaimed.is_empty() {
                let text = buffer.get(start..buffer.len() - 1).unwrap_or_default();
                if self.unclaimed.claim(text) {
                    buffer.truncate(start);
                }
            }
            if buffer.len() >= FLUSH_SIZE {
                self.flush(buffer)?;
            }
        }
        self.flush(buffer)
    }

    /// Makes everything durable: lines, those too that an earlier process wrote and only we know of, and the file.
    pub(super) fn sync(&mut self) -> Result<(), FileError> {
        let synced = self.file.sync_data().and_then(|()| {
            let Some(made) = self.unsynced_folders.take() else {
                return Ok(());
            };
            let real = fs::canonicalize(&self.path)?;
            let folders = real.ancestors().skip(1).take(made + 1);
            folders
                .into_iter()
                .try_for_each(|folder| File::open(folder)?.sync_all())
        });
        synced.map_err(FileError::io(&self.path, "synced"))
    }

    /// Where the output is in this file.
    pub(super) fn position(&self) -> FilePosition {
        FilePosition {
            path: key(&self.path),
            dev: self.dev,
            ino: self.ino,
            offset: self.end,
            unclaimed: self.unclaimed.stretches(),
        }
    }

    /// Whether the path leads to this file, and how long the file is that it leads to, if any.
    pub(super) fn is_at_its_path(&self) -> Result<(bool, u64), FileError> {
        match fs::metadata(&self.path) {
            Ok(found) => Ok((
                (found.dev(), found.ino()) == (self.dev, self.ino),
                found.len(),
            )),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok((false, 0)),
            Err(error) => Err(FileError::io(&self.path, "read")(error)),
        }
    }

    /// Whether a replay may still ask for lines that are here.
    pub(super) fn awaits_replay(&self) -> bool {
        !self.unclaimed.is_empty()
    }

    fn flush(&mut self, buffer: &mut Vec<u8>) -> Result<(), FileError> {
        if self.unterminated && !buffer.is_empty() {
            self.file
                .write_all(b"\n")
                .map_err(FileError::io(&self.path, "written"))?;
            self.end += 1;
            self.unterminated = false;
        }
        self.file
            .write_all(buffer)
            .map_err(FileError::io(&self.path, "written"))?;
        self.end += buffer.len() as u64;
        buffer.clear();
        Ok(())
    }

    fn read_back(&mut self, known: Option<&FilePosition>, now: u64) -> io::Result<()> {
        let length = self.end;
        let (mut stretches, from) = match known {
            None => (Vec::new(), 0),
            Some(known) => match self.first_line_behind(known)? {
                Some(from) => (known.unclaimed.clone(), from),
                None => return self.read_stranger(known, now),
            },
        };
        self.end = whole_lines(&self.file, from, length)?;
        if self.end < length {
            let bytes = length - self.end;
            tracing::warn!(path = %self.path.display(), bytes, "cut a torn last line; it comes again");
            self.file.set_len(self.end)?;
        }
        self.unterminated = !matches!(byte_before(&self.file, self.end)?, None | Some(b'\n'));
        stretches.push(Stretch {
            start: from,
            end: self.end,
            found: now,
        });
        self.remember(stretches, now)
    }

    /// Where our lines begin behind a known offset; nothing if this is another file. A device may have another number
    /// after the next boot, and an inode's number may be given to another file: lines must meet at the offset.
    fn first_line_behind(&self, known: &FilePosition) -> io::Result<Option<u64>> {
        if self.ino != known.ino || self.end < known.offset {
            return Ok(None);
        }
        if matches!(byte_before(&self.file, known.offset)?, None | Some(b'\n'))
            || self.end == known.offset
        {
            return Ok(Some(known.offset));
        }
        // Somebody's last line had no end before our first write.
        let next = known.offset + 1;
        let ended = byte_before(&self.file, next)? == Some(b'\n');
        Ok(ended.then_some(next))
    }

    /// Nothing here is ours to cut. What is ours all the same, since a rotation, is recognised if that is cheap.
    fn read_stranger(&mut self, known: &FilePosition, now: u64) -> io::Result<()> {
        let what = if self.ino == known.ino {
            "was truncated"
        } else {
            "is another file than it was"
        };
        tracing::warn!(
            path = %self.path.display(),
            "this file {what}: what was in flight to the old one may be delivered twice"
        );
        self.unterminated = !matches!(byte_before(&self.file, self.end)?, None | Some(b'\n'));
        if self.end > STRANGER_MAX {
            return Ok(());
        }
        let end = whole_lines(&self.file, 0, self.end)?;
        self.remember(
            vec![Stretch {
                start: 0,
                end,
                found: now,
            }],
            now,
        )
    }

    fn remember(&mut self, stretches: Vec<Stretch>, now: u64) -> io::Result<()> {
        let (unclaimed, complete) = Unclaimed::read(&self.file, stretches, now)?;
        self.unclaimed = unclaimed;
        if !complete {
            tracing::warn!(
                path = %self.path.display(),
                "more lines are in flight than fit in memory: some of them may be delivered twice"
            );
        } else if !self.unclaimed.is_empty() {
            tracing::info!(path = %self.path.display(), "read back what a replay may bring again");
        }
        Ok(())
    }
}

impl Drop for OpenFile {
    /// Closing is not enough: a process that is just being started may hold a copy of the handle for a moment.
    fn drop(&mut self) {
        if let Err(error) = self.file.unlock() {
            tracing::debug!(path = %self.path.display(), %error, "the lock goes when the file is closed");
        }
    }
}

/// The name of a file in a position.
pub(super) fn key(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Where the last whole line ends; `from` if there is none behind it.
pub(super) fn whole_lines(file: &File, from: u64, length: u64) -> io::Result<u64> {
    const STEP: u64 = 64 << 10;
    let mut block = Vec::new();
    let mut end = length;
    while end > from {
        let start = end.saturating_sub(STEP).max(from);
        block.resize(usize::try_from(end - start).unwrap_or(0), 0);
        file.read_exact_at(&mut block, start)?;
        if let Some(newline) = memchr::memrchr(b'\n', &block) {
            return Ok(start + newline as u64 + 1);
        }
        end = start;
    }
    Ok(from)
}

fn byte_before(file: &File, end: u64) -> io::Result<Option<u8>> {
    let Some(before) = end.checked_sub(1) else {
        return Ok(None);
    };
    let mut byte = [0];
    file.read_exact_at(&mut byte, before)?;
    Ok(byte.first().copied())
}

/// Makes the folders that a file needs, and says how many there were to make.
fn make_folders(path: &Path) -> io::Result<usize> {
    let Some(folder) = path.parent() else {
        return Ok(0);
    };
    let missing = folder
        .ancestors()
        .take_while(|folder| !folder.exists())
        .count();
    if missing > 0 {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
    }
    Ok(missing)
}

/// Links are followed, as people link logs to another disk; it is the file itself that is locked.
fn open_locked(path: &Path) -> Result<File, FileError> {
    if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        return Err(FileError::NotAFile(path.to_owned()));
    }
    let mut options = OpenOptions::new();
    let options = options.read(true).append(true).create(true).mode(0o600);
    let file = options.open(path).map_err(FileError::io(path, "opened"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(FileError::Locked(path.to_owned())),
        Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => {
            tracing::warn!(path = %path.display(), "this file system has no locks: nobody else may write here");
            Ok(file)
        }
        Err(TryLockError::Error(error)) => Err(FileError::io(path, "locked")(error)),
    }
}
