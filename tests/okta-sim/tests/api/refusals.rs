//! What the org refuses, with which status and code, and what it reports about its clients.

use jiff::SignedDuration;
use okta_sim::{OrgConfig, Rule};
use reqwest::Method;

use crate::client::{Got, LOGS, Pair, pair, with_events};

#[tokio::test]
async fn queries_are_refused_with_okta_codes() {
    let pair = with_events(10).await;
    let long_ago = pair.org().now() - SignedDuration::from_hours(181 * 24);
    let keyword = "k".repeat(41);
    for (query, code) in [
        ("since=yesterday".to_owned(), "E0000001"),
        ("until=31.12.2026".to_owned(), "E0000001"),
        ("limit=0".to_owned(), "E0000001"),
        ("limit=1001".to_owned(), "E0000001"),
        ("sortOrder=SIDEWAYS".to_owned(), "E0000001"),
        (format!("since={long_ago}"), "E0000053"),
        (format!("q={keyword}"), "E0000001"),
        ("filter=eventType+eqq+%22x%22".to_owned(), "E0000053"),
        (
            "filter=debugContext.debugData.url+co+%22x%22".to_owned(),
            "E0000031",
        ),
        ("after=2026-01-01".to_owned(), "E0000029"),
    ] {
        let got = pair.logs(&query).await;
        assert_eq!(got.refusal(), (400, code.to_owned()), "{query}");
        assert_eq!(got.json()["errorLink"], code);
    }
    assert_eq!(pair.running.report().broken(Rule::LimitTooHigh), 1);
}

#[tokio::test]
async fn since_with_a_made_up_or_borrowed_after_is_refused() {
    let pair = with_events(50).await;
    let since = pair.org().now() - SignedDuration::from_hours(24);
    let made_up = pair.logs(&format!("since={since}&after=42")).await;
    assert_eq!(made_up.refusal(), (400, "E0000001".to_owned()));
    let next = pair.logs("limit=10").await.next().unwrap();
    let after = next.rsplit_once("&after=").unwrap().1;
    let borrowed = pair
        .logs(&format!("since={since}&limit=10&after={after}"))
        .await;
    assert_eq!(borrowed.refusal(), (400, "E0000001".to_owned()));
    assert_eq!(pair.running.report().broken(Rule::HandMadeCursor), 2);
}

#[tokio::test]
async fn token_is_compared_exactly() {
    let pair = with_events(10).await;
    for value in [
        "SSWS wrong",
        "ssws sim-token",
        "Bearer sim-token",
        "SSWS sim-token2",
    ] {
        let request = pair
            .request(Method::GET, LOGS)
            .header("authorization", value);
        let got = Got::read(request.send().await.unwrap()).await.unwrap();
        assert_eq!(got.refusal(), (401, "E0000011".to_owned()), "{value}");
    }
    let nothing = pair.request(Method::GET, LOGS).send().await.unwrap();
    assert_eq!(nothing.status(), 401);
    pair.get(LOGS).await;
    let report = pair.running.report();
    assert_eq!((report.with_token, report.with_wrong_token), (1, 4));
    assert_eq!(report.by_status["401"], 5);
}

#[tokio::test]
async fn other_methods_and_paths() {
    let pair = with_events(10).await;
    let request = pair
        .request(Method::POST, LOGS)
        .header("authorization", "SSWS sim-token");
    let got = Got::read(request.send().await.unwrap()).await.unwrap();
    assert_eq!(got.refusal(), (405, "E0000022".to_owned()));
    assert_eq!(pair.running.report().broken(Rule::WrongMethod), 1);
    assert_eq!(
        pair.get("/api/v1/nothing").await.refusal(),
        (404, "E0000008".to_owned())
    );
}

#[tokio::test]
async fn well_known_needs_no_token_and_reports_one() {
    let pair = with_events(0).await;
    let path = okta_sim::WELL_KNOWN_PATH;
    let got = Got::read(pair.request(Method::GET, path).send().await.unwrap())
        .await
        .unwrap();
    assert_eq!(got.json()["id"], "00osimulated0org1d7");
    assert_eq!(got.json()["pipeline"], "idx");
    assert_eq!(pair.running.report().violations, []);
    pair.get(path).await;
    assert_eq!(pair.running.report().broken(Rule::TokenToWellKnown), 1);
}

async fn owner(config: OrgConfig) -> (Pair, Got, Got) {
    let pair = pair(config).await;
    let me = pair.get("/api/v1/users/me").await;
    let id = me.json()["id"].as_str().unwrap().to_owned();
    let roles = pair.get(&format!("/api/v1/users/{id}/roles")).await;
    (pair, me, roles)
}

#[tokio::test]
async fn trap_32_owner_and_role_of_the_token() {
    let (pair, me, roles) = owner(OrgConfig::default()).await;
    assert_eq!(me.json()["status"], "ACTIVE");
    assert_eq!(roles.json()[0]["type"], "READ_ONLY_ADMIN");
    assert_eq!(roles.json()[0]["label"], "Read Only Admin");
    assert_eq!(
        pair.get("/api/v1/api-tokens").await.refusal(),
        (403, "E0000006".to_owned())
    );
    assert_eq!(
        pair.get("/api/v1/users/00uX/roles").await.refusal(),
        (404, "E0000007".to_owned())
    );

    let other = OrgConfig {
        owner_status: "DEPROVISIONED".to_owned(),
        role: "SUPER_ADMIN".to_owned(),
        ..OrgConfig::default()
    };
    let (pair, me, roles) = owner(other).await;
    assert_eq!(me.json()["status"], "DEPROVISIONED");
    assert_eq!(roles.json()[0]["type"], "SUPER_ADMIN");
    assert_eq!(pair.get("/api/v1/api-tokens").await.status, 200);
}

#[tokio::test]
async fn bad_manners_are_reported() {
    let pair = with_events(10).await;
    let bare = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = bare
        .get(pair.url(LOGS))
        .header("authorization", "SSWS sim-token");
    assert_eq!(request.send().await.unwrap().status(), 200);
    pair.logs("sortOrder=DESCENDING").await;
    let report = pair.running.report();
    assert_eq!(report.broken(Rule::MissingHeader), 1);
    assert_eq!(report.broken(Rule::EndlessDescending), 1);
}

#[tokio::test]
async fn answers_have_the_headers_okta_sends() {
    let pair = with_events(10).await;
    let (one, two) = (pair.get(LOGS).await, pair.get(LOGS).await);
    assert_eq!(one.all("content-type"), ["application/json"]);
    assert_eq!(one.all("transfer-encoding"), ["chunked"]);
    assert_eq!(one.all("set-cookie").len(), 3);
    assert_ne!(one.all("x-okta-request-id"), two.all("x-okta-request-id"));
    for name in [
        "date",
        "cache-control",
        "strict-transport-security",
        "x-rate-limit-limit",
    ] {
        assert_eq!(one.all(name).len(), 1, "{name}");
    }
}
