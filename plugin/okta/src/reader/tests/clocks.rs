//! An org whose `Date` jumps: what is known of time must not make anything that was delivered look new.

use super::*;

const REFUSED: &str = r#"{"errorCode":"E0000031","errorSummary":"Invalid cursor."}"#;

fn at(clock: &str, next: &str) -> Headers {
    [
        ("link", link(next)),
        ("date", format!("Sun, 01 Feb 2026 {clock} GMT")),
    ]
    .into_iter()
    .collect()
}

/// Two events, published at these times.
fn two(one: &str, other: &str) -> String {
    let event = |id: &str, time: &str| {
        format!(r#"{{"uuid":"{id}{time}","published":"2026-02-01T{time}.000Z"}}"#)
    };
    format!("[{},{}]", event("1", one), event("2", other))
}

/// A reader that is told at this time that its cursor is not known, and begins again.
fn refuse(reader: &mut Reader, clock: &str) {
    reader.request(now());
    reader.on_head(400, at(clock, ""));
    let outcome = reader.on_end(REFUSED.as_bytes().to_vec(), now());
    assert_eq!(outcome, Ok(Outcome::AskAgain));
}

#[test]
fn delivery_10_doubt_lasts_until_the_latest_time_that_was_told() {
    let mut reader = reader();
    read(&mut reader, "after=1&limit=2", FULL).unwrap();
    let page = two("02:00:00", "02:00:01");
    exchange(&mut reader, 200, at("02:01:00", "after=2&limit=2"), &page).unwrap();
    // The clock goes back, the cursor is lost, and the clock is right again.
    let page = two("02:01:10", "02:01:11");
    exchange(&mut reader, 200, at("00:02:00", "after=3&limit=2"), &page).unwrap();
    refuse(&mut reader, "00:02:01");
    let page = two("01:58:00", "02:00:00");
    let again = exchange(&mut reader, 200, at("02:03:00", "after=4&limit=2"), &page).unwrap();
    assert!(again.overlap, "it was delivered before the clock went back");
    let page = two("02:06:01", "02:06:02");
    let new = exchange(&mut reader, 200, at("02:07:00", "after=5&limit=2"), &page).unwrap();
    assert!(!new.overlap, "it can't have been");
}

#[test]
fn delivery_10_the_time_of_the_refusal_counts_when_all_before_it_was_told_by_a_slow_clock() {
    let mut reader = reader();
    let page = r#"[{"uuid":"1","published":"2026-02-01T01:30:00.000Z"}]"#;
    exchange(&mut reader, 200, at("00:00:00", "after=1&limit=2"), page).unwrap();
    refuse(&mut reader, "02:00:00");
    let again = exchange(&mut reader, 200, at("02:00:01", "after=2&limit=2"), page).unwrap();
    assert!(again.overlap, "it was delivered while the clock was slow");
}

#[test]
fn delivery_11_live_begins_in_doubt_of_what_the_past_read_while_the_clock_was_slow() {
    let mut reader = reader();
    let page = two("01:30:00", "01:31:00");
    exchange(&mut reader, 200, at("00:00:00", "after=1&limit=2"), &page).unwrap();
    is_transient(exchange(&mut reader, 503, at("02:00:00", ""), ""), "503");
    assert!(path(&reader.request(now())).contains("since=2026-02-01T00:00:00.000Z"));
    let live = exchange(&mut reader, 200, at("02:00:01", "after=3&limit=2"), &page).unwrap();
    assert!(live.overlap, "the past has delivered it");
}
