//! Polling, bounded reads, and the links between pages.

use std::collections::HashSet;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use okta_sim::{OrgConfig, Rule};
use serde_json::Value;

use crate::client::{LOGS, pair, persisted, uuids, with_events};

fn published(events: &[Value]) -> Vec<Timestamp> {
    let time = |event: &Value| event["published"].as_str().unwrap().parse().unwrap();
    events.iter().map(time).collect()
}

#[tokio::test]
async fn polling_returns_everything_once_in_the_order_of_persistence() {
    let config = OrgConfig {
        events: 5000,
        days: 6.0,
        late_percent: 10.0,
        ..OrgConfig::default()
    };
    let pair = pair(config).await;
    let polled = pair.drain("sortOrder=ASCENDING", 1000).await;
    assert_eq!(polled, persisted(&pair).await);
    assert!(!published(&polled).is_sorted());
    let report = pair.running.report();
    assert_eq!((report.events_served, report.distinct_served), (5000, 5000));
    assert_eq!((report.polling, report.bounded), (6, 0));
    assert_eq!(report.violations, []);
}

#[tokio::test]
async fn bounded_returns_the_same_events_in_the_order_of_publication_and_ends() {
    let config = OrgConfig {
        events: 3000,
        days: 6.0,
        late_percent: 10.0,
        ..OrgConfig::default()
    };
    let pair = pair(config).await;
    let until = pair.org().now();
    let mut page = pair.logs(&format!("until={until}&limit=1000")).await;
    let mut all = page.events();
    while let Some(next) = page.next() {
        page = pair.get(&next).await;
        all.extend(page.events());
    }
    assert!(published(&all).is_sorted());
    let found: HashSet<_> = uuids(&all).into_iter().collect();
    assert_eq!(found, uuids(&persisted(&pair).await).into_iter().collect());
    assert_eq!(pair.running.report().bounded, 3);
}

#[tokio::test]
async fn descending_begins_with_the_newest() {
    let pair = with_events(50).await;
    let until = pair.org().now();
    let page = pair
        .logs(&format!("until={until}&sortOrder=DESCENDING&limit=3"))
        .await;
    let mut newest = published(&page.events());
    newest.reverse();
    assert!(newest.is_sorted());
    let all = published(&persisted(&pair).await);
    assert_eq!(newest, all[47..]);
}

#[tokio::test]
async fn trap_5_late_event_comes_by_polling_and_never_in_a_window_read_before() {
    let pair = with_events(100).await;
    let now = pair.org().now();
    let day_ago = now - SignedDuration::from_hours(24);
    let window = format!(
        "since={}&until={day_ago}&limit=1000",
        now - SignedDuration::from_hours(96)
    );
    let polled = pair.logs("limit=1000").await;
    let before = pair.logs(&window).await.events().len();

    let late = format!(
        r#"{{"uuid":"late","published":"{}"}}"#,
        now - SignedDuration::from_hours(48)
    );
    pair.org().push_now(&late);

    let after = pair.get(&polled.next().unwrap()).await;
    assert_eq!(after.text(), format!("[{late}]"));
    assert_eq!(pair.logs(&window).await.events().len(), before + 1);
}

#[tokio::test]
async fn polling_never_ends_and_an_empty_page_has_a_next() {
    let pair = with_events(10).await;
    let page = pair.logs("limit=100").await;
    let empty = pair.get(&page.next().unwrap()).await;
    assert_eq!(empty.text(), "[]");
    let again = pair.get(&empty.next().unwrap()).await;
    assert_eq!(again.text(), "[]");
    pair.org().push_now("{\"uuid\":\"new\"}");
    let new = pair.get(&again.next().unwrap()).await;
    assert_eq!(uuids(&new.events()), ["new"]);
}

#[tokio::test]
async fn trap_10_links_are_two_lines_with_self_first() {
    let pair = with_events(10).await;
    let page = pair.logs("limit=3&since=2026-01-01T00:00:00Z&x=1").await;
    assert_eq!(page.status, 400, "long ago: {}", page.text());
    let since = pair.org().now() - SignedDuration::from_hours(100);
    let asked = format!("limit=3&since={since}&q=user&filter=severity+pr");
    let page = pair.logs(&asked).await;
    let lines = page.all("link");
    let own = pair.url(&format!("{LOGS}?{asked}"));
    assert_eq!(lines[0], format!("<{own}>; rel=\"self\""));
    assert_eq!(lines.len(), 2);
    let next = page.next().unwrap();
    let (link, after) = next.rsplit_once("&after=").unwrap();
    let since = format!("{since:.3}").replace(':', "%3A");
    let wanted =
        format!("{LOGS}?since={since}&limit=3&sortOrder=ASCENDING&q=user&filter=severity+pr");
    assert_eq!(link, pair.url(&wanted));
    assert!(after.len() > 32 && !after.contains("2026"), "{after}");
}

