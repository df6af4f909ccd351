//! `POST /oauth2/v1/token`.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{StatusCode, header};
use serde_json::json;

use super::jwt::Jwt;
use super::proof;
use super::{App, Issued};
use crate::answer::Answer;
use crate::call::Call;
use crate::report::Rule;

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// Statements hold an hour at most.
const ASSERTION_MAX_S: i64 = 3600;
/// Scopes that there are.
const SCOPES: [&str; 5] = [
    "okta.logs.read",
    "okta.users.read",
    "okta.users.manage",
    "okta.roles.read",
    "okta.apiTokens.read",
];

struct Refusal {
    status: u16,
    error: &'static str,
    words: String,
}

type Form = HashMap<String, String>;

/// A token, or Okta's words for why not.
pub(crate) fn answer(call: &Call) -> Answer {
    match grant(call) {
        Ok(body) => Answer::json(StatusCode::OK, body.to_string()),
        Err(refusal) => {
            let body = json!({"error": refusal.error, "error_description": refusal.words});
            let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::BAD_REQUEST);
            Answer::json(status, body.to_string())
        }
    }
}

fn grant(call: &Call) -> Result<serde_json::Value, Refusal> {
    let form = form(call)?;
    if form.get("grant_type").map(String::as_str) != Some("client_credentials") {
        note(call, "grant_type");
        let words = "The authorization grant type is not supported by the authorization server.";
        return Err(refusal(400, "unsupported_grant_type", words));
    }
    let app = authenticate(call, &form)?;
    if app.is_outside {
        let words = "The request is made from outside the client's permitted network zones.";
        return Err(refusal(403, "access_denied", words));
    }
    let scopes = scopes(&app, form.get("scope").map_or("", String::as_str))?;
    let bound_to = match proof::verify(call, None) {
        Ok(None) if app.dpop => {
            let words = "The DPoP proof JWT header is missing.";
            return Err(refusal(400, "invalid_dpop_proof", words));
        }
        Ok(bound_to) => bound_to,
        Err(bad) => return Err(refusal(400, bad.error, bad.words)),
    };
    let lifetime = call.org.config().token_lifetime;
    let kind = if bound_to.is_some() { "DPoP" } else { "Bearer" };
    let lifetime_ms = i64::try_from(lifetime.as_millis()).unwrap_or(i64::MAX);
    let issued = Issued {
        client_id: app.client_id,
        scopes: scopes.clone(),
        ends_ms: call.org.now_ms().saturating_add(lifetime_ms),
        bound_to,
    };
    let token = call.org.oauth().issue(issued);
    Ok(json!({
        "token_type": kind, "expires_in": lifetime.as_secs(), "access_token": token, "scope": scopes.join(" "),
    }))
}

fn form(call: &Call) -> Result<Form, Refusal> {
    let kind = call.header(&header::CONTENT_TYPE).unwrap_or_default();
    if kind != "application/x-www-form-urlencoded" || !call.query.is_empty() {
        note(call, "content-type or query");
        return Err(refusal(
            400,
            "invalid_request",
            "The request is not a form.",
        ));
    }
    let mut form = Form::new();
    for (name, value) in url::form_urlencoded::parse(&call.body) {
        if form
            .insert(name.clone().into_owned(), value.into_owned())
            .is_some()
        {
            note(call, "a parameter is there twice");
            let words = format!("'{name}' was specified more than once.");
            return Err(refusal(400, "invalid_request", words));
        }
    }
    Ok(form)
}

fn authenticate(call: &Call, form: &Form) -> Result<App, Refusal> {
    let assertion = form.get("client_assertion");
    match (call.header(&header::AUTHORIZATION), assertion) {
        (Some(_), Some(_)) => {
            note(call, "a statement and Authorization");
            let words = "Cannot supply multiple client credentials.";
            Err(refusal(400, "invalid_request", words))
        }
        (Some(basic), None) => by_secret(call, basic),
        (None, Some(assertion)) => {
            if form.get("client_assertion_type").map(String::as_str) != Some(ASSERTION_TYPE) {
                note(call, "client_assertion_type");
                return Err(client("The client_assertion_type is invalid."));
            }
            by_assertion(call, assertion)
        }
        (None, None) => {
            note(call, "no client");
            Err(client("No client credentials found."))
        }
    }
}

