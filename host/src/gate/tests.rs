//! The gate between a plugin and a peer behind real sockets.

use bytes::Bytes;
use http::{Request, Response};
use secrecy::SecretString;
use serde_json::json;

use super::*;
use crate::http::testing::{Reply, Server};

mod ahead;
mod answers;
mod budgets;
mod credentials;
mod requests;

const TOKEN: &str = "00t0kenOfAcme";

/// A plugin with two needs: `logs`, signed and with a budget, and `me`, for check alone.
pub(crate) fn description() -> Description {
    let need = |name: &str, paths: &[&str]| Need {
        name: name.into(),
        origin: "{url}".into(),
        methods: vec!["GET".into()],
        paths: paths.iter().map(|path| (*path).into()).collect(),
        request_headers: vec!["x-trace".into()],
        response_headers: vec!["link".into(), "x-echo".into()],
        credential: None,
        rate_limit: None,
        check_only: false,
    };
    let logs = Need {
        credential: Some("token".into()),
        rate_limit: Some(RateLimit {
            limit: "x-limit".into(),
            remaining: "x-remaining".into(),
            reset: "x-reset".into(),
            reset_is: ResetFormat::DeltaSeconds,
        }),
        ..need("logs", &["/logs", "/more/*"])
    };
    let me = Need {
        check_only: true,
        ..need("me", &["/me"])
    };
    let post = Need {
        methods: vec!["POST".into()],
        ..need("post", &["/post"])
    };
    Description {
        name: "acme".into(),
        version: "1.0.0".into(),
        summary: "Reads acme.".into(),
        config_schema: "{}".into(),
        needs: vec![logs, me, post],
        credentials: vec![CredentialKind {
            name: "token".into(),
            summary: "A token.".into(),
            scheme: Scheme::Header {
                name: "authorization".into(),
                value: "SSWS {secret}".into(),
            },
        }],
    }
}

fn token(secret: &str) -> Credential {
    Credential::new(&description().credentials[0], &SecretString::from(secret)).unwrap()
}

fn config(url: &str) -> GateConfig {
    let config = json!({ "url": url });
    GateConfig {
        source: "acme".into(),
        grants: Grant::resolve_all(&description(), &config, Granting::BuiltIn).unwrap(),
        credentials: vec![token(TOKEN)],
        network: NetworkPolicy::default(),
        limits: GateLimits::default(),
        share: None,
        budgets: Arc::default(),
    }
}

fn gate(server: &Server) -> Arc<Gate> {
    Gate::new(config(&server.url()), &Clients::default()).unwrap()
}

fn get(server: &Server, path: &str) -> Request<Bytes> {
    let uri = format!("{}{path}", server.url());
    Request::get(uri).body(Bytes::new()).unwrap()
}

/// The head of an answer; its body ends with the session.
async fn ask(gate: &Arc<Gate>, request: Request<Bytes>) -> Result<Response<GateBody>, GateError> {
    let session = gate.session(Purpose::Check);
    session.send(request, Timeouts::default()).await
}

async fn refused(gate: &Arc<Gate>, request: Request<Bytes>) -> Refusal {
    match ask(gate, request).await {
        Err(GateError::Refused(refusal)) => refusal,
        Err(error) => panic!("not refused but: {error}"),
        Ok(answer) => panic!("not refused but: {}", answer.status()),
    }
}
