//! Disks that fail: one that is full when it is wanted to, and syncs that return errors.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// More than any storm writes.
const PLENTY: u64 = 8 << 30;
/// What is left of a disk that is full: enough for a part of a page.
const LITTLE: u64 = 48 << 10;

/// A disk of its own at a folder: a file system in memory, whose size can be changed.
#[derive(Debug)]
pub(crate) struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    /// Puts one at a folder, if this process may: only root can mount.
    pub(crate) fn at(folder: &Path) -> Option<Self> {
        let size = format!("size={PLENTY},mode=700");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(folder)
            .status();
        if !mounted.is_ok_and(|status| status.success()) {
            return None;
        }
        Some(Self {
            folder: folder.to_owned(),
        })
    }

    /// Leaves next to no room.
    pub(crate) fn fill(&self) {
        let found = rustix::fs::statvfs(&self.folder).unwrap();
        let used = (found.f_blocks - found.f_bfree) * found.f_frsize;
        self.resize(used + LITTLE);
    }

    /// There is room again.
    pub(crate) fn empty(&self) {
        self.resize(PLENTY);
    }

    fn resize(&self, bytes: u64) {
        let options = format!("remount,size={bytes}");
        let resized = Command::new("mount")
            .args(["-o", &options])
            .arg(&self.folder)
            .status();
        assert!(resized.unwrap().success(), "the size of a disk changes");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let lazily = Command::new("umount").arg("-l").arg(&self.folder).status();
        drop(lazily);
    }
}

/// Makes syncs of a program fail.
#[derive(Debug)]
pub(crate) struct FailingSyncs {
    shim: PathBuf,
    orders: PathBuf,
}

impl FailingSyncs {
    /// Builds the library that does it; none where programs can't be given one.
    pub(crate) fn build(folder: &Path) -> Option<Self> {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/chaos/failing_sync.rs");
        let shim = folder.join("libfailing_sync.so");
        let built = Command::new(std::env::var_os("RUSTC").unwrap_or("rustc".into()))
            .args(["--edition", "2024", "--crate-type", "cdylib", "-O"])
            .args(["-C", "panic=abort", "-C", "strip=symbols", "-o"])
            .args([&shim, &source])
            .status();
        if !cfg!(target_os = "linux") || !built.is_ok_and(|status| status.success()) {
            return None;
        }
        let orders = folder.join("failing-syncs");
        Some(Self { shim, orders })
    }

    /// What a program needs in its environment for its syncs to fail on demand.
    pub(crate) fn prepare(&self, command: &mut Command) {
        command
            .env("LD_PRELOAD", &self.shim)
            .env("FAILING_SYNC", &self.orders);
    }

    /// The next syncs of files in a folder fail.
    pub(crate) fn fail(&self, times: u32, folder: &Path) {
        fs::write(&self.orders, format!("{times} {}", folder.display())).unwrap();
    }

    /// No more of them. How many did not take place.
    pub(crate) fn stop(&self) -> u32 {
        let order = fs::read_to_string(&self.orders).unwrap_or_default();
        drop(fs::remove_file(&self.orders));
        let times = order.split(' ').next();
        times.and_then(|times| times.parse().ok()).unwrap_or(0)
    }
}
