//! What a peer tells, and what it does not: other clocks, no headers, refusals of all sorts.

use super::*;

#[test]
fn trap_15_our_own_clock_and_theirs_need_not_agree() {
    for clock in [0, 4_102_444_800_000] {
        let mut peer = Peer::new(60_000, 20);
        peer.clock = clock;
        let mut clocked = Clocked::new(50);
        read_on(&mut clocked, &mut peer, 0, 200_000);
        assert!(peer.full_windows().iter().all(|used| used.ours == 10));
    }
}

#[test]
fn trap_16_without_headers_nothing_is_held_back() {
    let mut clocked = Clocked::new(50);
    for now in 0..1000 {
        clocked.ask(Priority::Backlog, now).unwrap();
        clocked.answered(now, now, &(StatusCode::OK, HeaderMap::new()));
    }
    let mut peer = Peer::new(60_000, 20);
    clocked.ask(Priority::Backlog, 1000).unwrap();
    let answer = peer.take(1000, true);
    clocked.answered(1000, 1000, &answer);
    let budget = clocked.pacer.budget(clocked.at(1000)).unwrap();
    assert_eq!(
        budget.share_left, 9,
        "what was sent before is of no window that is known"
    );
}

#[test]
fn a_limit_that_is_told_no_more_is_forgotten_after_a_window() {
    let (mut clocked, mut peer) = (Clocked::new(50), Peer::new(10_000, 20));
    clocked.ask(Priority::Backlog, 0).unwrap();
    let answer = peer.take(0, true);
    clocked.answered(0, 0, &answer);
    let mut sent = 0;
    let mut now = 1;
    while now < 60_000 && sent < 1000 {
        match clocked.ask(Priority::Backlog, now) {
            Ok(()) => {
                sent += 1;
                clocked.answered(now, now, &(StatusCode::OK, HeaderMap::new()));
            }
            Err((until, _)) => now = until,
        }
    }
    assert_eq!(sent, 1000);
    assert!((20_000..30_000).contains(&now), "{now}");
    assert_eq!(clocked.pacer.budget(clocked.at(now)), None);
}

#[test]
fn trap_16_too_many_at_once_are_waited_out_for_seconds_and_never_for_the_window() {
    let (mut clocked, mut peer) = (Clocked::new(50), Peer::new(60_000, 120));
    let mut now = 0;
    for again in 0..8_u32 {
        clocked.ask(Priority::Live, now).unwrap();
        let (_, mut headers) = peer.take(now, true);
        headers.insert("limit", "0".parse().unwrap());
        headers.insert("remaining", "0".parse().unwrap());
        let answer = (StatusCode::TOO_MANY_REQUESTS, headers);
        assert_eq!(
            clocked.answered(now, now, &answer),
            Some(Throttle::Concurrency)
        );
        let (until, why) = clocked.ask(Priority::Live, now).unwrap_err();
        assert_eq!(why, HoldReason::Concurrency);
        let longest = (2000 << again).min(15_000);
        assert!(
            (longest / 2..=longest + 1).contains(&(until - now)),
            "{again}: {}",
            until - now
        );
        now = until;
    }
}

#[test]
fn trap_14_a_429_says_whose_doing_it_is_and_is_waited_out() {
    let (mut clocked, mut peer) = (Clocked::new(50), Peer::new(60_000, 10));
    for _ in 0..10 {
        peer.take(0, false);
    }
    clocked.ask(Priority::Live, 100).unwrap();
    let answer = peer.take(100, true);
    assert_eq!(clocked.answered(100, 100, &answer), Some(Throttle::Others));
    let (until, why) = clocked.ask(Priority::Live, 200).unwrap_err();
    assert_eq!((until, why), (61_100, HoldReason::Refused));
    assert_eq!(clocked.ask(Priority::Live, until), Ok(()));

    // Twelve that nothing was known of when they went out.
    let (mut clocked, mut peer) = (Clocked::new(50), Peer::new(60_000, 10));
    (0..12).for_each(|_| clocked.ask(Priority::Backlog, 0).unwrap());
    let answers: Vec<_> = (0..12).map(|_| peer.take(10, true)).collect();
    let throttles: Vec<_> = answers
        .iter()
        .filter_map(|answer| clocked.answered(0, 20, answer))
        .collect();
    assert_eq!(throttles, [Throttle::Ours; 2]);
}

