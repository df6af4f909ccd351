//! Tokens: asked for once, renewed, refused, used up.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine;
use secrecy::SecretString;
use serde_json::json;

use super::keys::{rsa_jwk, rsa_pkcs8};
use super::peer::*;
use crate::gate::{ClientSecrets, Credential, GateError, ProofSecret, TokenRefusalCause};
use crate::http::testing::{Reply, Server};

#[tokio::test]
async fn a_token_is_asked_for_once_and_signs_what_follows() {
    let server = Peer::new(3600).serve().await;
    let gate = gate(&server);
    for _ in 0..3 {
        assert_eq!(ask(&gate, &server, "/logs").await.unwrap().status(), 200);
    }
    let requests = server.requests();
    assert_eq!(requests.len(), 4);
    let asked = &requests[0];
    let token_url = format!("{}/oauth/token", server.url());
    assert!(
        asked.starts_with("POST /oauth/token HTTP/1.1\r\n"),
        "{asked}"
    );
    assert_eq!(header(asked, "authorization"), None);
    assert_eq!(header(asked, "accept"), Some("application/json"));
    assert_eq!(
        header(asked, "content-type"),
        Some("application/x-www-form-urlencoded")
    );
    assert_eq!(form(asked, "grant_type").unwrap(), "client_credentials");
    assert_eq!(form(asked, "scope").unwrap(), "logs.read me.read");
    let (head, claims) = assertion(asked);
    assert_eq!(
        (&head["alg"], &head["kid"]),
        (&json!("RS256"), &json!("one"))
    );
    assert_eq!(
        (&claims["iss"], &claims["sub"]),
        (&json!(CLIENT), &json!(CLIENT))
    );
    assert_eq!(claims["aud"], token_url.as_str());
    assert_eq!(
        claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(),
        300
    );
    for request in &requests[1..] {
        assert_eq!(header(request, "authorization"), Some("Bearer token1"));
    }
}

#[tokio::test]
async fn a_secret_proves_the_client_where_that_is_allowed() {
    let server = Peer::new(3600).serve().await;
    let secret = SecretString::from("s3cr+t/of acme");
    let secrets = ClientSecrets {
        client_id: CLIENT,
        proof: ProofSecret::Secret(&secret),
        scopes: Some(&["other".to_owned()]),
    };
    let credential = Credential::client(&kind(), &secrets).unwrap();
    let gate = gate_with(&server, credential, true);
    ask(&gate, &server, "/logs").await.unwrap();
    let asked = &server.requests()[0];
    let basic = header(asked, "authorization")
        .unwrap()
        .strip_prefix("Basic ")
        .unwrap();
    let basic = base64::engine::general_purpose::STANDARD
        .decode(basic)
        .unwrap();
    assert_eq!(basic, b"0oaAcme:s3cr%2Bt%2Fof+acme");
    assert_eq!(form(asked, "client_assertion"), None);
    assert_eq!(form(asked, "scope").unwrap(), "other");
    assert_eq!(gate.scrub("s3cr+t/of acme"), "***");
}

#[tokio::test]
async fn eight_requests_at_once_ask_for_one_token() {
    let server = Peer::new(3600).serve().await;
    let gate = gate(&server);
    let asks = (0..8).map(|_| ask(&gate, &server, "/logs"));
    for answer in futures::future::join_all(asks).await {
        assert_eq!(answer.unwrap().status(), 200);
    }
    let asked = server.requests();
    assert_eq!(
        asked.iter().filter(|request| is_for_token(request)).count(),
        1
    );
}

#[tokio::test]
async fn those_who_waited_for_a_token_share_its_failure() {
    let server = Server::start(|_| oauth_error(400, "", "invalid_scope", "no")).await;
    let gate = gate(&server);
    let asks = (0..8).map(|_| ask(&gate, &server, "/logs"));
    for answer in futures::future::join_all(asks).await {
        assert!(
            matches!(answer, Err(GateError::Unauthorized(_))),
            "{answer:?}"
        );
    }
    assert_eq!(server.requests().len(), 1);
    assert!(gate.credentials_refused());
}

#[tokio::test]
async fn a_token_that_ends_soon_is_replaced_before_it_does() {
    let peer = Peer::new(1);
    let server = peer.serve().await;
    let gate = gate(&server);
    ask(&gate, &server, "/logs").await.unwrap();
    tokio::time::sleep(Duration::from_millis(850)).await;
    ask(&gate, &server, "/logs").await.unwrap();
    let signed: Vec<_> = server.requests();
    assert_eq!(peer.given(), 2);
    assert_eq!(header(&signed[3], "authorization"), Some("Bearer token2"));
}

