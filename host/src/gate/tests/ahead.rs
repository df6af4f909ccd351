//! Answers are taken in ahead of who reads them, within bounds, and end with who asked.

use http_body_util::BodyExt;

use super::*;

/// Waits until the gate has taken in this many bytes.
async fn taken(gate: &Gate, bytes: u64) {
    while gate.stats().bytes < bytes {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn an_early_answer_comes_although_nobody_reads_it() {
    let body = "x".repeat(1_000_000);
    let sent = body.clone();
    let server = Server::start(move |_| Reply::ok(&sent)).await;
    let gate = gate(&server);
    let session = gate.session(Purpose::Read);
    let answer = session
        .send(get(&server, "/logs"), Timeouts::default())
        .await
        .unwrap();
    taken(&gate, 1_000_000).await;
    let mut read = answer.into_body();
    let mut got = Vec::new();
    let mut frames = 0;
    while let Some(frame) = read.frame().await {
        got.extend_from_slice(&frame.unwrap().into_data().unwrap());
        frames += 1;
    }
    assert_eq!(got, body.as_bytes());
    assert!(frames <= 16, "{frames} reads");
}

#[tokio::test]
async fn an_answer_is_drained_no_further_ahead_than_the_limit() {
    let server = Server::start(|_| Reply::ok(&"x".repeat(20_000_000))).await;
    let mut config = config(&server.url());
    config.limits.ahead_bytes = 1_000_000;
    let gate = Gate::new(config, &Clients::default()).unwrap();
    let session = gate.session(Purpose::Read);
    let answer = session
        .send(get(&server, "/logs"), Timeouts::default())
        .await
        .unwrap();
    taken(&gate, 1_000_000).await;
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(gate.stats().bytes < 3_000_000, "{}", gate.stats().bytes);
    let body = answer.into_body().collect().await.unwrap();
    assert_eq!(body.to_bytes().len(), 20_000_000);
}

#[tokio::test]
async fn trust_15_what_an_instance_asked_for_ends_with_it() {
    let server = Server::start(|request| {
        if request.starts_with("GET /logs ") {
            Reply::Stall(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n".to_vec())
        } else {
            Reply::Stall(Vec::new())
        }
    })
    .await;
    let gate = gate(&server);
    let session = gate.session(Purpose::Check);
    let body = session
        .send(get(&server, "/logs"), Timeouts::default())
        .await
        .unwrap()
        .into_body();
    let waiting = tokio::spawn(session.send(get(&server, "/me"), Timeouts::default()));
    while server.requests().len() < 2 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    drop(session);
    assert_eq!(body.collect().await.unwrap_err(), GateError::Closed);
    assert_eq!(waiting.await.unwrap().unwrap_err(), GateError::Closed);
}

#[tokio::test]
async fn requests_under_way_are_bounded_and_a_dropped_body_makes_room() {
    let server = Server::start(|_| Reply::ok("[]")).await;
    let gate = gate(&server);
    let session = gate.session(Purpose::Read);
    let ask = || session.send(get(&server, "/logs"), Timeouts::default());
    let mut unread = Vec::new();
    for _ in 0..8 {
        unread.push(ask().await.unwrap());
    }
    let Err(GateError::Refused(refusal)) = ask().await else {
        panic!("a ninth request went out");
    };
    assert_eq!(refusal.reason, RefusalReason::TooMany);
    unread.pop();
    assert!(ask().await.is_ok());
}
