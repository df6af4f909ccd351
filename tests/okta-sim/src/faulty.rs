//! How each fault shows in an answer.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http::header::{self, HeaderName, HeaderValue};

use crate::answer::{Answer, Delivery, LinkStyle};
use crate::body::{Step, halves};
use crate::call::{Call, admin_twin};
use crate::config::RateHeaders;
use crate::error::ApiError;
use crate::faults::{Fault, FaultKind};
use crate::limits::Verdict;
use crate::logs::{self, LastPage};

const LATE_MS: u64 = 600_000;
const ELSEWHERE: &str = "https://logs.example.net";
/// Blank space is sent in pieces of this size.
const BLANK_BYTES: usize = 64 << 10;
/// What is not written yet when a body fails is not written at all.
const FLUSH: Duration = Duration::from_millis(20);
const INVALID_ELEMENT: &str =
    r#"{"uuid":"00000000-0000-1000-8000-000000000000","eventType":"sim.invalid","broken":nul}"#;

/// No answer: the connection goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the connection is reset on demand")]
pub(crate) struct Aborted;

/// What happens before the endpoint sees the request.
pub(crate) async fn before(call: &Call, fault: &Fault) {
    match fault.kind {
        FaultKind::SlowStart => match fault.ms {
            Some(ms) => tokio::time::sleep(Duration::from_millis(ms)).await,
            None => std::future::pending().await,
        },
        FaultKind::InvalidateCursors => call.org.cursors().invalidate(),
        FaultKind::LateEvent => {
            let late_ms = i64::try_from(fault.ms.unwrap_or(LATE_MS)).unwrap_or(i64::MAX);
            call.org.push_generated(1, Some(late_ms));
        }
        _ => {}
    }
}

/// An answer that comes instead of the endpoint's.
pub(crate) fn instead(call: &Call, fault: &Fault) -> Option<Result<Answer, Aborted>> {
    let status =
        |default| StatusCode::from_u16(fault.status.unwrap_or(default)).unwrap_or_default();
    let error = |error: ApiError| Answer::error(&error, "oaeOnDemand00000000000000");
    Some(Ok(match fault.kind {
        FaultKind::Reset => return Some(Err(Aborted)),
        FaultKind::Status => error(ApiError::of_status(status(500))),
        FaultKind::HtmlError => Answer::html(status(502), ""),
        FaultKind::UnauthorizedHtml => Answer::html(StatusCode::UNAUTHORIZED, "Sign in"),
        FaultKind::Forbidden => error(ApiError::forbidden()),
        FaultKind::InsufficientScope => {
            let value = insufficient_scope(&call.url(""));
            error(ApiError::forbidden()).with(header::WWW_AUTHENTICATE, &value)
        }
        FaultKind::RateLimited => {
            let ms = i64::try_from(fault.ms.unwrap_or(1000)).unwrap_or(i64::MAX);
            let reset_s = call.org.now_ms().saturating_add(ms).div_euclid(1000);
            let limit = call.org.config().rate_limit;
            let verdict = refusing(limit, reset_s);
            Answer {
                verdict: Some(verdict),
                ..error(ApiError::too_many())
            }
        }
        FaultKind::RateLimitedBare => Answer {
            rate_headers: RateHeaders::Absent,
            ..error(ApiError::too_many())
        },
        FaultKind::Concurrency => {
            let verdict = refusing(0, call.org.now_ms().div_euclid(1000) + 1);
            Answer {
                verdict: Some(verdict),
                ..error(ApiError::too_many())
            }
        }
        FaultKind::Redirect => {
            let origin = fault.value.as_deref().unwrap_or(ELSEWHERE);
            Answer::html(StatusCode::FOUND, "")
                .with(header::LOCATION, &format!("{origin}{}", call.target()))
        }
        _ => return None,
    }))
}

/// Changes what the endpoint answered.
pub(crate) fn after(call: &Call, fault: &Fault, answer: &mut Answer) {
    answer.altered = true;
    links(call, fault, answer);
    content(call, fault, answer);
    transport(fault, answer);
    if spoils(fault) {
        answer.events = None;
    }
}

/// Whether the client does not have the page's events afterwards.
fn spoils(fault: &Fault) -> bool {
    match fault.kind {
        FaultKind::Stall => fault.ms.is_none(),
        FaultKind::Html200
        | FaultKind::CutLength
        | FaultKind::CutChunked
        | FaultKind::Truncated
        | FaultKind::InvalidJson
        | FaultKind::NotArray
        | FaultKind::EmptyPage => true,
        _ => false,
    }
}

fn links(call: &Call, fault: &Fault, answer: &mut Answer) {
    let links = &mut answer.links;
    match fault.kind {
        FaultKind::ForeignNext => {
            let origin = fault.value.as_deref().unwrap_or(ELSEWHERE);
            links.next = links.next.as_deref().map(|url| rebase(url, origin));
        }
        FaultKind::AdminNext => {
            let origin = format!("{}://{}", call.scheme, admin_twin(call.host()));
            links.next = links.next.as_deref().map(|url| rebase(url, &origin));
        }
        FaultKind::SelfNext => links.next.clone_from(&links.own),
        FaultKind::NoNext => links.next = None,
        FaultKind::NextFirst => links.style = LinkStyle::NextFirst,
        FaultKind::LinksJoined => links.style = LinkStyle::Joined,
        FaultKind::EmptyPage => links.next = logs::again(call),
        _ => {}
    }
}

