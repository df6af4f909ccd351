//! How much of a window is ours, and when.

use super::*;

#[test]
fn trust_13_a_backlog_uses_exactly_the_share_of_each_window_at_any_limit() {
    for (limit, length) in [(20, 60), (60, 60), (120, 60), (20, 5), (120, 3), (1200, 10)] {
        for share in [50, 33, 100] {
            let (mut clocked, mut peer) = (Clocked::new(share), Peer::new(length * 1000, limit));
            read_on(&mut clocked, &mut peer, 0, 20 * (length + 1) * 1000);
            let used: Vec<_> = peer.full_windows().iter().map(|used| used.ours).collect();
            let ours = limit * u64::from(share) / 100;
            assert!(used.len() >= 19, "{limit} in {length} s: {used:?}");
            // A request takes 50 ms: the shortest of these windows have no time for all of them.
            let most = ours.min(length * 1000 / 50 * 9 / 10);
            for used in used {
                assert!(
                    used >= most && used <= ours,
                    "{limit} in {length} s: {used} of {ours}"
                );
            }
        }
    }
}

#[test]
fn trust_13_requests_are_spread_over_the_window() {
    let (mut clocked, mut peer) = (Clocked::new(50), Peer::new(60_000, 120));
    let sent = read_on(&mut clocked, &mut peer, 0, 240_000);
    // 60 a minute are one a second; a tenth of the limit may go out at once, in the beginning.
    for from in (0..230_000).step_by(500) {
        let within = sent
            .iter()
            .filter(|at| (from..from + 10_000).contains(*at))
            .count();
        let most = if from < 1000 { 12 + 11 } else { 12 };
        assert!(within <= most, "{within} from {from}");
    }
    let longest = sent.windows(2).skip(12).map(|pair| pair[1] - pair[0]).max();
    assert!(
        longest <= Some(3100),
        "the time to a token, or to the end of a window: {longest:?}"
    );
}

#[test]
fn trust_13_a_short_read_is_not_slowed() {
    let (mut clocked, mut peer) = (Clocked::new(50), Peer::new(60_000, 120));
    let sent = read_on(&mut clocked, &mut peer, 0, 600);
    assert_eq!(sent.len(), 12);
    let sent = read_on(&mut clocked, &mut peer, 300_000, 300_600);
    assert_eq!(
        sent.len(),
        12,
        "what was not used comes back, but no more than that"
    );
}

#[test]
fn trust_13_many_short_lives_in_one_window_have_no_burst_each() {
    let mut peer = Peer::new(60_000, 120);
    for life in 0..20 {
        // What a process that takes the place of another one knows.
        let mut clocked = Clocked::new(50);
        let begin = life * 300;
        read_on(&mut clocked, &mut peer, begin, begin + 250);
    }
    let sent: u64 = peer.windows().map(|used| used.ours).sum();
    assert!((20..=60).contains(&sent), "{sent}: more than the share");
}

/// How many requests go out within 1,000,000 to a peer that answers the first one alone, and how long they are apart at most.
fn unanswered(limit: u64) -> (usize, Option<u64>) {
    let (mut clocked, mut peer) = (Clocked::new(50), Peer::new(60_000, limit));
    clocked.ask(Priority::Backlog, 0).unwrap();
    let answer = peer.take(10, true);
    assert_eq!(clocked.answered(0, 20, &answer), None);
    // From then on nobody answers.
    let (mut sent, mut now) = (vec![0], 1_000);
    while now < 1_000_000 {
        match clocked.ask(Priority::Backlog, now) {
            Ok(()) => {
                sent.push(now);
                now += 1_000;
                clocked.pacer.unanswered(clocked.at(now));
            }
            Err((later, _)) => now = later.max(now + 1_000),
        }
    }
    let longest = sent.windows(2).map(|pair| pair[1] - pair[0]).max();
    (sent.len(), longest)
}

#[test]
fn trust_13_requests_without_answers_are_not_waited_for_longer_than_they_can_count() {
    let (sent, longest) = unanswered(10);
    assert!(longest < Some(125_000), "{longest:?}");
    assert!(sent >= 30, "{sent} requests");
}

#[test]
fn a_window_ends_in_which_nobody_asks_since_all_of_the_share_may_be_under_way() {
    let (sent, longest) = unanswered(2);
    assert!(longest < Some(125_000), "{longest:?}");
    assert!(sent >= 8, "{sent} requests");
}

