//! A folder with a configuration, state and outputs, and the program run in it.

use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::disk::FailingSyncs;

/// The output that all sources share, and the one with a file for each source, on the small disk.
pub(crate) const SHARED: &str = "shared/both.ndjson";
/// See [`SHARED`].
pub(crate) const SMALL: &str = "small";
/// Longer than the program may take to deliver what is queued, on a disk that others keep busy: no sync can be cut off.
const STOPS_WITHIN: Duration = Duration::from_secs(180);

/// A private folder, on the disk where builds are: `/tmp` is memory on many machines. It stays when a test fails.
pub(crate) struct Home {
    folder: tempfile::TempDir,
    pub(crate) syncs: Option<FailingSyncs>,
}

impl Home {
    pub(crate) fn new(prefix: &str) -> Self {
        let folder = tempfile::Builder::new()
            .prefix(prefix)
            .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
            .unwrap();
        let folder_path = folder.path();
        for name in ["shared", SMALL] {
            fs::create_dir(folder_path.join(name)).unwrap();
        }
        let syncs = FailingSyncs::build(folder_path);
        Self { folder, syncs }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file that is for us alone, whole at each moment.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let new = self.path(&format!("{name}.new"));
        fs::write(&new, text).unwrap();
        fs::set_permissions(&new, fs::Permissions::from_mode(0o600)).unwrap();
        fs::rename(new, self.path(name)).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_logweir"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .env_remove("LOGWEIR_CONFIG")
            .env_remove("STATE_DIRECTORY")
            .env_remove("http_proxy")
            .env_remove("https_proxy")
            .env("NO_COLOR", "1");
        command
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Starts the program, which writes to the log.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        let mut options = fs::OpenOptions::new();
        let log = options
            .create(true)
            .append(true)
            .open(self.path("log"))
            .unwrap();
        let mut command = self.command(arguments);
        if let Some(syncs) = &self.syncs {
            syncs.prepare(&mut command);
        }
        let child = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        Running { child }
    }

    /// Adds a line to what the test itself did, for whoever looks for what went wrong.
    pub(crate) fn note(&self, line: &str) {
        let mut options = fs::OpenOptions::new();
        let file = options.create(true).append(true);
        let mut file = file.open(self.path("lives")).unwrap();
        writeln!(file, "{line}").unwrap();
    }

    /// What the program said so far.
    pub(crate) fn log(&self) -> String {
        let bytes = fs::read(self.path("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Records that the state calls settled, of all sources. Nothing must run.
    pub(crate) fn settled(&self) -> u64 {
        let output = self.run(&["status", "--json"]);
        let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let stored = found["stored"].as_array();
        let settled = stored.into_iter().flatten().map(|one| &one["settled"]);
        settled.filter_map(serde_json::Value::as_u64).sum()
    }

    /// The files of an output: those that were rotated away, the oldest first, and the present one.
    pub(crate) fn files(&self, name: &str) -> Vec<PathBuf> {
        let rotated = (1..).map(|number| self.path(&format!("{name}.{number}")));
        let mut files: Vec<_> = rotated.take_while(|path| path.exists()).collect();
        files.extend(Some(self.path(name)).filter(|path| path.exists()));
        files
    }

    /// Bytes of an output so far.
    pub(crate) fn size(&self, name: &str) -> u64 {
        let files = self.files(name);
        let sizes = files.iter().map(fs::metadata);
        sizes.flatten().map(|metadata| metadata.len()).sum()
    }

    /// Whether an output ends with a whole line, or is none.
    pub(crate) fn ends_with_a_line(&self, name: &str) -> bool {
        let Ok(mut file) = fs::File::open(self.path(name)) else {
            return true;
        };
        let mut last = [b'\n'];
        if file.seek(SeekFrom::End(-1)).is_ok() {
            file.read_exact(&mut last).unwrap();
        }
        last == *b"\n"
    }

    /// Whole lines of an output so far.
    pub(crate) fn lines(&self, name: &str) -> u64 {
        self.files(name).iter().map(|path| lines(path)).sum()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.folder.disable_cleanup(true);
            eprintln!("what is left is in {}", self.folder.path().display());
        }
    }
}

fn lines(path: &Path) -> u64 {
    let mut file = fs::File::open(path).unwrap();
    let (mut block, mut lines) = (vec![0; 1 << 20], 0);
    loop {
        let length = file.read(&mut block).unwrap();
        if length == 0 {
            return lines;
        }
        lines += memchr::memchr_iter(b'\n', &block[..length]).count() as u64;
    }
}

/// A running program.
pub(crate) struct Running {
    child: Child,
}

impl Running {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).unwrap();
        // It may have ended by itself.
        kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap_or_default();
    }

    /// Ends it in the midst of what it does; how it ended, should it have been quicker.
    pub(crate) fn kill(mut self) -> ExitStatus {
        self.child.kill().unwrap();
        self.child.wait().unwrap()
    }

    /// Waits until it has ended as it was asked to.
    pub(crate) fn wait(mut self) -> ExitStatus {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(begin.elapsed() < STOPS_WITHIN, "it does not stop");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Whether it still runs.
    pub(crate) fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