fn content(call: &Call, fault: &Fault, answer: &mut Answer) {
    match fault.kind {
        FaultKind::Html200 => {
            let html = Answer::html(StatusCode::OK, "Down for maintenance");
            answer.headers = html.headers;
            answer.body = html.body;
        }
        FaultKind::EmptyPage => answer.body = vec![Bytes::from_static(b"[]")],
        FaultKind::DuplicatePage => {
            let before = call.org.last_pages().before(&call.url(&call.target()));
            if let Some(last) = before {
                let LastPage { body, next, events } = last;
                answer.body = body;
                answer.links.next = next;
                answer.events = Some(events);
            }
        }
        FaultKind::InvalidJson => {
            let (mut first, _) = halves(std::mem::take(&mut answer.body));
            first.push(Bytes::from_static(b"\"]"));
            answer.body = first;
        }
        FaultKind::Truncated => answer.body = halves(std::mem::take(&mut answer.body)).0,
        FaultKind::InvalidElement => {
            let element = fault.value.as_deref().unwrap_or(INVALID_ELEMENT);
            // A page is "[", the events, "]".
            let more = if answer.body.len() > 2 { "," } else { "" };
            let element = Bytes::from(format!("{element}{more}"));
            answer.body.insert(1.min(answer.body.len()), element);
        }
        FaultKind::NotArray => {
            answer.body.insert(0, Bytes::from_static(b"{\"events\":"));
            answer.body.push(Bytes::from_static(b"}"));
        }
        FaultKind::HugePage => blank(fault, answer),
        FaultKind::Gzip => answer.gzip = true,
        _ => {}
    }
}

/// Spaces before the last bracket, up to the wanted size: legal, and as small in the log as before.
fn blank(fault: &Fault, answer: &mut Answer) {
    let wanted = usize::try_from(fault.bytes.unwrap_or(64 << 20)).unwrap_or(usize::MAX);
    let have: usize = answer.body.iter().map(Bytes::len).sum();
    let block = Bytes::from(vec![b' '; BLANK_BYTES]);
    let last = answer.body.pop();
    let mut missing = wanted.saturating_sub(have);
    while missing > 0 {
        let piece = block.slice(..missing.min(BLANK_BYTES));
        missing -= piece.len();
        answer.body.push(piece);
    }
    answer.body.extend(last);
}

fn transport(fault: &Fault, answer: &mut Answer) {
    match fault.kind {
        FaultKind::CutLength => {
            let total: usize = answer.body.iter().map(Bytes::len).sum();
            answer
                .overrides
                .push((header::CONTENT_LENGTH, Some(total.into())));
            answer.delivery = cut(std::mem::take(&mut answer.body));
        }
        FaultKind::CutChunked => answer.delivery = cut(std::mem::take(&mut answer.body)),
        FaultKind::Stall => {
            let (first, second) = halves(std::mem::take(&mut answer.body));
            let pause = fault
                .ms
                .map_or(Step::Forever, |ms| Step::Pause(Duration::from_millis(ms)));
            let steps = first.into_iter().map(Step::Data).chain([pause]);
            answer.delivery =
                Delivery::Steps(steps.chain(second.into_iter().map(Step::Data)).collect());
        }
        FaultKind::NoRateHeaders => answer.rate_headers = RateHeaders::Absent,
        FaultKind::DoubleRateHeaders => answer.rate_headers = RateHeaders::Doubled,
        FaultKind::Header => {
            let name = fault.name.as_deref().unwrap_or_default();
            if let Ok(name) = HeaderName::from_bytes(name.as_bytes()) {
                let value = fault.value.as_deref();
                let value = value.and_then(|value| HeaderValue::from_str(value).ok());
                answer.overrides.push((name, value));
            }
        }
        _ => {}
    }
}

/// Half of the body, time for it to be written, and the end.
fn cut(body: Vec<Bytes>) -> Delivery {
    let (first, _) = halves(body);
    let end = [Step::Pause(FLUSH), Step::Cut];
    Delivery::Steps(first.into_iter().map(Step::Data).chain(end).collect())
}

fn rebase(url: &str, origin: &str) -> String {
    let target = url
        .split_once("://")
        .and_then(|(_, rest)| rest.find('/').and_then(|at| rest.get(at..)));
    format!("{origin}{}", target.unwrap_or_default())
}

fn refusing(limit: u64, reset_s: i64) -> Verdict {
    Verdict {
        limit,
        remaining: 0,
        reset_s,
        refused: true,
        impatient: None,
    }
}

/// As in Okta's support article on missing scopes.
fn insufficient_scope(org: &str) -> String {
    format!(
        "Bearer authorization_uri=\"{org}/oauth2/v1/authorize\", realm=\"{org}\", scope=\"okta.logs.read\", error=\"insufficient_scope\", error_description=\"The access token provided does not contain the required scopes.\", resource=\"/api/v1/logs\""
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_origin_keeps_path_and_query() {
        let url = rebase(
            "http://127.0.0.1:1/api/v1/logs?a=b%20c",
            "https://x.example",
        );
        assert_eq!(url, "https://x.example/api/v1/logs?a=b%20c");
    }
}