#[test]
fn after_two_windows_that_are_over_nothing_is_waited_for_that_is_past() {
    let (mut clocked, mut peer) = (Clocked::new(50), Peer::new(10_000, 2));
    clocked.ask(Priority::Backlog, 0).unwrap();
    let answer = peer.take(0, true);
    clocked.answered(0, 0, &answer);
    clocked.ask(Priority::Backlog, 11_000).unwrap();
    clocked.pacer.unanswered(clocked.at(12_000));
    // It may have been counted in the window that began with it, or in the one after that; both are over.
    assert_eq!(clocked.ask(Priority::Backlog, 40_000), Ok(()));
}

#[test]
fn trust_13_a_neighbour_is_left_its_half_and_ours_is_used() {
    let (mut clocked, mut peer) = (Clocked::new(50), Peer::new(60_000, 20));
    for minute in 0..5 {
        for part in 0..10 {
            let begin = minute * 60_000 + part * 6_000;
            let taken = peer.take(begin, false);
            assert_eq!(taken.0, StatusCode::OK, "a neighbour was refused");
            read_on(&mut clocked, &mut peer, begin + 1, begin + 5_900);
        }
    }
    for used in peer.full_windows() {
        assert!(used.ours >= 9 && used.ours <= 10, "{used:?}");
    }
}

#[test]
fn trust_13_what_others_used_is_believed_and_the_rest_is_spread() {
    let (mut clocked, mut peer) = (Clocked::new(50), Peer::new(60_000, 120));
    clocked.ask(Priority::Backlog, 0).unwrap();
    for _ in 0..115 {
        peer.take(10, false);
    }
    let answer = peer.take(20, true);
    clocked.answered(0, 40, &answer);
    let budget = clocked.pacer.budget(clocked.at(40)).unwrap();
    assert_eq!((budget.limit, budget.share, budget.remaining), (120, 60, 4));
    assert_eq!(budget.share_left, 3, "the very last one is theirs");
    let sent = read_on(&mut clocked, &mut peer, 50, 59_900);
    assert_eq!(sent.len(), 3, "{sent:?}");
}

#[test]
fn a_poll_at_the_head_never_waits_behind_a_backlog() {
    for limit in [8, 20, 60, 120] {
        let (mut clocked, mut peer) = (Clocked::new(50), Peer::new(60_000, limit));
        for minute in 0..6 {
            let begin = minute * 60_000;
            // It polls once a minute; what is kept for it is two requests, or a tenth of the share.
            assert_eq!(clocked.ask(Priority::Live, begin), Ok(()), "{limit}");
            let answer = peer.take(begin, true);
            assert_eq!(clocked.answered(begin, begin, &answer), None);
            read_on(&mut clocked, &mut peer, begin + 1, begin + 59_900);
        }
        let share = limit / 2;
        let least = share - (share / 10).max(2);
        for used in peer.full_windows() {
            assert!((least..=share).contains(&used.ours), "{limit}: {used:?}");
        }
    }
}

#[test]
fn what_is_kept_for_polls_is_used_when_nobody_polls_any_more() {
    let (mut clocked, mut peer) = (Clocked::new(50), Peer::new(60_000, 20));
    clocked.ask(Priority::Live, 0).unwrap();
    let answer = peer.take(0, true);
    clocked.answered(0, 0, &answer);
    clocked.ask(Priority::Live, 1).unwrap();
    let answer = peer.take(1, true);
    clocked.answered(1, 1, &answer);
    read_on(&mut clocked, &mut peer, 2, 400_000);
    let used: Vec<_> = peer.full_windows().iter().map(|used| used.ours).collect();
    assert_eq!(used[0], 8, "two are kept");
    assert_eq!(used[used.len() - 1], 10);
}

#[test]
fn a_share_is_written_in_percent() {
    assert_eq!("50%".parse(), Ok(Share::default()));
    assert_eq!("100%".parse::<Share>().unwrap().to_string(), "100%");
    for text in ["", "%", "50", "0%", "101%", "+5%", "50 %", "0.5%", "256%"] {
        assert_eq!(text.parse::<Share>(), Err(ShareError), "{text}");
    }
    let share = Share::default();
    assert_eq!(
        (share.of(20), share.of(1), share.of(u64::MAX)),
        (10, 1, u64::MAX / 2)
    );
}
