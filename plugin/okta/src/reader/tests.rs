mod model;
mod property;
mod starts;
mod two;

use proptest::prelude::*;

use super::*;
use crate::link::parameter;
use crate::time::{DAY, from_rfc3339};
use logweir_plugin::types::Pace;

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

#[test]
fn trap_01_the_cursor_moves_only_with_a_page() {
    let mut reader = reader();
    let first = reader.request(now());
    assert_eq!(
        path(&first),
        "/api/v1/logs?since=2025-12-03T00:00:00.000Z&limit=2&sortOrder=ASCENDING"
    );
    is_transient(read(&mut reader, "after=1", "[{\"uuid\":"), "cut off");
    assert_eq!(reader.request(now()), first);
    let page = read(&mut reader, "after=1&limit=2", FULL).unwrap();
    assert_eq!(page.batch.body, FULL);
    assert_eq!(path(&reader.request(now())), "/api/v1/logs?after=1&limit=2");
    is_transient(read(&mut reader, "after=2", "<html>"), "no JSON array");
    assert_eq!(path(&reader.request(now())), "/api/v1/logs?after=1&limit=2");
}

#[test]
fn trap_02_a_reader_goes_on_where_another_one_was() {
    let page = read(&mut reader(), "after=a%2Fb+c,d&limit=2", FULL).unwrap();
    let mut next = resumed(&page.checkpoint);
    assert_eq!(
        path(&next.request(now())),
        "/api/v1/logs?after=a%2Fb+c,d&limit=2"
    );
    let page = read(&mut next, "after=2&limit=2", r#"[{"uuid":"4"}]"#).unwrap();
    assert_eq!(
        Some(page.batch.entries[0].time),
        from_rfc3339("2026-01-01T00:00:00.000Z")
    );
    assert_eq!(
        page.progress.first,
        from_rfc3339("2025-12-03T00:00:00.000Z")
    );
}

#[test]
fn trap_03_published_is_not_the_cursor() {
    let late = r#"[{"uuid":"1","published":"2026-01-02T00:00:00Z"},{"uuid":"2","published":"2025-12-31T00:00:00Z"}]"#;
    let mut reader = reader();
    let page = read(&mut reader, "after=1&limit=2", late).unwrap();
    assert_eq!(page.batch.entries.len(), 2);
    assert_eq!(page.progress.reached, from_rfc3339("2026-01-02T00:00:00Z"));
    assert_eq!(path(&reader.request(now())), "/api/v1/logs?after=1&limit=2");
}

#[test]
fn trap_04_equal_times_across_a_page_border_are_both_read() {
    let mut reader = reader();
    let event = r#"[{"uuid":"1","published":"2026-01-02T00:00:00Z"},{"uuid":"2","published":"2026-01-02T00:00:00Z"}]"#;
    assert_eq!(
        read(&mut reader, "after=1&limit=2", event)
            .unwrap()
            .batch
            .entries
            .len(),
        2
    );
    assert_eq!(
        read(&mut reader, "after=2&limit=2", event)
            .unwrap()
            .batch
            .entries
            .len(),
        2
    );
}

#[test]
fn trap_06_a_quiet_org_keeps_its_place() {
    let mut reader = reader();
    let page = read(&mut reader, "after=1&limit=2", "[]").unwrap();
    assert_eq!(page.pace, Pace::After(Duration::from_secs(60)));
    assert_eq!(path(&reader.request(now())), "/api/v1/logs?after=1&limit=2");
    read(&mut reader, "after=1&limit=2", " [ ] ").unwrap();
    assert_eq!(path(&reader.request(now())), "/api/v1/logs?after=1&limit=2");
    let none = [("date", DATE)].into_iter().collect();
    exchange(&mut reader, 200, none, "[]").unwrap();
    assert_eq!(path(&reader.request(now())), "/api/v1/logs?after=1&limit=2");
}

#[test]
fn a_first_read_without_a_link_begins_where_it_began() {
    let mut reader = reader();
    let none = || [("date", DATE)].into_iter().collect();
    let page = exchange(&mut reader, 200, none(), "[]").unwrap();
    let mut later = resumed(&page.checkpoint);
    let request = later.request(Now {
        wall: FEBRUARY + DAY,
        ..now()
    });
    assert!(path(&request).contains("since=2025-12-03T00:00:00.000Z"));
    is_transient(
        exchange(&mut later, 200, none(), SHORT),
        "no link to a next page",
    );
}

#[test]
fn what_comes_before_the_first_page_is_accepted_belongs_to_the_first_read() {
    let mut reader = Reader::open(&config(r#","backfill":"0s""#), Start::First).unwrap();
    let first = reader.request(now());
    reader.on_head(503, [("date", DATE)].into_iter().collect());
    assert!(reader.on_end(Vec::new(), now()).is_err());
    let later = Now {
        wall: now().wall + 300 * SECOND,
        steady: now().steady + std::time::Duration::from_secs(300),
    };
    assert_eq!(reader.request(later), first);
}

#[test]
fn trap_09_all_of_a_page_goes_on() {
    let mut reader = reader();
    let page = read(
        &mut reader,
        "after=1&limit=2",
        r#"[{"uuid":"1"},{"uuid":"2"},{"uuid":"3"}]"#,
    )
    .unwrap();
    assert_eq!(page.batch.entries.len(), 3);
}

#[test]
fn trap_11_the_token_stays_with_the_org() {
    let mut reader = reader();
    let foreign = || {
        let link = "<https://evil.example/api/v1/logs?after=1&limit=2>; rel=\"next\"";
        [("link", link), ("date", DATE)].into_iter().collect()
    };
    let page = exchange(&mut reader, 200, foreign(), FULL).unwrap();
    assert_eq!(
        reader.request(now()).url,
        "https://acme.okta.com/api/v1/logs?after=1&limit=2"
    );
    let position = Checkpoint::read(&page.checkpoint).unwrap();
    assert_eq!(position.foreign_host.as_deref(), Some("evil.example"));
    let elsewhere = [("link", "<https://acme.okta.com/api/v1/users>; rel=\"next\"")];
    is_transient(
        exchange(&mut reader, 200, elsewhere.into_iter().collect(), FULL),
        "leads to /api/v1/users",
    );
}

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
fn delivery_04_the_next_page_is_asked_for_at_half_of_this_one() {
    let mut reader = reader();
    reader.request(now());
    reader.on_head(200, headers("after=1&limit=2"));
    assert_eq!(
        reader.on_bytes(FULL.as_bytes()),
        None,
        "no full page is known"
    );
    reader.on_end(FULL.as_bytes().to_vec(), now()).unwrap();

    let half = FULL.len() / 2;
    reader.request(now());
    reader.on_head(200, headers("after=2&limit=2"));
    assert_eq!(
        reader.on_bytes(&FULL.as_bytes()[..half]),
        None,
        "not yet more than half"
    );
    let early = reader.on_bytes(&FULL.as_bytes()[..half + 1]).unwrap();
    assert_eq!(path(&early), "/api/v1/logs?after=2&limit=2");
    assert_eq!(reader.on_bytes(FULL.as_bytes()), None, "asked once");
    reader.on_end(FULL.as_bytes().to_vec(), now()).unwrap();
    assert_eq!(
        reader.request(now()),
        early,
        "the early answer is the next one"
    );

    // A last page that is short but large: what was asked early follows at once, and then nothing does.
    reader.on_head(200, headers("after=3&limit=2"));
    assert!(reader.on_bytes(SHORT.as_bytes()).is_some());
    let Ok(Outcome::Page(page)) = reader.on_end(SHORT.as_bytes().to_vec(), now()) else {
        panic!()
    };
    assert_eq!((page.pace, page.progress.caught_up), (Pace::Now, true));
    reader.request(now());
    reader.on_head(200, headers("after=4&limit=2"));
    assert_eq!(
        reader.on_bytes(FULL.as_bytes()),
        None,
        "no backlog, nothing early"
    );
    let Ok(Outcome::Page(page)) = reader.on_end(b"[]".to_vec(), now()) else {
        panic!()
    };
    assert_eq!(page.pace, Pace::After(Duration::from_secs(60)));
}

#[test]
fn delivery_04_a_lying_page_starts_nothing() {
    let mut full = reader();
    let page = read(&mut full, "after=1&limit=2", FULL).unwrap();
    let html = [
        ("content-type", "text/html"),
        ("link", "</api/v1/logs?after=2>; rel=next"),
    ];
    let long = vec![b' '; 1000];
    let page_of = |body: &str| [body.as_bytes(), &long].concat();
    let lies: [(u16, Headers, Vec<u8>); 5] = [
        (200, html.into_iter().collect(), page_of("[")),
        (200, headers("after=2"), page_of("<html>")),
        (200, headers("after=1&limit=2"), page_of("[")),
        (500, headers("after=2"), page_of("[")),
        (
            200,
            [("link", "</other>; rel=next")].into_iter().collect(),
            page_of("["),
        ),
    ];
    for (status, headers, body) in lies {
        let mut reader = resumed(&page.checkpoint);
        reader.request(now());
        reader.on_head(status, headers);
        assert_eq!(reader.on_bytes(&body), None, "{status}");
    }
}

/// How many requests a log of so many events costs, with pages of ten, and what was read.
fn cost(events: usize, bytes: impl Fn(usize) -> usize) -> (usize, usize) {
    let mut reader = Reader::open(&config("").replace(":2", ":10"), Start::First).unwrap();
    let (mut at, mut requests, mut early) = (0, 0, None);
    loop {
        let request = reader.request(now());
        if early.take().is_none_or(|early: Request| early != request) {
            requests += 1;
        }
        let count = (events - at).min(10);
        let body: Vec<_> = (at..at + count)
            .map(|n| format!("\"{}\"", "x".repeat(bytes(n))))
            .collect();
        let body = format!("[{}]", body.join(",")).into_bytes();
        reader.on_head(200, headers(&format!("after={}&limit=10", at + count)));
        early = reader.on_bytes(&body);
        requests += usize::from(early.is_some());
        let Ok(Outcome::Page(page)) = reader.on_end(body, now()) else {
            panic!()
        };
        at += page.batch.entries.len();
        if page.pace != Pace::Now {
            return (requests, at);
        }
    }
}

#[test]
fn delivery_04_an_idle_poll_costs_one_request() {
    assert_eq!(cost(0, |_| 1), (1, 0));
    assert_eq!(cost(9, |_| 1), (1, 9));
    assert_eq!(cost(10, |_| 1), (2, 10));
    assert_eq!(cost(34, |_| 9), (4, 34));
    assert_eq!(cost(39, |_| 9), (5, 39));
}

#[test]
fn delivery_05_a_page_that_names_itself_is_not_delivered() {
    let mut reader = reader();
    read(&mut reader, "after=1&limit=2", FULL).unwrap();
    is_transient(read(&mut reader, "after=1&limit=2", SHORT), "names itself");
    assert_eq!(path(&reader.request(now())), "/api/v1/logs?after=1&limit=2");
}

const UNFRAMEABLE: &str = r#"[{"uuid":"1"},{"uuid":"2","a":"x},{"uuid":"3"}]"#;

fn again(reader: &mut Reader, body: &str, second: u64) -> Result<Page, Error> {
    reader.request(now());
    reader.on_head(200, headers("after=1&limit=2"));
    let steady = Duration::from_secs(second);
    match reader.on_end(body.as_bytes().to_vec(), Now { steady, ..now() })? {
        Outcome::Page(page) => Ok(*page),
        Outcome::AskAgain => panic!("asked again"),
    }
}

#[test]
fn delivery_03_what_can_not_be_framed_is_given_time() {
    let mut reader = reader();
    for second in [100, 300, 500, 699] {
        is_transient(
            again(&mut reader, UNFRAMEABLE, second),
            "can't be told apart",
        );
    }
    let page = again(&mut reader, UNFRAMEABLE, 700).unwrap();
    assert_eq!(page.batch.entries.len(), 2);
    assert_eq!(page.refused[0].bytes, br#"{"uuid":"2","a":"x}"#);
}

#[test]
fn delivery_03_five_times_within_ten_minutes_is_not_enough() {
    let mut reader = reader();
    for second in 0..599 {
        is_transient(
            again(&mut reader, UNFRAMEABLE, second),
            "can't be told apart",
        );
    }
    again(&mut reader, UNFRAMEABLE, 600).unwrap();
}

#[test]
fn delivery_03_other_bytes_begin_anew_and_a_cut_page_is_never_skipped() {
    let mut reader = reader();
    let other = UNFRAMEABLE.replace('3', "4");
    for (second, body) in [
        (0, UNFRAMEABLE),
        (200, UNFRAMEABLE),
        (400, UNFRAMEABLE),
        (600, UNFRAMEABLE),
    ] {
        is_transient(again(&mut reader, body, second), "can't be told apart");
    }
    is_transient(again(&mut reader, &other, 800), "can't be told apart");
    for second in 0..10_u64 {
        is_transient(
            again(&mut reader, r#"[{"uuid":"1"},{"uu"#, second * 600),
            "cut off",
        );
    }
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
fn a_position_that_can_not_be_read_names_the_way_out() {
    for text in ["", r#"{"v":2}"#, r#"{"v":3}"#] {
        let error = Reader::open(&config(""), Start::Checkpoint(text.to_owned())).unwrap_err();
        assert!(
            error.to_string().contains("logweir state forget"),
            "{error}"
        );
        assert!(matches!(error, Error::Config(_)));
    }
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

#[test]
fn a_checkpoint_fits_whatever_the_link() {
    let long = format!("after={}&limit=2", "x".repeat(8_000));
    let page = read(&mut reader(), &long, FULL).unwrap();
    assert!(page.checkpoint.len() <= Page::MAX_CHECKPOINT_BYTES);
    is_transient(
        read(&mut reader(), &format!("after={}", "x".repeat(9_000)), FULL),
        "bytes",
    );
}

proptest! {
    #[test]
    fn n_events_cost_at_most_one_request_more_than_their_pages(events in 0..95_usize, sizes in prop::collection::vec(1..40_usize, 95)) {
        let (requests, read) = cost(events, |n| sizes[n]);
        prop_assert_eq!(read, events);
        prop_assert!(requests <= events.div_ceil(10) + 1, "{} requests", requests);
        prop_assert!(requests >= events.div_ceil(10).max(1));
    }

    #[test]
    fn no_answer_moves_the_cursor_without_a_page(status in 100..600_u16, body in "[\\[\\]{}\",:a1 ]{0,12}", next in "[a-z=&]{0,8}") {
        let mut reader = reader();
        let first = reader.request(now());
        reader.on_head(status, headers(&next));
        match reader.on_end(body.clone().into_bytes(), now()) {
            Ok(Outcome::Page(page)) => {
                prop_assert_eq!(status, 200);
                prop_assert!(Checkpoint::read(&page.checkpoint).is_ok());
                prop_assert_eq!(reader.request(now()).url, format!("https://acme.okta.com/api/v1/logs?{next}"));
            }
            _ => prop_assert_eq!(reader.request(now()), first),
        }
    }
}
