//! Access tokens on API calls.

use super::proof;
use crate::call::Call;
use crate::error::ApiError;
use crate::report::Rule;

/// The client whose token came with the call, if the token may do this. Errors carry the challenge that Okta's have.
pub(crate) fn check(
    call: &Call,
    is_dpop: bool,
    token: &str,
    scope: &str,
) -> Result<String, ApiError> {
    let issued = call.org.oauth().find(token, call.org.now_ms());
    call.org.recorder().token(issued.is_some());
    let scheme = if is_dpop { "DPoP" } else { "Bearer" };
    let refused = |error: &str, words: &str| {
        let challenge = challenge(call, scheme, scope, error, words);
        ApiError::token().challenging(challenge)
    };
    let Some(issued) = issued else {
        return Err(refused("invalid_token", "The access token is invalid."));
    };
    match (&issued.bound_to, is_dpop) {
        (None, true) => {
            let words = "The presented access_token is not DPoP bound.";
            call.org.recorder().violation(Rule::ProofWrong, words);
            return Err(refused("invalid_token", words));
        }
        (Some(_), false) => {
            let words = "A bound token came as Bearer.";
            call.org.recorder().violation(Rule::ProofWrong, words);
            return Err(refused("invalid_token", words));
        }
        (None, false) => {}
        (Some(key), true) => match proof::verify(call, Some(token)) {
            Ok(Some(proven)) if proven == *key => {}
            Ok(_) => {
                let words = "The access_token is not bound to the provided DPoP proof.";
                call.org.recorder().violation(Rule::ProofWrong, words);
                return Err(refused("invalid_dpop_proof", words));
            }
            Err(bad) => return Err(refused(bad.error, bad.words)),
        },
    }
    if issued.scopes.iter().any(|own| own == scope) {
        return Ok(issued.client_id);
    }
    let words = "The access token provided does not contain the required scopes.";
    let challenge = challenge(call, scheme, scope, "insufficient_scope", words);
    Err(ApiError::forbidden().challenging(challenge))
}

fn challenge(call: &Call, scheme: &str, scope: &str, error: &str, words: &str) -> String {
    let org = call.url("");
    format!(
        "{scheme} authorization_uri=\"{org}/oauth2/v1/authorize\", realm=\"{org}\", scope=\"{scope}\", error=\"{error}\", error_description=\"{words}\", resource=\"{}\"",
        call.path
    )
}

/// Where a path's answers belong to whoever has this scope.
pub(crate) fn scope_of(path: &str) -> &'static str {
    match path {
        crate::LOGS_PATH => "okta.logs.read",
        "/api/v1/api-tokens" => "okta.apiTokens.read",
        path if path.starts_with("/api/v1/iam/") => "okta.roles.read",
        _ => "okta.users.read",
    }
}
