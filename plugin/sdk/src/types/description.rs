//! What a plugin says about itself before it runs: what it needs and what it understands.

/// What the numbers in a rate limit's reset header count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ResetFormat {
    /// Seconds since 1970-01-01T00:00:00Z.
    EpochSeconds,
    /// Seconds from the answer on.
    DeltaSeconds,
}

/// The response headers that tell how many requests are left, for the host to pace by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateLimit {
    /// Name of the header with the number of requests a window allows.
    pub limit: String,
    /// Name of the header with the number of requests left in this window.
    pub remaining: String,
    /// Name of the header that says when the window ends.
    pub reset: String,
    /// How to read `reset`.
    pub reset_is: ResetFormat,
}

/// Network access that a plugin asks for. The host grants it or doesn't; what isn't granted is refused.
///
/// ```
/// use logweir_plugin::types::HttpNeed;
///
/// let need = HttpNeed {
///     paths: vec!["/api/v1/logs".to_owned()],
///     credential: Some("api_token".to_owned()),
///     ..HttpNeed::get("logs", "https://{domain}")
/// };
/// assert_eq!(need.methods, ["GET"]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HttpNeed {
    /// A short name, unique in the description, that logs and grants use.
    pub name: String,
    /// Where to: `https://{domain}`, `https://api.example.com` or `{url}`. `{name}` stands for the top-level string
    /// `name` of the plugin's configuration, either as the whole authority or as the whole origin. A need whose
    /// `{name}` is not set falls away. Plain `http://` is for loopback alone.
    pub origin: String,
    /// Upper-case methods. `check_only` needs may name GET and HEAD alone.
    pub methods: Vec<String>,
    /// Exact paths, or whole segments followed by `/*`.
    pub paths: Vec<String>,
    /// Names of request headers the plugin may set beyond `accept`, `content-type` and `if-none-match`.
    pub request_headers: Vec<String>,
    /// Names of response headers the plugin may see beyond `content-type` and `date`.
    pub response_headers: Vec<String>,
    /// The kind of credential that the host adds to these requests, by its name in [`Description::credentials`].
    pub credential: Option<String>,
    /// How the peer tells what it still allows.
    pub rate_limit: Option<RateLimit>,
    /// Granted to `check` alone.
    pub check_only: bool,
}

impl HttpNeed {
    /// A need for GET alone, without paths yet.
    pub fn get(name: impl Into<String>, origin: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            origin: origin.into(),
            methods: vec!["GET".to_owned()],
            ..Self::default()
        }
    }
}

/// A credential that is one request header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderScheme {
    /// The header's name, in lower case.
    pub name: String,
    /// Its value; `{secret}` stands for the secret.
    pub value: String,
}

/// OAuth 2.0 client credentials (RFC 6749 section 4.4) with `private_key_jwt` (RFC 7523) or a client secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OauthScheme {
    /// Where tokens are asked for: a path at the origin of the needs that it signs, or a template like
    /// [`HttpNeed::origin`] with a path, which must come to the same origin. No plugin can reach it.
    pub token_url: String,
    /// Scopes asked for unless the configuration names others.
    pub scopes: Vec<String>,
    /// How the client may prove who it is: `private_key_jwt`, `client_secret_basic`.
    pub auth_methods: Vec<String>,
    /// Whether tokens may be bound to a key (DPoP, RFC 9449).
    pub dpop: bool,
}

/// How the host may sign requests for a plugin. The plugin says how; only the host knows what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialScheme {
    /// One header.
    Header(HeaderScheme),
    /// A token that the host asks for and renews.
    Oauth2ClientCredentials(OauthScheme),
}

/// A sort of credential that a plugin understands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialKind {
    /// Its name under `credentials:` in the configuration.
    pub name: String,
    /// What it is and where a person gets it, in a sentence.
    pub summary: String,
    /// How it is applied.
    pub scheme: CredentialScheme,
}

/// What a plugin is. The host asks once per file, in an instance without network.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Description {
    /// Its name, in lower case.
    pub name: String,
    /// Its version (semver).
    pub version: String,
    /// What it does, in a sentence.
    pub summary: String,
    /// JSON Schema (2020-12) of its configuration.
    pub config_schema: String,
    /// The network access it asks for.
    pub needs: Vec<HttpNeed>,
    /// The credentials it understands.
    pub credentials: Vec<CredentialKind>,
}
