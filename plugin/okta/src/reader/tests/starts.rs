//! Where readers begin, and begin again.

use logweir_plugin::types::Window;

use super::*;

const REFUSED: &str = r#"{"errorCode":"E0000031","errorSummary":"Invalid cursor."}"#;
const FIRST: &str = r#"[{"uuid":"1","published":"2026-01-31T00:00:00.000Z"},{"uuid":"2","published":"2026-01-30T00:00:00.000Z"}]"#;

/// A reader that is told that its cursor is not known.
fn refuse(reader: &mut Reader) -> Result<Outcome, Error> {
    reader.request(now());
    reader.on_head(400, headers(""));
    reader.on_end(REFUSED.as_bytes().to_vec(), now())
}

fn since(reader: &mut Reader) -> String {
    let request = reader.request(now());
    let path = path(&request);
    assert!(!path.contains("after="), "{path}");
    parameter(path, "since").unwrap().to_owned()
}

#[test]
fn trap_07_a_refused_cursor_begins_again_a_little_earlier() {
    let page = read(&mut reader(), "after=1&limit=2", FIRST).unwrap();
    assert!(!page.overlap);
    let mut reader = resumed(&page.checkpoint);
    assert_eq!(refuse(&mut reader), Ok(Outcome::AskAgain));
    assert_eq!(since(&mut reader), "2026-01-30T23:55:00.000Z");
    let page = read(&mut reader, "after=2&limit=2", FIRST).unwrap();
    assert!(page.overlap);
    let place = Checkpoint::read(&page.checkpoint).unwrap();
    assert_eq!(place.recoveries, 1);
    // What is not from Okta says nothing about the cursor.
    is_transient(exchange(&mut reader, 400, headers(""), "<html>"), "400");
    assert_eq!(path(&reader.request(now())), "/api/v1/logs?after=2&limit=2");
}

#[test]
fn delivery_09_an_event_of_the_year_4000_is_not_where_reading_begins_again() {
    let mut reader = reader();
    let future = r#"[{"uuid":"1","published":"2026-01-01T00:00:00.000Z"},{"uuid":"2","published":"4000-01-30T00:00:00.000Z"}]"#;
    read(&mut reader, "after=1&limit=2", future).unwrap();
    refuse(&mut reader).unwrap();
    assert_eq!(
        since(&mut reader),
        "2025-12-31T23:55:00.000Z",
        "the past's Date is that of now, its backlog is not"
    );
}

#[test]
fn delivery_09_without_an_event_it_begins_where_it_began() {
    let mut reader = reader();
    read(&mut reader, "after=1&limit=2", "[]").unwrap();
    refuse(&mut reader).unwrap();
    assert_eq!(since(&mut reader), "2025-12-03T00:00:00.000Z");
    // An event published before the beginning does not lead behind it.
    let mut reader = super::reader();
    let old = r#"[{"uuid":"1","published":"2020-01-01T00:00:00.000Z"}]"#;
    read(&mut reader, "after=1&limit=2", old).unwrap();
    refuse(&mut reader).unwrap();
    assert_eq!(since(&mut reader), "2025-12-03T00:00:00.000Z");
}

