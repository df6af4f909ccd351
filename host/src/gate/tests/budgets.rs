//! Requests wait for what a peer says of its budget.

use super::*;

#[tokio::test]
async fn delivery_08_after_a_429_the_next_request_is_held_back_which_is_no_timeout() {
    let headers = "x-limit: 60\r\nx-remaining: 0\r\nx-reset: 0\r\n";
    let server = Server::start(|_| Reply::answer(429, headers, "")).await;
    let gate = gate(&server);
    let session = gate.session(Purpose::Check);
    let timeouts = Timeouts {
        connect: Duration::ZERO,
        first_byte: Duration::from_millis(900),
        ..Timeouts::default()
    };
    let ask = |path| session.send(get(&server, path), timeouts);
    assert_eq!(ask("/logs").await.unwrap().status(), 429);
    assert_eq!(session.held(), Duration::ZERO);
    let until = gate.stats().hold.unwrap().lasts;
    ask("/me").await.unwrap();
    assert_eq!(session.held(), Duration::ZERO);
    ask("/logs").await.unwrap();
    assert!(until <= Duration::from_secs(1));
    assert!(session.held() > timeouts.first_byte);
    assert_eq!(server.requests().len(), 3);
    assert_eq!(gate.stats().budgets[0].1.limit, 60);
}

#[tokio::test]
async fn delivery_08_a_hold_is_bounded_and_the_request_goes_out_then() {
    let server =
        Server::start(|_| Reply::answer(429, "x-limit: 60\r\nx-reset: 3000\r\n", "")).await;
    let mut config = config(&server.url());
    config.limits.hold = Duration::from_millis(50);
    let gate = Gate::new(config, &Clients::default()).unwrap();
    let session = gate.session(Purpose::Read);
    for _ in 0..2 {
        let ask = session.send(get(&server, "/logs"), Timeouts::default());
        assert_eq!(ask.await.unwrap().status(), 429);
    }
    assert!(session.held() >= Duration::from_millis(50));
    assert!(gate.stats().hold.unwrap().lasts > Duration::from_secs(2900));
}

#[tokio::test]
async fn trust_13_gates_of_one_origin_and_credential_share_a_budget_and_others_do_not() {
    let headers = "x-limit: 100\r\nx-remaining: 60\r\nx-reset: 30\r\n";
    let server = Server::start(|_| Reply::answer(200, headers, "")).await;
    let other = Server::start(|_| Reply::answer(200, headers, "")).await;
    let budgets = Arc::default();
    let gate = |server: &Server, secret, share| {
        let config = GateConfig {
            credentials: vec![token(secret)],
            share,
            budgets: Arc::clone(&budgets),
            ..config(&server.url())
        };
        Gate::new(config, &Clients::default()).unwrap()
    };
    let first = gate(&server, TOKEN, None);
    let same = gate(&server, TOKEN, Share::percent(20));
    let strangers = [gate(&server, "00another", None), gate(&other, TOKEN, None)];
    ask(&first, get(&server, "/logs")).await.unwrap();
    let of = |gate: &Arc<Gate>| gate.stats().budgets.first().map(|(_, budget)| budget.share);
    assert_eq!((of(&first), of(&same)), (Some(20), Some(20)));
    assert_eq!(strangers.each_ref().map(of), [None, None]);
    // A replaced token is another one to the peer too, and the same one is not.
    same.set_credentials(vec![token(TOKEN)]);
    assert_eq!(of(&same), Some(20));
    same.set_credentials(vec![token("00another")]);
    assert_eq!((of(&first), of(&same)), (Some(50), None));
}

#[tokio::test]
async fn trust_13_needs_do_not_share_a_budget() {
    let used_up = "x-limit: 4\r\nx-remaining: 0\r\nx-reset: 3000\r\n";
    let server = Server::start(|_| Reply::answer(200, used_up, "")).await;
    let gate = gate(&server);
    ask(&gate, get(&server, "/logs")).await.unwrap();
    assert_eq!(gate.stats().budgets.len(), 1);
    for _ in 0..3 {
        ask(&gate, get(&server, "/me")).await.unwrap();
    }
}

