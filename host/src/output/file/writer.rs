//! All files of one output, and how they become exactly once together.
//!
//! What is known of a file is what the last acknowledged call said about it, or the stored position. Every file is
//! opened from there, be it after a start, after an error or after a rotation: there is one way back for all of them.
//! An error makes the writer cut what it tore and forget all open files, so that the next call reads back what the
//! failed one left.
//!
//! A file that nothing is known of is opened in [`Writer::prepare`], named in a position by [`Writer::begin`], and only
//! written to when that is stored. So whatever a position does not name was never ours.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::FileError;
use super::disk::Disk;
use super::folders::Folders;
use super::open::{NewPlace, OpenFile, is_inode_at};
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
    disk: Arc<dyn Disk>,
    folders: Folders,
    /// As of the newest acknowledged call, for files that are not open too.
    known: Files,
    /// What was opened for the call to come and no position names.
    new: Vec<NewPlace>,
    open: HashMap<PathBuf, OpenFile>,
    buffer: Vec<u8>,
    /// Number of the call at work, or else of the one to come; from 1.
    call: u64,
}

impl Writer {
    /// Without a position, nothing is ours; with one, what it names.
    pub(super) fn new(
        template: PathTemplate,
        position: Option<&str>,
        disk: Arc<dyn Disk>,
    ) -> Result<Self, FileError> {
        Ok(Self {
            template,
            disk,
            folders: Folders::default(),
            known: position
                .map(position::read)
                .transpose()?
                .unwrap_or_default(),
            new: Vec::new(),
            open: HashMap::new(),
            buffer: Vec::new(),
            call: 1,
        })
    }

    /// Where the output is.
    pub(super) fn position(&self) -> Result<String, FileError> {
        position::write(&self.known)
    }

    /// Opens what the call to come will write to. Says whether a position has to be stored before.
    pub(super) fn prepare(&mut self, batches: &[Batch]) -> Result<bool, FileError> {
        if let Err(error) = self.open_all(batches) {
            self.open.clear();
            return Err(error);
        }
        Ok(!self.new.is_empty())
    }

    /// A position, and in it the files that were new to [`Writer::prepare`].
    pub(super) fn begin(&self, position: &str) -> Result<String, FileError> {
        let mut files = position::read(position)?;
        for new in &self.new {
            new.enter(&mut files);
        }
        position::write(&files)
    }

    /// Appends what is not there yet; all of it is on the disk when this returns.
    pub(super) fn write(&mut self, batches: &[Batch]) -> Result<String, FileError> {
        self.buffer.clear();
        let written = self.append(batches).and_then(|()| self.sync());
        match &written {
            Ok(()) => self.acknowledge(),
            Err(_) => self.give_up_call(),
        }
        self.buffer.shrink_to(BUFFER_MAX);
        self.new.clear();
        self.call += 1;
        written?;
        self.position()
    }

    /// Lets go of files that were rotated away. What is at their paths now, or comes there, is new.
    pub(super) fn reopen(&mut self) -> Result<(), FileError> {
        let mut rotated = Vec::new();
        for (path, file) in &self.open {
            if !file.is_at_its_path()? {
                rotated.push(path.clone());
            }
        }
        for path in rotated {
            let file = self.open.remove(&path);
            if file.is_some_and(|file| file.awaits_replay()) {
                tracing::warn!(path = %path.display(), "what was in flight to the old file may be delivered twice");
            }
        }
        let mut gone = Vec::new();
        for (path, known) in &self.known {
            // A path that can't be looked at may belong to a source that is no more: it holds nobody up.
            if is_inode_at(Path::new(path), known.ino).is_ok_and(|is_there| !is_there) {
                gone.push(path.clone());
            }
        }
        for path in gone {
            tracing::info!(path, "this file was rotated");
            self.known.remove(&path);
        }
        Ok(())
    }

    /// Whoever reads a line in the file has it: whole ones stay, and are found when the call comes again.
    fn give_up_call(&mut self) {
        for file in self.open.values() {
            if file.written_in == self.call {
                file.cut_torn_line();
            }
        }
        self.open.clear();
    }

    fn open_all(&mut self, batches: &[Batch]) -> Result<(), FileError> {
        for batch in batches.iter().filter(|batch| !batch.is_empty()) {
            self.file(self.template.path(batch.source())?)?;
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
                let (disk, folders) = (&self.disk, &mut self.folders);
                let opened =
                    OpenFile::open(vacant.key(), &self.known, disk, folders, seconds_now())?;
                if let Some(new) = opened.new {
                    new.enter(&mut self.known);
                    self.new.push(new);
                }
                vacant.insert(opened.file)
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
        written.try_for_each(|file| file.sync(&mut self.folders))
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

fn seconds_now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
