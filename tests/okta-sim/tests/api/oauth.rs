//! The authorization server: what it takes, and each thing that it does not.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use okta_sim::{App, OrgConfig, Rule, TOKEN_PATH};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::client::{Got, LOGS, Pair, pair};

const CLIENT: &str = "0oaSimulated0app1d7";

/// A client that signs what a test tells it to.
struct Signer {
    pair: EcdsaKeyPair,
    unique: AtomicU64,
}

impl Signer {
    fn new() -> Self {
        Self {
            pair: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(),
            unique: AtomicU64::new(0),
        }
    }

    fn jwk(&self) -> Value {
        let point = self.pair.public_key().as_ref();
        let text = |number: &[u8]| URL_SAFE_NO_PAD.encode(number);
        json!({"kty": "EC", "crv": "P-256", "x": text(&point[1..33]), "y": text(&point[33..])})
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let text = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", text(header), text(claims));
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.unwrap()))
    }

    fn jti(&self) -> String {
        self.unique.fetch_add(1, Ordering::Relaxed).to_string()
    }

    /// A statement, with some claims changed.
    fn statement(&self, pair: &Pair, change: &Value) -> String {
        let now = pair.org().now().as_second();
        let claims = json!({
            "iss": CLIENT, "sub": CLIENT, "aud": pair.url(TOKEN_PATH), "iat": now, "exp": now + 300, "jti": self.jti(),
        });
        self.sign(
            &json!({"alg": "ES256", "kid": "one"}),
            &changed(claims, change),
        )
    }

    /// A proof, with some claims changed.
    fn proof(&self, pair: &Pair, method: &str, path: &str, change: &Value) -> String {
        let header = json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": self.jwk()});
        let now = pair.org().now().as_second();
        let claims = json!({"htm": method, "htu": pair.url(path), "iat": now, "jti": self.jti()});
        self.sign(&header, &changed(claims, change))
    }
}

fn changed(mut claims: Value, change: &Value) -> Value {
    for (name, value) in change.as_object().into_iter().flatten() {
        claims[name] = value.clone();
    }
    claims
}

fn app(signer: &Signer, dpop: bool) -> App {
    App {
        client_id: CLIENT.to_owned(),
        keys: vec![changed(signer.jwk(), &json!({"kid": "one"}))],
        scopes: vec!["okta.logs.read".to_owned(), "okta.users.read".to_owned()],
        dpop,
        ..App::default()
    }
}

async fn with_app(app: App) -> Pair {
    let config = OrgConfig {
        events: 10,
        apps: vec![app],
        token_lifetime: Duration::from_secs(60),
        ..OrgConfig::default()
    };
    pair(config).await
}

/// Asks for a token.
async fn ask(pair: &Pair, statement: &str, scope: &str, proof: Option<&str>) -> Got {
    let form = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", "client_credentials")
        .append_pair("scope", scope)
        .append_pair(
            "client_assertion_type",
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        )
        .append_pair("client_assertion", statement)
        .finish();
    let mut request = pair
        .request(Method::POST, TOKEN_PATH)
        .header("accept", "application/json")
        .header("content-type", "application/x-www-form-urlencoded");
    if let Some(proof) = proof {
        request = request.header("dpop", proof);
    }
    Got::read(request.body(form).send().await.unwrap())
        .await
        .unwrap()
}

async fn token(pair: &Pair, signer: &Signer) -> String {
    let statement = signer.statement(pair, &json!({}));
    let got = ask(pair, &statement, "okta.logs.read", None).await;
    got.json()["access_token"].as_str().unwrap().to_owned()
}

/// Asks for the log, or for something else.
async fn call(pair: &Pair, path: &str, authorization: &str, proof: Option<&str>) -> Got {
    let request = pair.request(Method::GET, path);
    let mut request = request.header("authorization", authorization);
    if let Some(proof) = proof {
        request = request.header("dpop", proof);
    }
    Got::read(request.send().await.unwrap()).await.unwrap()
}

fn told(got: &Got) -> String {
    let body = got.json();
    let words = [&body["error"], &body["error_description"]];
    words
        .map(|word| word.as_str().unwrap_or_default())
        .join(": ")
}

