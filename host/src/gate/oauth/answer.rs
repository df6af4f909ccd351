//! What a token endpoint says: a token, or what is wrong and who has to do something about it.

use std::fmt;

use http::StatusCode;
use secrecy::SecretString;
use serde::Deserialize;

/// As much of a peer's words as is passed on.
const WORDS_MAX: usize = 300;

/// What an answer comes to.
#[derive(Debug)]
pub(super) enum Outcome {
    /// A token.
    Token(Granted),
    /// The peer wants tokens that are bound to a key, and there was no proof of one.
    WantsProof,
    /// The peer wants its nonce in the proof.
    WantsNonce,
    /// The statement or the proof was of another time.
    WrongTime(TokenRefusal),
    /// The statement or the proof came twice, as when something in between sends again.
    CameTwice(TokenRefusal),
    /// Somebody has to do something.
    Refused(TokenRefusal),
    /// It may pass: the peer is busy or ill.
    Unavailable(String),
}

/// A token as it came.
#[derive(Debug)]
pub(super) struct Granted {
    pub(super) token: SecretString,
    pub(super) is_bound: bool,
    /// In seconds.
    pub(super) lifetime: Option<u64>,
}

/// Why a client gets no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct TokenRefusal {
    /// What is wrong.
    pub cause: TokenRefusalCause,
    /// What the peer said, shortened, without control characters and without secrets.
    pub told: String,
}

impl fmt::Display for TokenRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no token: {}; {}", self.told, self.cause.advice())
    }
}

/// What is wrong when a client gets no token, told apart by what somebody has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenRefusalCause {
    /// The peer knows no such client.
    Client,
    /// It has no public key of this id.
    KeyId,
    /// The public key it has does not belong to our private key.
    Signature,
    /// It does not take this sort of key.
    Algorithm,
    /// It has no public key at all.
    NoKey,
    /// It goes by another name than the one we asked it under.
    Audience,
    /// The clocks disagree, also after ours was corrected.
    Clock,
    /// The secret is wrong.
    Secret,
    /// It takes a key and no secret.
    SecretNotTaken,
    /// The client may not have these scopes.
    Scope,
    /// The client is not one that gets tokens for itself.
    GrantType,
    /// The client is not let in from here, or not at all.
    Access,
    /// It wants tokens that are bound to a key, and the plugin does not allow those.
    ProofNotAllowed,
    /// It does not take our proof.
    Proof,
    /// It uses up one nonce after the other.
    Nonce,
    /// There is nobody who gives tokens.
    NoEndpoint,
    /// Anything else.
    Other,
}

impl TokenRefusalCause {
    /// What to do about it.
    pub fn advice(self) -> &'static str {
        match self {
            Self::Client => {
                "correct `client_id`, and see that the client is active in the organisation that the source names"
            }
            Self::KeyId => {
                "set `key_id` to the id (`kid`) that the client's public key has there, or register the public key"
            }
            Self::Signature => {
                "the private key does not belong to the public key that is registered under this id: correct \
                 `private_key` or `key_id`, or register its public key"
            }
            Self::Algorithm => "register a key of this sort, or use one of the registered sort",
            Self::NoKey => {
                "the client has no public key, or proves itself in another way: register the public key with the client"
            }
            Self::Audience => {
                "the organisation goes by another name: write the host name that it gives itself into the source's \
                 configuration"
            }
            Self::Clock => "the clocks disagree: set this machine's clock (NTP)",
            Self::Secret => "correct `client_secret`",
            Self::SecretNotTaken => {
                "this client must prove itself with a key: write `private_key` instead of `client_secret`"
            }
            Self::Scope => {
                "grant the scope to the client, or ask for those that it has with `scopes`; an administrator's role \
                 may be needed too"
            }
            Self::GrantType => {
                "the client must be one for services (machine to machine), which may ask for tokens for itself"
            }
            Self::Access => {
                "the client may be bound to network zones that this machine is not in, or have no role that lets it in"
            }
            Self::ProofNotAllowed => {
                "the client requires proof of possession (DPoP), which the plugin does not allow with this credential: \
                 turn the requirement off for the client"
            }
            Self::Proof => {
                "the proof of possession (DPoP) was refused; set this machine's clock (NTP) first"
            }
            Self::Nonce => "the peer does not take the nonces that it gave itself; try again later",
            Self::NoEndpoint => "is the address of the source the right one?",
            Self::Other => "see what the peer says about the client",
        }
    }
}

#[derive(Deserialize)]
struct Body {
    access_token: Option<String>,
    token_type: Option<String>,
    expires_in: Option<u64>,
    error: Option<String>,
    error_description: Option<String>,
    /// Errors of the peer as a whole come in its own form.
    #[serde(rename = "errorSummary")]
    error_summary: Option<String>,
}

