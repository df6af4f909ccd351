//! From a request to an answer: who may ask, how often, what goes wrong, and which endpoint it is.

use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderMap};
use http::{Method, Response, StatusCode, Uri};
use serde_json::json;

use crate::answer::Answer;
use crate::body::StepBody;
use crate::call::Call;
use crate::error::ApiError;
use crate::faulty::{self, Aborted};
use crate::limits::{Bucket, Verdict};
use crate::logs::{self, LastPage};
use crate::oauth;
use crate::org::Org;
use crate::report::Rule;
use crate::respond::respond;
use crate::under_way::UnderWay;
use crate::{LOGS_PATH, TOKEN_PATH, WELL_KNOWN_PATH};

const OWNER_ID: &str = "00uowner00of0token1d7";

enum Route {
    WellKnown,
    Token,
    Logs,
    Me,
    Roles(String),
    ApiTokens,
    Administrators,
    Unknown,
}

/// Answers a client's request.
pub(crate) async fn handle(
    org: Org,
    scheme: &'static str,
    client: u64,
    (method, uri, headers, body): (Method, Uri, HeaderMap, Bytes),
) -> Result<Response<StepBody>, Aborted> {
    let call = Call::new(org, scheme, client, (method, &uri, headers, body));
    call.org.recorder().begin(&call.path);
    let mut under_way = UnderWay::new(&call.org);
    note_manners(&call);
    if call.path == LOGS_PATH
        && let Some(caller) = caller(&call).filter(|_| !call.is_of_who_is_gone())
    {
        under_way.asks_for_logs(&caller, end_of(&call.query));
    }
    let latency = call.org.config().latency;
    if latency > Duration::ZERO {
        tokio::time::sleep(latency).await;
    }
    let answer = match answer(&call).await {
        Ok(answer) => answer,
        Err(aborted) => {
            under_way.done();
            return Err(aborted);
        }
    };
    call.org.recorder().status(answer.status.as_u16());
    Ok(respond(&call, answer).map(|body| body.of(under_way)))
}

/// The rules in their order: method, token, limit; then what goes wrong; then the endpoint.
async fn answer(call: &Call) -> Result<Answer, Aborted> {
    let route = route(&call.path);
    let verdict = match admit(call, &route) {
        Ok(verdict) => verdict,
        Err((error, verdict)) => return Ok(refused(call, &error, verdict)),
    };
    let fault = call.org.meet_fault(&call.path);
    if let Some(fault) = &fault {
        faulty::before(call, fault).await;
        if let Some(instead) = faulty::instead(call, fault) {
            let answer = instead?;
            if answer.status == StatusCode::TOO_MANY_REQUESTS {
                note_refusal(call, &route, answer.verdict);
            }
            return Ok(Answer {
                verdict: answer.verdict.or(verdict),
                ..answer
            });
        }
    }
    let mut answer = match endpoint(call, &route) {
        Ok(answer) => answer,
        Err(error) => Answer::error(&error, &crate::respond::error_id()),
    };
    answer.verdict = verdict;
    answer.rate_headers = call.org.config().rate_headers;
    let page = last_page(&answer);
    if let Some(fault) = &fault {
        faulty::after(call, fault, &mut answer);
    }
    if let Some(page) = page {
        call.org.last_pages().push(page);
    }
    Ok(answer)
}

fn route(path: &str) -> Route {
    let roles = || path.strip_prefix("/api/v1/users/")?.strip_suffix("/roles");
    match path {
        WELL_KNOWN_PATH => Route::WellKnown,
        TOKEN_PATH => Route::Token,
        LOGS_PATH => Route::Logs,
        "/api/v1/users/me" => Route::Me,
        "/api/v1/api-tokens" => Route::ApiTokens,
        "/api/v1/iam/assignees/users" => Route::Administrators,
        _ => roles().map_or(Route::Unknown, |id| Route::Roles(id.to_owned())),
    }
}

type Refusal = (ApiError, Option<Verdict>);

fn admit(call: &Call, route: &Route) -> Result<Option<Verdict>, Refusal> {
    let known = !matches!(route, Route::Unknown);
    let method = match route {
        Route::Token => Method::POST,
        _ => Method::GET,
    };
    if known && call.method != method {
        let case = format!("{} {}", call.method, call.path);
        call.org.recorder().violation(Rule::WrongMethod, case);
        return Err((ApiError::method(), None));
    }
    if matches!(route, Route::WellKnown) {
        if call.headers.contains_key(header::AUTHORIZATION) {
            call.org
                .recorder()
                .violation(Rule::TokenToWellKnown, &*call.path);
        }
        return Ok(None);
    }
    if matches!(route, Route::Token) {
        return Ok(None);
    }
    let caller = authorized(call).map_err(|error| (error, None))?;
    let verdict = (call.org.limits()).take(bucket(route), &caller, call.org.now_ms());
    if call.is_of_who_is_gone() {
        return match verdict.refused {
            true => Err((ApiError::too_many(), Some(verdict))),
            false => Ok(Some(verdict)),
        };
    }
    let unaware = (call.org.limits()).is_unaware(bucket(route), &caller);
    if let Some((after, told)) = verdict.impatient {
        let case = format!(
            "{after} ms after a 429 that named {told} ms: {}",
            call.target()
        );
        call.org.recorder().violation(Rule::Impatient, case);
    }
    if verdict.refused {
        call.org.recorder().throttled(unaware);
        return Err((ApiError::too_many(), Some(verdict)));
    }
    Ok(Some(verdict))
}

fn bucket(route: &Route) -> Bucket {
    match route {
        Route::Logs => Bucket::Logs,
        _ => Bucket::Other,
    }
}