#[tokio::test]
async fn an_app_gets_a_token_and_reads_what_its_scopes_allow() {
    let signer = Signer::new();
    let pair = with_app(app(&signer, false)).await;
    let token = token(&pair, &signer).await;
    let bearer = format!("Bearer {token}");
    assert_eq!(call(&pair, LOGS, &bearer, None).await.status, 200);
    let refused = call(&pair, "/api/v1/users/me", &bearer, None).await;
    assert_eq!(refused.status, 403);
    let challenge = refused.headers["www-authenticate"].to_str().unwrap();
    assert!(challenge.contains("insufficient_scope"), "{challenge}");
    assert!(challenge.contains("okta.users.read"), "{challenge}");
    let unbound = call(&pair, LOGS, &format!("DPoP {token}"), None).await;
    assert_eq!(unbound.status, 401);
    pair.org().revoke_access_tokens();
    assert_eq!(call(&pair, LOGS, &bearer, None).await.status, 401);
    assert_eq!(pair.running.report().with_wrong_token, 1);
}

#[tokio::test]
async fn each_wrong_claim_of_a_statement_is_refused() {
    let signer = Signer::new();
    let pair = with_app(app(&signer, false)).await;
    let now = pair.org().now().as_second();
    for (change, words) in [
        (json!({"iss": "0oaOther"}), "issuer claim"),
        (json!({"sub": "0oaOther"}), "subject claim"),
        (
            json!({"aud": "https://acme.okta.com/oauth2/v1/token"}),
            "audience claim",
        ),
        (json!({"exp": null}), "must contain the 'exp' claim"),
        (json!({"exp": now - 1, "iat": now - 300}), "is expired"),
        (json!({"exp": now + 3700}), "too far into the future"),
        (json!({"iat": now + 60}), "issued before the current time"),
        (json!({"jti": null}), "already been used"),
    ] {
        let statement = signer.statement(&pair, &change);
        let got = ask(&pair, &statement, "okta.logs.read", None).await;
        assert_eq!(got.status, 401, "{change}");
        assert!(told(&got).starts_with("invalid_client: "), "{}", told(&got));
        assert!(told(&got).contains(words), "{change}: {}", told(&got));
    }
    let report = pair.running.report();
    assert_eq!(report.broken(Rule::AssertionWrong), 4, "{report:?}");
    let other = Signer::new().statement(&pair, &json!({}));
    let got = ask(&pair, &other, "okta.logs.read", None).await;
    assert!(
        told(&got).contains("signature is invalid"),
        "{}",
        told(&got)
    );
}

#[tokio::test]
async fn a_statement_is_taken_once() {
    let signer = Signer::new();
    let pair = with_app(app(&signer, false)).await;
    let statement = signer.statement(&pair, &json!({}));
    let first = ask(&pair, &statement, "okta.logs.read", None).await;
    assert_eq!(first.status, 200);
    let second = ask(&pair, &statement, "okta.logs.read", None).await;
    assert!(
        told(&second).contains("already been used"),
        "{}",
        told(&second)
    );
    assert_eq!(pair.running.report().broken(Rule::AssertionReused), 1);
}

#[tokio::test]
async fn scopes_that_are_unknown_or_not_granted_are_refused() {
    let signer = Signer::new();
    let pair = with_app(app(&signer, false)).await;
    for scope in [
        "",
        "okta.roles.read",
        "okta.nonsense",
        "okta.logs.read okta.roles.read",
    ] {
        let statement = signer.statement(&pair, &json!({}));
        let got = ask(&pair, &statement, scope, None).await;
        assert_eq!(got.status, 400, "{scope}");
        assert!(told(&got).starts_with("invalid_scope: "), "{}", told(&got));
    }
}

#[tokio::test]
async fn what_is_no_request_for_a_token_is_noted() {
    let signer = Signer::new();
    let pair = with_app(app(&signer, false)).await;
    for (body, status) in [
        ("grant_type=password", 400),
        ("grant_type=client_credentials", 401),
    ] {
        let request = pair.request(Method::POST, TOKEN_PATH).body(body);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        assert_eq!(request.send().await.unwrap().status(), status, "{body}");
    }
    assert_eq!(pair.post(TOKEN_PATH, "{}").await, 400);
    assert_eq!(pair.get(TOKEN_PATH).await.status, 405);
    let report = pair.running.report();
    assert_eq!(report.broken(Rule::TokenRequestWrong), 3);
    assert_eq!(report.broken(Rule::WrongMethod), 1);
}

