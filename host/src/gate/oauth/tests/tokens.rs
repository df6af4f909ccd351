//! Tokens: asked for, renewed, refused, bound, hidden.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use secrecy::SecretString;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::keys::{pem, rsa_jwk, rsa_pkcs8};
use crate::gate::tests::description;
use crate::gate::{
    ClientSecrets, Clients, Credential, CredentialKind, Description, Gate, GateBody, GateConfig,
    GateError, GateLimits, Grant, GrantError, Granting, NetworkPolicy, OauthScheme, ProofSecret,
    Purpose, Scheme, Timeouts, TokenRefusalCause,
};
use crate::http::testing::{Reply, Server};

const CLIENT: &str = "0oaAcme";

/// The plugin of the gate's tests, whose `logs` need a client's token.
fn with_oauth(dpop: bool) -> Description {
    let mut description = description();
    description.credentials[0].scheme = Scheme::Oauth(OauthScheme {
        token_url: "/oauth/token".into(),
        scopes: vec!["logs.read".into(), "me.read".into()],
        auth_methods: vec!["private_key_jwt".into(), "client_secret_basic".into()],
        dpop,
    });
    description
}

fn kind() -> CredentialKind {
    with_oauth(true).credentials.remove(0)
}

fn by_key(text: &str, key_id: Option<&str>) -> Credential {
    let text = SecretString::from(text);
    let secrets = ClientSecrets {
        client_id: CLIENT,
        proof: ProofSecret::Key {
            text: &text,
            key_id,
        },
        scopes: None,
    };
    Credential::client(&kind(), &secrets).unwrap()
}

fn by_new_key() -> Credential {
    by_key(&pem("PRIVATE KEY", &rsa_pkcs8()), Some("one"))
}

fn gate_with(server: &Server, credential: Credential, dpop: bool) -> Arc<Gate> {
    let config = json!({"url": server.url()});
    let grants = Grant::resolve_all(&with_oauth(dpop), &config, Granting::BuiltIn).unwrap();
    let config = GateConfig {
        source: "acme".into(),
        grants,
        credentials: vec![credential],
        network: NetworkPolicy::default(),
        limits: GateLimits::default(),
        share: None,
        budgets: Arc::default(),
    };
    Gate::new(config, &Clients::default()).unwrap()
}

fn gate(server: &Server) -> Arc<Gate> {
    gate_with(server, by_new_key(), true)
}

async fn ask(
    gate: &Arc<Gate>,
    server: &Server,
    path: &str,
) -> Result<Response<GateBody>, GateError> {
    let uri = format!("{}{path}", server.url());
    let request = Request::get(uri).body(Bytes::new()).unwrap();
    gate.session(Purpose::Read)
        .send(request, Timeouts::default())
        .await
}

async fn refusal(gate: &Arc<Gate>, server: &Server) -> (TokenRefusalCause, String) {
    match ask(gate, server, "/logs").await {
        Err(GateError::Unauthorized(refusal)) => (refusal.cause, refusal.to_string()),
        Err(error) => panic!("{error}"),
        Ok(answer) => panic!("{}", answer.status()),
    }
}

fn token_answer(token: &str, kind: &str, seconds: u64) -> Reply {
    let body = json!({"access_token": token, "token_type": kind, "expires_in": seconds});
    Reply::ok(&body.to_string())
}

fn oauth_error(status: u16, headers: &str, error: &str, words: &str) -> Reply {
    let body = json!({"error": error, "error_description": words});
    Reply::answer(status, headers, body.to_string())
}

fn is_for_token(request: &str) -> bool {
    request.starts_with("POST /oauth/token ")
}

