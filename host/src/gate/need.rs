//! What a plugin says of itself: the host's side of the contract's `description`.

use serde::{Deserialize, Serialize};

/// What a plugin is. Stored as JSON, so that it is asked once per file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// Its name, in lower case.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it does, in a sentence.
    pub summary: String,
    /// JSON Schema of its configuration.
    pub config_schema: String,
    /// The network access it asks for.
    pub needs: Vec<Need>,
    /// The credentials it understands.
    pub credentials: Vec<CredentialKind>,
}

/// Network access that a plugin asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Need {
    /// A short name, unique in the description.
    pub name: String,
    /// Where to: `https://{name}`, `https://api.example.com` or `{name}`.
    pub origin: String,
    /// Upper-case methods.
    pub methods: Vec<String>,
    /// Exact paths, or whole segments followed by `/*`.
    pub paths: Vec<String>,
    /// Request headers the plugin may set beyond those everybody may.
    pub request_headers: Vec<String>,
    /// Response headers the plugin may see beyond those everybody may.
    pub response_headers: Vec<String>,
    /// The kind of credential that is added to these requests.
    pub credential: Option<String>,
    /// How the peer tells what it still allows.
    pub rate_limit: Option<RateLimit>,
    /// Granted to `check` alone.
    pub check_only: bool,
}

/// The response headers that tell how many requests are left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateLimit {
    /// Header with the number of requests a window allows.
    pub limit: String,
    /// Header with the number of requests left in this window.
    pub remaining: String,
    /// Header that says when the window ends.
    pub reset: String,
    /// How to read `reset`.
    pub reset_is: ResetFormat,
}

/// What the number in a reset header counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResetFormat {
    /// Seconds since 1970-01-01T00:00:00Z.
    EpochSeconds,
    /// Seconds from the answer on.
    DeltaSeconds,
}

/// A sort of credential that a plugin understands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialKind {
    /// Its name under `credentials:` in the configuration.
    pub name: String,
    /// What it is and where a person gets it, in a sentence.
    pub summary: String,
    /// How it is applied.
    pub scheme: Scheme,
}

/// How requests are signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scheme {
    /// One header.
    Header {
        /// Its name, in lower case.
        name: String,
        /// Its value; `{secret}` stands for the secret.
        value: String,
    },
    /// A token that is asked for and renewed (OAuth 2.0 client credentials).
    Oauth(OauthScheme),
}

/// OAuth 2.0 client credentials.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OauthScheme {
    /// Where tokens are asked for: a path at the origin of the needs that it signs, or a whole URL there.
    pub token_url: String,
    /// Scopes asked for unless the configuration names others.
    pub scopes: Vec<String>,
    /// How the client may prove who it is.
    pub auth_methods: Vec<String>,
    /// Whether tokens may be bound to a key.
    pub dpop: bool,
}

/// How a client proves who it is (RFC 7591, section 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthMethod {
    /// By a statement signed with its private key.
    PrivateKeyJwt,
    /// By its secret.
    ClientSecretBasic,
}

impl AuthMethod {
    /// Its registered name.
    pub fn name(self) -> &'static str {
        match self {
            Self::PrivateKeyJwt => "private_key_jwt",
            Self::ClientSecretBasic => "client_secret_basic",
        }
    }
}

impl OauthScheme {
    /// Whether clients may prove themselves in this way.
    pub fn takes(&self, method: AuthMethod) -> bool {
        self.auth_methods.iter().any(|name| name == method.name())
    }
}

impl Description {
    /// The credential kind of this name.
    pub fn credential(&self, name: &str) -> Option<&CredentialKind> {
        self.credentials.iter().find(|kind| kind.name == name)
    }
}

impl CredentialKind {
    /// The header that it sets, where that is known beforehand.
    pub fn header(&self) -> Option<&str> {
        match &self.scheme {
            Scheme::Header { name, .. } => Some(name),
            Scheme::Oauth(_) => None,
        }
    }
}