fn by_secret(call: &Call, authorization: &str) -> Result<App, Refusal> {
    let pair = authorization
        .strip_prefix("Basic ")
        .and_then(|text| STANDARD.decode(text).ok());
    let pair = pair
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .unwrap_or_default();
    let Some((id, secret)) = pair.split_once(':') else {
        note(call, "Authorization");
        let words = "Found Authentication header but was not valid client credentials.";
        return Err(client(words));
    };
    let app = find(call, id).ok_or_else(|| client("Invalid value for 'client_id' parameter."))?;
    match &app.secret {
        None => Err(client(
            "Client Credentials requests to the Org Authorization Server must use the private_key_jwt token_endpoint_auth_method.",
        )),
        Some(known) if known == secret => Ok(app),
        Some(_) => Err(client(
            "The client secret supplied for a confidential client is invalid.",
        )),
    }
}

fn by_assertion(call: &Call, assertion: &str) -> Result<App, Refusal> {
    let wrong = |words: &'static str| {
        call.org.recorder().violation(Rule::AssertionWrong, words);
        client(words)
    };
    let Some(jwt) = Jwt::parse(assertion) else {
        return Err(wrong("The parsing of the client_assertion failed."));
    };
    let Some(app) = jwt.text("iss").and_then(|id| find(call, id)) else {
        return Err(client(
            "The issuer claim for client_assertion is not a valid client_id.",
        ));
    };
    if jwt.text("sub") != jwt.text("iss") {
        return Err(wrong(
            "The subject claim for client_assertion is not a valid client_id.",
        ));
    }
    verify_key(&app, &jwt)?;
    let url = format!("{}://{}{}", call.scheme, call.host(), call.path);
    if jwt.text("aud") != Some(&url) {
        return Err(wrong(
            "The audience claim for client_assertion must be the endpoint invoked for the request.",
        ));
    }
    let Some(exp) = jwt.seconds("exp") else {
        return Err(wrong(
            "The client_assertion must contain the 'exp' claim as seconds since epoch.",
        ));
    };
    let now = call.org.told_ms().div_euclid(1000);
    let iat = jwt.seconds("iat").unwrap_or(now);
    // Clocks may be wrong; a life of more than an hour is not the clock's fault.
    if exp - iat > ASSERTION_MAX_S {
        return Err(wrong(
            "The client_assertion token has an expiration too far into the future.",
        ));
    }
    if exp <= now {
        return Err(client("The client_assertion token is expired."));
    }
    if exp > now + ASSERTION_MAX_S {
        return Err(client(
            "The client_assertion token has an expiration too far into the future.",
        ));
    }
    if iat > now {
        return Err(client(
            "The client_assertion token must be issued before the current time.",
        ));
    }
    let jti = jwt.text("jti").unwrap_or_default();
    if jti.is_empty() || !call.org.oauth().use_once(&format!("statement {jti}")) {
        let words = "The client_assertion token has already been used.";
        call.org.recorder().violation(Rule::AssertionReused, words);
        return Err(client(words));
    }
    Ok(app)
}

fn verify_key(app: &App, jwt: &Jwt) -> Result<(), Refusal> {
    if app.keys.is_empty() {
        return Err(client(
            "The client does not have a JWKSet configured, but the client_assertion requires one.",
        ));
    }
    let kid = jwt.head("kid");
    let named = |key: &&serde_json::Value| key.get("kid").and_then(|kid| kid.as_str()) == kid;
    let key = match (kid, app.keys.as_slice()) {
        (None, [only]) => Some(only),
        (None, _) => None,
        (Some(_), keys) => keys.iter().find(named),
    };
    let key = key.ok_or_else(|| client("The client_assertion JWT kid is invalid."))?;
    match jwt.is_signed_by(key) {
        true => Ok(()),
        false => Err(client("The client_assertion signature is invalid.")),
    }
}

fn scopes(app: &App, asked: &str) -> Result<Vec<String>, Refusal> {
    let asked: Vec<_> = asked.split(' ').filter(|scope| !scope.is_empty()).collect();
    if asked.is_empty() {
        return Err(refusal(400, "invalid_scope", "No scopes were requested."));
    }
    let granted =
        |scope: &&str| SCOPES.contains(scope) && app.scopes.iter().any(|own| own == scope);
    if asked.iter().all(granted) {
        return Ok(asked.into_iter().map(str::to_owned).collect());
    }
    let words = "One or more scopes are not configured for the authorization server resource.";
    Err(refusal(400, "invalid_scope", words))
}

fn find(call: &Call, client_id: &str) -> Option<App> {
    let mut apps = call.org.config().apps.iter();
    apps.find(|app| app.client_id == client_id).cloned()
}

fn note(call: &Call, what: &str) {
    call.org.recorder().violation(Rule::TokenRequestWrong, what);
}

fn client(words: &str) -> Refusal {
    refusal(401, "invalid_client", words)
}

fn refusal(status: u16, error: &'static str, words: impl Into<String>) -> Refusal {
    Refusal {
        status,
        error,
        words: words.into(),
    }
}
