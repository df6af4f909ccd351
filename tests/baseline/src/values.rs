//! Splits a page with serde_json: raw values, and from each the fields that an entry is made of.

use anyhow::Context;
use logweir::record::{Entry, Severity, Span};
use logweir_okta::time::from_rfc3339;
use serde::Deserialize;
use serde_json::value::RawValue;

/// Borrowed, which is the fastest that serde_json can do; a text with escapes in it is an error.
#[derive(Deserialize)]
struct Fields<'a> {
    uuid: &'a str,
    #[serde(rename = "eventType")]
    kind: &'a str,
    published: &'a str,
    severity: Option<&'a str>,
}

/// The events of a page, in its order.
pub(crate) fn split(page: &[u8]) -> anyhow::Result<Vec<Entry>> {
    let values: Vec<&RawValue> = serde_json::from_slice(page)?;
    let entries = values.into_iter().map(|value| entry(page, value.get()));
    entries.collect()
}

fn entry(page: &[u8], text: &str) -> anyhow::Result<Entry> {
    let fields: Fields<'_> = serde_json::from_str(text)?;
    let time = from_rfc3339(fields.published);
    Ok(Entry {
        text: span(page, text)?,
        id: span(page, fields.uuid)?,
        kind: span(page, fields.kind)?,
        time: time.with_context(|| format!("{} is no time", fields.published))?,
        severity: match fields.severity {
            Some("DEBUG") => Severity::Debug,
            Some("WARN") => Severity::Warn,
            Some("ERROR") => Severity::Error,
            _ => Severity::Info,
        },
    })
}

/// Where in the page a text that was borrowed from it lies.
fn span(page: &[u8], text: &str) -> anyhow::Result<Span> {
    let offset = text.as_ptr().addr() - page.as_ptr().addr();
    Ok(Span {
        offset: offset.try_into()?,
        length: text.len().try_into()?,
    })
}
