//! TLS, compression, latency, the end, and 200,000 events.

use std::collections::HashSet;
use std::time::Duration;

use okta_sim::{Org, OrgConfig, Tls};
use tokio::net::TcpListener;

use crate::client::{LOGS, http, pair, with_events};

#[tokio::test]
async fn https_with_the_authority_that_was_handed_out() {
    let tls = Tls::new(&["localhost", "127.0.0.1"]).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let org = Org::new(OrgConfig {
        events: 10,
        ..OrgConfig::default()
    });
    let running = org.serve_tls(listener, &tls).unwrap();
    let url = format!("{}{LOGS}", running.url());
    assert!(url.starts_with("https://127.0.0.1:"));
    let authority = reqwest::Certificate::from_pem(tls.ca_pem().as_bytes()).unwrap();
    let trusting = reqwest::Client::builder()
        .tls_certs_only([authority])
        .no_proxy()
        .build()
        .unwrap();
    let request = trusting.get(&url).header("authorization", "SSWS sim-token");
    let response = request.send().await.unwrap();
    let link = response.headers()["link"].to_str().unwrap().to_owned();
    assert!(link.starts_with("<https://127.0.0.1:"), "{link}");
    assert!(
        http().get(&url).send().await.is_err(),
        "nobody else trusts it"
    );
}

#[tokio::test]
async fn pages_are_compressed_only_for_who_accepts_it() {
    let config = OrgConfig {
        events: 50,
        gzip: true,
        ..OrgConfig::default()
    };
    let pair = pair(config).await;
    let plain = pair.get(LOGS).await;
    assert!(plain.all("content-encoding").is_empty());
    for _ in 0..2 {
        let request = pair
            .request(reqwest::Method::GET, LOGS)
            .header("accept-encoding", "gzip");
        let request = request.header("authorization", "SSWS sim-token");
        let response = request.send().await.unwrap();
        assert_eq!(response.headers()["content-encoding"], "gzip");
        let body = response.bytes().await.unwrap();
        let mut text = String::new();
        std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&*body), &mut text)
            .unwrap();
        assert_eq!(text, plain.text());
    }
}

#[tokio::test]
async fn latency_of_one_answer_does_not_hold_up_another() {
    let config = OrgConfig {
        events: 10,
        latency: Duration::from_secs(3600),
        ..OrgConfig::default()
    };
    let pair = pair(config).await;
    let slow = pair.try_get(LOGS);
    tokio::pin!(slow);
    tokio::select! {
        _ = &mut slow => panic!("answered at once"),
        report = pair.get("/sim/report") => assert_eq!(report.status, 200),
    }
}

#[tokio::test]
async fn shutdown_cuts_connections_and_frees_the_port() {
    let pair = with_events(10).await;
    assert_eq!(pair.get(LOGS).await.status, 200);
    let addr = pair.running.addr();
    pair.running.shutdown().await;
    assert!(
        http()
            .get(format!("http://{addr}{LOGS}"))
            .send()
            .await
            .is_err()
    );
    TcpListener::bind(addr).await.unwrap();
}

#[tokio::test]
async fn two_hundred_thousand_events_are_all_there() {
    let config = OrgConfig {
        events: 200_000,
        days: 59.0,
        ..OrgConfig::default()
    };
    let pair = pair(config).await;
    let since = pair.org().now() - jiff::SignedDuration::from_hours(60 * 24);
    let mut page = pair.logs(&format!("since={since}&limit=1000")).await;
    let (mut pages, mut kinds) = (0, HashSet::new());
    while page.body != b"[]" {
        pages += 1;
        let text = page.text();
        let found = text.split("\"eventType\":\"").skip(1);
        kinds.extend(found.map(|rest| rest.split('"').next().unwrap().to_owned()));
        page = pair.get(&page.next().unwrap()).await;
    }
    assert_eq!(pages, 200);
    assert_eq!(kinds.len(), 1178);
    let report = pair.running.report();
    assert_eq!(
        (report.events, report.events_served, report.distinct_served),
        (200_000, 200_000, 200_000)
    );
}
