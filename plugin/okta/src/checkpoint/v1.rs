//! Version 1: one cursor, for the past and what is live.

use serde::Deserialize;

use super::{Checkpoint, Cursor, VERSION};

/// What version 1 stored.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Version1 {
    #[serde(rename = "v")]
    _v: u32,
    next: Option<String>,
    since: String,
    limit: u16,
    query: String,
    newest: Option<String>,
    last: Option<String>,
    date: Option<String>,
    full_page_bytes: Option<usize>,
    #[serde(default)]
    backlog: bool,
    foreign_host: Option<String>,
    #[serde(rename = "waiting_settings")]
    _waiting_settings: Option<String>,
}

/// Its one cursor goes on as the live one: it reads all there is, and nobody else has read any of it.
pub(super) fn read(text: &str) -> Result<Checkpoint, serde_json::Error> {
    let old: Version1 = serde_json::from_str(text)?;
    let cursor = Cursor {
        next: old.next,
        newest: old.newest,
        last: old.last,
        date: old.date,
        full_page_bytes: old.full_page_bytes,
        backlog: old.backlog,
        ..Cursor::new(old.since)
    };
    Ok(Checkpoint {
        v: VERSION,
        limit: old.limit,
        query: old.query,
        live: Some(cursor),
        foreign_host: old.foreign_host,
        ..Checkpoint::default()
    })
}