#[test]
fn delivery_09_a_refused_beginning_is_no_loop() {
    let mut reader = reader();
    read(&mut reader, "after=1&limit=2", FIRST).unwrap();
    refuse(&mut reader).unwrap();
    let error = refuse(&mut reader).unwrap_err();
    assert!(matches!(error, Error::Config(_)), "{error:?}");
    for part in ["2026-01-30T23:55:00.000Z too", "logweir state forget"] {
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[test]
fn delivery_09_cursors_that_are_refused_as_soon_as_they_are_given_are_no_loop() {
    let mut reader = reader();
    read(&mut reader, "after=0&limit=2", FIRST).unwrap();
    for number in 1..=3 {
        assert_eq!(refuse(&mut reader), Ok(Outcome::AskAgain));
        read(&mut reader, &format!("after={number}&limit=2"), FIRST).unwrap();
    }
    assert!(matches!(refuse(&mut reader), Err(Error::Config(_))));
    // A short page is all there was: such an org is read by time, for ever if need be.
    let mut reader = super::reader();
    read(&mut reader, "after=0&limit=2", SHORT).unwrap();
    for number in 1..=9 {
        assert_eq!(refuse(&mut reader), Ok(Outcome::AskAgain));
        read(&mut reader, &format!("after={number}&limit=2"), SHORT).unwrap();
    }
}

#[test]
fn delivery_10_doubt_ends_with_a_page_that_was_published_after_the_last_answer_and_a_margin() {
    let mut reader = reader();
    read(&mut reader, "after=0&limit=2", FIRST).unwrap();
    refuse(&mut reader).unwrap();
    let late = |ids: &str, minute: u32| {
        let event =
            |id| format!(r#"{{"uuid":"{id}","published":"2026-02-01T00:{minute:02}:01.000Z"}}"#);
        let all: Vec<_> = ids.chars().map(event).collect();
        format!("[{}]", all.join(","))
    };
    let mut overlap = |number: u32, body: &str| {
        let head = [
            ("link", link(&format!("after={number}&limit=2"))),
            ("date", "Sun, 01 Feb 2026 01:00:00 GMT".to_owned()),
        ];
        exchange(&mut reader, 200, head.into_iter().collect(), body)
            .unwrap()
            .overlap
    };
    assert!(overlap(1, &late("ab", 4)));
    assert!(overlap(
        2,
        &late("c", 5).replace(']', r#",{"uuid":"d","published":"2026-01-01T00:00:00Z"}]"#)
    ));
    assert!(overlap(3, "[]"));
    assert!(!overlap(4, &late("ef", 5)));
    assert!(!overlap(5, &late("gh", 1)));
}

#[test]
fn trap_08_another_limit_counts_at_once_and_the_position_stays() {
    let page = read(&mut reader(), "after=1&limit=2", FIRST).unwrap();
    let config = r#"{"domain":"acme.okta.com","limit":1000}"#;
    let mut reader = Reader::open(config, Start::Checkpoint(page.checkpoint)).unwrap();
    assert_eq!(
        path(&reader.request(now())),
        "/api/v1/logs?since=2026-01-30T23:55:00.000Z&limit=1000&sortOrder=ASCENDING"
    );
    let page = read(&mut reader, "after=2&limit=1000", FIRST).unwrap();
    assert!(page.overlap);
    let mut reader = Reader::open(config, Start::Checkpoint(page.checkpoint)).unwrap();
    assert_eq!(
        path(&reader.request(now())),
        "/api/v1/logs?after=2&limit=1000",
        "once"
    );
}

#[test]
fn trap_08_an_org_that_gives_another_limit_is_borne() {
    let page = read(&mut reader(), "after=1&limit=1", FIRST).unwrap();
    let mut reader = resumed(&page.checkpoint);
    assert_eq!(path(&reader.request(now())), "/api/v1/logs?after=1&limit=1");
}

#[test]
fn delivery_18_another_filter_begins_again_as_overlap() {
    let page = read(&mut reader(), "after=1&limit=2", FIRST).unwrap();
    let filtered = config(r#","filter":"a eq 1""#);
    let mut reader = Reader::open(&filtered, Start::Checkpoint(page.checkpoint)).unwrap();
    assert_eq!(
        path(&reader.request(now())),
        "/api/v1/logs?since=2026-01-30T23:55:00.000Z&limit=2&filter=a%20eq%201&sortOrder=ASCENDING"
    );
    assert!(read(&mut reader, "after=2&limit=2", FIRST).unwrap().overlap);
    // A filter that Okta refuses is told as such.
    let page = read(&mut super::reader(), "after=1&limit=2", FIRST).unwrap();
    let mut reader = Reader::open(&filtered, Start::Checkpoint(page.checkpoint)).unwrap();
    match refuse(&mut reader) {
        Err(Error::Config(issues)) => assert_eq!(issues[0].key, "/filter"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn delivery_09_a_beginning_behind_retention_is_moved_to_it() {
    let text = r#"{"v":2,"limit":2,"query":"QUERY","live":{"since":"2025-01-01T00:00:00.000Z","next":"/api/v1/logs?after=1&limit=2","date":"2025-02-01T00:00:00.000Z"}}"#;
    let query = Config::parse(&config("")).unwrap().query_digest();
    let mut reader = resumed(&text.replace("QUERY", &query));
    refuse(&mut reader).unwrap();
    assert_eq!(since(&mut reader), "2025-11-03T00:00:00.000Z");
}

#[test]
fn delivery_13_at_a_time_it_begins_there_and_nothing_overlaps() {
    let at = from_rfc3339("2026-01-15T00:00:00Z").unwrap();
    let mut reader = Reader::open(&config(""), Start::At(at)).unwrap();
    assert_eq!(since(&mut reader), "2026-01-15T00:00:00.000Z");
    let page = read(&mut reader, "after=1&limit=2", FIRST).unwrap();
    assert!(!page.overlap);
    assert_eq!(page.progress.first, Some(at));
    let mut old = Reader::open(&config(""), Start::At(0)).unwrap();
    assert_eq!(since(&mut old), "2025-11-03T00:00:00.000Z");
}

const WINDOW: (u64, u64) = (FEBRUARY - 2 * DAY, FEBRUARY - DAY);

fn window(config: &str, checkpoint: Option<String>) -> Result<Reader, Error> {
    let (since, until) = WINDOW;
    Reader::open(
        config,
        Start::Window(Window {
            since,
            until,
            checkpoint,
        }),
    )
}

#[test]
fn delivery_13_a_window_is_bounded_overlaps_and_ends() {
    let mut reader = window(&config(""), None).unwrap();
    assert_eq!(
        path(&reader.request(now())),
        "/api/v1/logs?since=2026-01-30T00:00:00.000Z&until=2026-01-31T00:00:00.000Z&limit=2&sortOrder=ASCENDING"
    );
    let page = read(&mut reader, "after=1&limit=2", SHORT).unwrap();
    assert_eq!((page.overlap, page.pace), (true, Pace::Now));
    assert!(
        !page.progress.caught_up,
        "a link leads on, however short the page"
    );

    let mut reader = window(&config(""), Some(page.checkpoint.clone())).unwrap();
    assert_eq!(path(&reader.request(now())), "/api/v1/logs?after=1&limit=2");
    let end: Headers = [("date", DATE)].into_iter().collect();
    let page = exchange(&mut reader, 200, end, SHORT).unwrap();
    assert_eq!(page.batch.entries.len(), 1);
    assert!(page.overlap && page.progress.caught_up);
    assert!(matches!(page.pace, Pace::After(_)));

    let reader = window(&config(""), Some(page.checkpoint.clone())).unwrap();
    let ended = reader.ended().unwrap();
    assert!(ended.progress.caught_up && ended.batch.entries.is_empty());
    assert_eq!(ended.checkpoint, page.checkpoint);

    let none = Reader::open(&config(""), Start::Checkpoint(page.checkpoint)).unwrap_err();
    assert!(none.to_string().contains("that of a window"), "{none}");
    assert!(window(&config(""), Some(r#"{"v":2}"#.to_owned())).is_err());
}

#[test]
fn delivery_13_a_window_goes_on_after_a_refused_cursor_and_begins_anew_with_other_settings() {
    let mut reader = window(&config(""), None).unwrap();
    let body = r#"[{"uuid":"1","published":"2026-01-30T12:00:00.000Z"}]"#;
    let page = read(&mut reader, "after=1&limit=2", body).unwrap();
    assert_eq!(refuse(&mut reader), Ok(Outcome::AskAgain));
    let request = reader.request(now());
    let asked = path(&request);
    assert!(asked.contains("since=2026-01-30T11:55:00.000Z&until=2026-01-31T00:00:00.000Z"));

    let other = config(r#","q":"x""#);
    let mut reader = window(&other, Some(page.checkpoint)).unwrap();
    assert_eq!(since(&mut reader), "2026-01-30T00:00:00.000Z");
}

#[test]
fn a_position_of_version_1_goes_on_as_what_is_live() {
    let text = r#"{"v":1,"next":"/api/v1/logs?after=1&limit=2","since":"2026-01-01T00:00:00.000Z","limit":2,"query":"QUERY","newest":"2026-01-31T00:00:00.000Z","last":"2026-01-30T00:00:00.000Z","date":"2026-01-31T00:00:02.000Z","full_page_bytes":120,"backlog":true,"foreign_host":"evil.example","waiting_settings":"sha256:1"}"#;
    let query = Config::parse(&config("")).unwrap().query_digest();
    let mut reader = resumed(&text.replace("QUERY", &query));
    assert_eq!(path(&reader.request(now())), "/api/v1/logs?after=1&limit=2");
    let page = read(&mut reader, "after=2&limit=2", FULL).unwrap();
    assert!(!page.overlap);
    let place = Checkpoint::read(&page.checkpoint).unwrap();
    assert!(page.checkpoint.starts_with(r#"{"v":2,"#));
    assert!(place.past.is_none() && place.live.unwrap().backlog);
    assert_eq!(place.foreign_host.as_deref(), Some("evil.example"));
}
