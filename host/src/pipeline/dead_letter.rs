//! Where records go that can't be delivered: an NDJSON file, one line a record, durable before the record counts as
//! settled (delivery rule 20).
//!
//! It is at least once: a replay after a crash may bring the same record here again. The file is opened for each call,
//! so it can be rotated, moved away or emptied at any time.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Serialize;

/// A record that can't be delivered.
#[derive(Clone, PartialEq, Eq)]
pub struct DeadRecord {
    /// When it was found out, nanoseconds since 1970.
    pub time: u64,
    /// Name of the source.
    pub source: Arc<str>,
    /// Who could not handle it: `source`, or the name of a transform or output.
    pub stage: Arc<str>,
    /// Why, in a sentence for people.
    pub reason: String,
    /// The record as it came.
    pub bytes: Bytes,
}

/// Why records could not be put away. They are not settled then.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", .path.display())]
pub struct DeadLetterError {
    /// The file.
    path: PathBuf,
    /// What the system says.
    source: io::Error,
}

/// The file of records that can't be delivered. Nothing is made or opened before the first one comes.
#[derive(Debug, Clone)]
pub struct DeadLetter {
    path: Arc<Path>,
}

impl DeadLetter {
    /// Records will go to this file.
    pub fn new(path: PathBuf) -> Self {
        Self { path: path.into() }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Puts records away; they are on the disk when this returns. Blocks for as long as the disk takes.
    pub fn append(&self, records: &[DeadRecord]) -> Result<(), DeadLetterError> {
        if records.is_empty() {
            return Ok(());
        }
        let sync = |what: Synced<'_>| match what {
            Synced::Lines(file) => file.sync_data(),
            Synced::Name(folder) => File::open(folder)?.sync_all(),
        };
        self.write(records, sync).map_err(|source| DeadLetterError {
            path: self.path.to_path_buf(),
            source,
        })
    }

    /// `sync` returns when what it is given is on the disk.
    fn write(
        &self,
        records: &[DeadRecord],
        mut sync: impl FnMut(Synced<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        let lines = lines(records)?;
        let folder = self.path.parent().unwrap_or(Path::new("/"));
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700).create(folder)?;
        let mut options = OpenOptions::new();
        let options = options.read(true).append(true).create(true).mode(0o600);
        let mut file = options.open(&self.path)?;
        file.lock()?;
        let length = file.metadata()?.len();
        let whole = whole_lines(&file, length)?;
        if whole < length {
            let bytes = length - whole;
            tracing::warn!(path = %self.path.display(), bytes, "cut the torn last line of the dead letter");
            file.set_len(whole)?;
        }
        file.write_all(&lines)?;
        sync(Synced::Lines(&file))?;
        // Every time: the attempt that made the file may have failed before it got here, or its process ended.
        let real = fs::canonicalize(&self.path)?;
        sync(Synced::Name(real.parent().unwrap_or(folder)))
    }
}

/// What has to be on the disk.
enum Synced<'a> {
    /// What was appended to the file.
    Lines(&'a File),
    /// The file's name, in this folder.
    Name(&'a Path),
}

/// What one line says.
#[derive(Serialize)]
struct Line<'a> {
    time: String,
    source: &'a str,
    stage: &'a str,
    reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
}

fn lines(records: &[DeadRecord]) -> io::Result<Vec<u8>> {
    let mut lines = Vec::new();
    for record in records {
        let text = std::str::from_utf8(&record.bytes).ok();
        let line = Line {
            time: jiff::Timestamp::from_nanosecond(record.time.into())
                .unwrap_or_default()
                .to_string(),
            source: &record.source,
            stage: &record.stage,
            reason: &record.reason,
            text,
            base64: text.is_none().then(|| STANDARD.encode(&record.bytes)),
        };
        serde_json::to_writer(&mut lines, &line)?;
        lines.push(b'\n');
    }
    Ok(lines)
}

