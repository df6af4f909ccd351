//! From a page to a batch: its text as it came, and an entry of numbers for each event.
//!
//! Nothing in a record changes. Only what an entry needs and the text can't give is appended behind the page: an id or
//! kind that is escaped, missing or too long. What can't be a record leaves as [`Refused`], alone.

use std::borrow::Cow;

use logweir_plugin::types::{Batch, Entry, Refused, Severity, Span};

use crate::digest::digest;
use crate::scan::{Broken, Event, Scan, Text, unescape};
use crate::time::from_rfc3339;

/// What became of a page.
#[derive(Debug, Default)]
pub struct Records {
    /// Its events.
    pub batch: Batch,
    /// What is no event.
    pub refused: Vec<Refused>,
    /// The greatest `published`.
    pub newest: Option<u64>,
    /// The time of the last event.
    pub last: Option<u64>,
}

/// Makes a batch of a page and what was found in it. An event that says no time has that of the event before it; the
/// first one has `before`.
pub fn records(page: Vec<u8>, scan: &Scan, before: u64) -> Records {
    let mut records = Records {
        refused: scan
            .broken
            .iter()
            .map(|broken| refused(&page, broken))
            .collect(),
        last: None,
        ..Records::default()
    };
    records.batch.entries.reserve_exact(scan.events.len());
    match String::from_utf8(page) {
        Ok(text) => {
            records.batch.body = text;
            for event in &scan.events {
                records.push(event, before);
            }
        }
        Err(error) => records.rebuild(error.as_bytes(), scan, before),
    }
    records
}

impl Records {
    /// A page that is not UTF-8 can't be a body: the events that are become one.
    #[cold]
    fn rebuild(&mut self, page: &[u8], scan: &Scan, before: u64) {
        for event in &scan.events {
            let bytes = bytes(page, event.text);
            match std::str::from_utf8(bytes) {
                Ok(text) => {
                    let at = self.batch.append(text).offset;
                    self.push(&moved(event, at), before);
                }
                Err(error) => self.refused.push(Refused {
                    bytes: bytes.to_vec(),
                    reason: format!("not UTF-8 at byte {}", error.valid_up_to()),
                }),
            }
        }
    }

    /// Adds the entry of an event that is in the body.
    #[inline]
    fn push(&mut self, event: &Event, before: u64) {
        let published = event.published.and_then(|text| self.published(text));
        let time = published.or(self.last).unwrap_or(before);
        self.newest = self.newest.max(published);
        self.last = Some(time);
        let entry = Entry {
            text: event.text,
            id: plain(event.id).unwrap_or_else(|| self.id(event)),
            kind: plain(event.kind).unwrap_or_else(|| self.kind(event)),
            time,
            severity: event
                .severity
                .map_or(Severity::Info, |text| self.severity(text)),
        };
        self.batch.entries.push(entry);
    }

    fn published(&self, text: Text) -> Option<u64> {
        match text.escaped {
            false => from_rfc3339(self.batch.text(text.span)?),
            true => from_rfc3339(&self.said(text)?),
        }
    }

    fn severity(&self, text: Text) -> Severity {
        match self.batch.text(text.span) {
            Some("DEBUG") => Severity::Debug,
            Some("WARN") => Severity::Warn,
            Some("ERROR") => Severity::Error,
            Some(_) if text.escaped => match self.said(text).as_deref() {
                Some("DEBUG") => Severity::Debug,
                Some("WARN") => Severity::Warn,
                Some("ERROR") => Severity::Error,
                _ => Severity::Info,
            },
            _ => Severity::Info,
        }
    }

    /// An id that can't be pointed to.
    #[cold]
    fn id(&mut self, event: &Event) -> Span {
        let id = made_id(self.batch.body.as_bytes(), event);
        self.batch.append(&id)
    }

    /// A kind that can't be pointed to. One that is too long is cut.
    #[cold]
    fn kind(&mut self, event: &Event) -> Span {
        let kind = event
            .kind
            .and_then(|text| self.said(text))
            .unwrap_or_default();
        let end = kind.floor_char_boundary(Entry::MAX_ID_BYTES);
        match kind.get(..end) {
            None | Some("") => Span::NONE,
            Some(kind) => self.batch.append(kind),
        }
    }

    fn said(&self, text: Text) -> Option<String> {
        unescape(self.batch.text(text.span)?.as_bytes())
    }
}

/// The id that the record of an event has.
pub fn id<'a>(page: &'a [u8], event: &Event) -> Cow<'a, [u8]> {
    match plain(event.id) {
        Some(span) => Cow::Borrowed(bytes(page, span)),
        None => Cow::Owned(made_id(page, event).into_bytes()),
    }
}

/// A text that an entry can point to where it stands.
#[inline]
fn plain(text: Option<Text>) -> Option<Span> {
    let text = text.filter(|text| !text.escaped)?;
    let length = text.span.length as usize;
    (1..=Entry::MAX_ID_BYTES)
        .contains(&length)
        .then_some(text.span)
}

/// An id with escapes in it. One that is missing, empty or too long is made from all bytes of the event, so that it is
/// the same whenever the event comes again.
#[cold]
fn made_id(page: &[u8], event: &Event) -> String {
    let said = event.id.and_then(|text| unescape(bytes(page, text.span)));
    said.filter(|id| (1..=Entry::MAX_ID_BYTES).contains(&id.len()))
        .unwrap_or_else(|| digest(bytes(page, event.text)))
}

fn refused(page: &[u8], broken: &Broken) -> Refused {
    let bytes = match bytes(page, broken.text) {
        // Two commas: what should be between them is not there.
        [] => b",",
        bytes => bytes,
    };
    Refused {
        bytes: bytes.to_vec(),
        reason: broken.reason.clone(),
    }
}

