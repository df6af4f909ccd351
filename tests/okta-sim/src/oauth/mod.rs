//! The org's own authorization server: apps, the tokens they got, and what must not come twice.
//!
//! It is stricter than Okta's, so that a client which passes here passes there: what is signed is verified to the last
//! claim, every `jti` is remembered, and proofs need the nonce of the moment on API calls too. What a client does wrong
//! that has nothing to do with clocks, nonces or revoked tokens is noted in the report.

pub(crate) mod access;
mod jwt;
mod proof;
pub(crate) mod token;

use std::collections::{HashMap, HashSet};

use rand::Rng;
use serde::Deserialize;
use serde_json::Value;

use crate::org::Org;

/// An app that gets tokens.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct App {
    /// Its id.
    pub client_id: String,
    /// Its public keys, as JSON Web Keys.
    pub keys: Vec<Value>,
    /// Its secret, if it is an API service integration and has no keys.
    pub secret: Option<String>,
    /// The scopes that are granted to it.
    pub scopes: Vec<String>,
    /// Whether it requires proof of possession.
    pub dpop: bool,
    /// Whether requests come from outside of its network zones.
    pub is_outside: bool,
}

/// A token that was given.
#[derive(Debug, Clone)]
pub(crate) struct Issued {
    pub(crate) client_id: String,
    pub(crate) scopes: Vec<String>,
    ends_ms: i64,
    /// The thumbprint of the key that it is bound to.
    bound_to: Option<String>,
}

/// What the server remembers.
#[derive(Debug, Default)]
pub(crate) struct Oauth {
    issued: HashMap<String, Issued>,
    /// Every `jti` of statements and proofs.
    used: HashSet<String>,
}

impl Oauth {
    /// No token holds any more.
    pub(crate) fn revoke(&mut self) {
        self.issued.clear();
    }

    /// A token of this text that still holds.
    pub(crate) fn find(&self, token: &str, now_ms: i64) -> Option<Issued> {
        let issued = self.issued.get(token)?;
        (now_ms < issued.ends_ms).then(|| issued.clone())
    }

    /// Whose token it is or was.
    pub(crate) fn owner(&self, token: &str) -> Option<&str> {
        Some(self.issued.get(token)?.client_id.as_str())
    }

    fn issue(&mut self, issued: Issued) -> String {
        let mut rng = rand::rng();
        let part = |rng: &mut rand::rngs::ThreadRng| {
            let words: Vec<_> = (0..8).map(|_| format!("{:016x}", rng.next_u64())).collect();
            words.concat()
        };
        // They begin as Okta's do, with `{"kid":` in base64; what follows is chance.
        let [head, claims, signature] = [(); 3].map(|()| part(&mut rng));
        let token = format!("eyJraWQiOi{head}.{claims}.{signature}");
        self.issued.insert(token.clone(), issued);
        token
    }

    /// Whether this is the first time.
    fn use_once(&mut self, jti: &str) -> bool {
        self.used.insert(jti.to_owned())
    }
}

/// The nonce of this moment.
pub(crate) fn nonce(org: &Org) -> String {
    let lifetime = i64::try_from(org.config().nonce_lifetime.as_millis()).unwrap_or(i64::MAX);
    let epoch = org.now_ms().div_euclid(lifetime.max(1));
    format!("nonce-{}-{epoch}", org.config().seed)
}