/// An answer that refuses, with these headers and no others.
fn refusal(headers: &[(&'static str, &str)]) -> (StatusCode, HeaderMap) {
    let headers = headers.iter().map(|(name, value)| {
        let name = http::HeaderName::from_static(name);
        (name, value.parse().unwrap())
    });
    (StatusCode::TOO_MANY_REQUESTS, headers.collect())
}

/// When the next request may go out, and what it waits for until then, after one at 100 that others left nothing for
/// until 60,000 and whose refusal says this.
fn after_a_used_up_window(retry_after: &str) -> (u64, HoldReason) {
    let (mut clocked, mut peer) = (Clocked::new(50), Peer::new(60_000, 10));
    (0..10).for_each(|_| drop(peer.take(0, false)));
    clocked.ask(Priority::Live, 100).unwrap();
    let (status, mut headers) = peer.take(100, true);
    headers.insert("retry-after", retry_after.parse().unwrap());
    let throttle = clocked.answered(100, 100, &(status, headers));
    assert_eq!(throttle, Some(Throttle::Others));
    let (until, why) = clocked.ask(Priority::Live, 200).unwrap_err();
    let again = clocked.ask(Priority::Live, until - 1).unwrap_err();
    assert_eq!(again, (until, why), "{retry_after:?}");
    assert_eq!(clocked.ask(Priority::Live, until), Ok(()));
    (until, why)
}

#[test]
fn after_a_429_nothing_goes_out_before_the_later_of_the_windows_end_and_what_it_says_itself() {
    let refused = |until| (until, HoldReason::Refused);
    assert_eq!(after_a_used_up_window("90"), refused(90_100));
    assert_eq!(after_a_used_up_window(" 3599 "), refused(3_599_100));
    for sooner in ["0", "5", "60"] {
        assert_eq!(after_a_used_up_window(sooner), refused(61_100), "{sooner}");
    }
}

#[test]
fn after_a_429_that_tells_of_no_window_what_it_says_itself_is_waited_for() {
    let mut clocked = Clocked::new(50);
    clocked.ask(Priority::Live, 100).unwrap();
    clocked.answered(100, 200, &refusal(&[("retry-after", "7")]));
    let held = Err((7_200, HoldReason::Refused));
    assert_eq!(clocked.ask(Priority::Live, 200), held);
    assert_eq!(clocked.ask(Priority::Backlog, 7_199), held);
    assert_eq!(clocked.ask(Priority::Backlog, 7_200), Ok(()));
}

/// When the next request may go out after one at 0 that was one too many at once.
fn after_too_many_at_once(retry_after: &str) -> u64 {
    let mut clocked = Clocked::new(50);
    clocked.ask(Priority::Live, 0).unwrap();
    let headers = [
        ("limit", "0"),
        ("remaining", "0"),
        ("retry-after", retry_after),
    ];
    let throttle = clocked.answered(0, 0, &refusal(&headers));
    assert_eq!(throttle, Some(Throttle::Concurrency));
    let (until, why) = clocked.ask(Priority::Live, 0).unwrap_err();
    assert_eq!(why, HoldReason::Concurrency);
    assert!(clocked.ask(Priority::Live, until - 1).is_err());
    assert_eq!(clocked.ask(Priority::Live, until), Ok(()));
    until
}

#[test]
fn too_many_at_once_are_held_back_for_as_long_as_the_peer_says_itself_if_that_is_longer() {
    assert_eq!(after_too_many_at_once("20"), 20_000);
    assert_eq!(after_too_many_at_once("3599"), 3_599_000);
    for sooner in ["0", "1"] {
        let until = after_too_many_at_once(sooner);
        assert!((1_000..=2_001).contains(&until), "{sooner}: {until}");
    }
}

#[test]
fn a_retry_after_that_is_no_number_of_seconds_within_an_hour_is_ignored() {
    for nonsense in [
        "Fri, 31 Dec 2027 23:59:59 GMT",
        "-5",
        "3600",
        "86400",
        "18446744073709551616",
        "1.5",
        "soon",
        "",
    ] {
        let window = (61_100, HoldReason::Refused);
        assert_eq!(after_a_used_up_window(nonsense), window, "{nonsense:?}");
        let until = after_too_many_at_once(nonsense);
        assert!((1_000..=2_001).contains(&until), "{nonsense:?}: {until}");

        let mut clocked = Clocked::new(50);
        clocked.ask(Priority::Live, 0).unwrap();
        clocked.answered(0, 0, &refusal(&[("retry-after", nonsense)]));
        assert_eq!(clocked.ask(Priority::Live, 1), Ok(()), "{nonsense:?}");
    }
}

#[test]
fn of_several_refusals_at_once_none_shortens_what_another_one_asks_for() {
    let later: &[(&'static str, &str)] = &[("retry-after", "120")];
    let at_once: &[(&'static str, &str)] = &[("limit", "0"), ("remaining", "0")];
    let sooner: &[(&'static str, &str)] = &[("retry-after", "3")];
    for order in [[later, at_once, sooner], [sooner, at_once, later]] {
        let mut clocked = Clocked::new(50);
        (0..3).for_each(|_| clocked.ask(Priority::Live, 0).unwrap());
        for headers in order {
            clocked.answered(0, 0, &refusal(headers));
        }
        let held = Err((120_000, HoldReason::Refused));
        for now in [0, 3_000, 15_000, 119_999] {
            assert_eq!(clocked.ask(Priority::Live, now), held);
        }
        assert_eq!(clocked.ask(Priority::Live, 120_000), Ok(()));
    }
}