#[tokio::test]
async fn a_token_that_is_refused_is_renewed_once_and_then_the_refusal_is_the_plugins() {
    let peer = Peer::new(3600);
    let server = peer.serve().await;
    let gate = gate(&server);
    ask(&gate, &server, "/logs").await.unwrap();
    // Somebody revoked it.
    peer.given.store(7, Ordering::SeqCst);
    assert_eq!(ask(&gate, &server, "/logs").await.unwrap().status(), 200);
    assert!(!gate.credentials_refused());
    assert_eq!(peer.given(), 8);
    assert_eq!(gate.stats().answers.get(&401), Some(&1), "it counts");

    let stubborn = Server::start(|request| match is_for_token(request) {
        true => token_answer("token", "Bearer", 3600),
        false => Reply::answer(401, "", "no"),
    })
    .await;
    let gate = gate_with(&stubborn, by_new_key(), true);
    assert_eq!(ask(&gate, &stubborn, "/logs").await.unwrap().status(), 401);
    let requests = stubborn.requests();
    let paths: Vec<_> = requests
        .iter()
        .map(|request| is_for_token(request))
        .collect();
    assert_eq!(paths, [true, false, true, false]);
    assert!(gate.credentials_refused());
}

#[tokio::test]
async fn every_statement_is_new() {
    let server = Peer::new(0).serve().await;
    let gate = gate(&server);
    for _ in 0..4 {
        ask(&gate, &server, "/logs").await.unwrap();
    }
    let requests = server.requests();
    let asked = requests.iter().filter(|request| is_for_token(request));
    let ids: HashSet<_> = asked
        .map(|request| assertion(request).1["jti"].to_string())
        .collect();
    assert_eq!(ids.len(), 4);
}

#[tokio::test]
async fn a_statement_goes_by_the_peers_clock() {
    // Two hours behind ours: what we say first is of its future.
    let ours = jiff::Timestamp::now().as_second();
    let theirs = jiff::Timestamp::from_second(ours - 7200).unwrap();
    let date = jiff::fmt::rfc2822::DateTimePrinter::new()
        .timestamp_to_rfc9110_string(&theirs)
        .unwrap();
    let date = format!("date: {date}\r\n");
    let server = Server::start(move |request| {
        if !is_for_token(request) {
            return Reply::ok("[]");
        }
        let (_, claims) = assertion(request);
        let words = "The client_assertion token must be issued before the current time.";
        match claims["iat"].as_i64().unwrap() > ours - 7200 + 5 {
            true => oauth_error(401, &date, "invalid_client", words),
            false => token_answer("token", "Bearer", 3600),
        }
    })
    .await;
    let gate = gate(&server);
    assert_eq!(ask(&gate, &server, "/logs").await.unwrap().status(), 200);
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn a_peer_that_never_takes_our_time_is_not_asked_for_ever() {
    let words = "The client_assertion token is expired.";
    let server = Server::start(move |_| oauth_error(401, "", "invalid_client", words)).await;
    let (cause, told) = refusal(&gate(&server), &server).await;
    assert_eq!(cause, TokenRefusalCause::Clock);
    assert!(told.contains("set this machine's clock"), "{told}");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn what_may_pass_is_no_refusal_and_a_token_that_lives_is_used_up_first() {
    let calls = AtomicU64::new(0);
    let server = Server::start(move |request| {
        if !is_for_token(request) {
            return Reply::ok("[]");
        }
        match calls.fetch_add(1, Ordering::SeqCst) {
            0 => token_answer("token1", "Bearer", 1),
            _ => Reply::answer(503, "", "<html>"),
        }
    })
    .await;
    let gate = gate(&server);
    ask(&gate, &server, "/logs").await.unwrap();
    tokio::time::sleep(Duration::from_millis(810)).await;
    let answer = ask(&gate, &server, "/logs").await;
    assert_eq!(answer.unwrap().status(), 200, "the old one still lives");
    tokio::time::sleep(Duration::from_millis(200)).await;
    let error = ask(&gate, &server, "/logs").await.unwrap_err();
    assert!(matches!(error, GateError::Http(_)), "{error}");
    assert!(error.to_string().contains("503"), "{error}");
}

#[tokio::test]
async fn a_token_endpoint_with_too_many_requests_is_left_alone() {
    let server = Server::start(|_| Reply::answer(429, "retry-after: 60\r\n", "")).await;
    let gate = gate(&server);
    for _ in 0..3 {
        let error = ask(&gate, &server, "/logs").await.unwrap_err();
        assert!(matches!(error, GateError::Http(_)), "{error}");
    }
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn another_key_is_another_client_with_tokens_of_its_own() {
    let peer = Peer::new(3600);
    let server = peer.serve().await;
    let gate = gate(&server);
    ask(&gate, &server, "/logs").await.unwrap();
    gate.set_credentials(vec![by_key(&rsa_jwk(&rsa_pkcs8()).to_string(), None)]);
    ask(&gate, &server, "/logs").await.unwrap();
    assert_eq!(peer.given(), 2);
    assert_eq!(gate.scrub("token1 token2"), "*** ***");
}
