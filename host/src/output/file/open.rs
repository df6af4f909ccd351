//! One open file: locked, its tail read back, lines appended, synced.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::FileError;
use super::disk::{Disk, rewrite};
use super::folders::Folders;
use super::position::{FilePosition, Files, Stretch};
use super::tail::{is_line_end, whole_lines};
use super::unclaimed::Unclaimed;
use crate::output::line;
use crate::record::Batch;

/// A buffer of this size stays in the processor's cache while it is filled and written.
const FLUSH_SIZE: usize = 256 << 10;

/// A file that only we append to.
#[derive(Debug)]
pub(super) struct OpenFile {
    file: File,
    disk: Arc<dyn Disk>,
    path: PathBuf,
    /// Where it really was when it was opened, without links and dots. It may be rotated away at any moment; its name
    /// is in this folder all the same.
    real: PathBuf,
    /// The name in a position.
    key: String,
    dev: u64,
    ino: u64,
    end: u64,
    unclaimed: Unclaimed,
    /// Somebody left a last line without its end.
    unterminated: bool,
    /// Whether the name is on the disk, and all folders above.
    is_named: bool,
    /// The number of the call that wrote here last, or is about to.
    pub(super) written_in: u64,
}

/// A file that was opened.
pub(super) struct Opened {
    pub(super) file: OpenFile,
    /// What is to be stored before the first write, unless a position names this file by this path.
    pub(super) new: Option<NewPlace>,
}

/// A file that no position names yet.
#[derive(Debug)]
pub(super) struct NewPlace {
    /// Where it is now, or was when it had another name.
    position: FilePosition,
    /// Its name until now: it was moved, with its folder perhaps, and is ours all the same.
    was: Option<String>,
}

impl NewPlace {
    /// Names the file among others, and says what is known of it there.
    pub(super) fn enter(&self, files: &mut Files) {
        let moved = self.was.as_ref().and_then(|was| files.remove(was));
        let mut position = moved.unwrap_or_else(|| self.position.clone());
        position.path.clone_from(&self.position.path);
        files.insert(position.path.clone(), position);
    }
}

impl OpenFile {
    /// Opens or makes a file. Lines behind what is known of it are ours. A file that nothing is known of, be it another
    /// one at a known path, is somebody else's up to where it ends now.
    pub(super) fn open(
        path: &Path,
        known: &Files,
        disk: &Arc<dyn Disk>,
        folders: &mut Folders,
        now: u64,
    ) -> Result<Opened, FileError> {
        folders
            .make_above(path)
            .map_err(FileError::io(path, "made"))?;
        let file = open_locked(path)?;
        let read = FileError::io(path, "read");
        let metadata = file.metadata().map_err(&read)?;
        let real = fs::canonicalize(path).map_err(&read)?;
        let mut open = Self {
            file,
            disk: Arc::clone(disk),
            path: path.to_owned(),
            key: key(&real),
            real,
            dev: metadata.dev(),
            ino: metadata.ino(),
            end: metadata.len(),
            unclaimed: Unclaimed::default(),
            unterminated: false,
            is_named: false,
            written_in: 0,
        };
        let new = open
            .recognise(known, now)
            .map_err(FileError::io(path, "read back"))?;
        Ok(Opened { file: open, new })
    }

