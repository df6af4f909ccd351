//! A reader that is given answers by hand, at a time of its own.

use logweir_plugin::types::Pace;

use super::*;
use crate::link::parameter;
use crate::time::{DAY, from_rfc3339};

mod answers;
mod broken;
mod clocks;
mod cursor;
mod early;
mod model;
mod property;
mod starts;
mod two;

const DATE: &str = "Sun, 01 Feb 2026 00:00:00 GMT";
const FEBRUARY: u64 = 1_769_904_000 * SECOND;

fn now() -> Now {
    Now {
        wall: FEBRUARY,
        steady: Duration::from_secs(5),
    }
}

fn config(more: &str) -> String {
    format!(r#"{{"domain":"acme.okta.com","limit":2{more}}}"#)
}

fn reader() -> Reader {
    Reader::open(&config(""), Start::First).unwrap()
}

fn resumed(checkpoint: &str) -> Reader {
    Reader::open(&config(""), Start::Checkpoint(checkpoint.to_owned())).unwrap()
}

fn link(to: &str) -> String {
    format!("<https://acme.okta.com/api/v1/logs?{to}>; rel=\"next\"")
}

fn path(request: &Request) -> &str {
    request.url.strip_prefix("https://acme.okta.com").unwrap()
}

fn headers(next: &str) -> Headers {
    [
        ("link", link(next)),
        ("date", DATE.to_owned()),
        ("content-type", "application/json".to_owned()),
    ]
    .into_iter()
    .collect()
}

/// One exchange, without anything asked early.
fn exchange(reader: &mut Reader, status: u16, headers: Headers, body: &str) -> Result<Page, Error> {
    reader.request(now());
    reader.on_head(status, headers);
    match reader.on_end(body.as_bytes().to_vec(), now())? {
        Outcome::Page(page) => Ok(*page),
        Outcome::AskAgain => panic!("asked again"),
    }
}

fn read(reader: &mut Reader, next: &str, body: &str) -> Result<Page, Error> {
    exchange(reader, 200, headers(next), body)
}

fn says(result: Result<Page, Error>, text: &str) -> Error {
    let error = result.unwrap_err();
    assert!(
        error.to_string().contains(text),
        "{error} should say {text}"
    );
    error
}

fn is_transient(result: Result<Page, Error>, text: &str) {
    assert!(matches!(says(result, text), Error::Transient(_)));
}

const FULL: &str = r#"[{"uuid":"1","published":"2026-01-01T00:00:00.000Z"},{"uuid":"2"}]"#;
const SHORT: &str = r#"[{"uuid":"3","published":"2026-01-02T00:00:00.000Z"}]"#;