#[tokio::test]
async fn proofs_are_required_verified_and_taken_once() {
    let signer = Signer::new();
    let pair = with_app(app(&signer, true)).await;
    let statement = || signer.statement(&pair, &json!({}));
    let ask = async |proof: Option<String>| {
        ask(&pair, &statement(), "okta.logs.read", proof.as_deref()).await
    };
    assert_eq!(
        told(&ask(None).await),
        "invalid_dpop_proof: The DPoP proof JWT header is missing."
    );
    let wants = ask(Some(signer.proof(&pair, "POST", TOKEN_PATH, &json!({})))).await;
    assert!(
        told(&wants).starts_with("use_dpop_nonce: "),
        "{}",
        told(&wants)
    );
    let nonce = wants.headers["dpop-nonce"].to_str().unwrap().to_owned();
    let now = pair.org().now().as_second();
    for (change, words) in [
        (json!({"htm": "GET"}), "'htm' claim"),
        (json!({"htu": pair.url("/")}), "'htu' claim"),
        (json!({"ath": "x"}), "'ath' claim"),
        (json!({"iat": null}), "'iat' claim"),
        (json!({"iat": now + 100}), "in the future"),
        (json!({"iat": now - 400}), "five minutes"),
    ] {
        let got = ask(Some(signer.proof(&pair, "POST", TOKEN_PATH, &change))).await;
        assert_eq!(got.status, 400);
        assert!(told(&got).contains(words), "{}", told(&got));
    }
    let proof = signer.proof(&pair, "POST", TOKEN_PATH, &json!({"nonce": nonce}));
    let got = ask(Some(proof.clone())).await;
    assert_eq!(got.json()["token_type"], "DPoP");
    let again = ask(Some(proof)).await;
    assert!(
        told(&again).contains("already been used"),
        "{}",
        told(&again)
    );

    assert_eq!(pair.running.report().broken(Rule::ProofReused), 1);
    assert_eq!(pair.running.report().broken(Rule::ProofWrong), 4);
}

#[tokio::test]
async fn a_bound_token_takes_a_proof_by_its_own_key() {
    let signer = Signer::new();
    let pair = with_app(app(&signer, true)).await;
    let proof = signer.proof(&pair, "POST", TOKEN_PATH, &json!({}));
    let statement = signer.statement(&pair, &json!({}));
    let wants = ask(&pair, &statement, "okta.logs.read", Some(&proof)).await;
    let nonce = wants.headers["dpop-nonce"].to_str().unwrap().to_owned();
    let proof = signer.proof(&pair, "POST", TOKEN_PATH, &json!({"nonce": nonce}));
    let statement = signer.statement(&pair, &json!({}));
    let got = ask(&pair, &statement, "okta.logs.read", Some(&proof)).await;
    let token = got.json()["access_token"].as_str().unwrap().to_owned();
    let ath = URL_SAFE_NO_PAD.encode(Sha256::digest(&token));
    let claims = json!({"nonce": nonce, "ath": ath});
    let dpop = format!("DPoP {token}");
    let read =
        async |proof: Option<String>| call(&pair, LOGS, &dpop, proof.as_deref()).await.status;
    assert_eq!(
        read(Some(signer.proof(&pair, "GET", LOGS, &claims))).await,
        200
    );
    assert_eq!(read(None).await, 401);
    let stranger = Signer::new().proof(
        &pair,
        "GET",
        LOGS,
        &changed(claims.clone(), &json!({"jti": "other"})),
    );
    assert_eq!(read(Some(stranger)).await, 401);
    let old = changed(claims, &json!({"nonce": "old"}));
    assert_eq!(
        read(Some(signer.proof(&pair, "GET", LOGS, &old))).await,
        401
    );
    assert_eq!(
        call(&pair, LOGS, &format!("Bearer {token}"), None)
            .await
            .status,
        401
    );
    let report = pair.running.report();
    assert_eq!(report.broken(Rule::ProofWrong), 3, "{report:?}");
}