/// Where the last whole line ends: a crash may have torn the one behind it, which was never settled.
fn whole_lines(file: &File, length: u64) -> io::Result<u64> {
    const STEP: u64 = 64 << 10;
    let mut end = length;
    let mut block = Vec::new();
    while end > 0 {
        let start = end.saturating_sub(STEP);
        block.resize(usize::try_from(end - start).unwrap_or(0), 0);
        file.read_exact_at(&mut block, start)?;
        if let Some(newline) = memchr::memrchr(b'\n', &block) {
            return Ok(start + newline as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use serde_json::Value;

    use super::*;

    fn record(bytes: &'static [u8]) -> DeadRecord {
        DeadRecord {
            time: 1_700_000_000_123_456_789,
            source: "acme".into(),
            stage: "source".into(),
            reason: "expected `,`\nat column 7".into(),
            bytes: Bytes::from_static(bytes),
        }
    }

    fn read(path: &Path) -> Vec<Value> {
        let text = fs::read_to_string(path).unwrap();
        assert!(text.ends_with('\n'));
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    #[test]
    fn delivery_20_a_record_keeps_its_bytes_and_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let letter = DeadLetter::new(folder.path().join("state/dead-letter.ndjson"));
        letter.append(&[]).unwrap();
        assert!(!letter.path().exists());
        letter
            .append(&[record(b"{\"a\" 1}\r\n"), record(b"{\"a\":\"\xff\"}")])
            .unwrap();
        letter.append(&[record(b"{}")]).unwrap();
        let lines = read(letter.path());
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[0]["text"], "{\"a\" 1}\r\n");
        assert_eq!(lines[0]["source"], "acme");
        assert_eq!(lines[0]["stage"], "source");
        assert_eq!(lines[0]["reason"], "expected `,`\nat column 7");
        assert!(
            lines[0]["time"]
                .as_str()
                .unwrap()
                .parse::<jiff::Timestamp>()
                .is_ok()
        );
        assert!(lines[0].get("base64").is_none());
        let bytes = STANDARD
            .decode(lines[1]["base64"].as_str().unwrap())
            .unwrap();
        assert_eq!(bytes, b"{\"a\":\"\xff\"}");
        assert!(lines[1].get("text").is_none());
    }

    #[test]
    fn trust_19_the_dead_letter_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let letter = DeadLetter::new(folder.path().join("new/dead-letter.ndjson"));
        letter.append(&[record(b"{}")]).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(letter.path()), 0o600);
        assert_eq!(mode(letter.path().parent().unwrap()), 0o700);
    }

    #[test]
    fn a_torn_last_line_is_cut_and_whole_ones_stay() {
        let folder = tempfile::tempdir().unwrap();
        let letter = DeadLetter::new(folder.path().join("dead-letter.ndjson"));
        letter.append(&[record(b"{\"n\":1}")]).unwrap();
        let mut torn = fs::read(letter.path()).unwrap();
        torn.extend(b"{\"time\":\"");
        torn.extend(vec![b'x'; 200_000]);
        fs::write(letter.path(), &torn).unwrap();
        letter.append(&[record(b"{\"n\":2}")]).unwrap();
        let texts: Vec<_> = read(letter.path())
            .into_iter()
            .map(|line| line["text"].clone())
            .collect();
        assert_eq!(texts, ["{\"n\":1}", "{\"n\":2}"]);
        fs::write(letter.path(), b"{\"time\":").unwrap();
        letter.append(&[record(b"{\"n\":3}")]).unwrap();
        assert_eq!(read(letter.path()).len(), 1);
    }

    #[test]
    fn delivery_20_the_name_of_the_file_is_on_the_disk_although_the_first_attempt_failed() {
        let folder = tempfile::tempdir().unwrap();
        let letter = DeadLetter::new(folder.path().join("dead-letter.ndjson"));
        let mut names = Vec::new();
        let mut attempts = 0;
        let mut append = || {
            letter.write(&[record(b"{}")], |what| {
                match what {
                    Synced::Lines(_) => attempts += 1,
                    Synced::Name(folder) => names.push(folder.to_owned()),
                }
                if attempts == 1 {
                    return Err(io::Error::other("a bad sector"));
                }
                Ok(())
            })
        };
        append().unwrap_err();
        append().unwrap();
        assert_eq!(names, [fs::canonicalize(folder.path()).unwrap()]);
        assert_eq!(read(letter.path()).len(), 2, "at least once");
    }

    #[test]
    fn what_can_not_be_written_is_an_error_that_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let letter = DeadLetter::new(folder.path().to_path_buf());
        let error = letter.append(&[record(b"{}")]).unwrap_err().to_string();
        assert!(
            error.contains(&folder.path().display().to_string()),
            "{error}"
        );
    }
}
