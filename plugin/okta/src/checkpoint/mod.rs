//! What outlives a reader: where to go on, and the little that tells what was.
//!
//! A checkpoint holds one or two [`Cursor`]s. A first read begins with the **past** alone; while it goes on, a second
//! cursor follows what is **live**; when the two have met, live is alone. A window has a past and an end. How two
//! cursors share the log so that each event is read once is argued in `reader/meet.rs`.

mod cursor;
mod seam;
mod v1;

use serde::{Deserialize, Serialize};

pub use cursor::{Cursor, MARGIN, Stuck};
pub use seam::{IdDigest, Ids, Seam, id_digest};

use crate::time::from_rfc3339;

/// The version that is written. Version 1, which had one cursor, is read too.
const VERSION: u32 = 2;

/// What is stored with each page. Readable JSON without any secret; times are RFC 3339.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    v: u32,
    /// The closed stretch that is read, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<Bounds>,
    /// How many events were asked for at a time, as configured when the cursors began.
    pub limit: u16,
    /// Digest of the `filter` and `q` that were configured then.
    pub query: String,
    /// Where live begins: `Date` of the first answer of all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub live_since: Option<String>,
    /// Who reads what was there at first, until that is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub past: Option<Cursor>,
    /// Who reads what is new.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub live: Option<Cursor>,
    /// Where the past ends. Known from live's first events on, until the past is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seam: Option<Seam>,
    /// The foreign host in a link that was warned about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub foreign_host: Option<String>,
    /// How often Okta refused a cursor and reading went on by time.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub recoveries: u32,
}

/// The bounds of a window, by `published`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bounds {
    /// Its first moment.
    pub since: String,
    /// Its end.
    pub until: String,
    /// Whether its last page was read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub done: bool,
}

/// Which of the two cursors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// The one that reads what was there at first, or a window.
    Past,
    /// The one that reads what is new.
    Live,
}

/// Why a text is no checkpoint of this plugin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// Another version wrote it.
    #[error(
        "the stored position has version {0}, and this version of the plugin reads 1 and {VERSION}"
    )]
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
    /// What a reader starts with whose past begins at `since`.
    pub fn new(since: String, limit: u16, query: String) -> Self {
        Self {
            v: VERSION,
            limit,
            query,
            past: Some(Cursor::new(since)),
            ..Self::default()
        }
    }

    /// Reads what [`Checkpoint::write`] wrote, in this version or the one before.
    pub fn read(text: &str) -> Result<Self, CheckpointError> {
        let unreadable = |error: serde_json::Error| CheckpointError::Unreadable(error.to_string());
        let Versioned { v } = serde_json::from_str(text).map_err(unreadable)?;
        let checkpoint: Self = match v {
            1 => v1::read(text).map_err(unreadable)?,
            VERSION => serde_json::from_str(text).map_err(unreadable)?,
            _ => return Err(CheckpointError::Version(v)),
        };
        match checkpoint.flaw() {
            Some(flaw) => Err(CheckpointError::Unreadable(flaw)),
            None => Ok(checkpoint),
        }
    }

    /// The text to store.
    pub fn write(&self) -> Result<String, CheckpointError> {
        serde_json::to_string(self).map_err(|error| CheckpointError::Unreadable(error.to_string()))
    }

    /// One of the cursors, if it is there.
    pub fn cursor(&self, which: Which) -> Option<&Cursor> {
        match which {
            Which::Past => self.past.as_ref(),
            Which::Live => self.live.as_ref(),
        }
    }

    /// One of the cursors, if it is there.
    pub fn cursor_mut(&mut self, which: Which) -> Option<&mut Cursor> {
        match which {
            Which::Past => self.past.as_mut(),
            Which::Live => self.live.as_mut(),
        }
    }

    /// Both cursors, as far as they are there.
    pub fn cursors_mut(&mut self) -> impl Iterator<Item = &mut Cursor> {
        self.past.iter_mut().chain(&mut self.live)
    }

    /// The newest `Date` that any answer had.
    pub fn date(&self) -> Option<u64> {
        let cursors = self.past.iter().chain(&self.live);
        cursors.filter_map(Cursor::date).max()
    }

    /// Where live begins.
    pub fn live_since(&self) -> Option<u64> {
        from_rfc3339(self.live_since.as_ref()?)
    }

    /// What in it can't be true. It comes from a file that people can reach.
    fn flaw(&self) -> Option<String> {
        let times = self.live_since.iter();
        let bounds = self
            .window
            .iter()
            .flat_map(|bounds| [&bounds.since, &bounds.until]);
        if times.chain(bounds).any(|text| from_rfc3339(text).is_none()) {
            return Some("a time in it is none".to_owned());
        }
        let cursors = (&self.past, &self.live);
        match (cursors, &self.window) {
            ((None, None), _) => return Some("it has no cursor".to_owned()),
            ((Some(_), None), _) | (_, None) => {}
            _ => return Some("a window has one cursor".to_owned()),
        }
        self.past.iter().chain(&self.live).find_map(Cursor::flaw)
    }
}

pub(crate) fn is_zero(count: &u32) -> bool {
    *count == 0
}

#[cfg(test)]
mod tests;
