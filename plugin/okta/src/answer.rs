//! What an answer that is no page means, and what to do about it.
//!
//! The body of such an answer is never an event. Of Okta's errors only `errorCode` is stable; its words are passed on
//! to people. Whoever asks Okta's support needs the request id, so it is always told.

use logweir_plugin::http::{Headers, HttpError};
use logweir_plugin::types::Error;
use serde_json::Value;

/// As much of a peer's words as is passed on.
const MAX_WORDS: usize = 300;

/// The head of an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Head {
    /// The status code.
    pub status: u16,
    /// The headers that the host lets through.
    pub headers: Headers,
}

/// An error as Okta tells it. All is empty when the answer is not Okta's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OktaError {
    /// `errorCode`, like `E0000011`.
    pub code: String,
    /// `errorSummary`, and the first of `errorCauses`.
    pub summary: String,
}

impl OktaError {
    /// Reads the body of an answer. Whatever is in it, this is no error of ours.
    pub fn parse(body: &[u8]) -> Self {
        let value: Value = serde_json::from_slice(body).unwrap_or_default();
        let text =
            |value: Option<&Value>| shortened(value.and_then(Value::as_str).unwrap_or_default());
        let causes = value.get("errorCauses").and_then(Value::as_array);
        let cause = causes.and_then(|causes| causes.first());
        let cause = text(cause.and_then(|cause| cause.get("errorSummary")));
        let summary = text(value.get("errorSummary"));
        Self {
            code: text(value.get("errorCode")),
            summary: match cause.is_empty() || summary.contains(&cause) {
                true => summary,
                false => format!("{summary} ({cause})"),
            },
        }
    }

    /// Whether it is one.
    pub fn is_okta(&self) -> bool {
        self.code.starts_with('E')
    }
}

impl Head {
    /// Whether something between us and Okta answered with a page for people.
    pub fn is_html(&self) -> bool {
        let kind = self.headers.get("content-type").unwrap_or_default();
        kind.trim_start()
            .to_ascii_lowercase()
            .starts_with("text/html")
    }

    /// The status, what Okta said with it, and the id that its support asks for.
    pub fn told(&self, error: &OktaError) -> String {
        let mut told = format!("Okta answered {}", self.status);
        if error.is_okta() {
            told = format!("{told} {}: {}", error.code, error.summary);
        } else {
            told.push_str(", not in Okta's way: perhaps something in between did");
        }
        if let Some(id) = self.headers.get("x-okta-request-id") {
            told = format!("{told} (request {})", shortened(id));
        }
        told
    }

    /// What to do after 401. Okta names the scheme that it expects only to those who used it.
    pub fn credential_advice(&self) -> &'static str {
        let challenge = self.headers.get("www-authenticate").unwrap_or_default();
        let scheme = challenge.split(' ').next().unwrap_or_default();
        match scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("dpop") {
            true => OAUTH_ADVICE,
            false => API_TOKEN_ADVICE,
        }
    }

    /// What the credential lacks, and what to do, after 403.
    pub fn lacking(&self) -> String {
        let challenge = self.headers.get("www-authenticate").unwrap_or_default();
        if challenge.contains("insufficient_scope") {
            let scope = quoted(challenge, "scope=").unwrap_or("okta.logs.read");
            return format!(
                "grant the scope {} to the app in the Admin Console (Applications, the app's tab \"Okta API Scopes\")",
                shortened(scope)
            );
        }
        "the owner of the token, or the app, must be allowed to view the System Log: Read-only Administrator or Report \
         Administrator is enough; if the token is bound to network zones, this machine must be in one"
            .to_owned()
    }
}

/// What to do after 401 with an API token.
const API_TOKEN_ADVICE: &str = "create a new API token in the Admin Console (Security > API > Tokens) and put it in \
     the place of the old one; a token dies after 30 days without use, or with its owner";

/// What to do after 401 with an access token: the host has asked for a new one already, and that was refused too.
const OAUTH_ADVICE: &str = "the org gives this app tokens and does not take them: see that the app is active, that the \
     scope okta.logs.read is granted to it and that it has an administrator role (Admin Console: Applications, the \
     app's tabs \"Okta API Scopes\" and \"Admin roles\")";

/// What an answer means that is neither a page nor a matter of what was asked: all but 200, 400 and 429.
pub fn refusal(head: &Head, body: &[u8]) -> Error {
    let error = OktaError::parse(body);
    let told = head.told(&error);
    match head.status {
        401 => Error::Unauthorized(format!("{told}; {}", head.credential_advice())),
        403 => Error::Unauthorized(format!("{told}; {}", head.lacking())),
        // Okta answers a wrong method where it means a wrong token.
        405 if error.code == "E0000022" => {
            Error::Unauthorized(format!("{told}; {}", head.credential_advice()))
        }
        300..=399 => Error::Transient(format!(
            "{told}; it sends us on to {}, and a token is not taken there",
            shortened(
                head.headers
                    .get("location")
                    .unwrap_or("an address it does not name")
            )
        )),
        404 | 405 if error.is_okta() => {
            Error::Permanent(format!("{told}; is this the address of an Okta org?"))
        }
        100..=299 | 407 | 408 | 421 | 425 | 500.. => Error::Transient(told),
        _ if error.is_okta() => Error::Permanent(told),
        // What is in between may think better of it, and a source that stopped does not come back by itself.
        _ => Error::Transient(format!("{told}; is this the address of an Okta org?")),
    }
}

