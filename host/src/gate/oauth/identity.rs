//! Who a client is, and how it says so when it asks for a token.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue, Method, header};
use secrecy::{ExposeSecret, SecretString};
use url::{Url, form_urlencoded};

use super::assertion;
use super::error::TokenError;
use super::key::SigningKey;
use super::secret::sensitive;

/// What a signed statement is called (RFC 7523, section 2.2).
const STATEMENT: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Who a client is, and what it asks for.
#[derive(Debug)]
pub struct OauthIdentity {
    /// The client's id.
    pub client_id: String,
    /// How it proves that it is the client.
    pub proof: OauthProof,
    /// What it asks for.
    pub scopes: Vec<String>,
    /// Whether its tokens may be bound to a key.
    pub dpop: bool,
}

/// How a client proves that it is itself.
#[derive(Debug)]
pub enum OauthProof {
    /// By signing with its private key.
    Key(SigningKey),
    /// By its secret.
    Secret(SecretString),
}

impl OauthIdentity {
    /// A request for a token, to be sent once, and the secret that is in it, in all forms that somebody could repeat it
    /// in. `now` is by the peer's clock.
    pub(super) fn request(
        &self,
        url: &Url,
        now: i64,
    ) -> Result<(reqwest::Request, Vec<SecretString>), TokenError> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        if !self.scopes.is_empty() {
            form.append_pair("scope", &self.scopes.join(" "));
        }
        let mut request = reqwest::Request::new(Method::POST, url.clone());
        let mut set = |name: HeaderName, value: HeaderValue| {
            request.headers_mut().insert(name, value);
        };
        set(header::ACCEPT, HeaderValue::from_static("application/json"));
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
        set(header::CONTENT_TYPE, kind);
        let sent = match &self.proof {
            OauthProof::Key(key) => {
                let statement = assertion::make(key, &self.client_id, url, now);
                let statement = statement.ok_or_else(TokenError::no_randomness)?;
                form.append_pair("client_assertion_type", STATEMENT);
                form.append_pair("client_assertion", statement.expose_secret());
                vec![statement]
            }
            OauthProof::Secret(secret) => {
                let encoded = encoded(secret.expose_secret());
                let pair = pair(&self.client_id, &encoded);
                let value = sensitive(&format!("Basic {}", pair.expose_secret()));
                set(
                    header::AUTHORIZATION,
                    value.ok_or_else(TokenError::unprintable)?,
                );
                vec![pair, encoded.into(), secret.clone()]
            }
        };
        *request.body_mut() = Some(form.finish().into());
        Ok((request, sent))
    }
}

/// RFC 6749, section 2.3.1: both are encoded as in a form first.
fn pair(client_id: &str, encoded_secret: &str) -> SecretString {
    let pair = format!("{}:{encoded_secret}", encoded(client_id));
    STANDARD.encode(pair).into()
}

fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
