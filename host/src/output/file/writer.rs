//! All files of one output, and how they become exactly once together.
//!
//! What is known of a file is what the last acknowledged call said about it, or the stored position. Every file is
//! opened from there, be it after a start, after an error or after a rotation: there is one way back for all of them.
//! An error makes the writer forget all open files, so that the next call reads back what the failed one left.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use super::FileError;
use super::open::{OpenFile, key};
use super::position::{self, Files};
use super::template::PathTemplate;
use crate::record::Batch;

/// Fewer than the 1,024 that a process may have open by default.
const OPEN_MAX: usize = 256;

/// One record of megabytes must not keep its memory for ever.
const BUFFER_MAX: usize = 1 << 20;

/// The files of one output.
#[derive(Debug)]
pub(super) struct Writer {
    template: PathTemplate,
    /// As of the newest acknowledged call, for files that are not open too.
    known: Files,
    open: HashMap<PathBuf, OpenFile>,
    buffer: Vec<u8>,
    /// Number of the call.
    call: u64,
}

impl Writer {
    /// Without a position, all that files hold now is not ours; with one, what it does not name is.
    pub(super) fn new(template: PathTemplate, position: Option<&str>) -> Result<Self, FileError> {
        let known = match position {
            Some(position) => position::read(position)?,
            None => first_position(&template)?,
        };
        Ok(Self {
            template,
            known,
            open: HashMap::new(),
            buffer: Vec::new(),
            call: 0,
        })
    }

    /// Where the output is.
    pub(super) fn position(&self) -> Result<String, FileError> {
        position::write(&self.known)
    }

    /// Appends what is not there yet; all of it is on the disk when this returns.
    pub(super) fn write(&mut self, batches: &[Batch]) -> Result<String, FileError> {
        self.call += 1;
        self.buffer.clear();
        let written = self.append(batches).and_then(|()| self.sync());
        self.buffer.shrink_to(BUFFER_MAX);
        if let Err(error) = written {
            self.open.clear();
            return Err(error);
        }
        self.acknowledge();
        self.position()
    }

    /// Lets go of files that were rotated away.
    pub(super) fn reopen(&mut self) -> Result<(), FileError> {
        let mut rotated = Vec::new();
        for (path, file) in &self.open {
            let (is_there, length) = file.is_at_its_path()?;
            if !is_there {
                rotated.push((path.clone(), length));
            }
        }
        for (path, length) in rotated {
            tracing::info!(path = %path.display(), "this file was rotated");
            let awaits_replay = self
                .open
                .remove(&path)
                .is_some_and(|file| file.awaits_replay());
            if awaits_replay {
                tracing::warn!(path = %path.display(), "what was in flight to the old file may be delivered twice");
            }
            // All that comes into an empty file is ours; what somebody else put there is not.
            if length == 0 {
                self.known.remove(&key(&path));
            }
        }
        Ok(())
    }

    fn append(&mut self, batches: &[Batch]) -> Result<(), FileError> {
        let template = self.template.clone();
        let mut buffer = std::mem::take(&mut self.buffer);
        let together =
            |one: &Batch, other: &Batch| template.is_shared(one.source(), other.source());
        for batches in batches.chunk_by(together) {
            let Some(first) = batches.iter().find(|batch| !batch.is_empty()) else {
                continue;
            };
            let file = self.file(template.path(first.source())?)?;
            file.append(batches, &mut buffer)?;
        }
        self.buffer = buffer;
        Ok(())
    }

    /// The open file at a path.
    fn file(&mut self, path: PathBuf) -> Result<&mut OpenFile, FileError> {
        let call = self.call;
        if let Some(file) = self.open.get_mut(&path) {
            if file.written_in != call && !file.is_intact()? {
                self.open.remove(&path);
            }
        } else if self.open.len() >= OPEN_MAX {
            self.close_oldest();
        }
        let file = match self.open.entry(path) {
            Entry::Occupied(open) => open.into_mut(),
            Entry::Vacant(vacant) => {
                let known = self.known.get(&key(vacant.key()));
                let file = OpenFile::open(vacant.key(), known, seconds_now())?;
                vacant.insert(file)
            }
        };
        file.written_in = call;
        Ok(file)
    }

    /// What this call wrote to must stay open until it is synced.
    fn close_oldest(&mut self) {
        let before = self
            .open
            .iter()
            .filter(|(_, file)| file.written_in < self.call);
        let oldest = before
            .min_by_key(|(_, file)| file.written_in)
            .map(|(path, _)| path.clone());
        if let Some(oldest) = oldest {
            self.open.remove(&oldest);
        }
    }

    /// One sync a file for all that the call brought.
    fn sync(&mut self) -> Result<(), FileError> {
        let call = self.call;
        let mut written = self
            .open
            .values_mut()
            .filter(|file| file.written_in == call);
        written.try_for_each(OpenFile::sync)
    }

    fn acknowledge(&mut self) {
        for file in self
            .open
            .values()
            .filter(|file| file.written_in == self.call)
        {
            let position = file.position();
            self.known.insert(position.path.clone(), position);
        }
    }
}

/// What is there before the first write: the end of each file that exists.
fn first_position(template: &PathTemplate) -> Result<Files, FileError> {
    use std::os::unix::fs::MetadataExt;

    let failed = FileError::io(template.literal(), "read");
    let mut files = Files::new();
    for path in template.existing().map_err(failed)? {
        let metadata = path.metadata().map_err(FileError::io(&path, "read"))?;
        let position = position::FilePosition {
            path: key(&path),
            dev: metadata.dev(),
            ino: metadata.ino(),
            offset: metadata.len(),
            unclaimed: Vec::new(),
        };
        files.insert(position.path.clone(), position);
    }
    Ok(files)
}

fn seconds_now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
