//! Each fault, as a client meets it.

use std::time::Duration;

use okta_sim::{Fault, FaultKind};
use serde_json::Value;

use crate::client::{Got, LOGS, Pair, pair, uuids, with_events};

async fn with(fault: Fault) -> Pair {
    let pair = with_events(50).await;
    pair.org().fault(fault);
    pair
}

/// The first answer meets the fault, the second does not.
async fn meet(fault: Fault) -> (Got, Got) {
    let pair = with(fault).await;
    (pair.logs("limit=10").await, pair.logs("limit=10").await)
}

#[tokio::test]
async fn errors_have_their_status_and_body() {
    for (status, code) in [
        (500, "E0000009"),
        (503, "E0000010"),
        (504, "E0000009"),
        (429, "E0000047"),
    ] {
        let (got, healthy) = meet(Fault::new(FaultKind::Status).status(status)).await;
        assert_eq!(got.refusal(), (status, code.to_owned()));
        assert_eq!(healthy.status, 200);
    }
    let (got, _) = meet(Fault::new(FaultKind::Forbidden)).await;
    assert_eq!(got.refusal(), (403, "E0000006".to_owned()));
    let (got, _) = meet(Fault::new(FaultKind::InsufficientScope)).await;
    assert!(got.all("www-authenticate")[0].contains("error=\"insufficient_scope\""));
}

#[tokio::test]
async fn trap_23_html_with_and_without_an_error_status() {
    for (kind, status) in [
        (FaultKind::HtmlError, 502),
        (FaultKind::Html200, 200),
        (FaultKind::UnauthorizedHtml, 401),
    ] {
        let (got, _) = meet(Fault::new(kind)).await;
        assert_eq!(
            (got.status, got.all("content-type")),
            (status, vec!["text/html"])
        );
        assert!(got.text().starts_with("<html>"));
        assert_eq!(got.next().is_some(), kind == FaultKind::Html200);
    }
}

#[tokio::test]
async fn trap_16_odd_429s() {
    let (bare, _) = meet(Fault::new(FaultKind::RateLimitedBare)).await;
    assert_eq!(bare.refusal(), (429, "E0000047".to_owned()));
    assert!(bare.all("x-rate-limit-reset").is_empty());
    let (concurrent, _) = meet(Fault::new(FaultKind::Concurrency)).await;
    assert_eq!(concurrent.number("x-rate-limit-limit"), 0);
    assert_eq!(concurrent.number("x-rate-limit-remaining"), 0);
    let (limited, _) = meet(Fault::new(FaultKind::RateLimited).ms(90_000)).await;
    let now = jiff::Timestamp::now().as_second();
    assert!(limited.number("x-rate-limit-reset") - now > 80);
}

#[tokio::test]
async fn trap_1_broken_bodies() {
    for kind in [
        FaultKind::CutLength,
        FaultKind::CutChunked,
        FaultKind::Reset,
    ] {
        let pair = with(Fault::new(kind)).await;
        let error = pair.try_get(LOGS).await.unwrap_err();
        let in_body = kind != FaultKind::Reset;
        assert_eq!(error.is_body() || error.is_decode(), in_body, "{error:?}");
        assert_eq!(pair.running.report().events_served, 0, "{kind:?}");
        assert_eq!(pair.get(LOGS).await.events().len(), 50);
    }
    let (truncated, whole) = meet(Fault::new(FaultKind::Truncated)).await;
    assert!(whole.body.starts_with(&truncated.body) && truncated.body.len() < whole.body.len());
    let (invalid, _) = meet(Fault::new(FaultKind::InvalidJson)).await;
    assert!(invalid.body.ends_with(b"]"));
    assert!(serde_json::from_slice::<Value>(&invalid.body).is_err());
    let (object, whole) = meet(Fault::new(FaultKind::NotArray)).await;
    assert_eq!(object.json()["events"], whole.json());
}

#[tokio::test]
async fn connection_is_reset_not_closed() {
    let pair = with(Fault::new(FaultKind::Reset)).await;
    let error = pair.try_get(LOGS).await.unwrap_err();
    assert!(
        format!("{error:?}").contains("ConnectionReset"),
        "{error:?}"
    );
}

