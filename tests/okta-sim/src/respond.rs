//! From an answer to what goes over the wire: the headers every answer of Okta's has, and its body.

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Response};
use rand::Rng;

use crate::answer::{Answer, Delivery};
use crate::body::{Step, StepBody};
use crate::call::Call;
use crate::clock::http_date;
use crate::compress::gzip;
use crate::config::RateHeaders;
use crate::oauth::nonce;
use crate::page::Events;

/// As in recorded answers.
const EVERYWHERE: [(HeaderName, &str); 6] = [
    (header::SERVER, "nginx"),
    (header::CACHE_CONTROL, "no-cache, no-store"),
    (header::PRAGMA, "no-cache"),
    (header::EXPIRES, "0"),
    (header::VARY, "Accept-Encoding"),
    (
        header::STRICT_TRANSPORT_SECURITY,
        "max-age=315360000; includeSubDomains",
    ),
];
const COOKIES: [&str; 3] = [
    "autolaunch_triggered=\"\"; Expires=Thu, 01 Jan 1970 00:00:10 GMT; Path=/",
    "sid=\"\"; Expires=Thu, 01 Jan 1970 00:00:10 GMT; Path=/",
    "JSESSIONID=0123456789ABCDEF0123456789ABCDEF; Path=/; Secure; HttpOnly",
];

/// Builds the response, and notes the events in it.
pub(crate) fn respond(call: &Call, mut answer: Answer) -> Response<StepBody> {
    if let Some(events) = &answer.events {
        let store = call.org.store();
        let places = events.places();
        let identities = places.into_iter().map(|place| store.identity(place));
        call.org.recorder().served(identities);
    }
    if answer.gzip && matches!(answer.delivery, Delivery::Whole) {
        compress(call, &mut answer);
    }
    let headers = headers(call, &answer);
    let body = match answer.delivery {
        Delivery::Whole => StepBody::new(answer.body.into_iter().map(Step::Data)),
        Delivery::Steps(steps) => StepBody::new(steps),
    };
    let mut response = Response::new(body);
    *response.status_mut() = answer.status;
    *response.headers_mut() = headers;
    response
}

/// An id by which support would find the request.
pub(crate) fn error_id() -> String {
    format!(
        "oae{:016x}{:06x}",
        rand::rng().next_u64(),
        rand::rng().next_u32() & 0xff_ffff
    )
}

fn headers(call: &Call, answer: &Answer) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut add = |name: HeaderName, text: &str| {
        if let Ok(value) = HeaderValue::from_str(text) {
            headers.append(name, value);
        }
    };
    add(header::DATE, &http_date(call.org.told_ms()));
    for (name, text) in EVERYWHERE {
        add(name, text);
    }
    for cookie in COOKIES {
        add(header::SET_COOKIE, cookie);
    }
    let id = (u128::from(rand::rng().next_u64()) << 64) | u128::from(rand::rng().next_u64());
    add(
        HeaderName::from_static("x-okta-request-id"),
        &format!("{id:032x}"),
    );
    if call.headers.contains_key("dpop") {
        add(HeaderName::from_static("dpop-nonce"), &nonce(&call.org));
    }
    for line in answer.link_lines() {
        add(header::LINK, &line);
    }
    let times = match answer.rate_headers {
        RateHeaders::Normal => 1,
        RateHeaders::Absent => 0,
        RateHeaders::Doubled => 2,
    };
    let told_ahead_s = call.org.told_ahead_ms().div_euclid(1000);
    for verdict in answer.verdict.iter().cycle().take(times) {
        for (name, value) in [
            ("x-rate-limit-limit", verdict.limit.to_string()),
            ("x-rate-limit-remaining", verdict.remaining.to_string()),
            (
                "x-rate-limit-reset",
                (verdict.reset_s + told_ahead_s).to_string(),
            ),
        ] {
            add(HeaderName::from_static(name), &value);
        }
    }
    headers.extend(answer.headers.clone());
    for (name, value) in &answer.overrides {
        headers.remove(name);
        if let Some(value) = value {
            headers.append(name, value.clone());
        }
    }
    headers
}

/// Pages of neighbours are compressed once.
fn compress(call: &Call, answer: &mut Answer) {
    let run = match &answer.events {
        Some(Events::Run(run)) if !answer.altered => Some(run.clone()),
        _ => None,
    };
    let remembered = run.as_ref().and_then(|run| call.org.compressed().get(run));
    let Some(body) = remembered.or_else(|| gzip(&answer.body).ok()) else {
        return;
    };
    if let Some(run) = run {
        call.org.compressed().put(run, body.clone());
    }
    answer.body = vec![body];
    answer
        .headers
        .insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
}

/// An answer to who steers the org: no pretence.
pub(crate) fn plain(
    status: http::StatusCode,
    kind: &'static str,
    steps: Vec<Step>,
) -> Response<StepBody> {
    let mut response = Response::new(StepBody::new(steps));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static(kind);
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// The one piece of a small answer.
pub(crate) fn small(body: impl Into<Bytes>) -> Vec<Step> {
    vec![Step::Data(body.into())]
}
