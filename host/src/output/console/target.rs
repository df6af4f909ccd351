//! Standard output as something that can fail: what is there after an error, and when it is durable.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, AsRawFd};

/// Whether what was written last ends in the midst of a line.
///
/// A record would then be in no whole line: `{"id":"1","na{"id":"1","name":…}`. So whoever writes next ends the line
/// first; what was torn is a line of its own, and no JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Torn(bool);

impl Torn {
    /// Writes all of it, or a part and an error, and remembers where it ended.
    pub(super) fn write_all(&mut self, out: &mut impl Write, mut bytes: &[u8]) -> io::Result<()> {
        if self.0 && !bytes.is_empty() {
            out.write_all(b"\n")?;
            self.0 = false;
        }
        while !bytes.is_empty() {
            match out.write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    let (written, rest) = bytes.split_at(count);
                    self.0 = !written.ends_with(b"\n");
                    bytes = rest;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Standard output without the buffer of the standard library, which would not tell how much was written.
#[derive(Debug)]
pub(super) struct Target {
    file: File,
    /// A plain file, behind a redirection, can be made durable; a terminal or pipe can't.
    is_file: bool,
}

impl Target {
    /// Another handle of standard output.
    pub(super) fn stdout() -> io::Result<Self> {
        let file = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        let is_file = file.metadata()?.is_file();
        Ok(Self { file, is_file })
    }

    #[cfg(test)]
    pub(super) fn of(file: File, is_file: bool) -> Self {
        Self { file, is_file }
    }

    /// Whether people look at it.
    pub(super) fn is_terminal(&self) -> bool {
        self.file.is_terminal()
    }

    /// Whether a line was left without its end, by a process before this one that was killed.
    pub(super) fn torn(&self) -> Torn {
        Torn(self.is_file && self.ends_in_mid_line())
    }

    /// Where a file can be written to but not read, that is assumed: an empty line more harms nobody.
    fn ends_in_mid_line(&self) -> bool {
        let is_empty = self.file.metadata().is_ok_and(|found| found.len() == 0);
        !is_empty && self.last_byte().ok() != Some(b'\n')
    }

    /// The handle that writes need not be one that reads.
    fn last_byte(&self) -> io::Result<u8> {
        let mut file = File::open(format!("/dev/fd/{}", self.file.as_raw_fd()))?;
        let mut byte = [0];
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut byte)?;
        Ok(byte[0])
    }

    /// Returns when what was written is where it belongs.
    pub(super) fn settle(&self) -> io::Result<()> {
        if self.is_file {
            self.file.sync_data()?;
        }
        Ok(())
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk with room for so many bytes.
    struct Full(Vec<u8>, usize);

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let room = bytes.len().min(self.1 - self.0.len());
            self.0.extend(&bytes[..room]);
            if room == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            Ok(room)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn after_a_write_that_failed_every_record_is_in_a_whole_line() {
        let lines = b"{\"n\":1}\n{\"n\":2}\n";
        for room in 0..=lines.len() {
            let (mut out, mut torn) = (Full(Vec::new(), room), Torn::default());
            let failed = torn.write_all(&mut out, lines).is_err();
            assert_eq!(failed, room < lines.len());
            out.1 = 1_000;
            torn.write_all(&mut out, lines).unwrap();
            let text = String::from_utf8(out.0).unwrap();
            for line in ["{\"n\":1}", "{\"n\":2}"] {
                assert!(text.lines().any(|found| found == line), "{room}: {text}");
            }
            assert!(!text.contains("\n\n"), "{room}: {text}");
        }
    }

    #[test]
    fn only_a_file_can_be_made_durable_and_its_failure_shows() {
        let full = || File::options().write(true).open("/dev/full").unwrap();
        let target = |is_file| Target::of(full(), is_file);
        target(false).settle().unwrap();
        target(true).settle().unwrap_err();
    }

    #[test]
    fn what_a_killed_process_tore_is_ended_first() {
        for (before, is_torn) in [("", false), ("{}\n", false), ("{}\n{\"n", true)] {
            let path = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(path.path(), before).unwrap();
            let file = File::options().append(true).open(path.path()).unwrap();
            let mut target = Target::of(file, true);
            let mut torn = target.torn();
            assert_eq!(torn, Torn(is_torn));
            torn.write_all(&mut target, b"{}\n").unwrap();
            target.settle().unwrap();
            let text = std::fs::read_to_string(path.path()).unwrap();
            assert_eq!(text.lines().last(), Some("{}"));
        }
    }
}