#[tokio::test]
async fn cut_length_promises_more_than_it_sends() {
    let pair = with(Fault::new(FaultKind::CutLength)).await;
    let request = pair.request(reqwest::Method::GET, LOGS);
    let response = request
        .header("authorization", "SSWS sim-token")
        .send()
        .await
        .unwrap();
    assert!(response.content_length().unwrap() > 10_000);
    assert!(response.bytes().await.is_err());
}

#[tokio::test]
async fn invalid_element_is_added_in_front_of_the_events() {
    let (got, whole) = meet(Fault::new(FaultKind::InvalidElement).value("{\"a\":tru}")).await;
    assert_eq!(got.text(), whole.text().replacen('[', "[{\"a\":tru},", 1));
    let pair = with_events(0).await;
    pair.org()
        .fault(Fault::new(FaultKind::InvalidElement).value("x"));
    assert_eq!(pair.get(LOGS).await.text(), "[x]");
}

#[tokio::test]
async fn trap_18_stalls_end_or_do_not() {
    let pair = with(Fault::new(FaultKind::Stall).ms(50)).await;
    assert_eq!(pair.get(LOGS).await.events().len(), 50);
    for fault in [
        Fault::new(FaultKind::Stall),
        Fault::new(FaultKind::SlowStart),
    ] {
        pair.org().fault(fault);
        let waited = tokio::time::timeout(Duration::from_millis(300), pair.try_get(LOGS)).await;
        assert!(waited.is_err());
    }
    pair.org().fault(Fault::new(FaultKind::SlowStart).ms(20));
    assert_eq!(pair.get(LOGS).await.status, 200);
}

#[tokio::test]
async fn empty_page_loses_nothing() {
    let pair = with(Fault::new(FaultKind::EmptyPage).after(1)).await;
    let first = pair.logs("limit=10").await;
    let asked = first.next().unwrap();
    let empty = pair.get(&asked).await;
    assert_eq!(
        (empty.text().as_str(), empty.next()),
        ("[]", Some(asked.clone()))
    );
    assert_eq!(pair.get(&asked).await.events().len(), 10);
    let pair = with(Fault::new(FaultKind::EmptyPage)).await;
    let empty = pair.logs("limit=10").await;
    assert_eq!(empty.text(), "[]");
    assert_eq!(
        pair.get(&empty.next().unwrap()).await.body,
        pair.logs("limit=10").await.body
    );
}

#[tokio::test]
async fn duplicate_page_is_the_page_before_with_its_next() {
    let pair = with(Fault::new(FaultKind::DuplicatePage).after(1)).await;
    let first = pair.logs("limit=10").await;
    let asked = first.next().unwrap();
    let twice = pair.get(&asked).await;
    assert_eq!(
        (&twice.body, twice.next()),
        (&first.body, Some(asked.clone()))
    );
    let second = pair.get(&asked).await;
    assert_ne!(second.body, first.body);
    let report = pair.running.report();
    assert_eq!((report.events_served, report.distinct_served), (30, 20));
}

#[tokio::test]
async fn huge_page_has_its_size_and_its_events() {
    let (got, whole) = meet(Fault::new(FaultKind::HugePage).bytes(3_000_000)).await;
    assert_eq!(got.body.len(), 3_000_000);
    assert_eq!(got.events(), whole.events());
}

#[tokio::test]
async fn gzip_comes_whether_it_was_asked_for_or_not() {
    let (got, whole) = meet(Fault::new(FaultKind::Gzip)).await;
    assert_eq!(got.all("content-encoding"), ["gzip"]);
    let mut text = String::new();
    let mut decoder = flate2::read::GzDecoder::new(&*got.body);
    std::io::Read::read_to_string(&mut decoder, &mut text).unwrap();
    assert_eq!(text, whole.text());
}

