//! `/sim/…`: for the tests that steer the org from another process.
//!
//! | request | what it does |
//! | --- | --- |
//! | `GET /sim/report` | what clients did so far, as JSON ([`crate::Report`]) |
//! | `GET /sim/served` | every persisted event in the order of persistence, a line each |
//! | `POST /sim/faults` | adds a [`Fault`] or an array of them |
//! | `DELETE /sim/faults` | forgets the faults that did not take place yet |
//! | `POST /sim/events` | adds each line of the body as an event, with `?published=` and `?persisted=` in RFC 3339 |
//! | `POST /sim/token` | `{"tokens":[…]}`: accepts these tokens and no others |
//! | `DELETE /sim/token` | the access tokens of apps hold no more |
//! | `POST /sim/live` | `{"per_sec":10}`: so many new events a second from now on |

use http::{Method, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use jiff::Timestamp;
use serde::Deserialize;

use crate::body::{Step, StepBody};
use crate::faults::Fault;
use crate::org::Org;
use crate::respond::{plain, small};

const BODY_BYTES_MAX: usize = 256 << 20;

/// Why an order cannot be followed.
#[derive(Debug, thiserror::Error)]
enum OrderError {
    #[error("cannot read the body: {0}")]
    Body(Box<dyn std::error::Error + Send + Sync>),
    #[error("cannot understand the body: {0}")]
    Json(#[from] serde_json::Error),
    #[error("cannot understand a time: {0}")]
    Time(#[from] jiff::Error),
    #[error("nothing is here for {0} {1}")]
    Unknown(Method, String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tokens {
    tokens: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Live {
    per_sec: f64,
}

/// Follows an order.
pub(crate) async fn handle(
    org: Org,
    method: Method,
    uri: &Uri,
    body: Incoming,
) -> Response<StepBody> {
    match follow(&org, method, uri, body).await {
        Ok(response) => response,
        Err(error @ OrderError::Unknown(..)) => text(StatusCode::NOT_FOUND, &error),
        Err(error) => text(StatusCode::BAD_REQUEST, &error),
    }
}

async fn follow(
    org: &Org,
    method: Method,
    uri: &Uri,
    body: Incoming,
) -> Result<Response<StepBody>, OrderError> {
    match (&method, uri.path()) {
        (&Method::GET, "/sim/report") => {
            let report = serde_json::to_vec_pretty(&org.report())?;
            return Ok(plain(StatusCode::OK, "application/json", small(report)));
        }
        (&Method::GET, "/sim/served") => {
            let mut blocks = org.ndjson();
            let stream = Step::Stream(Box::new(move || blocks.next()));
            return Ok(plain(StatusCode::OK, "application/x-ndjson", vec![stream]));
        }
        (&Method::DELETE, "/sim/faults") => org.clear_faults(),
        (&Method::POST, "/sim/faults") => {
            for fault in faults(&read(body).await?)? {
                org.fault(fault);
            }
        }
        (&Method::DELETE, "/sim/token") => org.revoke_access_tokens(),
        (&Method::POST, "/sim/token") => {
            let Tokens { tokens } = serde_json::from_slice(&read(body).await?)?;
            org.accept_tokens(tokens);
        }
        (&Method::POST, "/sim/live") => {
            let Live { per_sec } = serde_json::from_slice(&read(body).await?)?;
            org.set_live_rate(per_sec);
        }
        (&Method::POST, "/sim/events") => push(org, uri, &read(body).await?)?,
        (_, path) => return Err(OrderError::Unknown(method.clone(), path.to_owned())),
    }
    Ok(plain(StatusCode::NO_CONTENT, "text/plain", Vec::new()))
}

fn faults(body: &[u8]) -> Result<Vec<Fault>, serde_json::Error> {
    if body.trim_ascii_start().starts_with(b"[") {
        return serde_json::from_slice(body);
    }
    serde_json::from_slice(body).map(|fault| vec![fault])
}

fn push(org: &Org, uri: &Uri, body: &[u8]) -> Result<(), jiff::Error> {
    let (mut published, mut persisted) = (None, None);
    for (name, value) in url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
        let time: Timestamp = value.parse()?;
        match &*name {
            "published" => published = Some(time),
            "persisted" => persisted = Some(time),
            _ => {}
        }
    }
    for line in body.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if !line.is_empty() {
            org.push_at(line, published, persisted);
        }
    }
    Ok(())
}

async fn read(body: Incoming) -> Result<bytes::Bytes, OrderError> {
    let collected = Limited::new(body, BODY_BYTES_MAX).collect().await;
    Ok(collected.map_err(OrderError::Body)?.to_bytes())
}

fn text(status: StatusCode, error: &OrderError) -> Response<StepBody> {
    plain(status, "text/plain", small(format!("{error}\n")))
}
