//! JSON Web Signatures in their compact form (RFC 7515): three pieces of base64url with dots between.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::SecretString;
use serde_json::Value;

use super::key::SigningKey;

/// Signs claims. Fails only if the system has no randomness.
pub(super) fn sign(header: &Value, claims: &Value, key: &SigningKey) -> Option<SecretString> {
    let mut text = URL_SAFE_NO_PAD.encode(header.to_string());
    text.push('.');
    URL_SAFE_NO_PAD.encode_string(claims.to_string(), &mut text);
    let signature = key.sign(text.as_bytes())?;
    text.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut text);
    Some(text.into())
}

/// A name that is used once: 128 bits of chance.
pub(super) fn unique() -> Option<String> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).ok()?;
    Some(URL_SAFE_NO_PAD.encode(bytes))
}