fn header<'a>(request: &'a str, name: &str) -> Option<&'a str> {
    let (head, _) = request.split_once("\r\n\r\n")?;
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    lines
        .find(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

fn form(request: &str, name: &str) -> Option<String> {
    let (_, body) = request.split_once("\r\n\r\n")?;
    let mut pairs = url::form_urlencoded::parse(body.as_bytes());
    pairs
        .find(|(known, _)| known == name)
        .map(|(_, value)| value.into_owned())
}

/// Header and claims of a signed statement.
fn opened(jwt: &str) -> (Value, Value) {
    let mut parts = jwt.split('.').map(|part| {
        let bytes = URL_SAFE_NO_PAD.decode(part).unwrap();
        serde_json::from_slice(&bytes).unwrap_or_default()
    });
    (parts.next().unwrap(), parts.next().unwrap())
}

fn assertion(request: &str) -> (Value, Value) {
    opened(&form(request, "client_assertion").unwrap())
}

fn proof(request: &str) -> (Value, Value) {
    opened(header(request, "dpop").unwrap())
}

/// A peer that gives `token1`, `token2`, … and takes the latest alone.
struct Peer {
    given: AtomicU64,
    lifetime: u64,
}

impl Peer {
    fn new(lifetime: u64) -> Arc<Self> {
        Arc::new(Self {
            given: AtomicU64::new(0),
            lifetime,
        })
    }

    fn give(&self) -> Reply {
        let number = self.given.fetch_add(1, Ordering::SeqCst) + 1;
        token_answer(&format!("token{number}"), "Bearer", self.lifetime)
    }

    fn given(&self) -> u64 {
        self.given.load(Ordering::SeqCst)
    }

    fn answer(&self, request: &str) -> Reply {
        if is_for_token(request) {
            return self.give();
        }
        let latest = format!("Bearer token{}", self.given());
        match header(request, "authorization") == Some(&latest) {
            true => Reply::ok("[]"),
            false => Reply::answer(401, "", "no"),
        }
    }

    async fn serve(self: &Arc<Self>) -> Server {
        let peer = Arc::clone(self);
        Server::start(move |request| peer.answer(request)).await
    }
}

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

/// A peer that wants proofs: it notes the proofs, and gives a nonce that is another one after each `per_nonce` answers.
struct Bound {
    proofs: Mutex<Vec<String>>,
    answers: AtomicU64,
    per_nonce: u64,
    api_status: u16,
}

impl Bound {
    fn new(per_nonce: u64, api_status: u16) -> Arc<Self> {
        Arc::new(Self {
            proofs: Mutex::default(),
            answers: AtomicU64::new(0),
            per_nonce,
            api_status,
        })
    }

    fn answer(&self, request: &str) -> Reply {
        let Some(sent) = header(request, "dpop") else {
            let words = "The DPoP proof JWT header is missing.";
            return oauth_error(400, "", "invalid_dpop_proof", words);
        };
        self.proofs.lock().unwrap().push(sent.to_owned());
        let nonce = self.answers.fetch_add(1, Ordering::SeqCst) / self.per_nonce;
        let headers = format!("dpop-nonce: nonce{nonce}\r\n");
        let (_, claims) = opened(sent);
        if claims["nonce"] != format!("nonce{nonce}").as_str() {
            let status = if is_for_token(request) {
                400
            } else {
                self.api_status
            };
            let words = "Authorization server requires nonce in DPoP proof.";
            return oauth_error(status, &headers, "use_dpop_nonce", words);
        }
        match is_for_token(request) {
            true => token_answer("b0und", "DPoP", 3600),
            false => Reply::answer(200, &headers, "[]"),
        }
    }

    async fn serve(self: &Arc<Self>) -> Server {
        let peer = Arc::clone(self);
        Server::start(move |request| peer.answer(request)).await
    }
}

#[tokio::test]
async fn a_peer_that_wants_proofs_gets_them_without_being_configured() {
    let server = Bound::new(1_000, 400).serve().await;
    let gate = gate(&server);
    let answer = ask(&gate, &server, "/logs?since=x&limit=1").await.unwrap();
    assert_eq!(answer.status(), 200);
    let requests = server.requests();
    assert_eq!(
        requests.len(),
        4,
        "without, without nonce, with both, and the request itself"
    );
    let statements: HashSet<_> = requests[..3]
        .iter()
        .map(|r| assertion(r).1["jti"].to_string())
        .collect();
    assert_eq!(statements.len(), 3);

    let (head, claims) = proof(&requests[2]);
    assert_eq!(
        (&head["typ"], &head["alg"]),
        (&json!("dpop+jwt"), &json!("ES256"))
    );
    assert_eq!(
        head["jwk"].as_object().unwrap().keys().collect::<Vec<_>>(),
        ["kty", "crv", "x", "y"]
    );
    assert_eq!(claims["htm"], "POST");
    assert_eq!(
        claims["htu"],
        format!("{}/oauth/token", server.url()).as_str()
    );
    assert_eq!(
        (&claims["nonce"], claims.get("ath")),
        (&json!("nonce0"), None)
    );

    assert_eq!(header(&requests[3], "authorization"), Some("DPoP b0und"));
    let (api_head, claims) = proof(&requests[3]);
    assert_eq!(
        api_head["jwk"], head["jwk"],
        "the token is bound to this key"
    );
    assert_eq!(claims["htm"], "GET");
    assert_eq!(
        claims["htu"],
        format!("{}/logs", server.url()).as_str(),
        "without the query"
    );
    let digest = URL_SAFE_NO_PAD.encode(Sha256::digest("b0und"));
    assert_eq!(claims["ath"], digest.as_str());
    assert_eq!(claims["nonce"], "nonce0");
}

#[tokio::test]
async fn trap_17_no_proof_is_sent_twice_whatever_is_refused() {
    for status in [400, 401] {
        let peer = Bound::new(3, status);
        let server = peer.serve().await;
        let gate = gate(&server);
        for _ in 0..10 {
            assert_eq!(ask(&gate, &server, "/logs").await.unwrap().status(), 200);
        }
        let proofs = peer.proofs.lock().unwrap().clone();
        let ids: HashSet<_> = proofs
            .iter()
            .map(|proof| opened(proof).1["jti"].to_string())
            .collect();
        assert!(proofs.len() > 12, "{}", proofs.len());
        assert_eq!(ids.len(), proofs.len());
    }
}

#[tokio::test]
async fn trap_17_after_a_429_the_proof_is_made_anew_when_the_hold_is_over() {
    let calls = AtomicU64::new(0);
    let server = Server::start(move |request| {
        if is_for_token(request) {
            return match header(request, "dpop") {
                None => oauth_error(400, "", "invalid_dpop_proof", "missing"),
                Some(_) => token_answer("b0und", "DPoP", 3600),
            };
        }
        match calls.fetch_add(1, Ordering::SeqCst) {
            0 => Reply::answer(429, "x-limit: 60\r\nx-remaining: 0\r\nx-reset: 0\r\n", ""),
            _ => Reply::ok("[]"),
        }
    })
    .await;
    let gate = gate(&server);
    assert_eq!(ask(&gate, &server, "/logs").await.unwrap().status(), 429);
    assert_eq!(ask(&gate, &server, "/logs").await.unwrap().status(), 200);
    let requests = server.requests();
    let [first, second] = [2, 3].map(|at| proof(&requests[at]).1);
    assert_ne!(first["jti"], second["jti"]);
    let (first, second) = (
        first["iat"].as_i64().unwrap(),
        second["iat"].as_i64().unwrap(),
    );
    assert!(
        second > first,
        "it is as old as the request: {first} {second}"
    );
}

#[tokio::test]
async fn proofs_that_the_plugin_does_not_allow_are_not_made() {
    let server = Bound::new(1, 400).serve().await;
    let kind = with_oauth(false).credentials.remove(0);
    let text = SecretString::from(pem("PRIVATE KEY", &rsa_pkcs8()));
    let secrets = ClientSecrets {
        client_id: CLIENT,
        proof: ProofSecret::Key {
            text: &text,
            key_id: None,
        },
        scopes: None,
    };
    let gate = gate_with(&server, Credential::client(&kind, &secrets).unwrap(), false);
    let (cause, told) = refusal(&gate, &server).await;
    assert_eq!(cause, TokenRefusalCause::ProofNotAllowed);
    assert!(told.contains("DPoP"), "{told}");
}

#[tokio::test]
async fn a_peer_with_a_new_nonce_each_time_is_given_up() {
    let server = Bound::new(1, 400).serve().await;
    let (cause, _) = refusal(&gate(&server), &server).await;
    assert_eq!(cause, TokenRefusalCause::Nonce);
    assert!(server.requests().len() < 10);
}

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

#[tokio::test]
async fn trust_10_an_endless_answer_is_cut() {
    let server = Server::start(|_| Reply::ok(&"x".repeat(1_000_000))).await;
    let error = ask(&gate(&server), &server, "/logs").await.unwrap_err();
    assert!(error.to_string().contains("too long"), "{error}");
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