fn bytes(page: &[u8], span: Span) -> &[u8] {
    let start = span.offset as usize;
    page.get(start..start + span.length as usize).unwrap_or(&[])
}

/// The same event, with its text at `to`.
fn moved(event: &Event, to: u32) -> Event {
    let from = event.text.offset;
    let span = |span: Span| Span::new(span.offset - from + to, span.length);
    let text = |text: Option<Text>| {
        text.map(|text| Text {
            span: span(text.span),
            ..text
        })
    };
    Event {
        text: span(event.text),
        id: text(event.id),
        published: text(event.published),
        kind: text(event.kind),
        severity: text(event.severity),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::scan;
    use crate::time::SECOND;

    fn of(page: &[u8], before: u64) -> Records {
        records(page.to_vec(), &scan(page).unwrap(), before)
    }

    /// Text, id, kind, time and severity of each record.
    fn told(records: &Records) -> Vec<(&str, &str, &str, u64, Severity)> {
        let batch = &records.batch;
        let tell = |entry: &Entry| {
            let text = |span| batch.text(span).unwrap();
            (
                text(entry.text),
                text(entry.id),
                text(entry.kind),
                entry.time,
                entry.severity,
            )
        };
        batch.entries.iter().map(tell).collect()
    }

    const EVENT: &str = r#"{"uuid":"1","published":"2026-02-01T00:00:00.000Z","eventType":"a.b","severity":"WARN"}"#;
    const FEBRUARY: u64 = 1_769_904_000 * SECOND;

    #[test]
    fn a_usual_page_is_its_own_body() {
        let page = format!("[{EVENT} ,\n{EVENT}]");
        let records = of(page.as_bytes(), 0);
        assert_eq!(records.batch.body, page);
        assert_eq!(
            told(&records),
            [(EVENT, "1", "a.b", FEBRUARY, Severity::Warn); 2]
        );
        assert_eq!(
            (records.newest, records.last),
            (Some(FEBRUARY), Some(FEBRUARY))
        );
    }

    #[test]
    fn trap_25_time_is_the_events_own() {
        let page = br#"[{"uuid":"1"},{"uuid":"2","published":"2026-02-01T00:00:00Z"},
            {"uuid":"3","published":"2017-09-31T22:23:07.777Z"},{"uuid":"4","published":"4000-01-01T00:00:00Z"},
            {"uuid":"5","published":"1960-01-01T00:00:00Z"},{"uuid":"6","published":"2026-02-01T00:00:00\u005a"}]"#;
        let records = of(page, 7);
        let times: Vec<_> = told(&records).iter().map(|record| record.3).collect();
        assert_eq!(times, [7, FEBRUARY, FEBRUARY, u64::MAX, 0, FEBRUARY]);
        assert_eq!(
            (records.newest, records.last),
            (Some(u64::MAX), Some(FEBRUARY))
        );
    }

    #[test]
    fn delivery_06_what_an_entry_lacks_is_made() {
        let event = r#"{"uuid":"","severity":"LOUD","eventType":7}"#;
        let long = "é".repeat(300);
        let page = format!(
            r#"[{event},{event},{{"uuid":"a\u0062","eventType":"c\/d","severity":"\u0045RROR"}},
                {{"uuid":"{long}","eventType":"{long}","severity":"DEBUG"}},{{"uuid":"\ud800","eventType":"\ud800"}}]"#
        );
        let records = of(page.as_bytes(), 0);
        let told = told(&records);
        let id = digest(event.as_bytes());
        assert_eq!(told[0], (event, id.as_str(), "", 0, Severity::Info));
        assert_eq!(told[1], told[0], "the same bytes have the same id");
        assert_eq!(
            (told[2].1, told[2].2, told[2].4),
            ("ab", "c/d", Severity::Error)
        );
        assert!(told[3].1.starts_with("sha256:"));
        assert_eq!(
            (told[3].2, told[3].4),
            ("é".repeat(256).as_str(), Severity::Debug)
        );
        assert_eq!(
            (told[4].1, told[4].2),
            (digest(told[4].0.as_bytes()).as_str(), "")
        );
    }

    #[test]
    fn trap_26_texts_that_look_like_nothing_stay() {
        let event = r#"{"uuid":"null","eventType":"unknown"}"#;
        let records = of(format!("[{event}]").as_bytes(), 0);
        assert_eq!(
            told(&records),
            [(event, "null", "unknown", 0, Severity::Info)]
        );
    }

    #[test]
    fn delivery_03_one_event_that_is_not_utf_8_is_refused_alone() {
        let bad = b"{\"uuid\":\"\xff\"}";
        let escaped = r#"{"uuid":"\u0031"}"#;
        let page = [
            b"[",
            EVENT.as_bytes(),
            b",",
            bad,
            b",{},,",
            escaped.as_bytes(),
            b",{\"a\":tru}]",
        ]
        .concat();
        let records = of(&page, 0);
        let texts: Vec<_> = told(&records)
            .iter()
            .map(|record| (record.0, record.1))
            .collect();
        assert_eq!(
            texts,
            [(EVENT, "1"), ("{}", digest(b"{}").as_str()), (escaped, "1")]
        );
        let refused: Vec<_> = records
            .refused
            .iter()
            .map(|refused| refused.bytes.as_slice())
            .collect();
        assert_eq!(refused, [&b","[..], b"{\"a\":tru}", bad]);
        assert!(records.refused[2].reason.contains("not UTF-8 at byte 9"));
    }
}
