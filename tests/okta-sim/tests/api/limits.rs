//! Rate limits, the clock in their headers, and requests at a time.

use std::time::Duration;

use jiff::fmt::rfc2822::parse;
use okta_sim::{OrgConfig, RateHeaders, Rule};

use crate::client::{Got, LOGS, Pair, http, pair};

const WINDOW: Duration = Duration::from_millis(1500);

fn limited(rate_limit: u64) -> OrgConfig {
    OrgConfig {
        events: 10,
        rate_limit,
        rate_window: WINDOW,
        ..OrgConfig::default()
    }
}

fn wait_s(got: &Got) -> i64 {
    let date = parse(got.all("date")[0]).unwrap().timestamp().as_second();
    got.number("x-rate-limit-reset") - date + 1
}

#[tokio::test]
async fn trap_14_429_names_its_end_and_waiting_is_enough() {
    let pair = pair(limited(2)).await;
    for left in [1, 0] {
        let got = pair.get(LOGS).await;
        assert_eq!(
            (got.status, got.number("x-rate-limit-remaining")),
            (200, left)
        );
        assert_eq!(got.number("x-rate-limit-limit"), 2);
    }
    let refused = pair.get(LOGS).await;
    assert_eq!(refused.refusal(), (429, "E0000047".to_owned()));
    assert_eq!(refused.number("x-rate-limit-remaining"), 0);
    assert!(refused.all("retry-after").is_empty());
    tokio::time::sleep(Duration::from_secs(wait_s(&refused).unsigned_abs())).await;
    assert_eq!(pair.get(LOGS).await.status, 200);
    let report = pair.running.report();
    assert_eq!((report.throttled, report.broken(Rule::Impatient)), (1, 0));
}

#[tokio::test]
async fn who_takes_the_place_of_another_client_can_not_know_what_that_had_used() {
    let long = OrgConfig {
        rate_window: Duration::from_secs(60),
        ..limited(1)
    };
    let before = pair(long).await;
    before.get(LOGS).await;
    assert_eq!(before.get(LOGS).await.status, 429);
    before.org().clients_are_gone();
    tokio::time::sleep(Duration::from_millis(400)).await;
    // What the dead had sent may be read only now.
    assert_eq!(before.get(LOGS).await.status, 429);
    let told = |report: okta_sim::Report| {
        let impatient = report.broken(Rule::Impatient);
        (report.throttled, report.throttled_unaware, impatient)
    };
    assert_eq!(told(before.running.report()), (1, 0, 0));
    let after = Pair {
        http: http(),
        ..before
    };
    for expected in [(1, 1, 0), (2, 1, 1)] {
        assert_eq!(after.get(LOGS).await.status, 429);
        assert_eq!(told(after.running.report()), expected);
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
}

#[tokio::test]
async fn trap_14_asking_again_too_early_is_reported() {
    let long = OrgConfig {
        rate_window: Duration::from_secs(60),
        retry_after: true,
        ..limited(1)
    };
    let pair = pair(long).await;
    pair.get(LOGS).await;
    let refused = pair.get(LOGS).await;
    assert_eq!(refused.number("retry-after"), wait_s(&refused));
    tokio::time::sleep(Duration::from_millis(400)).await;
    pair.get(LOGS).await;
    assert_eq!(pair.running.report().broken(Rule::Impatient), 1);
}

#[tokio::test]
async fn trap_15_date_and_reset_are_of_one_wrong_clock() {
    let skewed = OrgConfig {
        clock_skew_s: -7200,
        ..limited(100)
    };
    let pair = pair(skewed).await;
    let got = pair.get(LOGS).await;
    let date = parse(got.all("date")[0]).unwrap().timestamp();
    let local = jiff::Timestamp::now();
    assert!(local.duration_since(date).as_secs() > 7100);
    assert!((1..=3).contains(&wait_s(&got)));
}

#[tokio::test]
async fn trap_16_headers_absent_or_doubled() {
    for (rate_headers, times) in [(RateHeaders::Absent, 0), (RateHeaders::Doubled, 2)] {
        let config = OrgConfig {
            rate_headers,
            ..limited(100)
        };
        let got = pair(config).await.get(LOGS).await;
        assert_eq!(got.all("x-rate-limit-remaining").len(), times);
    }
}

#[tokio::test]
async fn other_endpoints_do_not_use_up_the_log_limit() {
    let pair = pair(limited(1)).await;
    assert_eq!(
        pair.get("/api/v1/users/me")
            .await
            .number("x-rate-limit-limit"),
        600
    );
    assert_eq!(pair.get(LOGS).await.status, 200);
}

async fn at_a_time(pair: &Pair, requests: usize) {
    let all = (0..requests).map(|_| pair.get(LOGS));
    for got in futures::future::join_all(all).await {
        assert_eq!(got.status, 200);
    }
}

#[tokio::test]
async fn three_requests_for_logs_at_a_time_are_one_too_many() {
    let slow = OrgConfig {
        latency: Duration::from_millis(300),
        ..limited(100)
    };
    let pair = pair(slow).await;
    at_a_time(&pair, 2).await;
    assert_eq!(pair.running.report().violations, []);
    at_a_time(&pair, 3).await;
    let report = pair.running.report();
    assert_eq!(report.broken(Rule::TooManyInFlight), 1);
    assert_eq!(report.peak_concurrency, 3);
}

#[tokio::test]
async fn requests_that_their_client_gave_up_are_not_under_way() {
    let slow = OrgConfig {
        latency: Duration::from_millis(300),
        ..limited(100)
    };
    let pair = pair(slow).await;
    for _ in 0..5 {
        let given_up = tokio::time::timeout(Duration::from_millis(50), pair.get(LOGS)).await;
        assert!(given_up.is_err(), "it was to take 300 ms");
        tokio::time::sleep(Duration::from_millis(50)).await;
        at_a_time(&pair, 2).await;
    }
    let report = pair.running.report();
    assert_eq!(report.violations, []);
    assert_eq!(report.requests, 15);
}
