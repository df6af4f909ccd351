//! One element of a page: an event, as a rule an object.

use super::json::{Fault, Json, span};
use super::{Event, Text, unescape};

/// Goes behind the element that begins with the next token, to the comma or bracket behind it.
#[inline]
pub(super) fn element(json: &mut Json<'_>) -> Result<Event, String> {
    let start = json.start_of_token();
    match whole(json) {
        Ok(event) => Ok(event),
        Err(fault) => Err(reason(json, start, fault)),
    }
}

#[cold]
fn reason(json: &Json<'_>, start: usize, fault: Fault) -> String {
    let at = json.at().min(json.bytes().len()) - start;
    format!("no JSON: {fault} at byte {at}")
}

#[inline]
fn whole(json: &mut Json<'_>) -> Result<Event, Fault> {
    let start = json.at();
    let mut event = Event::default();
    match json.token() {
        b'{' => members(json, &mut event)?,
        b',' | b']' => return Err("nothing"),
        _ => json.value()?,
    }
    event.text = span(start, json.at());
    match json.token() {
        b',' | b']' => Ok(event),
        _ => Err("neither comma nor bracket"),
    }
}

#[inline]
fn members(json: &mut Json<'_>, event: &mut Event) -> Result<(), Fault> {
    json.takes(b'{');
    if json.takes(b'}') {
        return Ok(());
    }
    loop {
        let (key, escaped) = json.key()?;
        let place = match escaped {
            false => place(event, bytes(json, key)),
            true => escaped_place(event, bytes(json, key)),
        };
        match place {
            // Of keys that repeat, the last one counts, as in `serde_json::Value`.
            Some(place) => *place = text(json)?,
            None => json.value()?,
        }
        if json.takes(b',') {
            continue;
        }
        return match json.takes(b'}') {
            true => Ok(()),
            false => Err("neither comma nor bracket"),
        };
    }
}

#[inline]
fn place<'e>(event: &'e mut Event, key: &[u8]) -> Option<&'e mut Option<Text>> {
    match key {
        b"uuid" => Some(&mut event.id),
        b"published" => Some(&mut event.published),
        b"eventType" => Some(&mut event.kind),
        b"severity" => Some(&mut event.severity),
        _ => None,
    }
}

#[cold]
fn escaped_place<'e>(event: &'e mut Event, key: &[u8]) -> Option<&'e mut Option<Text>> {
    place(event, unescape(key)?.as_bytes())
}

/// Goes behind a value, which is a text if it is a string.
#[inline]
fn text(json: &mut Json<'_>) -> Result<Option<Text>, Fault> {
    if !json.takes(b'"') {
        return json.value().map(|()| None);
    }
    let (span, escaped) = json.string()?;
    Ok(Some(Text { span, escaped }))
}

#[inline]
fn bytes<'a>(json: &Json<'a>, key: logweir_plugin::types::Span) -> &'a [u8] {
    let start = key.offset as usize;
    json.bytes()
        .get(start..start + key.length as usize)
        .unwrap_or(&[])
}
