//! Delivery rule 3: a page that can not be framed is given time before it is salvaged.

use super::*;

const UNFRAMEABLE: &str = r#"[{"uuid":"1"},{"uuid":"2","a":"x},{"uuid":"3"}]"#;

/// Asks so many seconds later, and is told so.
fn again(reader: &mut Reader, body: &str, second: u64) -> Result<Page, Error> {
    let now = Now {
        wall: FEBRUARY + second * SECOND,
        steady: Duration::from_secs(second),
    };
    reader.request(now);
    reader.on_head(200, two::dated(second, &format!("after={second}&limit=2")));
    match reader.on_end(body.as_bytes().to_vec(), now)? {
        Outcome::Page(page) => Ok(*page),
        Outcome::AskAgain => panic!("asked again"),
    }
}

/// What was read before it is there already.
fn begun() -> Reader {
    let mut reader = reader();
    again(&mut reader, FULL, 0).unwrap();
    let page = again(&mut reader, "[]", 1).unwrap();
    assert!(page.progress.caught_up, "from now on there is one cursor");
    reader
}

/// It is asked for again, and nothing of it is taken.
fn waits(page: &Page) {
    assert!(page.batch.entries.is_empty() && page.refused.is_empty());
    assert!(!page.progress.caught_up);
    let reason = page.progress.failing.as_deref().unwrap();
    assert!(reason.contains("can't be told apart"), "{reason}");
    assert!(matches!(page.pace, Pace::After(wait) if wait <= Duration::from_secs(60)));
}

fn is_salvaged(page: &Page) {
    assert_eq!(page.batch.entries.len(), 2);
    assert_eq!(page.refused[0].bytes, br#"{"uuid":"2","a":"x}"#);
    let place = Checkpoint::read(&page.checkpoint).unwrap();
    let cursors = [place.past, place.live];
    assert!(
        cursors
            .iter()
            .flatten()
            .all(|cursor| cursor.stuck.is_none())
    );
}

#[test]
fn delivery_03_what_can_not_be_framed_is_given_time() {
    let mut reader = begun();
    for second in [100, 300, 500, 699] {
        waits(&again(&mut reader, UNFRAMEABLE, second).unwrap());
    }
    is_salvaged(&again(&mut reader, UNFRAMEABLE, 700).unwrap());
}

#[test]
fn delivery_03_the_time_it_is_given_survives_its_readers() {
    let mut reader = begun();
    for second in [100, 300, 500, 699] {
        let page = again(&mut reader, UNFRAMEABLE, second).unwrap();
        waits(&page);
        reader = resumed(&page.checkpoint);
    }
    is_salvaged(&again(&mut reader, UNFRAMEABLE, 700).unwrap());
}

#[test]
fn delivery_03_five_times_within_ten_minutes_is_not_enough() {
    let mut reader = begun();
    for second in 0..600 {
        waits(&again(&mut reader, UNFRAMEABLE, second).unwrap());
    }
    is_salvaged(&again(&mut reader, UNFRAMEABLE, 600).unwrap());
}

#[test]
fn delivery_03_a_first_page_is_given_time_too() {
    let mut reader = reader();
    for second in [100, 300, 500, 699] {
        let page = again(&mut reader, UNFRAMEABLE, second);
        is_transient(page, "can't be told apart");
    }
    is_salvaged(&again(&mut reader, UNFRAMEABLE, 700).unwrap());
}

#[test]
fn delivery_03_other_bytes_begin_anew_and_a_cut_page_is_never_skipped() {
    let mut reader = begun();
    let other = UNFRAMEABLE.replace('3', "4");
    for second in [0, 200, 400, 600] {
        waits(&again(&mut reader, UNFRAMEABLE, second).unwrap());
    }
    waits(&again(&mut reader, &other, 800).unwrap());
    for second in 0..10_u64 {
        is_transient(
            again(&mut reader, r#"[{"uuid":"1"},{"uu"#, second * 600),
            "cut off",
        );
    }
}

#[test]
fn delivery_03_a_past_that_is_stuck_stops_nothing_that_is_live() {
    let mut reader = two::both();
    let page = exchange(
        &mut reader,
        200,
        two::dated(4, "after=p3&limit=2"),
        UNFRAMEABLE,
    );
    waits(&page.unwrap());
    assert_eq!(reader.turn(now()), Which::Past, "live is not due");
    let later = Now {
        steady: now().steady + Duration::from_secs(60),
        ..now()
    };
    assert_eq!(reader.turn(later), Which::Live);
}

#[test]
fn delivery_03_a_first_page_of_live_that_is_stuck_is_counted_too() {
    let mut reader = reader();
    again(&mut reader, FULL, 0).unwrap();
    let other = FULL.replace("\"1\"", "\"4\"").replace("\"2\"", "\"5\"");
    again(&mut reader, &other, 3).unwrap();
    for (times, second) in [(1, 100), (2, 300), (3, 500), (4, 699)] {
        let page = again(&mut reader, UNFRAMEABLE, second).unwrap();
        waits(&page);
        let place = Checkpoint::read(&page.checkpoint).unwrap();
        assert_eq!(place.live.unwrap().stuck.unwrap().times, times);
        reader = resumed(&page.checkpoint);
    }
    let page = again(&mut reader, UNFRAMEABLE, 700).unwrap();
    assert_eq!(page.batch.entries.len(), 2);
    assert!(Checkpoint::read(&page.checkpoint).unwrap().past.is_some());
}