/// Reads an answer. `clean` takes out of a text what was sent and must not be seen.
pub(super) fn read(
    status: StatusCode,
    body: &[u8],
    was_proven: bool,
    clean: impl Fn(String) -> String,
) -> Outcome {
    let body: Option<Body> = serde_json::from_slice(body).ok();
    if status == StatusCode::OK {
        return match body.and_then(|body| granted(body, was_proven)) {
            Some(granted) => Outcome::Token(granted),
            None => Outcome::Unavailable("the answer holds no token that can be used".to_owned()),
        };
    }
    let error = body.as_ref().and_then(|body| body.error.as_deref());
    let description = body.as_ref().and_then(|body| {
        let words = body.error_description.as_deref();
        words.or(body.error_summary.as_deref())
    });
    let told = clean(match (error, description) {
        (Some(error), Some(words)) => format!("{} {error}: {words}", status.as_u16()),
        (Some(words), None) | (None, Some(words)) => format!("{} {words}", status.as_u16()),
        (None, None) => format!("the token endpoint answered {}", status.as_u16()),
    });
    let told = shortened(&told);
    // A fault of the peer, whatever it calls it.
    let passes = status.is_server_error()
        || [408, 421, 425, 429].contains(&status.as_u16())
        || status.is_success();
    if passes {
        return Outcome::Unavailable(told);
    }
    let words = description.unwrap_or_default().to_ascii_lowercase();
    judge(status, error.unwrap_or_default(), &words, told, was_proven)
}

fn granted(body: Body, was_proven: bool) -> Option<Granted> {
    let token = body.access_token.filter(|token| !token.is_empty())?;
    let is = |name: &str| {
        let told = body.token_type.as_deref();
        told.is_some_and(|told| told.eq_ignore_ascii_case(name))
    };
    // A bound token without our key would be of no use.
    let is_bound = is("dpop") && was_proven;
    (is_bound || is("bearer")).then(|| Granted {
        token: token.into(),
        is_bound,
        lifetime: body.expires_in,
    })
}

fn judge(status: StatusCode, error: &str, words: &str, told: String, was_proven: bool) -> Outcome {
    let refused = |cause| TokenRefusal {
        cause,
        told: told.clone(),
    };
    match error {
        "use_dpop_nonce" => return Outcome::WantsNonce,
        "invalid_dpop_proof" if !was_proven => return Outcome::WantsProof,
        _ => {}
    }
    let is_of_another_time = ["expired", "expiration", "before the current time", "issued"];
    let says = |parts: &[&str]| parts.iter().any(|part| words.contains(part));
    match error {
        "invalid_client" | "invalid_dpop_proof" if says(&["already been used"]) => {
            Outcome::CameTwice(refused(TokenRefusalCause::Other))
        }
        "invalid_client" if says(&is_of_another_time) => {
            // "… issuer …" is about who, not about when.
            match says(&["issuer"]) {
                true => Outcome::Refused(refused(TokenRefusalCause::Client)),
                false => Outcome::WrongTime(refused(TokenRefusalCause::Clock)),
            }
        }
        "invalid_dpop_proof" if says(&is_of_another_time) => {
            Outcome::WrongTime(refused(TokenRefusalCause::Clock))
        }
        _ => Outcome::Refused(refused(cause(status, error, words))),
    }
}

fn cause(status: StatusCode, error: &str, words: &str) -> TokenRefusalCause {
    use TokenRefusalCause as Cause;
    let says = |part: &str| words.contains(part);
    match error {
        "invalid_client" if says("kid") => Cause::KeyId,
        "invalid_client" if says("signature algorithm") => Cause::Algorithm,
        "invalid_client" if says("signature") => Cause::Signature,
        "invalid_client" if says("audience") => Cause::Audience,
        "invalid_client" if says("jwkset") || says("jwks") => Cause::NoKey,
        "invalid_client" if says("token_endpoint_auth_method") => Cause::SecretNotTaken,
        "invalid_client" if says("application_type") => Cause::GrantType,
        "invalid_client" if says("secret") => Cause::Secret,
        "invalid_client" => Cause::Client,
        "invalid_scope" => Cause::Scope,
        "unauthorized_client" | "unsupported_grant_type" => Cause::GrantType,
        "access_denied" if says("scope") => Cause::Scope,
        "access_denied" => Cause::Access,
        "invalid_dpop_proof" => Cause::Proof,
        "" if matches!(status.as_u16(), 300..=399 | 404 | 405) => Cause::NoEndpoint,
        "" if status == StatusCode::FORBIDDEN => Cause::Access,
        _ => Cause::Other,
    }
}

