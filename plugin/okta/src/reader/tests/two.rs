//! The past and what is live, step by step.

use super::*;

/// A page of the past: full, and long before live begins. Each number makes another one.
fn old(number: u64) -> String {
    let event = |half: u64| {
        format!(r#"{{"uuid":"o{number}.{half}","published":"2026-01-01T00:00:0{half}.000Z"}}"#)
    };
    format!("[{},{}]", event(0), event(1))
}

pub(super) fn dated(second: u64, next: &str) -> Headers {
    let date = jiff::Timestamp::from_second((FEBRUARY / SECOND + second) as i64).unwrap();
    let date = date.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    [("link", link(next)), ("date", date)].into_iter().collect()
}

fn event(id: &str, second: i64) -> String {
    let at = jiff::Timestamp::from_second((FEBRUARY / SECOND) as i64 + second).unwrap();
    format!(r#"{{"uuid":"{id}","published":"{at:.3}"}}"#)
}

fn events(all: &[(&str, i64)]) -> String {
    let all: Vec<_> = all.iter().map(|(id, second)| event(id, *second)).collect();
    format!("[{}]", all.join(","))
}

/// One exchange so many seconds after the first one; what was asked for, and the page.
fn step(reader: &mut Reader, second: u64, next: &str, body: &str) -> (String, Page) {
    let request = reader.request(now());
    reader.on_head(200, dated(second, &format!("{next}&limit=2")));
    match reader.on_end(body.as_bytes().to_vec(), now()) {
        Ok(Outcome::Page(page)) => (path(&request).to_owned(), *page),
        other => panic!("{other:?}"),
    }
}

fn ids(page: &Page) -> Vec<&str> {
    let entries = page.batch.entries.iter();
    entries
        .map(|entry| page.batch.text(entry.id).unwrap())
        .collect()
}

const LIVE: &str = "/api/v1/logs?since=2026-02-01T00:00:00.000Z&limit=2&sortOrder=ASCENDING";

/// A reader whose past has a backlog, and whose live had nothing yet.
pub(super) fn both() -> Reader {
    let mut reader = reader();
    step(&mut reader, 0, "after=p1", &old(1));
    let (asked, _) = step(&mut reader, 3, "after=p2", &old(2));
    assert!(asked.contains("after=p1"));
    let (asked, page) = step(&mut reader, 3, "after=l1", "[]");
    assert_eq!(asked, LIVE);
    assert_eq!((page.pace, page.progress.caught_up), (Pace::Now, false));
    reader
}

#[test]
fn delivery_11_live_begins_at_the_servers_date_and_comes_once_a_poll() {
    let mut reader = both();
    for second in [4, 20, 62] {
        let (asked, page) = step(
            &mut reader,
            second,
            &format!("after=p{second}"),
            &old(second),
        );
        assert!(asked.contains("after=p"), "{second}: {asked}");
        assert!(!page.overlap);
    }
    let (asked, _) = step(&mut reader, 63, "after=p63", &old(63));
    assert!(asked.contains("after=p62"), "a minute is over from now on");
    let (asked, page) = step(&mut reader, 63, "after=l2", &events(&[("new", 60)]));
    assert!(asked.contains("after=l1"));
    assert!(page.overlap, "the past may have read it");
    assert_eq!(page.progress.reached, from_rfc3339("2026-01-01T00:00:01Z"));
}

#[test]
fn delivery_11_a_first_read_that_is_short_has_one_cursor() {
    let mut reader = reader();
    step(&mut reader, 0, "after=p1", &old(1));
    let (_, page) = step(&mut reader, 1, "after=p2", "[]");
    assert!(page.progress.caught_up);
    let place = Checkpoint::read(&page.checkpoint).unwrap();
    assert!(place.past.is_none() && place.seam.is_none());
    for second in [2, 200] {
        let (asked, page) = step(
            &mut reader,
            second,
            &format!("after=x{second}"),
            &old(second),
        );
        assert!(asked.contains("after="), "{asked}");
        assert!(!page.overlap, "nobody else reads");
    }
}

#[test]
fn delivery_11_the_past_ends_before_the_first_event_that_live_had() {
    let mut reader = both();
    step(&mut reader, 63, "after=p3", &old(3));
    step(&mut reader, 63, "after=l2", &events(&[("n2", 61)]));
    let (asked, page) = step(
        &mut reader,
        64,
        "after=p4",
        &events(&[("o9", -9), ("n2", 61)]),
    );
    assert!(asked.contains("after=p3"));
    assert_eq!((ids(&page), page.overlap), (vec!["o9"], true));
    assert_eq!(
        (page.pace, page.progress.caught_up),
        (Pace::Now, false),
        "live may have news"
    );
    let (asked, page) = step(&mut reader, 64, "after=l3", "[]");
    assert!(asked.contains("after=l2"));
    assert!(page.progress.caught_up);
    assert_eq!(page.progress.reached, Some(FEBRUARY + 61 * SECOND));
}

#[test]
fn delivery_11_what_is_broken_behind_the_seam_is_live_s_too() {
    let mut reader = both();
    step(&mut reader, 63, "after=p3", &old(3));
    step(&mut reader, 63, "after=l2", &events(&[("n2", 61)]));
    let body = format!("[{{x}},{},{{y}}]", event("n2", 61));
    let (_, page) = step(&mut reader, 64, "after=p4", &body);
    assert_eq!(page.batch.entries.len(), 0);
    assert_eq!(page.refused.len(), 1);
    assert_eq!(page.refused[0].bytes, b"{x}");
}

#[test]
fn delivery_11_a_past_that_is_beyond_the_seam_ends_when_live_comes_to_it() {
    let mut reader = both();
    // Live had nothing; then six events came, and the past has read five of them.
    step(
        &mut reader,
        10,
        "after=p3",
        &events(&[("a", 3), ("b", -90)]),
    );
    step(
        &mut reader,
        62,
        "after=p4",
        &events(&[("c", 4), ("d", -90)]),
    );
    step(
        &mut reader,
        63,
        "after=p5",
        &events(&[("e", -90), ("e2", -90)]),
    );
    for (next, page, full) in [
        ("after=l2", [("a", 3), ("b", -90)], true),
        ("after=l3", [("c", 4), ("d", -90)], true),
        ("after=l4", [("e", -90), ("e2", -90)], false),
    ] {
        let (asked, page) = step(&mut reader, 63, next, &events(&page));
        assert!(asked.contains("after=l") || asked == LIVE, "{asked}");
        assert!(page.overlap);
        let place = Checkpoint::read(&page.checkpoint).unwrap();
        assert_eq!(place.past.is_some(), full);
    }
    let (asked, _) = step(&mut reader, 64, "after=l5", "[]");
    assert!(asked.contains("after=l4"));
}

#[test]
fn delivery_11_the_past_has_its_share_beside_a_live_that_is_always_full() {
    let mut reader = both();
    let mut past = 0;
    step(&mut reader, 63, "after=p3", &old(3));
    for number in 0..90_u64 {
        let body = events(&[(&format!("n{number}"), 70), (&format!("m{number}"), 71)]);
        let (asked, page) = step(&mut reader, 80, &format!("after=l{}", number + 100), &body);
        assert!(asked.contains("after=l"), "{asked}");
        if page.batch.entries.is_empty() {
            break;
        }
        if reader.turn(now()) == Which::Past {
            past += 1;
            step(
                &mut reader,
                80,
                &format!("after=p{}", number + 10),
                &old(number + 10),
            );
        }
    }
    assert!((29..=31).contains(&past), "{past}");
}

#[test]
fn delivery_11_neither_cursor_stops_the_other_one() {
    let mut reader = both();
    step(&mut reader, 63, "after=p3", &old(3));
    assert_eq!(reader.turn(now()), Which::Live);
    is_transient(exchange(&mut reader, 503, dated(64, ""), ""), "503");
    let (asked, _) = step(&mut reader, 64, "after=p4", &old(4));
    assert!(asked.contains("after=p3"), "live fails, the past goes on");
    let (asked, _) = step(&mut reader, 64, "after=l2", "[]");
    assert!(asked.contains("after=l1"));
    for second in [65, 130] {
        is_transient(exchange(&mut reader, 503, dated(second, ""), ""), "503");
    }
    let (asked, _) = step(&mut reader, 130, "after=l3", "[]");
    assert!(asked.contains("after=l2"), "the past fails, live goes on");
}

#[test]
fn delivery_11_a_past_that_gets_no_answer_at_all_stops_nothing_that_is_live() {
    let mut reader = both();
    let after = |seconds| Now {
        steady: now().steady + Duration::from_secs(seconds),
        ..now()
    };
    for seconds in [1, 30, 59] {
        let request = reader.request(after(seconds));
        assert!(path(&request).contains("after=p2"), "{seconds}");
        let error = reader.on_failure(
            &HttpError::Timeout("first byte".to_owned()),
            Vec::new(),
            after(seconds),
        );
        assert!(matches!(error, Error::Transient(_)));
    }
    let request = reader.request(after(60));
    assert!(path(&request).contains("after=l1"));
    reader.on_head(200, dated(63, "after=l2&limit=2"));
    reader.on_end(b"[]".to_vec(), after(60)).unwrap();
    let request = reader.request(after(61));
    assert!(path(&request).contains("after=p2"), "its turn again");
}

#[test]
fn delivery_11_a_past_that_fails_each_reader_stops_nothing_that_is_live() {
    for wrong in [0, 4_000_000 * SECOND] {
        let at = |seconds: u64| Now {
            wall: FEBRUARY + wrong + seconds * SECOND,
            ..now()
        };
        let answer = |reader: &mut Reader, now: Now, next: &str, body: &str| {
            let request = reader.request(now);
            // By Okta's clock it stands still: nothing else may count.
            reader.on_head(200, dated(4, &format!("{next}&limit=2")));
            match reader.on_end(body.as_bytes().to_vec(), now) {
                Ok(Outcome::Page(page)) => (path(&request).to_owned(), page.checkpoint),
                other => panic!("{other:?}"),
            }
        };
        let mut reader = both();
        let (_, checkpoint) = answer(&mut reader, at(4), "after=p3", &old(3));
        let mut reader = resumed(&checkpoint);
        let (asked, checkpoint) = answer(&mut reader, at(200), "after=l2", "[]");
        assert!(
            asked.contains("after=l1"),
            "live, which is due by any clock"
        );
        // From here on it is told by the same clock as before, right or wrong.
        let asks = |seconds: u64| path(&resumed(&checkpoint).request(at(seconds))).to_owned();
        for (seconds, wanted) in [(201, "after=p3"), (259, "after=p3"), (260, "after=l2")] {
            assert!(asks(seconds).contains(wanted), "{wrong} {seconds}");
        }
    }
}

#[test]
fn delivery_10_live_is_in_doubt_for_five_minutes_after_the_past() {
    let mut reader = both();
    step(&mut reader, 63, "after=p3", &old(3));
    step(&mut reader, 63, "after=l2", &events(&[("n2", 61)]));
    step(
        &mut reader,
        64,
        "after=p4",
        &events(&[("n2", 61), ("n3", 62)]),
    );
    let mut overlap = |second: u64, ids: &[(&str, i64)]| {
        let (_, page) = step(
            &mut reader,
            second,
            &format!("after=l{second}"),
            &events(ids),
        );
        page.overlap
    };
    assert!(overlap(100, &[("n4", 99)]));
    assert!(overlap(400, &[("n5", 365), ("n6", 364)]), "not all of it");
    assert!(overlap(401, &[("n7", 365), ("y", 900_000_000)]), "not now");
    assert!(!overlap(402, &[("n8", 365)]));
    assert!(!overlap(403, &[("n9", 5)]), "late, but behind what is new");
}

#[test]
fn a_short_page_of_the_past_before_the_seam_does_not_end_it() {
    let mut reader = both();
    step(&mut reader, 63, "after=p3", &old(3));
    step(&mut reader, 63, "after=l2", &events(&[("n2", 61)]));
    let (_, page) = step(&mut reader, 64, "after=p4", "[]");
    assert_eq!(page.pace, Pace::After(Duration::from_secs(60)));
    assert!(!page.progress.caught_up);
    let (asked, _) = step(&mut reader, 130, "after=p5", &old(5));
    assert!(asked.contains("after=p4"));
}

#[test]
fn a_past_that_missed_the_seam_ends_all_the_same() {
    let mut reader = both();
    step(&mut reader, 63, "after=p3", &old(3));
    step(&mut reader, 63, "after=l2", &events(&[("n2", 61)]));
    let late = events(&[("n3", 400)]);
    let (_, page) = step(&mut reader, 401, "after=p4", &late);
    assert!(page.overlap);
    let place = Checkpoint::read(&page.checkpoint).unwrap();
    assert!(place.past.is_none() && place.live.is_some());
}

#[test]
fn a_page_that_came_before_overlaps() {
    let mut reader = reader();
    step(&mut reader, 0, "after=p1", &old(1));
    let (_, page) = step(&mut reader, 0, "after=p2", &old(1));
    assert!(page.overlap);
    let (_, page) = step(&mut reader, 0, "after=p3", FULL);
    assert!(!page.overlap);
    is_transient(
        exchange(&mut reader, 200, dated(0, "after=p2&limit=2"), SHORT),
        "leads back",
    );
}

/// Pages of both cursors are asked for early, each by its own.
#[test]
fn delivery_04_both_cursors_ask_early() {
    let mut reader = both();
    let mut early = Vec::new();
    reader.request(now());
    reader.on_head(200, dated(63, "after=p3&limit=2"));
    early.extend(reader.on_bytes(old(3).as_bytes()));
    reader.on_end(old(3).into_bytes(), now()).unwrap();
    assert_eq!(early.len(), 1);
    // Live is due; what was asked early for the past stays.
    let new = events(&[("n1", 60), ("n2", 61)]);
    step(&mut reader, 63, "after=l2", &new);
    assert!(reader.follows(&early[0]));
    reader.request(now());
    reader.on_head(200, dated(63, "after=l3&limit=2"));
    early.extend(reader.on_bytes(new.replace('n', "m").as_bytes()));
    reader.on_end(b"[]".to_vec(), now()).unwrap();
    assert_eq!(early.len(), 2);
    assert_eq!(reader.request(now()), early[0], "the past's turn");
    assert!(reader.follows(&early[1]));
}

#[test]
fn a_link_of_another_read_is_not_followed() {
    let mut reader = reader();
    let since = "since=2025-12-03T00:00:00.000Z";
    step(&mut reader, 0, &format!("{since}&after=p1"), &old(1));
    let other = dated(0, "since=2026-02-01T00:00:00.000Z&after=l9&limit=2");
    is_transient(exchange(&mut reader, 200, other, &old(2)), "another read");
    let (asked, _) = step(&mut reader, 0, &format!("{since}&after=p2"), &old(2));
    assert!(asked.contains("after=p1"));
}

/// With twenty requests a minute, half of them ours, an answer takes six seconds; live is due again each time.
#[test]
fn delivery_11_the_past_has_every_second_turn_beside_a_live_that_is_always_due() {
    let mut reader = Reader::open(&config(r#","poll":"1s""#), Start::First).unwrap();
    step(&mut reader, 0, "after=p0", &old(0));
    let mut past = 0;
    for number in 1..=40_u64 {
        let second = 6 * number;
        if reader.turn(now()) == Which::Past {
            past += 1;
            step(
                &mut reader,
                second,
                &format!("after=p{number}"),
                &old(number),
            );
        } else {
            let news = events(&[(&format!("n{number}"), second as i64 - 1)]);
            step(&mut reader, second, &format!("after=l{number}"), &news);
        }
    }
    assert!((19..=21).contains(&past), "{past} of 40");
}