#[tokio::test]
async fn trust_13_what_is_kept_for_polls_at_the_head_is_refused_to_a_backlog() {
    let left = std::sync::atomic::AtomicU64::new(8);
    let server = Server::start(move |_| {
        let left = left.fetch_sub(1, Ordering::Relaxed) - 1;
        let headers = format!("x-limit: 8\r\nx-remaining: {left}\r\nx-reset: 3000\r\n");
        Reply::answer(200, &headers, "")
    })
    .await;
    let gate = gate(&server);
    let (live, backlog) = (gate.session(Purpose::Read), gate.session(Purpose::Read));
    live.set_priority(Priority::Live);
    let ask = |session: &Session| session.send(get(&server, "/logs"), Timeouts::default());
    ask(&live).await.unwrap();
    ask(&backlog).await.unwrap();
    let waiting = tokio::spawn(ask(&backlog));
    while gate.stats().waiting == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(gate.stats().hold.unwrap().why, HoldReason::Reserved);
    drop(backlog);
    assert_eq!(waiting.await.unwrap().unwrap_err(), GateError::Closed);
    assert_eq!(
        gate.stats().waiting,
        0,
        "who is gone does not stand in the line"
    );
    ask(&live).await.unwrap();
    ask(&live).await.unwrap();
    assert_eq!(server.requests().len(), 4);
}

#[tokio::test]
async fn trap_16_absurd_values_and_429s_are_counted_by_what_they_are() {
    let server = Server::start(|request| match request {
        request if request.starts_with("GET /more/absurd") => Reply::answer(
            200,
            "x-limit: 9\r\nx-remaining: 12\r\nx-reset: never\r\n",
            "",
        ),
        request if request.starts_with("GET /more/busy") => {
            Reply::answer(429, "x-limit: 0\r\nx-remaining: 0\r\nx-reset: 60\r\n", "")
        }
        _ => Reply::answer(429, "x-limit: 9\r\nx-remaining: 0\r\nx-reset: 60\r\n", ""),
    })
    .await;
    let gate = gate(&server);
    ask(&gate, get(&server, "/more/absurd")).await.unwrap();
    assert_eq!((gate.stats().absurd, gate.stats().hold), (2, None));
    ask(&gate, get(&server, "/more/busy")).await.unwrap();
    let hold = gate.stats().hold.unwrap();
    assert_eq!(hold.why, HoldReason::Concurrency);
    assert!(hold.lasts <= Duration::from_secs(2));
    ask(&gate, get(&server, "/logs")).await.unwrap();
    assert_eq!(gate.stats().hold.unwrap().why, HoldReason::Refused);
    let throttles = Throttles {
        ours: 0,
        others: 1,
        concurrency: 1,
    };
    assert_eq!(gate.stats().throttles, throttles);
}

#[tokio::test]
async fn trust_13_who_would_be_held_back_can_be_told_so_before_it_asks() {
    let server =
        Server::start(|_| Reply::answer(429, "x-limit: 60\r\nx-reset: 3000\r\n", "")).await;
    let gate = gate(&server);
    let session = gate.session(Purpose::Read);
    assert_eq!(gate.holds_for(Priority::Backlog), Duration::ZERO);
    assert!(!session.expects_something());
    let answer = session.send(get(&server, "/logs"), Timeouts::default());
    let answer = answer.await.unwrap();
    assert!(session.expects_something(), "its body is not read");
    drop(answer);
    assert!(!session.expects_something());
    assert!(gate.holds_for(Priority::Live) > Duration::from_secs(2900));
    // What is held back is nothing that is lost when it is given up.
    let mut held = Box::pin(session.send(get(&server, "/logs"), Timeouts::default()));
    let waits = tokio::time::timeout(Duration::from_millis(10), &mut held);
    assert!(waits.await.is_err());
    assert!(!session.expects_something());
    assert_eq!(server.requests().len(), 1);
}
