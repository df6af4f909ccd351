//! Neither peer nor plugin leads a token astray or sees more of it than it has to.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt;
use secrecy::SecretString;
use serde_json::json;

use super::peer::*;
use crate::gate::{
    ClientSecrets, Clients, Credential, Gate, GateConfig, GateLimits, Grant, GrantError, Granting,
    NetworkPolicy, ProofSecret, Purpose, Scheme, Timeouts, TokenRefusalCause,
};
use crate::http::testing::{Reply, Server};

#[tokio::test]
async fn trust_06_no_redirect_leads_what_asks_for_tokens_away() {
    let other = Server::start(|_| token_answer("evil", "Bearer", 3600)).await;
    let location = format!("location: {}/oauth/token\r\n", other.url());
    let server = Server::start(move |_| Reply::answer(307, &location, "")).await;
    let (cause, told) = refusal(&gate(&server), &server).await;
    assert_eq!(cause, TokenRefusalCause::NoEndpoint, "{told}");
    assert!(other.requests().is_empty());
}

#[tokio::test]
async fn trust_06_no_plugin_reaches_the_token_endpoint() {
    let server = Peer::new(3600).serve().await;
    let mut description = with_oauth(true);
    description.needs[2].paths = vec!["/oauth/*".into()];
    description.needs[0].paths.push("/oauth/token".into());
    let config = json!({"url": server.url()});
    let grants = Grant::resolve_all(&description, &config, Granting::BuiltIn).unwrap();
    let config = GateConfig {
        source: "acme".into(),
        grants,
        credentials: vec![by_new_key()],
        network: NetworkPolicy::default(),
        limits: GateLimits::default(),
        share: None,
        budgets: Arc::default(),
    };
    let gate = Gate::new(config, &Clients::default()).unwrap();
    for method in ["GET", "POST"] {
        let uri = format!("{}/oauth/token?x=y", server.url());
        let request = Request::builder().method(method).uri(uri);
        let request = request.body(Bytes::new()).unwrap();
        let session = gate.session(Purpose::Check);
        let error = session
            .send(request, Timeouts::default())
            .await
            .unwrap_err();
        assert!(error.to_string().contains("by the host alone"), "{error}");
    }
    assert!(server.requests().is_empty());
}

#[test]
fn trust_06_a_credential_that_asks_elsewhere_is_not_granted() {
    let mut description = with_oauth(true);
    let Scheme::Oauth(scheme) = &mut description.credentials[0].scheme else {
        panic!("it is a client");
    };
    scheme.token_url = "https://evil.example/token".into();
    let config = json!({"url": "https://acme.example"});
    let error = Grant::resolve_all(&description, &config, Granting::BuiltIn).unwrap_err();
    assert!(matches!(error, GrantError::Need { .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains("elsewhere than at https://acme.example"),
        "{error}"
    );
}

#[tokio::test]
async fn trust_10_a_token_that_the_peer_repeats_is_seen_by_nobody() {
    let server = Server::start(|request| match header(request, "authorization") {
        None => token_answer("t0kenThatIsSecret", "Bearer", 0),
        Some(sent) => Reply::answer(
            200,
            &format!("x-echo: {sent}\r\n"),
            format!("you sent {sent}"),
        ),
    })
    .await;
    let gate = gate(&server);
    let session = gate.session(Purpose::Read);
    let request = Request::get(format!("{}/logs", server.url()))
        .body(Bytes::new())
        .unwrap();
    let answer = session.send(request, Timeouts::default()).await.unwrap();
    assert!(answer.headers().get("x-echo").is_none());
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "you sent Bearer *****************");
    assert_eq!(gate.scrub("t0kenThatIsSecret"), "***");
}

#[tokio::test]
async fn trust_10_what_the_peer_says_of_a_refusal_shows_no_statement_and_no_secret() {
    let server = Server::start(|request| {
        let sent = form(request, "client_assertion");
        let sent = sent.unwrap_or_else(|| "s3cretOfAcme".to_owned());
        oauth_error(401, "", "invalid_client", &format!("what is {sent}?"))
    })
    .await;
    let (_, told) = refusal(&gate(&server), &server).await;
    assert!(told.contains("what is ***?"), "{told}");
    let secret = SecretString::from("s3cretOfAcme");
    let secrets = ClientSecrets {
        client_id: CLIENT,
        proof: ProofSecret::Secret(&secret),
        scopes: None,
    };
    let credential = Credential::client(&kind(), &secrets).unwrap();
    let (_, told) = refusal(&gate_with(&server, credential, true), &server).await;
    assert!(told.contains("what is ***?"), "{told}");
}

/// A secret that a form and `Basic` write in other letters.
const ODD_SECRET: &str = "s3cr+t/of acme&co";

#[tokio::test]
async fn what_the_peer_repeats_of_a_secret_is_shown_in_none_of_the_forms_that_it_came_in() {
    for (status, kind) in [(401, "invalid_client"), (503, "temporarily_unavailable")] {
        let server = Server::start(move |request| {
            let sent = header(request, "authorization").unwrap_or_default();
            let basic = sent.strip_prefix("Basic ").unwrap_or_default();
            let pair = String::from_utf8(STANDARD.decode(basic).unwrap()).unwrap();
            let words = format!("{ODD_SECRET} of {pair} in {sent}");
            oauth_error(status, "", kind, &words)
        })
        .await;
        let secret = SecretString::from(ODD_SECRET);
        let secrets = ClientSecrets {
            client_id: "0oa Acme",
            proof: ProofSecret::Secret(&secret),
            scopes: None,
        };
        let credential = Credential::client(&self::kind(), &secrets).unwrap();
        let gate = gate_with(&server, credential, true);
        let error = ask(&gate, &server, "/logs").await.unwrap_err();
        let told = error.to_string();
        assert!(told.contains("*** of 0oa+Acme:*** in Basic ***"), "{told}");
    }
}

#[tokio::test]
async fn trust_10_an_endless_answer_is_cut() {
    let server = Server::start(|_| Reply::ok(&"x".repeat(1_000_000))).await;
    let error = ask(&gate(&server), &server, "/logs").await.unwrap_err();
    assert!(error.to_string().contains("too long"), "{error}");
}