#[tokio::test]
async fn trap_7_cursors_become_invalid() {
    let pair = with(Fault::new(FaultKind::InvalidateCursors).after(1)).await;
    let next = pair.logs("limit=10").await.next().unwrap();
    assert_eq!(
        pair.get(&next).await.refusal(),
        (400, "E0000029".to_owned())
    );
    assert_eq!(pair.get(&next).await.status, 400, "for good");
    assert_eq!(pair.running.report().violations, []);
    let fresh = pair.logs("limit=10").await.next().unwrap();
    assert_eq!(pair.get(&fresh).await.status, 200);
}

#[tokio::test]
async fn trap_11_next_on_another_host() {
    let (foreign, _) = meet(Fault::new(FaultKind::ForeignNext).value("http://evil.example")).await;
    let next = foreign.next().unwrap();
    assert!(
        next.starts_with("http://evil.example/api/v1/logs?since="),
        "{next}"
    );
    let (admin, _) = meet(Fault::new(FaultKind::AdminNext)).await;
    assert!(
        admin
            .next()
            .unwrap()
            .starts_with("http://sim-admin.example.com/api/v1/logs?")
    );
    let (redirect, _) = meet(Fault::new(FaultKind::Redirect).value("http://evil.example")).await;
    let location = "http://evil.example/api/v1/logs?limit=10";
    assert_eq!(
        (redirect.status, redirect.all("location")),
        (302, vec![location])
    );
}

#[tokio::test]
async fn trap_10_links_in_other_forms() {
    let (looped, _) = meet(Fault::new(FaultKind::SelfNext)).await;
    assert_eq!(looped.next(), looped.link("self"));
    assert_eq!(looped.events().len(), 10);
    let (missing, _) = meet(Fault::new(FaultKind::NoNext)).await;
    assert_eq!((missing.next(), missing.all("link").len()), (None, 1));
    let (swapped, whole) = meet(Fault::new(FaultKind::NextFirst)).await;
    assert!(swapped.all("link")[0].ends_with("rel=\"next\""));
    assert_eq!(swapped.link("self"), whole.link("self"));
    let (joined, _) = meet(Fault::new(FaultKind::LinksJoined)).await;
    assert_eq!(joined.all("link").len(), 1);
    assert!(joined.link("self").is_some() && joined.next().is_some());
}

#[tokio::test]
async fn headers_can_say_anything() {
    let (absurd, _) = meet(Fault::header("x-rate-limit-reset", "9999999999")).await;
    assert_eq!(absurd.all("x-rate-limit-reset"), ["9999999999"]);
    let (gone, _) = meet(Fault::without_header("Link")).await;
    assert!(gone.all("link").is_empty());
    let (none, _) = meet(Fault::new(FaultKind::NoRateHeaders)).await;
    assert!(none.all("x-rate-limit-limit").is_empty());
    let (twice, _) = meet(Fault::new(FaultKind::DoubleRateHeaders)).await;
    assert_eq!(twice.all("x-rate-limit-limit").len(), 2);
}

#[tokio::test]
async fn late_event_arrives_last() {
    let pair = with(Fault::new(FaultKind::LateEvent).ms(3_600_000)).await;
    let events = pair.get(LOGS).await.events();
    assert_eq!(events.len(), 51);
    assert_eq!(uuids(&events).len(), 51);
    let late: jiff::Timestamp = events[50]["published"].as_str().unwrap().parse().unwrap();
    assert!(jiff::Timestamp::now().duration_since(late).as_secs() > 3500);
}

#[tokio::test]
async fn faults_are_counted_and_come_from_the_configuration_too() {
    let config = okta_sim::OrgConfig {
        events: 10,
        faults: vec![Fault::new(FaultKind::Status).times(2).on("*")],
        ..okta_sim::OrgConfig::default()
    };
    let pair = pair(config).await;
    assert_eq!(pair.get(okta_sim::WELL_KNOWN_PATH).await.status, 500);
    assert_eq!(pair.get(LOGS).await.status, 500);
    assert_eq!(pair.get(LOGS).await.status, 200);
    let report = pair.running.report();
    assert_eq!((report.faults["status"], report.by_status["500"]), (2, 2));
}
