//! Proofs of possession (DPoP, RFC 9449), verified.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::jwt::{Jwt, thumbprint};
use super::nonce;
use crate::call::Call;
use crate::report::Rule;

/// Seconds that a proof may be old.
const AGE_MAX: i64 = 300;

/// What is wrong with a proof: Okta's error and its words.
pub(super) struct BadProof {
    pub(super) error: &'static str,
    pub(super) words: &'static str,
}

/// The thumbprint of the key that a request was proven with, if it has a proof.
pub(super) fn verify(call: &Call, token: Option<&str>) -> Result<Option<String>, BadProof> {
    let mut sent = call.headers.get_all("dpop").iter();
    let Some(proof) = sent.next() else {
        return Ok(None);
    };
    let wrong = |words| refuse(call, Rule::ProofWrong, words);
    if sent.next().is_some() {
        return Err(wrong("Multiple DPoP proof JWT headers are not allowed."));
    }
    let text = proof.to_str().unwrap_or_default();
    let Some(jwt) = Jwt::parse(text) else {
        return Err(wrong("The DPoP proof JWT cannot be parsed."));
    };
    if jwt.head("typ") != Some("dpop+jwt") {
        return Err(wrong("'typ' must be 'dpop+jwt' in the DPoP proof JWT."));
    }
    let jwk = jwt.header.get("jwk").cloned().unwrap_or_default();
    let is_private = ["d", "p", "q", "k"]
        .iter()
        .any(|member| jwk.get(*member).is_some());
    if is_private || !jwt.is_signed_by(&jwk) {
        return Err(wrong("The DPoP proof JWT signature is invalid."));
    }
    if jwt.text("htm") != Some(call.method.as_str()) {
        return Err(wrong("'htm' claim in the DPoP proof JWT is invalid."));
    }
    let url = format!("{}://{}{}", call.scheme, call.host(), call.path);
    if jwt.text("htu") != Some(&url) {
        return Err(wrong("'htu' claim in the DPoP proof JWT is invalid."));
    }
    let digest = token.map(|token| URL_SAFE_NO_PAD.encode(Sha256::digest(token)));
    if jwt.text("ath") != digest.as_deref() {
        let words = "'ath' claim in the DPoP proof does not match the presented access_token.";
        return Err(wrong(words));
    }
    let (Some(iat), Some(jti)) = (jwt.seconds("iat"), jwt.text("jti")) else {
        return Err(wrong("'iat' claim in the DPoP proof JWT is invalid."));
    };
    if !call.org.oauth().use_once(&format!("proof {jti}")) {
        return Err(refuse(
            call,
            Rule::ProofReused,
            "The DPoP proof JWT has already been used.",
        ));
    }
    in_time(call, iat)?;
    if jwt.claims.get("nonce").and_then(Value::as_str) != Some(&*nonce(&call.org)) {
        return Err(BadProof {
            error: "use_dpop_nonce",
            words: "Authorization server requires nonce in DPoP proof.",
        });
    }
    Ok(Some(thumbprint(&jwk)))
}

fn in_time(call: &Call, iat: i64) -> Result<(), BadProof> {
    let now = call.org.told_ms().div_euclid(1000);
    let words = match () {
        () if iat > now => "The DPoP proof JWT is issued in the future.",
        () if iat < now - AGE_MAX => {
            "The DPoP proof JWT is issued more than five minutes in the past."
        }
        () => return Ok(()),
    };
    Err(BadProof {
        error: "invalid_dpop_proof",
        words,
    })
}

fn refuse(call: &Call, rule: Rule, words: &'static str) -> BadProof {
    call.org.recorder().violation(rule, words);
    BadProof {
        error: "invalid_dpop_proof",
        words,
    }
}
