//! What outlives a reader: where to go on, and the little that tells what was.

use serde::{Deserialize, Serialize};

use crate::link::{Next, parameter};
use crate::time::from_rfc3339;

/// The version that is written and read.
const VERSION: u32 = 1;

/// What is stored with each page. Readable JSON without any secret; times are RFC 3339.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    v: u32,
    /// Path and query of the next page, byte for byte as Okta gave it. Absent before Okta gave one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Where the first read began.
    pub since: String,
    /// How many events a page may have by `next`.
    pub limit: u16,
    /// Digest of the `filter` and `q` that are in `next`.
    pub query: String,
    /// The greatest `published` that was accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub newest: Option<String>,
    /// The time of the last event, for one behind it that says none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<String>,
    /// `Date` of the last accepted answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
    /// The size of the last full page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub full_page_bytes: Option<usize>,
    /// Whether the last page was full, so that more is waiting.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub backlog: bool,
    /// The foreign host in a link that was warned about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub foreign_host: Option<String>,
    /// Digest of the settings that were warned about, since they can't take effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting_settings: Option<String>,
}

/// Why a text is no checkpoint of this plugin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// Another version wrote it.
    #[error("the stored position has version {0}, and this version of the plugin reads {VERSION}")]
    Version(u32),
    /// It can't be read.
    #[error("the stored position can't be read: {0}")]
    Unreadable(String),
}

#[derive(Deserialize)]
struct Versioned {
    v: u32,
}

impl Checkpoint {
    /// What a reader that begins at `since` starts with.
    pub fn new(since: String, limit: u16, query: String) -> Self {
        Self {
            v: VERSION,
            since,
            limit,
            query,
            ..Self::default()
        }
    }

    /// Reads what [`Checkpoint::write`] wrote.
    pub fn read(text: &str) -> Result<Self, CheckpointError> {
        let unreadable =
            |error: &dyn std::fmt::Display| CheckpointError::Unreadable(error.to_string());
        let Versioned { v } = serde_json::from_str(text).map_err(|error| unreadable(&error))?;
        if v != VERSION {
            return Err(CheckpointError::Version(v));
        }
        let checkpoint: Self = serde_json::from_str(text).map_err(|error| unreadable(&error))?;
        for path in checkpoint.next.iter() {
            Next::parse(path).map_err(|error| unreadable(&error))?;
        }
        if from_rfc3339(&checkpoint.since).is_none() {
            return Err(unreadable(&"its beginning is no time"));
        }
        Ok(checkpoint)
    }

    /// The text to store.
    pub fn write(&self) -> Result<String, CheckpointError> {
        serde_json::to_string(self).map_err(|error| CheckpointError::Unreadable(error.to_string()))
    }

    /// Goes on at another page.
    pub fn go_on(&mut self, path: String) {
        if let Some(limit) = parameter(&path, "limit").and_then(|limit| limit.parse().ok()) {
            self.limit = limit;
        }
        self.next = Some(path);
    }

    /// The time that one of the members says.
    pub fn time(text: Option<&String>) -> Option<u64> {
        from_rfc3339(text?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut checkpoint = Checkpoint::new(
            "2026-02-01T00:00:00.000Z".to_owned(),
            1000,
            "sha256:1".to_owned(),
        );
        checkpoint.go_on("/api/v1/logs?after=1&limit=50".to_owned());
        checkpoint.newest = Some("2026-02-01T00:00:01.000Z".to_owned());
        checkpoint.backlog = true;
        let text = checkpoint.write().unwrap();
        assert_eq!(
            text,
            r#"{"v":1,"next":"/api/v1/logs?after=1&limit=50","since":"2026-02-01T00:00:00.000Z","limit":50,"query":"sha256:1","newest":"2026-02-01T00:00:01.000Z","backlog":true}"#
        );
        assert_eq!(Checkpoint::read(&text), Ok(checkpoint));
    }

    #[test]
    fn what_is_no_checkpoint_is_refused() {
        assert_eq!(
            Checkpoint::read(r#"{"v":2,"what":"ever"}"#),
            Err(CheckpointError::Version(2))
        );
        let unreadable = [
            "",
            "{}",
            "null",
            r#"{"v":1}"#,
            r#"{"v":1,"since":"x","limit":1,"query":""}"#,
            r#"{"v":1,"since":"2026-02-01T00:00:00Z","limit":1,"query":"","next":"/api/v1/users"}"#,
            r#"{"v":1,"since":"2026-02-01T00:00:00Z","limit":1,"query":"","more":1}"#,
        ];
        for text in unreadable {
            assert!(
                matches!(Checkpoint::read(text), Err(CheckpointError::Unreadable(_))),
                "{text}"
            );
        }
    }
}
