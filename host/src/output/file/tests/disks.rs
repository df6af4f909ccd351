//! Disks that fail: syncs that are final, writes that stop in mid-line, names that are not there after a power cut.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::io;
use std::sync::{Mutex, MutexGuard};

use super::*;

/// A disk that behaves as Linux does: what a failed sync did not write is clean, and only writing it again helps.
#[derive(Debug, Default)]
pub(super) struct FailingDisk {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Bytes by inode and offset that are written and not on the disk.
    dirty: HashMap<u64, BTreeSet<u64>>,
    /// Those that are.
    durable: HashMap<u64, BTreeSet<u64>>,
    /// What the next syncs of files return instead of syncing: whether they fail.
    syncs: VecDeque<bool>,
    folder_syncs: VecDeque<bool>,
    folders: Vec<PathBuf>,
    /// How many bytes can be appended.
    room: Option<usize>,
}

impl FailingDisk {
    pub(super) fn new() -> Arc<Self> {
        Arc::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(super) fn fail_syncs(&self, fail: impl IntoIterator<Item = bool>) {
        self.state().syncs.extend(fail);
    }

    pub(super) fn room(&self, bytes: Option<usize>) {
        self.state().room = bytes;
    }

    /// What is left of a file after a power cut.
    fn after_a_power_cut(&self, path: &Path) -> String {
        let ino = fs::metadata(path).unwrap().ino();
        let state = self.state();
        let durable = state.durable.get(&ino).cloned().unwrap_or_default();
        let bytes = fs::read(path).unwrap().into_iter().zip(0..);
        let bytes = bytes.map(|(byte, offset)| {
            if durable.contains(&offset) {
                byte
            } else {
                b'?'
            }
        });
        String::from_utf8(bytes.collect()).unwrap()
    }
}

fn failed() -> io::Error {
    io::Error::from_raw_os_error(rustix::io::Errno::IO.raw_os_error())
}

impl disk::Disk for FailingDisk {
    fn append(&self, mut file: &fs::File, bytes: &[u8]) -> io::Result<()> {
        let metadata = file.metadata()?;
        let mut state = self.state();
        let size = bytes.len().min(state.room.unwrap_or(usize::MAX));
        file.write_all(&bytes[..size])?;
        let range = metadata.len()..metadata.len() + size as u64;
        state.dirty.entry(metadata.ino()).or_default().extend(range);
        if size < bytes.len() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    fn write_at(&self, file: &fs::File, bytes: &[u8], offset: u64) -> io::Result<()> {
        use std::os::unix::fs::FileExt;
        file.write_all_at(bytes, offset)?;
        let range = offset..offset + bytes.len() as u64;
        let mut state = self.state();
        state
            .dirty
            .entry(file.metadata()?.ino())
            .or_default()
            .extend(range);
        Ok(())
    }

    fn sync(&self, file: &fs::File) -> io::Result<()> {
        let ino = file.metadata()?.ino();
        let mut state = self.state();
        let dirty = state.dirty.remove(&ino).unwrap_or_default();
        if state.syncs.pop_front() == Some(true) {
            return Err(failed());
        }
        state.durable.entry(ino).or_default().extend(dirty);
        Ok(())
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        let mut state = self.state();
        if state.folder_syncs.pop_front() == Some(true) {
            return Err(failed());
        }
        state.folders.push(folder.to_owned());
        Ok(())
    }
}

fn writer_on(
    disk: &Arc<FailingDisk>,
    folder: &TempDir,
    path: &str,
    position: Option<&str>,
) -> Writer {
    let disk = Arc::clone(disk);
    Writer::new(template(folder, path), position, disk).unwrap()
}

#[test]
fn delivery_16_after_a_failed_sync_nothing_counts_until_it_is_written_again() {
    let (folder, disk) = (tempfile::tempdir().unwrap(), FailingDisk::new());
    let path = folder.path().join("a");
    let mut writer = writer_on(&disk, &folder, "a", None);
    writer.write(&[batch("acme", &["1"])]).unwrap();
    disk.fail_syncs([true, true]);
    let call = [batch("acme", &["2", "3"])];
    writer.write(&call).unwrap_err();
    writer.write(&call).unwrap_err();
    assert_eq!(disk.after_a_power_cut(&path), "1\n????");
    writer.write(&call).unwrap();
    assert_eq!(disk.after_a_power_cut(&path), "1\n2\n3\n");
    assert_eq!(lines(&folder, "a"), ["1", "2", "3"]);
}

#[test]
fn delivery_16_what_a_process_before_could_not_sync_is_written_again_before_it_counts() {
    let (folder, disk) = (tempfile::tempdir().unwrap(), FailingDisk::new());
    let path = folder.path().join("a");
    let mut first = writer_on(&disk, &folder, "a", None);
    let settled = first.write(&[batch("acme", &["1"])]).unwrap();
    disk.fail_syncs([true]);
    first.write(&[batch("acme", &["2"])]).unwrap_err();
    drop(first);
    let mut second = writer_on(&disk, &folder, "a", Some(&settled));
    second.write(&[batch("acme", &["2", "3"])]).unwrap();
    assert_eq!(disk.after_a_power_cut(&path), "1\n2\n3\n");
    assert_eq!(lines(&folder, "a"), ["1", "2", "3"]);
}

/// One source's lines are there before its replay asks for them, and another's call is the first to be synced.
#[test]
fn delivery_16_lines_that_are_claimed_later_were_written_again_too() {
    let (folder, disk) = (tempfile::tempdir().unwrap(), FailingDisk::new());
    let path = folder.path().join("a");
    let mut first = writer_on(&disk, &folder, "a", None);
    let settled = first.write(&[batch("acme", &["1"])]).unwrap();
    disk.fail_syncs([true, true]);
    first.write(&[batch("beta", &["b"])]).unwrap_err();
    first.write(&[batch("beta", &["b"])]).unwrap_err();
    drop(first);
    let mut second = writer_on(&disk, &folder, "a", Some(&settled));
    let later = second.write(&[batch("acme", &["2"])]).unwrap();
    drop(second);
    let mut third = writer_on(&disk, &folder, "a", Some(&later));
    third.write(&[batch("beta", &["b"])]).unwrap();
    assert_eq!(disk.after_a_power_cut(&path), "1\nb\n2\n");
}

#[test]
fn delivery_16_a_line_torn_by_a_full_disk_is_cut_at_once_and_may_be_rotated_away() {
    let (folder, disk) = (tempfile::tempdir().unwrap(), FailingDisk::new());
    let mut writer = writer_on(&disk, &folder, "a", None);
    writer.write(&[batch("acme", &["1111"])]).unwrap();
    disk.room(Some(8));
    let call = [batch("acme", &["2222", "3333"])];
    writer.write(&call).unwrap_err();
    assert_eq!(lines(&folder, "a"), ["1111", "2222"]);
    fs::rename(folder.path().join("a"), folder.path().join("a.1")).unwrap();
    writer.reopen().unwrap();
    disk.room(None);
    writer.write(&call).unwrap();
    assert_eq!(lines(&folder, "a.1"), ["1111", "2222"]);
    assert_eq!(lines(&folder, "a"), ["2222", "3333"]);
}

/// Rotated by a copy and a cut to nothing, while no process ran.
#[test]
fn delivery_16_a_full_disk_right_after_a_rotation_leaves_no_torn_line() {
    let (folder, disk) = (tempfile::tempdir().unwrap(), FailingDisk::new());
    let path = folder.path().join("a");
    let mut first = writer_on(&disk, &folder, "a", None);
    let settled = first.write(&[batch("acme", &["1111"])]).unwrap();
    drop(first);
    fs::write(&path, "").unwrap();
    let mut second = writer_on(&disk, &folder, "a", Some(&settled));
    let call = [batch("acme", &["2222", "3333"])];
    let stored = begin(&mut second, &settled, &call);
    disk.room(Some(8));
    second.write(&call).unwrap_err();
    // What a kill in that write would have left.
    append(&path, "33");
    drop(second);
    disk.room(None);
    let mut third = writer_on(&disk, &folder, "a", Some(&stored));
    third.write(&call).unwrap();
    assert_eq!(lines(&folder, "a"), ["2222", "3333"]);
}

#[test]
fn delivery_16_names_are_on_the_disk_although_the_attempt_that_made_them_failed() {
    let (folder, disk) = (tempfile::tempdir().unwrap(), FailingDisk::new());
    let real = fs::canonicalize(folder.path()).unwrap();
    let above = || [real.join("logs/acme"), real.join("logs"), real.clone()];
    let mut first = writer_on(&disk, &folder, "logs/{source}/log", None);
    disk.fail_syncs([true]);
    first.write(&[batch("acme", &["1"])]).unwrap_err();
    disk.state().folder_syncs.extend([false, true]);
    first.write(&[batch("acme", &["1"])]).unwrap_err();
    first.write(&[batch("acme", &["1"])]).unwrap();
    let synced = || std::mem::take(&mut disk.state().folders);
    let folders = synced();
    assert!(
        above().iter().all(|folder| folders.contains(folder)),
        "{folders:?}"
    );
    first.write(&[batch("acme", &["2"])]).unwrap();
    assert_eq!(synced(), Vec::<PathBuf>::new(), "once is enough");
    first.write(&[batch("beta", &["1"])]).unwrap();
    assert!(synced().starts_with(&[real.join("logs/beta"), real.join("logs")]));
    drop(first);
    // Who is started anew does not know what the process before had synced.
    let mut second = writer_on(&disk, &folder, "logs/{source}/log", None);
    second.write(&[batch("acme", &["1"])]).unwrap();
    assert!(synced().starts_with(&above()));
}

/// A disk that is slow enough for somebody to rotate a file between its first write and the end of its first sync.
#[derive(Debug)]
struct RotatedMeanwhile {
    path: PathBuf,
}

impl disk::Disk for RotatedMeanwhile {
    fn sync(&self, file: &fs::File) -> io::Result<()> {
        let away = self.path.with_extension("1");
        if !away.exists() {
            fs::rename(&self.path, away)?;
        }
        file.sync_data()
    }
}

#[test]
fn delivery_16_a_file_that_is_rotated_away_in_its_first_write_has_all_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    let disk = Arc::new(RotatedMeanwhile { path });
    let mut writer = Writer::new(template(&folder, "a"), None, disk).unwrap();
    writer.write(&[batch("acme", &["1"])]).unwrap();
    writer.reopen().unwrap();
    writer.write(&[batch("acme", &["2"])]).unwrap();
    assert_eq!(lines(&folder, "a.1"), ["1"]);
    assert_eq!(lines(&folder, "a"), ["2"]);
}
