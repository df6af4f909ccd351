//! A page of events, whatever it holds (delivery rule 3): what is an event is what `serde_json` takes for JSON, and no
//! byte of a page is lost between two events.

use logweir_okta::batch::{Records, records};
use logweir_okta::scan::{Scan, Text, salvage, scan, unescape};
use logweir_plugin::types::{Entry, Span};
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::bytes;
use crate::handed;

/// Scans, salvages and makes records of `page`.
pub fn page(page: &[u8]) {
    let scanned = scan(page);
    let is_whole = scanned.as_ref().is_ok_and(|scan| scan.broken.is_empty());
    let is_array = serde_json::from_slice::<Vec<IgnoredAny>>(page).is_ok();
    assert_eq!(is_whole, is_array, "the scanner and serde_json disagree");

    let salvaged = salvage(page);
    match (&scanned, &salvaged) {
        (Ok(scanned), Ok(salvaged)) => assert_eq!(scanned, salvaged, "nothing was to salvage"),
        (Ok(_), Err(fault)) => panic!("a good page is not salvaged: {fault}"),
        (Err(_), _) => {}
    }
    if let Ok(scan) = &scanned {
        for broken in &scan.broken {
            let text = bytes(page, broken.text);
            assert!(!is_json(text), "refused although it is JSON: {text:?}");
        }
        let gaps = gaps(page, scan);
        for (at, gap) in gaps.iter().enumerate() {
            assert_eq!(gap, separator(at, gaps.len()), "between elements");
        }
    }
    if let Ok(found) = salvaged {
        events(page, &found);
        gaps(page, &found);
        taken(page, &found);
    }
}

fn is_json(text: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(text).is_ok()
}

/// Each event is JSON, and says what a tree of it says.
fn events(page: &[u8], scan: &Scan) {
    for event in &scan.events {
        let text = bytes(page, event.text);
        assert!(is_json(text), "taken although it is no JSON: {text:?}");
        for member in [event.id, event.published, event.kind, event.severity] {
            let inside = member.is_none_or(|member| contains(event.text, member.span));
            assert!(inside, "a member of an event is outside of it");
        }
        // A tree knows no lone surrogate, no number beyond a double and no deep nesting: then it can't be asked.
        let Ok(tree) = serde_json::from_slice::<Value>(text) else {
            continue;
        };
        let says = |name: &str| tree.get(name).and_then(Value::as_str).map(str::to_owned);
        let said = |text: Option<Text>| text.and_then(|text| unescape(bytes(page, text.span)));
        assert_eq!(said(event.id), says("uuid"));
        assert_eq!(said(event.published), says("published"));
        assert_eq!(said(event.kind), says("eventType"));
        assert_eq!(said(event.severity), says("severity"));
    }
}

fn contains(outer: Span, inner: Span) -> bool {
    outer.offset <= inner.offset && inner.end() <= outer.end()
}

/// What stands outside of all elements, from the one before to the one behind.
fn gaps(page: &[u8], scan: &Scan) -> Vec<String> {
    let texts = scan.events.iter().map(|event| event.text);
    let broken = scan.broken.iter().map(|broken| broken.text);
    let mut elements: Vec<_> = texts.chain(broken).collect();
    elements.sort_by_key(|span| (span.offset, span.end()));
    let mut gaps = Vec::new();
    let mut from = 0;
    for element in elements {
        assert!(from <= element.offset, "two elements overlap");
        gaps.push(gap(page, from, element.offset));
        from = element.end();
    }
    gaps.push(gap(page, from, u32::try_from(page.len()).unwrap()));
    gaps
}

/// What a gap of a page that frames consists of.
fn separator(at: usize, gaps: usize) -> &'static str {
    match (at == 0, at + 1 == gaps) {
        (true, true) => "[]",
        (true, false) => "[",
        (false, true) => "]",
        (false, false) => ",",
    }
}

/// What is not space in a stretch of the page that no element covers.
fn gap(page: &[u8], from: u32, to: u32) -> String {
    let gap = bytes(page, Span::new(from, to.saturating_sub(from)));
    let text: String = gap.iter().map(|byte| char::from(*byte)).collect();
    let text: String = text.split([' ', '\n', '\t', '\r']).collect();
    let is_separator = text.chars().all(|sign| "[,]".contains(sign));
    assert!(is_separator, "lost between two elements: {text:?}");
    text
}

/// Each event becomes a record or is refused, unchanged, and the host takes the batch.
fn taken(page: &[u8], scan: &Scan) {
    let Records { batch, refused, .. } = records(page.to_vec(), scan, 0);
    let elements = scan.events.len() + scan.broken.len();
    assert_eq!(batch.entries.len() + refused.len(), elements);
    let utf8 = scan.events.iter().map(|event| bytes(page, event.text));
    let utf8 = utf8.filter_map(|text| std::str::from_utf8(text).ok());
    let texts: Vec<_> = batch.records().map(|(text, _)| text.unwrap()).collect();
    assert!(utf8.eq(texts.iter().copied()), "a record is another one");
    for entry in &batch.entries {
        let id = batch.text(entry.id).unwrap();
        assert!((1..=Entry::MAX_ID_BYTES).contains(&id.len()), "{id:?}");
    }
    handed::over(batch);
}
