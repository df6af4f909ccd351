//! Commands that print a secret.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::{SECRET_BYTES_MAX, SecretError};

/// How long a command may take: some ask a server, or a person at a security key.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it is looked whether it has ended.
const GLANCE: Duration = Duration::from_millis(10);
/// As much of what a command that failed said as is passed on.
const WORDS_MAX: usize = 200;

/// What a command prints, and at most one byte more than a secret may have. It gets no input and no shell.
pub(super) fn run(argv: &[String], folder: &Path) -> Result<Vec<u8>, SecretError> {
    run_within(argv, folder, PATIENCE)
}

fn run_within(argv: &[String], folder: &Path, patience: Duration) -> Result<Vec<u8>, SecretError> {
    let (program, arguments) = argv
        .split_first()
        .map_or(("", argv), |(program, rest)| (program.as_str(), rest));
    let failed = |reason: String| SecretError::Command {
        program: program.to_owned(),
        reason,
    };
    // A name alone is looked for in PATH; a path starts from the folder of the configuration.
    let mut command = match program.contains('/') {
        true => Command::new(folder.join(program)),
        false => Command::new(program),
    };
    command
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A group of its own, so that all it started can be ended with it.
        .process_group(0);
    let child = command.spawn();
    let mut child = child.map_err(|error| failed(format!("can't be run: {error}")))?;
    let (printed, said) = (collect(child.stdout.take()), collect(child.stderr.take()));
    let begun = Instant::now();
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if begun.elapsed() < patience => std::thread::sleep(GLANCE),
            Ok(None) => {
                end(&mut child);
                return Err(failed(format!("took longer than {} s", patience.as_secs())));
            }
            Err(error) => {
                end(&mut child);
                return Err(failed(format!("can't be waited for: {error}")));
            }
        }
    };
    // What it left running may hold its output open.
    let rest = patience.saturating_sub(begun.elapsed()).max(GLANCE);
    if !status.success() {
        let said = said.recv_timeout(GLANCE * 10).unwrap_or_default();
        return Err(failed(format!("failed with {status}{}", first_line(&said))));
    }
    printed
        .recv_timeout(rest)
        .map_err(|_| failed("does not end its output".to_owned()))
}

/// Reads to the end, or to a byte more than a secret may have, in a thread of its own: a command that prints without
/// end must not fill memory, nor wait for a reader.
fn collect(pipe: Option<impl Read + Send + 'static>) -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::sync_channel(1);
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(pipe) = pipe
            && pipe
                .take(SECRET_BYTES_MAX + 1)
                .read_to_end(&mut bytes)
                .is_ok()
        {
            // Nobody waits any more when the command took too long.
            sender.send(bytes).unwrap_or_default();
        }
    });
    receiver
}

/// Ends a command and what it started.
fn end(child: &mut Child) {
    if let Some(group) = i32::try_from(child.id())
        .ok()
        .and_then(rustix::process::Pid::from_raw)
    {
        // It may have ended by itself meanwhile.
        rustix::process::kill_process_group(group, rustix::process::Signal::KILL)
            .unwrap_or_default();
    }
    child.kill().unwrap_or_default();
    child.wait().map(drop).unwrap_or_default();
}

/// What a command that failed said about it, for people.
fn first_line(said: &[u8]) -> String {
    let said = String::from_utf8_lossy(said);
    let line = said.lines().find(|line| !line.trim().is_empty());
    let plain = line.unwrap_or_default().chars().filter(|c| !c.is_control());
    match plain.take(WORDS_MAX).collect::<String>() {
        line if line.is_empty() => line,
        line => format!(": {line}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(command: &str) -> Result<String, String> {
        let argv: Vec<_> = command.split_whitespace().map(str::to_owned).collect();
        let folder = tempfile::tempdir().unwrap();
        let printed = run_within(&argv, folder.path(), Duration::from_millis(500));
        printed
            .map(|bytes| String::from_utf8(bytes).unwrap())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn trust_18_a_command_is_run_without_a_shell() {
        assert_eq!(printed("echo $HOME ; 'a b'").unwrap(), "$HOME ; 'a b'\n");
    }

    #[test]
    fn a_command_that_fails_or_never_ends_is_told() {
        let error = printed("ls /nonexistent").unwrap_err();
        assert!(error.contains("failed with exit status"), "{error}");
        assert!(error.contains("nonexistent"), "{error}");
        let error = printed("no-such-command-anywhere").unwrap_err();
        assert!(error.contains("can't be run"), "{error}");
        let error = printed("sleep 60").unwrap_err();
        assert!(error.contains("took longer"), "{error}");
    }

    #[test]
    fn what_prints_without_end_is_cut() {
        // It is ended by the pipe that nobody reads any more.
        let error = printed("yes").unwrap_err();
        assert!(error.contains("failed with"), "{error}");
        assert_eq!(printed("cat").unwrap(), "", "there is no input");
    }
}
