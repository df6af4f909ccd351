//! Proofs that whoever sends a token also has the key it is bound to (DPoP, RFC 9449, section 4).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderName, HeaderValue, Method};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::Url;

use super::jwk;
use super::jws;
use super::key::SigningKey;
use super::secret::sensitive;

/// The header that a proof goes in.
pub(super) const DPOP: HeaderName = HeaderName::from_static("dpop");
/// The header that a peer gives nonces in.
pub(super) const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// A key that tokens are bound to. It is made here, is used for nothing else, and is never written down.
#[derive(Debug)]
pub(super) struct ProofKey {
    key: SigningKey,
    header: Value,
}

/// What one request is proven with.
pub(super) struct Proven<'a> {
    pub(super) method: &'a Method,
    pub(super) url: &'a Url,
    /// By the peer's clock, in seconds since 1970.
    pub(super) now: i64,
    pub(super) nonce: Option<&'a SecretString>,
    /// The token that goes along, if one does.
    pub(super) token: Option<&'a SecretString>,
}

impl ProofKey {
    /// A new key. Fails only if the system has no randomness.
    pub(super) fn generate() -> Option<Self> {
        let key = SigningKey::generate()?;
        let jwk = jwk::public_p256(&key);
        let header = json!({"typ": "dpop+jwt", "alg": key.algorithm(), "jwk": jwk});
        Some(Self { key, header })
    }

    /// A new proof for one request, to be sent once.
    pub(super) fn prove(&self, proven: &Proven<'_>) -> Option<HeaderValue> {
        // Query and fragment are no part of it (RFC 9449, section 4.2).
        let mut url = proven.url.clone();
        url.set_query(None);
        url.set_fragment(None);
        let mut claims = json!({
            "htm": proven.method.as_str(),
            "htu": url.as_str(),
            "iat": proven.now,
            "jti": jws::unique()?,
        });
        if let Value::Object(claims) = &mut claims {
            if let Some(nonce) = proven.nonce {
                claims.insert("nonce".to_owned(), nonce.expose_secret().into());
            }
            if let Some(token) = proven.token {
                let digest = Sha256::digest(token.expose_secret());
                claims.insert("ath".to_owned(), URL_SAFE_NO_PAD.encode(digest).into());
            }
        }
        let proof = jws::sign(&self.header, &claims, &self.key)?;
        sensitive(proof.expose_secret())
    }
}