#[tokio::test]
async fn same_link_gives_the_same_page_again() {
    let pair = with_events(50).await;
    let next = pair.logs("limit=10").await.next().unwrap();
    let (one, two) = (pair.get(&next).await, pair.get(&next).await);
    assert_eq!((&one.body, one.next()), (&two.body, two.next()));
}

#[tokio::test]
async fn links_can_name_the_admin_twin() {
    let config = OrgConfig {
        events: 10,
        admin_links: true,
        ..OrgConfig::default()
    };
    let pair = pair(config).await;
    let port = pair.running.addr().port();
    let page = pair.get(&format!("http://localhost:{port}{LOGS}")).await;
    let wanted = format!("http://localhost-admin:{port}{LOGS}?");
    assert!(page.next().unwrap().starts_with(&wanted));
}

#[tokio::test]
async fn limit_is_100_unless_given() {
    let pair = with_events(300).await;
    assert_eq!(pair.get(LOGS).await.events().len(), 100);
    assert_eq!(pair.logs("limit=1").await.events().len(), 1);
    assert_eq!(pair.logs("limit=1000").await.events().len(), 300);
    assert_eq!(pair.running.report().by_limit["none"], 1);
}

#[tokio::test]
async fn since_is_seven_days_ago_unless_given_and_retention_is_90_days() {
    let config = OrgConfig {
        events: 2000,
        days: 100.0,
        ..OrgConfig::default()
    };
    let pair = pair(config).await;
    let now = pair.org().now();
    let oldest = |hours| now - SignedDuration::from_hours(hours);
    let week = published(&pair.drain("sortOrder=ASCENDING", 1000).await);
    assert!(week.iter().all(|time| *time > oldest(7 * 24 + 1)));
    let all = published(
        &pair
            .drain(&format!("since={}", oldest(120 * 24)), 1000)
            .await,
    );
    assert!(all.len() < 2000);
    assert!(all.iter().all(|time| *time > oldest(90 * 24 + 1)));
    assert!(all[0] < oldest(88 * 24));
}

#[tokio::test]
async fn filter_and_q_choose_events() {
    let pair = with_events(2000).await;
    let filter = "filter=eventType+eq+%22user.session.start%22+and+outcome.result+eq+%22FAILURE%22";
    let all = persisted(&pair).await;
    let failed = |event: &&Value| {
        event["eventType"] == "user.session.start" && event["outcome"]["result"] == "FAILURE"
    };
    let wanted: Vec<_> = all.iter().filter(failed).cloned().collect();
    assert!(wanted.len() > 5);
    assert_eq!(pair.drain(filter, 5).await, wanted);
    let locked = pair.drain("q=locked_out", 1000).await;
    assert!(!locked.is_empty());
    assert!(
        locked
            .iter()
            .all(|event| event.to_string().contains("LOCKED_OUT"))
    );
}

#[tokio::test]
async fn recorded_events_are_served_byte_for_byte() {
    let lines = [
        "{\"uuid\" : \"a\" }",
        "{\"published\":\"31 September\",\"uuid\":\"b\"}",
        "{oops",
    ];
    let config = OrgConfig {
        events: 0,
        days: 3.0,
        replay: lines.iter().map(|line| Bytes::from(*line)).collect(),
        ..OrgConfig::default()
    };
    let pair = pair(config).await;
    assert_eq!(
        pair.get(LOGS).await.text(),
        format!("[{}]", lines.join(","))
    );
    assert_eq!(
        pair.get("/sim/served").await.text(),
        format!("{}\n", lines.join("\n"))
    );
}

#[tokio::test]
async fn events_come_while_the_org_runs() {
    let config = OrgConfig {
        events: 10,
        live_per_sec: 500.0,
        ..OrgConfig::default()
    };
    let pair = pair(config).await;
    let mut page = pair.logs("limit=1000").await;
    let mut seen = page.events().len();
    while seen < 60 {
        page = pair.get(&page.next().unwrap()).await;
        seen += page.events().len();
    }
    assert_eq!(pair.running.report().distinct_served, seen);
}

#[tokio::test]
async fn trap_10_altered_next_is_refused_and_reported() {
    let pair = with_events(50).await;
    let next = pair.logs("limit=10").await.next().unwrap();
    let decoded = next.replace("%3A", ":");
    assert_eq!(
        pair.get(&decoded).await.refusal(),
        (400, "E0000001".to_owned())
    );
    let (path, query) = next.split_once('?').unwrap();
    let mut parts: Vec<_> = query.split('&').collect();
    parts.reverse();
    let reordered = format!("{path}?{}", parts.join("&"));
    assert_eq!(pair.get(&reordered).await.status, 400);
    assert_eq!(pair.running.report().broken(Rule::AlteredNext), 2);
    let after = query.rsplit_once("&after=").unwrap().1;
    let without_since = pair.logs(&format!("limit=10&after={after}")).await;
    assert_eq!(without_since.body, pair.get(&next).await.body);
    assert_eq!(pair.running.report().broken(Rule::AlteredNext), 3);
}
