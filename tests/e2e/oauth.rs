//! Apps that get tokens, against the simulated org, which verifies all that they sign.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use okta_sim::{App, OrgConfig};
use serde_json::{Value, json};

use crate::house::{House, text};
use crate::org::Org;

mod reading;
mod told;

pub(crate) const CLIENT: &str = "0oaReaderOfLogs1d7";

/// What tokens begin with, and what we sign: `{"kid":` and `{"typ":` in base64.
const BEGINNINGS: [&str; 2] = ["eyJraWQiOi", "eyJ0eXAiOi"];

/// A key pair: PEM of the private half, JSON Web Key of the public one, and a part of the private key's text that would
/// give it away.
pub(crate) struct Keys {
    pub(crate) pem: String,
    pub(crate) public: Value,
}

impl Keys {
    fn rsa() -> Self {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        // Two lengths, the modulus of 256 bytes, and the exponent, which is always this one.
        let modulus = &pair.public_key().as_ref()[9..265];
        let text = |number: &[u8]| URL_SAFE_NO_PAD.encode(number);
        let (n, e) = (text(modulus), "AQAB");
        Self {
            pem: pem(der.as_ref()),
            public: json!({"kty": "RSA", "kid": "one", "n": n, "e": e}),
        }
    }

    pub(crate) fn ec() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let point = pair.public_key().as_ref();
        let text = |number: &[u8]| URL_SAFE_NO_PAD.encode(number);
        let public = json!({
            "kty": "EC", "kid": "one", "crv": "P-256", "x": text(&point[1..33]), "y": text(&point[33..]),
        });
        Self {
            pem: pem(pair.to_pkcs8v1().unwrap().as_ref()),
            public,
        }
    }

    pub(crate) fn part(&self) -> &str {
        self.pem.lines().nth(2).unwrap()
    }
}

pub(crate) fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<_> = text
        .as_bytes()
        .chunks(64)
        .map(String::from_utf8_lossy)
        .collect();
    format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        lines.join("\n")
    )
}

pub(crate) fn app(keys: &Keys, dpop: bool) -> App {
    App {
        client_id: CLIENT.to_owned(),
        keys: vec![keys.public.clone()],
        scopes: vec!["okta.logs.read".to_owned()],
        dpop,
        ..App::default()
    }
}

pub(crate) fn org(app: App, config: OrgConfig) -> Org {
    Org::new(OrgConfig {
        apps: vec![app],
        ..config
    })
}

/// An org with this many events, which knows the app.
pub(crate) fn org_of(app: App, events: usize) -> Org {
    let config = OrgConfig {
        events,
        ..OrgConfig::default()
    };
    org(app, config)
}

pub(crate) fn private(house: &House, name: &str, text: &str) {
    house.write(name, text);
    fs::set_permissions(house.path(name), fs::Permissions::from_mode(0o600)).unwrap();
}

/// A house whose source reads as an app, proving itself as `proof` says.
fn house(url: &str, proof: &str) -> House {
    let house = House::new();
    house.write(
        "logweir.yaml",
        &format!(
            "sources:\n  acme:\n    plugin: okta\n    config: {{ url: \"{url}\", poll: 200ms }}\n    credentials:\n      \
             oauth:\n        client_id: {CLIENT}\n{proof}outputs:\n  archive: {{ type: file, inputs: [acme], path: \
             out.ndjson }}\n"
        ),
    );
    house
}

fn house_with_key(url: &str, keys: &Keys) -> House {
    let house = house(
        url,
        "        private_key: ${file:app.key}\n        key_id: one\n",
    );
    private(&house, "app.key", &keys.pem);
    house
}