/// Without control characters and not too much of it.
fn shortened(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    plain.take(WORDS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refused(status: u16, body: &str) -> (TokenRefusalCause, String) {
        let status = StatusCode::from_u16(status).unwrap();
        match read(status, body.as_bytes(), true, |text| text) {
            Outcome::Refused(refusal)
            | Outcome::WrongTime(refusal)
            | Outcome::CameTwice(refusal) => (refusal.cause, refusal.to_string()),
            other => panic!("{other:?}"),
        }
    }

    fn client(words: &str) -> TokenRefusalCause {
        let body = serde_json::json!({"error": "invalid_client", "error_description": words});
        refused(401, &body.to_string()).0
    }

    #[test]
    fn what_the_peer_says_becomes_what_to_do() {
        use TokenRefusalCause as Cause;
        // The peer's own words, from its catalogue of errors.
        for (words, cause) in [
            ("The client_assertion JWT kid is invalid.", Cause::KeyId),
            (
                "The client_assertion signature is invalid.",
                Cause::Signature,
            ),
            (
                "The client_assertion JWT signature algorithm is invalid.",
                Cause::Algorithm,
            ),
            (
                "The audience claim for client_assertion must be the endpoint invoked for the request.",
                Cause::Audience,
            ),
            ("The client_assertion token is expired.", Cause::Clock),
            (
                "The client_assertion token has an expiration too far into the future.",
                Cause::Clock,
            ),
            (
                "The client_assertion token must be issued before the current time.",
                Cause::Clock,
            ),
            (
                "The issuer claim for client_assertion is not a valid client_id.",
                Cause::Client,
            ),
            ("Invalid value for 'client_id' parameter.", Cause::Client),
            (
                "The client secret supplied for a confidential client is invalid.",
                Cause::Secret,
            ),
            (
                "Client Credentials requests to the Org Authorization Server must use the private_key_jwt token_endpoint_auth_method.",
                Cause::SecretNotTaken,
            ),
            (
                "The client does not have a JWKSet configured, but the client_assertion requires one.",
                Cause::NoKey,
            ),
            (
                "Only clients with 'application_type' of 'service' may use the client_credentials 'grant_type' with the Org Authorization Server.",
                Cause::GrantType,
            ),
        ] {
            assert_eq!(client(words), cause, "{words}");
        }
        let scope = r#"{"error":"invalid_scope","error_description":"One or more scopes are not configured"}"#;
        assert_eq!(refused(400, scope).0, Cause::Scope);
        let zone = r#"{"error":"access_denied","error_description":"The request is made from outside the client's permitted network zones."}"#;
        assert_eq!(refused(403, zone).0, Cause::Access);
        assert_eq!(refused(404, "<html>").0, Cause::NoEndpoint);
    }

    #[test]
    fn words_are_bounded_and_of_one_line() {
        let body =
            serde_json::json!({"error": "x\u{1b}[2J", "error_description": "y\n".repeat(1000)});
        let (_, told) = refused(400, &body.to_string());
        assert!(!told.contains(char::is_control), "{told}");
        assert!(told.len() < 500);
    }

    const KNOWN: [&str; 3] = ["invalid_client", "invalid_dpop_proof", "use_dpop_nonce"];

    /// What a peer might send: a body of the right form with any words in it, or anything.
    fn any_body() -> impl Strategy<Value = Vec<u8>> {
        let word = prop_oneof![
            prop::sample::select(&KNOWN[..]).prop_map(str::to_owned),
            any::<String>()
        ];
        let kind = prop_oneof![
            Just("Bearer".to_owned()),
            Just("DPoP".to_owned()),
            any::<String>()
        ];
        let body = (word, any::<String>(), kind, any::<i64>()).prop_map(
            |(error, words, kind, seconds)| {
                let body = serde_json::json!({
                    "error": error, "error_description": words.repeat(20),
                    "access_token": words, "token_type": kind, "expires_in": seconds,
                });
                body.to_string().into_bytes()
            },
        );
        prop_oneof![body, prop::collection::vec(any::<u8>(), 0..64)]
    }

    proptest! {
        #[test]
        fn trust_10_whatever_a_peer_says_is_told_in_one_short_line(
            status in 100_u16..1000, body in any_body(), was_proven: bool,
        ) {
            let status = StatusCode::from_u16(status).unwrap();
            let told = match read(status, &body, was_proven, |text| text) {
                Outcome::WantsProof | Outcome::WantsNonce => String::new(),
                Outcome::Token(_) => {
                    prop_assert_eq!(status, StatusCode::OK);
                    String::new()
                }
                Outcome::WrongTime(refusal) | Outcome::CameTwice(refusal) | Outcome::Refused(refusal) => refusal.told,
                Outcome::Unavailable(told) => told,
            };
            prop_assert!(told.chars().count() <= WORDS_MAX, "{}", told);
            prop_assert!(!told.contains(char::is_control), "{:?}", told);
        }
    }

    #[test]
    fn what_may_pass_is_no_refusal() {
        for status in [429, 500, 502, 503] {
            let status = StatusCode::from_u16(status).unwrap();
            let outcome = read(status, b"{}", false, |text| text);
            assert!(matches!(outcome, Outcome::Unavailable(_)), "{outcome:?}");
        }
        for body in [
            "",
            "[]",
            "{}",
            r#"{"access_token":"t"}"#,
            r#"{"access_token":"t","token_type":"DPoP"}"#,
        ] {
            let outcome = read(StatusCode::OK, body.as_bytes(), false, |text| text);
            assert!(matches!(outcome, Outcome::Unavailable(_)), "{outcome:?}");
        }
    }
}
