//! Finds the events in a page without building a tree.
//!
//! A page of `GET /api/v1/logs` is a JSON array. One pass over its bytes finds where each event begins and ends, and
//! where in it the four top-level members lie that an entry is made of: `uuid`, `published`, `eventType`, `severity`;
//! whatever the order of the keys, the spaces between them and the escapes in them.
//!
//! **Framing decides about the page, content about the record.**
//!
//! - An element is an event exactly if `serde_json` accepts it as `IgnoredAny`; with the check for UTF-8 that
//!   [`crate::batch`] adds, it is a record.
//! - An element whose strings and brackets balance, but that is no JSON, is [`Broken`]: it alone is refused.
//! - A page that is no array, or whose array does not end, is a [`PageFault`] that is never skipped: whoever cut it may
//!   have cut events off.
//! - An array that ends, with something inside that can't be framed, is [`PageFault::Unframeable`]. When it comes again
//!   and again, [`salvage`] takes what frames and hands over the rest as one.
//!
//! Nesting costs a byte of memory a level and no stack.

mod element;
mod frame;
mod json;
mod plain;
mod text;

use logweir_plugin::types::Span;

use element::element;
use json::Json;
pub use text::unescape;

/// What a page holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scan {
    /// The events, in the order of the page.
    pub events: Vec<Event>,
    /// The elements that are no JSON, in the order of the page.
    pub broken: Vec<Broken>,
}

/// One event: where it is, and what in it an entry is made of. Offsets count from the beginning of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Event {
    /// All of it.
    pub text: Span,
    /// `uuid`, if that is a string.
    pub id: Option<Text>,
    /// `published`, if that is a string.
    pub published: Option<Text>,
    /// `eventType`, if that is a string.
    pub kind: Option<Text>,
    /// `severity`, if that is a string.
    pub severity: Option<Text>,
}

/// The inside of a JSON string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text {
    /// What is between the quotes.
    pub span: Span,
    /// Whether there are escapes in it.
    pub escaped: bool,
}

/// An element of the page that can't be an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// All of it. Empty where two commas follow each other.
    pub text: Span,
    /// What is wrong with it, and where.
    pub reason: String,
}

/// Why a page as a whole can't be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PageFault {
    /// It begins with something else than `[`.
    #[error("it is no JSON array")]
    NoArray,
    /// Its array does not end.
    #[error("its array is cut off")]
    Cut,
    /// Its array ends, but strings and brackets inside don't balance.
    #[error("its events can't be told apart from byte {at} on")]
    Unframeable {
        /// Where the first element begins that has no end.
        at: usize,
    },
    /// Spans are 32-bit numbers.
    #[error("it is longer than 4 GiB")]
    TooLong,
}

/// Finds the events of a page.
pub fn scan(page: &[u8]) -> Result<Scan, PageFault> {
    let mut json = opened(page)?;
    let mut found = Scan::default();
    match elements(&mut json, &mut found) {
        Ok(()) => Ok(found),
        // An array of events ends in `}]`. One that ends in another `]` was cut behind an array within an event.
        Err(unended) if unended.open || !json::trimmed(page).ends_with_events() => {
            Err(PageFault::Cut)
        }
        Err(unended) => Err(PageFault::Unframeable { at: unended.at }),
    }
}

/// Takes from a page that is [`PageFault::Unframeable`] what frames before and behind the trouble; what is between is
/// one [`Broken`]. Other pages are scanned as ever.
pub fn salvage(page: &[u8]) -> Result<Scan, PageFault> {
    let at = match scan(page) {
        Err(PageFault::Unframeable { at }) => at,
        other => return other,
    };
    let mut json = opened(page)?;
    let mut found = Scan::default();
    if elements(&mut json, &mut found).is_ok() {
        return Ok(found);
    }
    let (rest, behind) = frame::resume(page, at);
    found.broken.push(Broken {
        text: json::span(at, rest),
        reason: "the end of the event before can't be found".to_owned(),
    });
    found.events.extend(behind.events);
    found.broken.extend(behind.broken);
    Ok(found)
}

/// Why the elements of an array could not be walked to the array's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Unended {
    /// Where the element begins that has no end.
    at: usize,
    /// How far its end was looked for.
    stopped: usize,
    /// Whether the page ended with brackets open, outside a string: nothing contradicts that it was cut. Else brackets
    /// contradict each other, a string does not end, or the array ends before the page.
    open: bool,
}

/// Goes behind the bracket that opens the page's array, if the page has the shape of one.
fn opened(page: &[u8]) -> Result<Json<'_>, PageFault> {
    if u32::try_from(page.len()).is_err() {
        return Err(PageFault::TooLong);
    }
    let trimmed = json::trimmed(page);
    if !trimmed.begins_an_array() {
        return Err(PageFault::NoArray);
    }
    if !trimmed.ends_an_array() {
        return Err(PageFault::Cut);
    }
    let mut json = Json::new(page, 0);
    json.enter_array();
    Ok(json)
}

/// Walks the elements from where `json` is, behind a bracket or comma, to the end of the page.
fn elements(json: &mut Json<'_>, found: &mut Scan) -> Result<(), Unended> {
    if json.ends_array_now() {
        return behind_the_array(json);
    }
    loop {
        let at = json.start_of_token();
        match element(json) {
            Ok(event) => found.events.push(event),
            Err(reason) => found.broken.push(broken(json, at, reason)?),
        }
        if !json.takes(b',') {
            json.takes(b']');
            return behind_the_array(json);
        }
    }
}

/// Frames an element that is no JSON, and goes to its end.
#[cold]
fn broken(json: &mut Json<'_>, at: usize, reason: String) -> Result<Broken, Unended> {
    let end = match frame::end_of_element(json.bytes(), at) {
        // So far all was JSON: whatever the last byte looks like, what is missing was cut off.
        Err(unended) if json.is_at_end() => {
            return Err(Unended {
                open: true,
                ..unended
            });
        }
        ended => ended?,
    };
    json.go_to(end);
    Ok(Broken {
        text: json::span(at, at + json::trimmed_end(json.bytes(), at, end)),
        reason,
    })
}

/// Behind the bracket that ends the array, which has to be the page's last one.
fn behind_the_array(json: &mut Json<'_>) -> Result<(), Unended> {
    let at = json.at() - 1;
    let stopped = json.start_of_token();
    match json.is_at_end() {
        true => Ok(()),
        false => Err(Unended {
            at,
            stopped,
            open: false,
        }),
    }
}

#[cfg(test)]
mod tests;
