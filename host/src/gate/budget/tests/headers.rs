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