    /// Whether the next line would go where the last one went. Not so after somebody removed or truncated the file.
    pub(super) fn is_intact(&mut self) -> Result<bool, FileError> {
        let read = FileError::io(&self.path, "read");
        let metadata = self.file.metadata().map_err(&read)?;
        if metadata.nlink() == 0 || metadata.len() < self.end {
            return Ok(false);
        }
        if metadata.len() > self.end {
            tracing::warn!(path = %self.path.display(), "somebody else writes to this file too");
            self.end = metadata.len();
            self.unterminated = !is_line_end(&self.file, self.end).map_err(&read)?;
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

    /// Makes everything durable: lines, those too that an earlier call or process wrote, and the file's name.
    pub(super) fn sync(&mut self, folders: &mut Folders) -> Result<(), FileError> {
        let synced = self.disk.sync(&self.file).and_then(|()| {
            if !self.is_named {
                folders.sync_above(&self.real, &*self.disk)?;
                self.is_named = true;
            }
            Ok(())
        });
        synced.map_err(FileError::io(&self.path, "synced"))
    }

    /// Cuts what a write that failed left behind the last whole line. Afterwards the file may be rotated away, and
    /// nobody would come back to do it.
    pub(super) fn cut_torn_line(&self) {
        let cut = self.file.metadata().and_then(|metadata| {
            let whole = whole_lines(&self.file, self.end, metadata.len())?;
            if whole < metadata.len() {
                self.file.set_len(whole)?;
            }
            Ok(())
        });
        if let Err(error) = cut {
            tracing::warn!(path = %self.path.display(), %error, "can't cut a torn last line; it is cut when the file is opened anew");
        }
    }

    /// Where the output is in this file.
    pub(super) fn position(&self) -> FilePosition {
        FilePosition {
            path: self.key.clone(),
            dev: self.dev,
            ino: self.ino,
            offset: self.end,
            unclaimed: self.unclaimed.stretches(),
        }
    }

    /// Whether the path still leads to this file.
    pub(super) fn is_at_its_path(&self) -> Result<bool, FileError> {
        is_inode_at(&self.path, self.ino)
    }

    /// Whether a replay may still ask for lines that are here.
    pub(super) fn awaits_replay(&self) -> bool {
        !self.unclaimed.is_empty()
    }

    fn flush(&mut self, buffer: &mut Vec<u8>) -> Result<(), FileError> {
        if self.unterminated && !buffer.is_empty() {
            self.append_bytes(b"\n")?;
            self.unterminated = false;
        }
        self.append_bytes(buffer)?;
        buffer.clear();
        Ok(())
    }

    fn append_bytes(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        if bytes.is_empty() {
            return Ok(());
        }
        let appended = self.disk.append(&self.file, bytes);
        appended.map_err(FileError::io(&self.path, "written"))?;
        self.end += bytes.len() as u64;
        Ok(())
    }

    /// Finds out which lines are ours. A file is told by its path, or by its device and inode when it was moved.
    fn recognise(&mut self, known: &Files, now: u64) -> io::Result<Option<NewPlace>> {
        let here = known.get(&self.key);
        let moved = || {
            let is_this = |known: &&FilePosition| (known.dev, known.ino) == (self.dev, self.ino);
            known.values().find(is_this)
        };
        let here_or_moved = here.filter(|known| known.ino == self.ino).or_else(moved);
        if let Some(ours) = here_or_moved
            && let Some(from) = self.first_line_behind(ours)?
        {
            self.read_tail(ours, from, now)?;
            let is_moved = ours.path != self.key;
            return Ok(is_moved.then(|| self.moved_from(ours)));
        }
        self.begin_at_the_end(here)?;
        Ok(Some(NewPlace {
            position: self.position(),
            was: None,
        }))
    }

    fn moved_from(&self, known: &FilePosition) -> NewPlace {
        NewPlace {
            position: FilePosition {
                path: self.key.clone(),
                ..known.clone()
            },
            was: Some(known.path.clone()),
        }
    }

    /// Where our lines begin behind a known offset; nothing if this is another file. A device may have another number
    /// after the next boot, and an inode's number may be given to another file: lines must meet at the offset.
    fn first_line_behind(&self, known: &FilePosition) -> io::Result<Option<u64>> {
        if self.end < known.offset {
            return Ok(None);
        }
        if self.end == known.offset || is_line_end(&self.file, known.offset)? {
            return Ok(Some(known.offset));
        }
        // Somebody's last line had no end before our first write.
        let next = known.offset + 1;
        Ok(is_line_end(&self.file, next)?.then_some(next))
    }

    /// Cuts a torn last line, and makes whole lines behind the offset ready to be claimed: durable with the next sync.
    fn read_tail(&mut self, known: &FilePosition, from: u64, now: u64) -> io::Result<()> {
        let length = self.end;
        self.end = whole_lines(&self.file, from, length)?;
        if self.end < length {
            let bytes = length - self.end;
            tracing::warn!(path = %self.path.display(), bytes, "cut a torn last line; it comes again");
            self.file.set_len(self.end)?;
        }
        self.unterminated = !is_line_end(&self.file, self.end)?;
        rewrite(&*self.disk, &self.file, from, self.end)?;
        let tail = Stretch {
            start: from,
            end: self.end,
            found: now,
        };
        let stretches = known.unclaimed.iter().copied().chain([tail]);
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

    /// Nothing here is ours to cut or to count as delivered.
    fn begin_at_the_end(&mut self, other: Option<&FilePosition>) -> io::Result<()> {
        if let Some(other) = other {
            let what = if self.ino == other.ino {
                "was truncated"
            } else {
                "is another file than it was"
            };
            tracing::warn!(
                path = %self.path.display(),
                "this file {what}: what was in flight to the old one may be delivered twice"
            );
        } else if self.end > 0 {
            tracing::info!(path = %self.path.display(), "this file was there before; lines are added at its end");
        }
        self.unterminated = !is_line_end(&self.file, self.end)?;
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

/// Whether a path leads to the file with this inode. The device is not asked for: the next boot may number it anew.
pub(super) fn is_inode_at(path: &Path, ino: u64) -> Result<bool, FileError> {
    match fs::metadata(path) {
        Ok(found) => Ok(found.ino() == ino),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(false)
        }
        Err(error) => Err(FileError::io(path, "read")(error)),
    }
}

/// The name of a file in a position: the same by whatever links and dots it is reached.
fn key(canonical: &Path) -> String {
    canonical.to_string_lossy().into_owned()
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
