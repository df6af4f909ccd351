//! A file that was left behind and the position that is stored of it, whatever both say (delivery rule 16): nothing but
//! a torn last line is cut, what comes again is not written again, and what is new is written once.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use logweir::output::{FileConfig, OutputPlan};
use logweir::record::{Batch, Entry, Span};
use serde_json::json;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

const NEW: &str = r#"{"new":true}"#;

/// What is stored of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stored {
    Nothing,
    /// This file, up to an offset.
    This,
    /// One with another inode, which was at its path.
    Other,
    /// Anything.
    Text,
}

/// Writes what a replay may bring again, and one record more. The first byte says what is stored, the next two up to
/// where, and the rest is the file.
pub fn tail(written: &[u8]) {
    thread_local! {
        static FOLDER: TempDir = tempfile::tempdir().unwrap();
        static RUNTIME: Runtime = Builder::new_current_thread().build().unwrap();
    }
    let Some((&[stored, low, high], file)) = written.split_first_chunk() else {
        return;
    };
    let stored = match stored % 4 {
        0 => Stored::Nothing,
        1 => Stored::This,
        2 => Stored::Other,
        _ => Stored::Text,
    };
    let offset = usize::from(u16::from_le_bytes([low, high]));
    FOLDER.with(|folder| {
        let path = folder.path().join("out.ndjson");
        fs::write(&path, file).unwrap();
        let position = position(stored, offset, &path, file);
        let again = lines_behind(offset, file);
        let deliver = deliver(&path, position.as_deref(), batch(&again));
        let is_done = RUNTIME.with(|runtime| runtime.block_on(deliver));
        let left = fs::read(&path).unwrap();
        if stored == Stored::Text {
            assert!(left.starts_with(whole_lines(file)));
            return;
        }
        assert!(is_done, "it can't go on from {position:?}");
        let expected = expected(stored, offset, file, &again);
        let (left, expected) = (left.escape_ascii(), expected.escape_ascii());
        assert_eq!(left.to_string(), expected.to_string());
    });
}

fn position(stored: Stored, offset: usize, path: &Path, file: &[u8]) -> Option<String> {
    let found = fs::metadata(path).unwrap();
    let ino = match stored {
        Stored::Nothing => return None,
        Stored::Text => return Some(String::from_utf8_lossy(file).into_owned()),
        Stored::This => found.ino(),
        Stored::Other => found.ino() + 1,
    };
    let path = path.canonicalize().unwrap();
    let this = json!({"path": path, "dev": found.dev(), "ino": ino, "offset": offset});
    Some(json!({"v": 1, "files": [this]}).to_string())
}

async fn deliver(path: &Path, position: Option<&str>, batch: Batch) -> bool {
    let config = FileConfig {
        path: path.display().to_string(),
    };
    let plan = OutputPlan::File(config.plan(Path::new("/")).unwrap());
    let Ok(mut output) = plan.open(position).await else {
        return false;
    };
    let batches = [batch];
    let Ok(is_new) = output.prepare(&batches).await else {
        return false;
    };
    if is_new {
        let stored = position.map_or_else(|| output.position().unwrap(), str::to_owned);
        output.begin(&stored).unwrap();
    }
    let Ok(written) = output.write(&batches).await else {
        return false;
    };
    assert!(written.rejected.is_empty());
    drop(output);
    assert!(plan.open(written.position.as_deref()).await.is_ok());
    true
}

/// Up to the end of the last whole line.
fn whole_lines(file: &[u8]) -> &[u8] {
    let ends = file.iter().rposition(|byte| *byte == b'\n');
    &file[..ends.map_or(0, |at| at + 1)]
}

/// The whole lines behind an offset that can be records: those that a replay brings.
fn lines_behind(offset: usize, file: &[u8]) -> Vec<String> {
    let behind = file.get(offset..).unwrap_or_default();
    let lines = whole_lines(behind).split(|byte| *byte == b'\n');
    let records = lines.filter(|line| !line.is_empty() && !line.contains(&b'\r'));
    let texts = records.filter_map(|line| String::from_utf8(line.to_vec()).ok());
    texts.collect()
}

fn batch(again: &[String]) -> Batch {
    let mut body = String::new();
    let mut entries = Vec::new();
    for text in again.iter().map(String::as_str).chain([NEW]) {
        let text_at = Span {
            offset: u32::try_from(body.len()).unwrap(),
            length: u32::try_from(text.len()).unwrap(),
        };
        body.push_str(text);
        entries.push(Entry {
            text: text_at,
            ..Entry::default()
        });
    }
    Batch::new(Arc::from("acme"), body, entries).unwrap()
}

/// What the file has to be afterwards, to the byte.
fn expected(stored: Stored, offset: usize, file: &[u8], again: &[String]) -> Vec<u8> {
    let ours = match stored {
        Stored::This => first_of_ours(offset, file),
        _ => None,
    };
    let (stays, again) = match ours {
        Some(from) => (from + whole_lines(&file[from..]).len(), &[][..]),
        None => (file.len(), again),
    };
    let mut expected = file[..stays].to_vec();
    if !is_line_end(&expected, stays) {
        expected.push(b'\n');
    }
    for text in again.iter().map(String::as_str).chain([NEW]) {
        expected.extend_from_slice(text.as_bytes());
        expected.push(b'\n');
    }
    expected
}

/// Where our lines begin, if this is the file that was known: at the offset, or behind the end that a line of somebody
/// else was given there.
fn first_of_ours(offset: usize, file: &[u8]) -> Option<usize> {
    let is_begin = |at| at <= file.len() && is_line_end(file, at);
    if offset == file.len() || is_begin(offset) {
        return Some(offset);
    }
    is_begin(offset + 1).then_some(offset + 1)
}

fn is_line_end(file: &[u8], at: usize) -> bool {
    at == 0 || file[at - 1] == b'\n'
}
