//! What the org answers: short pages, refusals, other clocks, no pages at all.

use super::*;

#[test]
fn trap_13_a_short_page_is_caught_up_and_not_chased() {
    let mut reader = reader();
    let page = read(&mut reader, "after=1&limit=2", FULL).unwrap();
    assert_eq!((page.pace, page.progress.caught_up), (Pace::Now, false));
    let page = read(&mut reader, "after=2&limit=2", SHORT).unwrap();
    assert_eq!(page.pace, Pace::After(Duration::from_secs(60)));
    assert!(page.progress.caught_up);
    assert_eq!(page.progress.until, Some(FEBRUARY + SECOND));
}

#[test]
fn trap_14_after_429_the_same_page_is_asked_for() {
    let mut reader = reader();
    read(&mut reader, "after=1&limit=2", FULL).unwrap();
    let head = || {
        let headers = [
            ("date", DATE),
            ("x-rate-limit-limit", "60"),
            ("x-rate-limit-reset", "1769904030"),
        ];
        headers.into_iter().collect()
    };
    let error = exchange(&mut reader, 429, head(), "[]").unwrap_err();
    assert_eq!(error, Error::Throttled(Duration::from_secs(31)));
    assert_eq!(path(&reader.request(now())), "/api/v1/logs?after=1&limit=2");
    reader.on_head(429, head());
    let stalled = HttpError::Timeout("no answer".to_owned());
    let error = reader.on_failure(&stalled, Vec::new(), now());
    assert_eq!(
        error,
        Error::Throttled(Duration::from_secs(31)),
        "whatever its body does"
    );
}

#[test]
fn trap_15_a_wrong_clock_is_found_out_at_once() {
    for (wall, backfill) in [
        (FEBRUARY + 3 * DAY, "0s"),
        (FEBRUARY - 400 * DAY, "60d"),
        (0, "90d"),
    ] {
        let config = config(&format!(r#","backfill":"{backfill}""#));
        let mut reader = Reader::open(&config, Start::First).unwrap();
        let wrong = Now { wall, ..now() };
        reader.request(wrong);
        reader.on_head(400, headers("after=1"));
        assert_eq!(reader.on_end(Vec::new(), wrong), Ok(Outcome::AskAgain));
        let request = reader.request(Now {
            wall: wall + 7 * DAY,
            steady: wrong.steady + Duration::from_secs(1),
        });
        let days: u64 = backfill.trim_end_matches(['d', 's']).parse().unwrap();
        let since = crate::time::to_rfc3339(FEBRUARY + SECOND - days * DAY);
        assert!(
            path(&request).contains(&format!("since={since}")),
            "{}",
            request.url
        );
        reader.on_head(200, headers("after=1"));
        assert!(matches!(
            reader.on_end(b"[]".to_vec(), wrong),
            Ok(Outcome::Page(_))
        ));
    }
}

#[test]
fn a_date_of_the_year_6026_is_later_than_all_events() {
    let mut reader = reader();
    let head = || {
        let date = "Sun, 01 Feb 6026 00:00:00 GMT".to_owned();
        [("link", link("after=1&limit=2")), ("date", date)]
            .into_iter()
            .collect()
    };
    reader.request(now());
    reader.on_head(200, head());
    let first = reader.on_end(b"[]".to_vec(), now());
    assert_eq!(first, Ok(Outcome::AskAgain));
    let page = exchange(&mut reader, 200, head(), FULL).unwrap();
    assert_eq!(page.progress.until, Some(u64::MAX));
    assert!(page.progress.reached < page.progress.until);
}

#[test]
fn trap_22_an_error_is_no_event() {
    let body = r#"[{"uuid":"1"}]"#;
    for status in [204, 302, 400, 401, 403, 404, 429, 500, 503] {
        let result = exchange(&mut reader(), status, headers("after=1"), body);
        assert!(result.is_err(), "{status}");
    }
}

#[test]
fn trap_23_html_is_no_page() {
    let html = [
        ("content-type", "text/html"),
        ("link", "</api/v1/logs?after=1>; rel=next"),
    ];
    is_transient(
        exchange(&mut reader(), 200, html.into_iter().collect(), "[]"),
        "HTML",
    );
    is_transient(
        read(&mut reader(), "after=1", "<html></html>"),
        "no JSON array",
    );
}

#[test]
fn a_filter_that_okta_refuses_is_pointed_at() {
    let body = r#"{"errorCode":"E0000053","errorSummary":"Unrecognized attribute operator 'eqq'"}"#;
    let at = |more: &str, body: &str| {
        let mut reader = Reader::open(&config(more), Start::First).unwrap();
        match exchange(&mut reader, 400, headers(""), body) {
            Err(Error::Config(issues)) => issues[0].key.clone(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(at(r#","filter":"a eqq 1""#, body), "/filter");
    assert_eq!(at(r#","q":"a""#, body), "/q");
    assert_eq!(at(r#","filter":"a","q":"b""#, body), "/filter");
    let about_q = r#"{"errorCode":"E0000001","errorSummary":"Api validation failed: 'q'"}"#;
    assert_eq!(at(r#","filter":"a","q":"b""#, about_q), "/q");
    assert_eq!(at("", body), "");
}

#[test]
fn an_event_of_the_year_4000_is_not_how_far_reading_got() {
    let mut reader = reader();
    let future = r#"{"uuid":"1","published":"4000-01-01T00:00:00Z"}"#;
    let page = read(&mut reader, "after=1", &format!("[{future},{future}]")).unwrap();
    assert_eq!(page.progress.reached, None);
    let past = r#"{"uuid":"2","published":"2026-01-31T23:59:59Z"}"#;
    let page = read(&mut reader, "after=2", &format!("[{future},{past}]")).unwrap();
    assert_eq!(page.progress.reached, Some(FEBRUARY - SECOND));
    assert_eq!(page.progress.until, Some(FEBRUARY + SECOND));
    let same_second = r#"{"uuid":"3","published":"2026-02-01T00:00:00.999Z"}"#;
    let page = read(&mut reader, "after=3", &format!("[{same_second},{past}]")).unwrap();
    assert!(
        page.progress.reached < page.progress.until,
        "it may be older than the answer"
    );
    let now = r#"{"uuid":"4","published":"2026-02-01T00:00:01Z"}"#;
    let page = read(&mut reader, "after=4", &format!("[{now},{past}]")).unwrap();
    assert_eq!(
        page.progress.reached, page.progress.until,
        "delivery 7: a run that is to end may end here"
    );
}

#[test]
fn a_connection_that_breaks_is_tried_again() {
    let mut reader = reader();
    reader.request(now());
    reader.on_head(200, headers("after=1"));
    let broken = HttpError::Other("connection reset".to_owned());
    let error = reader.on_failure(&broken, b"[".to_vec(), now());
    assert!(
        matches!(error, Error::Transient(ref text) if text.contains("acme.okta.com: connection reset"))
    );
    assert!(read(&mut reader, "after=1", "[]").is_ok());
}
