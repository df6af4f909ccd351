//! Proofs of possession: made where they are wanted, new for each request, with the nonce that is asked for.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::SecretString;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::keys::{pem, rsa_pkcs8};
use super::peer::*;
use crate::gate::{ClientSecrets, Credential, ProofSecret, TokenRefusalCause};
use crate::http::testing::{Reply, Server};

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