/// From a fault's 429 on, too, nobody asks again before the time that it named.
fn note_refusal(call: &Call, route: &Route, verdict: Option<Verdict>) {
    if let Some(caller) = caller(call).filter(|_| !call.is_of_who_is_gone()) {
        let reset_s = verdict.map(|verdict| verdict.reset_s);
        (call.org.limits()).refuse(bucket(route), &caller, reset_s, call.org.now_ms());
    }
}

fn refused(call: &Call, error: &ApiError, verdict: Option<Verdict>) -> Answer {
    let mut answer = Answer::error(error, &crate::respond::error_id());
    if let Some(verdict) = verdict
        && call.org.config().retry_after
    {
        let wait_s = verdict.reset_s - call.org.now_ms().div_euclid(1000) + 1;
        answer = answer.with(header::RETRY_AFTER, &wait_s.max(1).to_string());
    }
    answer.verdict = verdict;
    answer.rate_headers = call.org.config().rate_headers;
    answer
}

fn endpoint(call: &Call, route: &Route) -> Result<Answer, ApiError> {
    let config = call.org.config();
    let body = match route {
        Route::Logs => return logs::answer(call),
        Route::Token => return Ok(oauth::token::answer(call)),
        Route::WellKnown => json!({
            "id": config.org_id, "pipeline": "idx",
            "_links": {"organization": {"href": call.url("")}, "alternate": {"href": call.url("")}},
            "settings": {"analyticsCollectionEnabled": false, "bugReportingEnabled": true, "omEnabled": false},
        }),
        Route::Me => json!({
            "id": OWNER_ID, "status": config.owner_status, "created": "2024-05-02T08:15:00.000Z",
            "type": {"id": "otysimulated0type1d7"},
            "profile": {"login": "log.reader@example.com", "email": "log.reader@example.com",
                "firstName": "Log", "lastName": "Reader", "mobilePhone": null, "secondEmail": null},
            "_links": {"self": {"href": call.url(&format!("/api/v1/users/{OWNER_ID}"))}},
        }),
        Route::Roles(id) if id == OWNER_ID || id == "me" => json!([{
            "id": "ra1simulated0role1d7", "label": label(&config.role), "type": config.role, "status": "ACTIVE",
            "created": "2024-05-02T08:15:00.000Z", "lastUpdated": "2024-05-02T08:15:00.000Z", "assignmentType": "USER",
        }]),
        Route::Roles(id) => return Err(ApiError::not_found(id, "User")),
        Route::ApiTokens if config.role == "SUPER_ADMIN" => json!([{
            "id": "00Tsimulated00token1d7", "name": "log reader", "userId": OWNER_ID, "clientName": "Okta API",
            "tokenWindow": "P30D", "network": {"connection": "ANYWHERE"},
            "created": "2024-05-02T08:15:00.000Z", "lastUpdated": "2024-05-02T08:15:00.000Z",
        }]),
        Route::Administrators if config.role == "SUPER_ADMIN" => json!({
            "value": [{"id": OWNER_ID, "orn": format!("orn:okta:directory:{}:users:{OWNER_ID}", config.org_id)}],
            "_links": {"next": null},
        }),
        Route::ApiTokens | Route::Administrators => return Err(ApiError::forbidden()),
        Route::Unknown => return Err(ApiError::of_status(StatusCode::NOT_FOUND)),
    };
    Ok(Answer::json(StatusCode::OK, body.to_string()))
}

/// `READ_ONLY_ADMIN` is shown as `Read Only Admin`.
fn label(role: &str) -> String {
    let capital = |word: &str| match word.split_at_checked(1) {
        Some((first, rest)) => format!("{first}{}", rest.to_ascii_lowercase()),
        None => String::new(),
    };
    role.split('_').map(capital).collect::<Vec<_>>().join(" ")
}

fn last_page(answer: &Answer) -> Option<LastPage> {
    Some(LastPage {
        events: answer.events.clone()?,
        body: answer.body.clone(),
        next: answer.links.next.clone(),
    })
}

/// What comes in `Authorization`, accepted or not: a scheme and a token.
fn token(call: &Call) -> Option<(&str, &str)> {
    call.header(&header::AUTHORIZATION)?.split_once(' ')
}

/// Whose limits a request counts against: an API token is its own, and an app's tokens are the app's.
fn caller(call: &Call) -> Option<String> {
    let (scheme, token) = token(call)?;
    let owner = match scheme {
        "SSWS" => None,
        _ => call.org.oauth().owner(token).map(str::to_owned),
    };
    Some(owner.unwrap_or_else(|| token.to_owned()))
}

fn authorized(call: &Call) -> Result<String, ApiError> {
    let given = token(call);
    if let Some((scheme @ ("Bearer" | "DPoP"), token)) = given {
        let scope = oauth::access::scope_of(&call.path);
        return oauth::access::check(call, scheme == "DPoP", token, scope);
    }
    let accepted = given.filter(|(scheme, token)| *scheme == "SSWS" && call.org.accepts(token));
    if call.headers.contains_key(header::AUTHORIZATION) {
        call.org.recorder().token(accepted.is_some());
    }
    let (_, token) = accepted.ok_or_else(ApiError::token)?;
    Ok(token.to_owned())
}

/// What Okta asks every client to send.
fn note_manners(call: &Call) {
    for name in [header::ACCEPT, header::USER_AGENT] {
        if !call.headers.contains_key(&name) {
            let case = format!("{name} on {}", call.path);
            call.org.recorder().violation(Rule::MissingHeader, case);
        }
    }
}

/// Enough of a query to tell pages apart.
fn end_of(query: &str) -> &str {
    let from = query.len().saturating_sub(12);
    query.get(from..).unwrap_or(query)
}
