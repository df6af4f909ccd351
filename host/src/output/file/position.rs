//! Where the output is, as it is stored in the checkpoints' transaction.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::FileError;

/// Raised whenever an older version would misread what this one writes.
const VERSION: u32 = 1;

/// Where the output is in one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FilePosition {
    pub(super) path: String,
    pub(super) dev: u64,
    pub(super) ino: u64,
    /// What is before it is settled for all sources, apart from what is `unclaimed`.
    pub(super) offset: u64,
    /// Lines before `offset` that an earlier run wrote and no replay has asked for yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) unclaimed: Vec<Stretch>,
}

/// A stretch of whole lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stretch {
    pub(super) start: u64,
    pub(super) end: u64,
    /// When it was first read back, seconds since 1970.
    pub(super) found: u64,
}

/// The files, by path.
pub(super) type Files = BTreeMap<String, FilePosition>;

#[derive(Serialize)]
struct Written<'a> {
    v: u32,
    files: Vec<&'a FilePosition>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Read {
    #[expect(dead_code, reason = "read before, by itself")]
    v: u32,
    files: Vec<FilePosition>,
}

#[derive(Deserialize)]
struct Version {
    v: u32,
}

/// The text to store.
pub(super) fn write(files: &Files) -> Result<String, FileError> {
    let written = Written {
        v: VERSION,
        files: files.values().collect(),
    };
    serde_json::to_string(&written).map_err(FileError::Position)
}

/// What was stored.
pub(super) fn read(text: &str) -> Result<Files, FileError> {
    let Version { v } = serde_json::from_str(text).map_err(FileError::Position)?;
    if v > VERSION {
        return Err(FileError::NewerPosition(v));
    }
    let read: Read = serde_json::from_str(text).map_err(FileError::Position)?;
    let by_path = |file: FilePosition| (file.path.clone(), file);
    Ok(read.files.into_iter().map(by_path).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_readable_and_comes_back() {
        let text = r#"{"v":1,"files":[{"path":"/a","dev":1,"ino":2,"offset":30},{"path":"/b","dev":1,"ino":3,"offset":9,"unclaimed":[{"start":3,"end":6,"found":1700000000}]}]}"#;
        let files = read(text).unwrap();
        assert_eq!(files["/a"].offset, 30);
        assert_eq!(files["/b"].unclaimed[0].end, 6);
        assert_eq!(write(&files).unwrap(), text);
    }

    #[test]
    fn a_position_that_is_not_understood_is_refused() {
        let newer = read(r#"{"v":2,"files":[],"more":1}"#)
            .unwrap_err()
            .to_string();
        assert!(newer.contains("newer version"), "{newer}");
        for text in ["", "{}", r#"{"v":1}"#, r#"{"v":1,"files":[{"path":"/a"}]}"#] {
            assert!(matches!(read(text), Err(FileError::Position(_))), "{text}");
        }
    }
}
