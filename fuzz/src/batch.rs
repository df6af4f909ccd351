//! A batch that a plugin hands over, whatever its numbers say (trust rule 16).

use std::sync::Arc;

use logweir::record::{Batch, Entry, MAX_TEXT_OF_ENTRY, RecordRef, Severity, Span};

/// How a batch is written down: how many entries, and for each the offset and length of its text, id and kind.
const ENTRY_BYTES: usize = 12;

/// The host takes a batch exactly if every span holds, and gives each record what its spans say.
pub fn batch(written: &[u8]) {
    let Some((body, entries)) = read(written) else {
        return;
    };
    let holds = holds(&body, &entries);
    match Batch::new(Arc::from("acme"), body.clone(), entries.clone()) {
        Ok(batch) => {
            assert!(holds, "taken although a span lies");
            same(&batch, &body, &entries);
        }
        Err(error) => assert!(!holds, "refused although every span holds: {error}"),
    }
}

fn read(written: &[u8]) -> Option<(String, Vec<Entry>)> {
    let (count, rest) = written.split_first()?;
    let (numbers, body) = rest.split_at_checked(usize::from(*count) * ENTRY_BYTES)?;
    let body = std::str::from_utf8(body).ok()?.to_owned();
    let (numbers, _) = numbers.as_chunks::<2>();
    let numbers: Vec<_> = numbers
        .iter()
        .map(|two| number(u16::from_le_bytes(*two)))
        .collect();
    let (spans, _) = numbers.as_chunks::<2>();
    let spans: Vec<_> = spans
        .iter()
        .map(|&[offset, length]| Span { offset, length })
        .collect();
    let (entries, _) = spans.as_chunks::<3>();
    let entry = |&[text, id, kind]: &[Span; 3]| Entry {
        text,
        id,
        kind,
        time: u64::from(text.offset),
        severity: Severity::Warn,
    };
    Some((body, entries.iter().map(entry).collect()))
}

/// The largest ones stand for the largest of 32 bits.
fn number(short: u16) -> u32 {
    match short {
        0xfff0.. => u32::MAX - u32::from(u16::MAX - short),
        small => u32::from(small),
    }
}

/// The rules once more, one by one.
fn holds(body: &str, entries: &[Entry]) -> bool {
    let text = |span: Span| {
        let start = usize::try_from(span.offset).unwrap();
        body.get(start..start + usize::try_from(span.length).unwrap())
    };
    let has_texts = entries.iter().all(|entry| {
        let short = |span: Span| text(span).is_some() && span.length <= MAX_TEXT_OF_ENTRY;
        text(entry.text).is_some_and(|text| !text.is_empty())
            && short(entry.id)
            && short(entry.kind)
    });
    let end = |span: Span| u64::from(span.offset) + u64::from(span.length);
    let in_order = entries
        .windows(2)
        .all(|two| end(two[0].text) <= u64::from(two[1].text.offset));
    has_texts && in_order
}

fn same(batch: &Batch, body: &str, entries: &[Entry]) {
    let text = |span: Span| &body[span.range()];
    assert_eq!(batch.records().len(), entries.len());
    let mut bytes = 0;
    for (record, entry) in batch.records().zip(entries) {
        assert_eq!(record.text(), text(entry.text).as_bytes());
        assert_eq!(
            (record.id(), record.kind()),
            (text(entry.id), text(entry.kind))
        );
        assert_eq!(
            (record.time(), record.severity()),
            (entry.time, entry.severity)
        );
        bytes += record.text().len() as u64;
    }
    assert_eq!(batch.text_bytes(), bytes);
    assert_eq!(batch.is_empty(), entries.is_empty());
    assert!(batch.get(entries.len()).is_none());
    let odd = batch.only(|index| index % 2 == 1);
    let odd: Vec<_> = odd.records().map(RecordRef::text).collect();
    let expected = batch.records().skip(1).step_by(2).map(RecordRef::text);
    assert!(expected.eq(odd));
}