/// What it means that there was no answer, or none to its end. All of it may pass: a network that lies about a name
/// today tells the truth tomorrow.
pub fn failure(error: &HttpError, host: &str) -> Error {
    match error {
        HttpError::Invalid(_) => Error::Permanent(error.to_string()),
        HttpError::Unauthorized(told) => Error::Unauthorized(told.clone()),
        _ => Error::Transient(format!("{host}: {error}")),
    }
}

/// The quoted value behind `name`, which begins a parameter.
fn quoted<'a>(challenge: &'a str, name: &str) -> Option<&'a str> {
    let at = challenge.match_indices(name).map(|(at, _)| at).find(|at| {
        *at == 0
            || challenge
                .get(..*at)
                .is_some_and(|before| before.ends_with([' ', ',']))
    })?;
    let value = challenge.get(at + name.len()..)?.strip_prefix('"')?;
    value.split('"').next()
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_WORDS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(status: u16, headers: &[(&str, &str)]) -> Head {
        Head {
            status,
            headers: headers.iter().copied().collect(),
        }
    }

    const TOKEN: &[u8] = br#"{"errorCode":"E0000011","errorSummary":"Invalid token provided","errorLink":"E0000011","errorId":"oae1","errorCauses":[]}"#;

    #[test]
    fn a_wrong_token_is_told_with_what_to_do() {
        let error = refusal(&head(401, &[("X-Okta-Request-Id", "abc")]), TOKEN);
        let Error::Unauthorized(text) = error else {
            panic!("{error:?}")
        };
        for part in [
            "401 E0000011: Invalid token provided",
            "request abc",
            "create a new API token",
        ] {
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn who_came_with_an_access_token_is_not_told_to_create_an_api_token() {
        let challenge = r#"Bearer realm="https://acme.okta.com", error="invalid_token""#;
        let error = refusal(&head(401, &[("www-authenticate", challenge)]), TOKEN);
        let error = error.to_string();
        assert!(error.contains("Okta API Scopes"), "{error}");
        assert!(!error.contains("create a new API token"), "{error}");
        let unsigned = HttpError::Unauthorized("no token: 401 invalid_client".to_owned());
        let error = failure(&unsigned, "acme.okta.com");
        assert_eq!(
            error,
            Error::Unauthorized("no token: 401 invalid_client".to_owned())
        );
    }

    #[test]
    fn a_missing_permission_names_role_or_scope() {
        let body = br#"{"errorCode":"E0000006","errorSummary":"You do not have permission to perform the requested action","errorCauses":{}}"#;
        let error = refusal(&head(403, &[]), body).to_string();
        assert!(
            error.contains("E0000006") && error.contains("Read-only Administrator"),
            "{error}"
        );
        assert!(error.contains("network zones"));
        let challenge = r#"Bearer authorization_uri="http://acme.okta.com/oauth2/v1/authorize", realm="http://acme.okta.com", scope="okta.logs.read", error="insufficient_scope", resource="/api/v1/logs""#;
        let error = refusal(&head(403, &[("www-authenticate", challenge)]), body).to_string();
        assert!(error.contains("grant the scope okta.logs.read"), "{error}");
    }

    #[test]
    fn each_status_has_its_kind() {
        let kind = |status, body: &[u8]| match refusal(&head(status, &[]), body) {
            Error::Unauthorized(_) => 'u',
            Error::Transient(_) => 't',
            Error::Permanent(_) => 'p',
            other => panic!("{other:?}"),
        };
        for transient in [204, 302, 307, 407, 408, 500, 501, 502, 503, 504, 599] {
            assert_eq!(kind(transient, b""), 't', "{transient}");
        }
        for refused in [402, 404, 405, 410, 414, 418, 451] {
            let okta = br#"{"errorCode":"E0000007","errorSummary":"Not found"}"#;
            assert_eq!(kind(refused, okta), 'p', "{refused}");
            assert_eq!(kind(refused, b"<html>"), 't', "{refused} from in between");
        }
        assert_eq!(kind(405, br#"{"errorCode":"E0000022"}"#), 'u');
        let sent_on = refusal(
            &head(302, &[("location", "https://portal.example/login")]),
            b"",
        );
        assert!(sent_on.to_string().contains("portal.example"));
    }

    #[test]
    fn what_is_not_okta_is_called_so() {
        let error = refusal(&head(502, &[]), b"<html>Bad gateway</html>").to_string();
        assert!(error.contains("502, not in Okta's way"), "{error}");
        let long = format!(
            r#"{{"errorCode":"E1","errorSummary":"{}"}}"#,
            "é".repeat(1000)
        );
        let error = OktaError::parse(long.as_bytes());
        assert_eq!(error.summary.chars().count(), 301);
        let caused = br#"{"errorCode":"E0000029","errorSummary":"Invalid paging request.","errorCauses":[{"errorSummary":"Invalid cursor."}]}"#;
        assert_eq!(
            OktaError::parse(caused).summary,
            "Invalid paging request. (Invalid cursor.)"
        );
        assert!(head(200, &[("content-type", "Text/HTML; charset=utf-8")]).is_html());
        assert!(!head(200, &[("content-type", "application/json")]).is_html());
        assert!(!head(200, &[]).is_html());
    }

    #[test]
    fn no_answer_is_no_reason_to_stop() {
        let error = failure(
            &HttpError::Denied("private address".to_owned()),
            "acme.okta.com",
        );
        assert!(matches!(error, Error::Transient(ref text) if text.contains("acme.okta.com")));
        let error = failure(&HttpError::Invalid("the path".to_owned()), "acme.okta.com");
        assert!(matches!(error, Error::Permanent(_)));
    }
}
