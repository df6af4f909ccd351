//! A folder with a configuration, and the real `logweir` program run in it.

use std::cell::RefCell;
use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use crate::warm;

use crate::proof::wait_until;

/// The token that simulated orgs accept and that must not turn up anywhere.
pub(crate) const TOKEN: &str = "00PLANTED-token-that-nobody-may-see";

/// A private folder that configurations, state and outputs are in.
pub(crate) struct House {
    folder: tempfile::TempDir,
}

impl House {
    pub(crate) fn new() -> Self {
        let house = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        house.write("token", TOKEN);
        fs::set_permissions(house.path("token"), fs::Permissions::from_mode(0o600)).unwrap();
        house
    }

    /// A house whose one source reads an org into `out.ndjson`.
    pub(crate) fn with_one_source(url: &str) -> Self {
        let house = Self::new();
        house.configure(&[("acme", url)], &[("archive", "out.ndjson")], "");
        house
    }

    /// Sources by name and origin, file outputs by name and path, each of them for all sources; `more` is added to
    /// every source's plugin configuration.
    pub(crate) fn configure(&self, sources: &[(&str, &str)], files: &[(&str, &str)], more: &str) {
        let mut text = "sources:\n".to_owned();
        for (name, url) in sources {
            text += &format!(
                "  {name}:\n    plugin: okta\n    config:\n      url: {url}\n      poll: 200ms\n{more}"
            );
            text += "    credentials:\n      api_token: ${file:token}\n";
        }
        let inputs: Vec<_> = sources.iter().map(|(name, _)| *name).collect();
        text += "outputs:\n";
        for (name, path) in files {
            text += &format!(
                "  {name}:\n    type: file\n    inputs: [{}]\n    path: {path}\n",
                inputs.join(", ")
            );
        }
        self.write("logweir.yaml", &text);
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// The program, to be run in this folder, with nothing of the test's own environment that it reads. One that reads
    /// finds its plugin compiled.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        if arguments.first() == Some(&"run") {
            warm::prepare(&self.path(".logweir"));
        }
        self.cold_command(arguments)
    }

    fn cold_command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_logweir"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        command
            .env_remove("LOGWEIR_CONFIG")
            .env_remove("STATE_DIRECTORY")
            .env("NO_COLOR", "1");
        command.env_remove("http_proxy").env_remove("https_proxy");
        command
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs the program to its end, and expects it to succeed.
    pub(crate) fn run_ok(&self, arguments: &[&str]) -> Output {
        let output = self.run(arguments);
        assert!(
            output.status.success(),
            "logweir {arguments:?} failed:\n{}",
            text(&output)
        );
        output
    }

    /// Starts the program; the guard ends it.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        self.spawn(self.command(arguments))
    }

    /// Runs the program to its end with whatever state there is.
    pub(crate) fn run_cold(&self, arguments: &[&str]) -> Output {
        self.cold_command(arguments).output().unwrap()
    }

    /// Starts the program with whatever state there is.
    pub(crate) fn start_cold(&self, arguments: &[&str]) -> Running {
        self.spawn(self.cold_command(arguments))
    }

    /// Starts `run` where no file may have more than these bytes, as on a disk that is full, until
    /// [`Running::make_room`].
    pub(crate) fn start_limited(&self, bytes: u64) -> Running {
        let program = self.command(&["run"]);
        let mut limited = Command::new("sh");
        // A signal would end it before it can see the error.
        let script = format!("trap '' XFSZ; ulimit -S -f {}; exec \"$@\"", bytes / 512);
        limited.args(["-c", &script, "sh"]);
        limited.arg(program.get_program()).args(program.get_args());
        limited.current_dir(self.root()).stdin(Stdio::null());
        self.spawn(limited)
    }

    fn spawn(&self, mut command: Command) -> Running {
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.path("log"))
            .unwrap();
        let child = command.stdout(Stdio::null()).stderr(log).spawn();
        Running {
            child: child.unwrap(),
        }
    }

    /// Waits until a file has this many lines.
    pub(crate) fn until_lines(&self, name: &str, lines: usize) {
        wait_until(&format!("{lines} lines are in {name}"), || {
            self.lines_so_far(name) == lines
        });
    }

    /// How many complete lines a file has by now, while it is being written.
    pub(crate) fn lines_so_far(&self, name: &str) -> usize {
        fs::read(self.path(name))
            .unwrap_or_default()
            .iter()
            .filter(|byte| **byte == b'\n')
            .count()
    }

    /// Whether a file ends with a whole line, or is none.
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

    /// The lines of a file, without their ends; none when there is no file.
    pub(crate) fn lines(&self, name: &str) -> Vec<Vec<u8>> {
        lines_of(&fs::read(self.path(name)).unwrap_or_default())
    }
}

/// Complete lines of a text. A torn last line is an error of the program.
pub(crate) fn lines_of(bytes: &[u8]) -> Vec<Vec<u8>> {
    assert!(
        bytes.is_empty() || bytes.ends_with(b"\n"),
        "the last line is torn"
    );
    bytes
        .split_inclusive(|byte| *byte == b'\n')
        .map(|line| line[..line.len() - 1].to_vec())
        .collect()
}

/// Everything a program said.
pub(crate) fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// A running program.
pub(crate) struct Running {
    child: Child,
}

impl Running {
    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args([signal, &pid])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Asks it to stop, which is no failure.
    pub(crate) fn stop(mut self) {
        self.signal("-TERM");
        assert!(self.wait().success(), "stopping as asked is no failure");
    }

    /// Files may be of any size again.
    pub(crate) fn make_room(&self) {
        let pid = self.child.id().to_string();
        let raised = Command::new("prlimit")
            .args(["--fsize=unlimited:", "--pid", &pid])
            .status();
        assert!(raised.unwrap().success());
    }

    /// Ends it in the midst of what it does, and returns when it is gone.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn wait(&mut self) -> std::process::ExitStatus {
        self.child.wait().unwrap()
    }

    /// How it ended, which it is about to: one that hangs fails.
    pub(crate) fn ended(self) -> std::process::ExitStatus {
        let child = RefCell::new(self);
        let status = || child.borrow_mut().child.try_wait().unwrap();
        wait_until("it ends", || status().is_some());
        status().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
