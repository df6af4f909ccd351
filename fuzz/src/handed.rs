//! From a plugin's batch to the host's.

use std::sync::Arc;

use logweir::record::{Batch, Entry, Severity, Span};
use logweir_plugin::types;

/// What a plugin of ours hands over is a batch to the host (trust rule 16), with the same records.
pub(crate) fn over(batch: types::Batch) {
    let entries = batch.entries.iter().map(entry).collect();
    let texts: Vec<_> = batch
        .records()
        .map(|(text, _)| text.unwrap().to_owned())
        .collect();
    let taken = Batch::new(Arc::from("acme"), batch.body, entries);
    let taken = taken.unwrap_or_else(|error| panic!("the host refuses the batch: {error}"));
    let same = taken.records().map(|record| record.text());
    assert!(same.eq(texts.iter().map(String::as_bytes)));
}

fn entry(entry: &types::Entry) -> Entry {
    let span = |span: types::Span| Span {
        offset: span.offset,
        length: span.length,
    };
    Entry {
        text: span(entry.text),
        id: span(entry.id),
        kind: span(entry.kind),
        time: entry.time,
        severity: match entry.severity {
            types::Severity::Debug => Severity::Debug,
            types::Severity::Info => Severity::Info,
            types::Severity::Warn => Severity::Warn,
            types::Severity::Error => Severity::Error,
        },
    }
}
