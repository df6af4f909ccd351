//! Framing alone: where an element ends that is no JSON.
//!
//! Only strings and brackets count here. A string goes from quote to quote, a backslash takes the next byte with it,
//! and a bracket closes the one that it fits.

use super::json::{Json, is_space};
use super::{Scan, Unended, elements};

/// How often, at most, [`resume`] reads the length of a page, so that no page is worth an attack.
const MAX_PASSES: usize = 32;

/// The end of the element that begins at `at`: the comma or bracket behind it.
pub(super) fn end_of_element(bytes: &[u8], at: usize) -> Result<usize, Unended> {
    let unended = |stopped, open| Unended { at, stopped, open };
    let mut open = Vec::new();
    let mut index = at;
    while let Some(byte) = bytes.get(index) {
        match byte {
            b'"' => match end_of_string(bytes, index) {
                Some(end) => index = end,
                None => return Err(unended(bytes.len(), false)),
            },
            b'{' | b'[' => open.push(*byte),
            b',' | b']' if open.is_empty() => return Ok(index),
            b'}' if open.pop() != Some(b'{') => return Err(unended(index, false)),
            b']' if open.pop() != Some(b'[') => return Err(unended(index, false)),
            _ => {}
        }
        index += 1;
    }
    Err(unended(index, true))
}

/// The quote that ends the string whose first quote is at `start`.
fn end_of_string(bytes: &[u8], start: usize) -> Option<usize> {
    let mut index = start + 1;
    loop {
        match bytes.get(index)? {
            b'"' => return Some(index),
            b'\\' => index += 2,
            _ => index += 1,
        }
    }
}

/// Behind an element at `at` that has no end: the first place from which all frames to the end of the page, as the
/// end of what is lost, and what was found there. Without such a place everything up to the array's end is lost.
///
/// A place is a comma and an event behind it. One within the lost element soon contradicts itself: its brackets close
/// the array too early.
pub(super) fn resume(page: &[u8], at: usize) -> (usize, Scan) {
    let mut budget = page.len().saturating_mul(MAX_PASSES);
    for (comma, object) in places(page, at) {
        let mut found = Scan::default();
        let ended = elements(&mut Json::new(page, object), &mut found);
        let begins = found.events.first().map(|event| event.text.offset as usize) == Some(object);
        if ended.is_ok() && begins {
            return (comma, found);
        }
        let stopped = ended.map_or_else(|unended| unended.stopped, |()| page.len());
        budget = budget.saturating_sub(stopped.saturating_sub(object));
        if budget == 0 {
            break;
        }
    }
    (end_of_array(page), Scan::default())
}

/// Each comma behind `at` that an object follows, and where the object begins.
fn places(page: &[u8], at: usize) -> impl Iterator<Item = (usize, usize)> + '_ {
    let rest = page.get(at..).unwrap_or(&[]);
    memchr::memchr_iter(b',', rest).filter_map(move |comma| {
        let behind = rest.get(comma + 1..)?;
        let object = behind.iter().position(|byte| !is_space(*byte))?;
        let begins = behind.get(object) == Some(&b'{');
        begins.then_some((at + comma, at + comma + 1 + object))
    })
}

/// Where the bracket stands that ends the page.
fn end_of_array(page: &[u8]) -> usize {
    memchr::memrchr(b']', page).unwrap_or(page.len())
}
