//! Steering the org from another process.

use okta_sim::Report;
use reqwest::Method;

use crate::client::{LOGS, persisted, uuids, with_events};

#[tokio::test]
async fn faults_are_added_and_forgotten() {
    let pair = with_events(10).await;
    let faults = r#"[{"kind":"status","status":503},{"kind":"reset","count":9}]"#;
    assert_eq!(pair.post("/sim/faults", faults).await, 204);
    assert_eq!(pair.get(LOGS).await.status, 503);
    let forget = pair
        .request(Method::DELETE, "/sim/faults")
        .send()
        .await
        .unwrap();
    assert_eq!(forget.status(), 204);
    assert_eq!(pair.get(LOGS).await.status, 200);
    assert_eq!(pair.post("/sim/faults", r#"{"kind":"gzip"}"#).await, 204);
    assert_eq!(pair.get(LOGS).await.all("content-encoding"), ["gzip"]);
    assert_eq!(
        pair.post("/sim/faults", r#"{"kind":"nonsense"}"#).await,
        400
    );
}

#[tokio::test]
async fn events_are_added_with_their_times() {
    let pair = with_events(0).await;
    let lines = "{\"uuid\":\"a\"}\n\n{ \"uuid\": \"b\" }\r\n";
    let target = "/sim/events?published=2026-01-01T00:00:00Z";
    assert_eq!(pair.post(target, lines).await, 204);
    assert_eq!(
        pair.get(LOGS).await.text(),
        r#"[{"uuid":"a"},{ "uuid": "b" }]"#
    );
    let now = pair.org().now();
    assert_eq!(
        pair.logs(&format!("until={now}")).await.text(),
        "[]",
        "published long before"
    );
    assert_eq!(pair.post("/sim/events?persisted=soon", "{}").await, 400);
}

#[tokio::test]
async fn token_is_revoked_and_replaced() {
    let pair = with_events(10).await;
    assert_eq!(pair.post("/sim/token", r#"{"tokens":[]}"#).await, 204);
    assert_eq!(pair.get(LOGS).await.refusal(), (401, "E0000011".to_owned()));
    assert_eq!(
        pair.post("/sim/token", r#"{"tokens":["x","sim-token"]}"#)
            .await,
        204
    );
    assert_eq!(pair.get(LOGS).await.status, 200);
}

#[tokio::test]
async fn report_and_events_are_readable_from_outside() {
    let pair = with_events(1500).await;
    let polled = pair.drain("sortOrder=ASCENDING", 1000).await;
    let report: Report = serde_json::from_slice(&pair.get("/sim/report").await.body).unwrap();
    assert_eq!(report, pair.running.report());
    assert_eq!((report.requests, report.by_path[LOGS]), (2, 2));
    assert_eq!(report.events, 1500);
    assert_eq!(uuids(&persisted(&pair).await), uuids(&polled));
    assert_eq!(pair.get("/sim/else").await.status, 404);
}

#[tokio::test]
async fn new_events_come_at_the_rate_that_is_set_until_it_is_set_to_none() {
    let pair = with_events(0).await;
    assert_eq!(pair.post("/sim/live", r#"{"per_sec":500}"#).await, 204);
    while pair.running.report().events < 20 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert_eq!(pair.post("/sim/live", r#"{"per_sec":0}"#).await, 204);
    let mut events = usize::MAX;
    while pair.running.report().events != events {
        events = pair.running.report().events;
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert_eq!(pair.post("/sim/live", "fast").await, 400);
}
