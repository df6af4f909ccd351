//! Where a reader is: what moves it, what does not, and that its position fits.

use proptest::prelude::*;

use super::*;

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
fn delivery_05_a_page_that_names_itself_is_not_delivered() {
    let mut reader = reader();
    read(&mut reader, "after=1&limit=2", FULL).unwrap();
    is_transient(read(&mut reader, "after=1&limit=2", SHORT), "names itself");
    assert_eq!(path(&reader.request(now())), "/api/v1/logs?after=1&limit=2");
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
