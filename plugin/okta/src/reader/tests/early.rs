//! Delivery rule 4: the next page is asked for early, and nothing is asked for in vain.

use proptest::prelude::*;

use super::*;

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

proptest! {
    #[test]
    fn n_events_cost_at_most_one_request_more_than_their_pages(events in 0..95_usize, sizes in prop::collection::vec(1..40_usize, 95)) {
        let (requests, read) = cost(events, |n| sizes[n]);
        prop_assert_eq!(read, events);
        prop_assert!(requests <= events.div_ceil(10) + 1, "{} requests", requests);
        prop_assert!(requests >= events.div_ceil(10).max(1));
    }
}
