//! Peers that give tokens, clients of theirs, and what these sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{Request, Response};
use secrecy::SecretString;
use serde_json::{Value, json};

use super::keys::{pem, rsa_pkcs8};
use crate::gate::tests::description;
use crate::gate::{
    ClientSecrets, Clients, Credential, CredentialKind, Description, Gate, GateBody, GateConfig,
    GateError, GateLimits, Grant, Granting, NetworkPolicy, OauthScheme, ProofSecret, Purpose,
    Scheme, Timeouts, TokenRefusalCause,
};
use crate::http::testing::{Reply, Server};

pub(super) const CLIENT: &str = "0oaAcme";

/// The plugin of the gate's tests, whose `logs` need a client's token.
pub(super) fn with_oauth(dpop: bool) -> Description {
    let mut description = description();
    description.credentials[0].scheme = Scheme::Oauth(OauthScheme {
        token_url: "/oauth/token".into(),
        scopes: vec!["logs.read".into(), "me.read".into()],
        auth_methods: vec!["private_key_jwt".into(), "client_secret_basic".into()],
        dpop,
    });
    description
}

pub(super) fn kind() -> CredentialKind {
    with_oauth(true).credentials.remove(0)
}

pub(super) fn by_key(text: &str, key_id: Option<&str>) -> Credential {
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

pub(super) fn by_new_key() -> Credential {
    by_key(&pem("PRIVATE KEY", &rsa_pkcs8()), Some("one"))
}

pub(super) fn gate_with(server: &Server, credential: Credential, dpop: bool) -> Arc<Gate> {
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

pub(super) fn gate(server: &Server) -> Arc<Gate> {
    gate_with(server, by_new_key(), true)
}

pub(super) async fn ask(
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

pub(super) async fn refusal(gate: &Arc<Gate>, server: &Server) -> (TokenRefusalCause, String) {
    match ask(gate, server, "/logs").await {
        Err(GateError::Unauthorized(refusal)) => (refusal.cause, refusal.to_string()),
        Err(error) => panic!("{error}"),
        Ok(answer) => panic!("{}", answer.status()),
    }
}

pub(super) fn token_answer(token: &str, kind: &str, seconds: u64) -> Reply {
    let body = json!({"access_token": token, "token_type": kind, "expires_in": seconds});
    Reply::ok(&body.to_string())
}

pub(super) fn oauth_error(status: u16, headers: &str, error: &str, words: &str) -> Reply {
    let body = json!({"error": error, "error_description": words});
    Reply::answer(status, headers, body.to_string())
}

pub(super) fn is_for_token(request: &str) -> bool {
    request.starts_with("POST /oauth/token ")
}

pub(super) fn header<'a>(request: &'a str, name: &str) -> Option<&'a str> {
    let (head, _) = request.split_once("\r\n\r\n")?;
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    lines
        .find(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

pub(super) fn form(request: &str, name: &str) -> Option<String> {
    let (_, body) = request.split_once("\r\n\r\n")?;
    let mut pairs = url::form_urlencoded::parse(body.as_bytes());
    pairs
        .find(|(known, _)| known == name)
        .map(|(_, value)| value.into_owned())
}

/// Header and claims of a signed statement.
pub(super) fn opened(jwt: &str) -> (Value, Value) {
    let mut parts = jwt.split('.').map(|part| {
        let bytes = URL_SAFE_NO_PAD.decode(part).unwrap();
        serde_json::from_slice(&bytes).unwrap_or_default()
    });
    (parts.next().unwrap(), parts.next().unwrap())
}

pub(super) fn assertion(request: &str) -> (Value, Value) {
    opened(&form(request, "client_assertion").unwrap())
}

pub(super) fn proof(request: &str) -> (Value, Value) {
    opened(header(request, "dpop").unwrap())
}

/// A peer that gives `token1`, `token2`, … and takes the latest alone.
pub(super) struct Peer {
    pub(super) given: AtomicU64,
    pub(super) lifetime: u64,
}

impl Peer {
    pub(super) fn new(lifetime: u64) -> Arc<Self> {
        Arc::new(Self {
            given: AtomicU64::new(0),
            lifetime,
        })
    }

    pub(super) fn give(&self) -> Reply {
        let number = self.given.fetch_add(1, Ordering::SeqCst) + 1;
        token_answer(&format!("token{number}"), "Bearer", self.lifetime)
    }

    pub(super) fn given(&self) -> u64 {
        self.given.load(Ordering::SeqCst)
    }

    pub(super) fn answer(&self, request: &str) -> Reply {
        if is_for_token(request) {
            return self.give();
        }
        let latest = format!("Bearer token{}", self.given());
        match header(request, "authorization") == Some(&latest) {
            true => Reply::ok("[]"),
            false => Reply::answer(401, "", "no"),
        }
    }

    pub(super) async fn serve(self: &Arc<Self>) -> Server {
        let peer = Arc::clone(self);
        Server::start(move |request| peer.answer(request)).await
    }
}
