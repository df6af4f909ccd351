//! What a client proves itself with at the token endpoint: a signed statement that it is itself (RFC 7523, section 3).

use secrecy::SecretString;
use serde_json::{Value, json};
use url::Url;

use super::jws;
use super::key::SigningKey;

/// Seconds that a statement holds: peers allow an hour at most, and it is sent at once.
const LIFETIME: i64 = 300;

/// A new statement, told by the peer's clock, for the very URL that it is sent to.
pub(super) fn make(key: &SigningKey, client_id: &str, url: &Url, now: i64) -> Option<SecretString> {
    let mut header = json!({"typ": "JWT", "alg": key.algorithm()});
    if let (Some(key_id), Value::Object(header)) = (key.key_id(), &mut header) {
        header.insert("kid".to_owned(), key_id.into());
    }
    let claims = json!({
        "iss": client_id,
        "sub": client_id,
        "aud": url.as_str(),
        "iat": now,
        "exp": now + LIFETIME,
        "jti": jws::unique()?,
    });
    jws::sign(&header, &claims, key)
}
