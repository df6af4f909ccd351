//! An org's answers, one after the other, whatever they say: the reader takes a page or tells an error, stays with its
//! org, and never leaves behind a position that it can't go on from.

use std::time::Duration;

use logweir_okta::reader::{Now, Outcome, Reader};
use logweir_plugin::http::{Headers, HttpError};
use logweir_plugin::types::{Page, Start};

use crate::{handed, is_for_the_log};

const CONFIG: &str = r#"{"domain":"acme.okta.com","limit":2}"#;

/// What ends one answer and begins the next.
const NEXT_ANSWER: &str = "\n---\n";

/// Gives a reader all answers of a text: a status, lines of headers, an empty line, and the body.
pub fn answers(written: &[u8]) {
    let Ok(written) = std::str::from_utf8(written) else {
        return;
    };
    let mut reader = Reader::open(CONFIG, Start::First).unwrap();
    let mut known = None;
    for (number, answer) in (1..).zip(written.split(NEXT_ANSWER).take(16)) {
        let now = Now {
            wall: 1_769_904_000_000_000_000,
            steady: Duration::from_secs(number * 300),
        };
        if let Some(page) = give(&mut reader, answer, now) {
            known = Some(page.checkpoint);
        }
        // A host may end a reader at any time, and opens the next one at what it knows.
        if let Some(checkpoint) = known.clone().filter(|_| number % 3 == 0) {
            let start = Start::Checkpoint(checkpoint);
            reader = Reader::open(CONFIG, start).unwrap_or_else(|error| panic!("{error}"));
        }
    }
}

fn give(reader: &mut Reader, answer: &str, now: Now) -> Option<Box<Page>> {
    let request = reader.request(now);
    assert!(is_for_the_log(&request.url), "{}", request.url);
    let (head, body) = answer.split_once("\n\n").unwrap_or((answer, ""));
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.parse().ok());
    let headers: Headers = lines.filter_map(|line| line.split_once(": ")).collect();
    let body = body.as_bytes().to_vec();
    let Some(status) = status else {
        reader.on_failure(&HttpError::Other("reset".to_owned()), body, now);
        return None;
    };
    reader.on_head(status, headers);
    let half = body.get(..body.len() / 2 + 1).unwrap_or(&body);
    if let Some(early) = reader.on_bytes(half) {
        assert!(is_for_the_log(&early.url), "{}", early.url);
        assert_ne!(early, request, "a page is not followed by itself");
    }
    match reader.on_end(body, now) {
        Ok(Outcome::Page(page)) => {
            assert_eq!(status, 200, "what is no page became one");
            assert!(page.checkpoint.len() <= Page::MAX_CHECKPOINT_BYTES);
            handed::over(page.batch.clone());
            Some(page)
        }
        Ok(Outcome::AskAgain) | Err(_) => None,
    }
}
