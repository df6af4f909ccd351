//! Which descriptions are believed: the plugin that wrote one may be anybody's.

use std::collections::HashSet;

use http::{HeaderName, HeaderValue, Method};

use super::need::{AuthMethod, CredentialKind, Description, Need, OauthScheme, Scheme};
use super::origin::{OriginTemplate, TokenUrl};
use super::path::PathPattern;
use super::schema::check_schema_size;

/// Why a description is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{subject}: {reason}")]
pub struct DescriptionError {
    /// The part that is wrong: `need "logs"`.
    pub subject: String,
    /// What is wrong with it.
    pub reason: String,
}

/// Needs, or kinds of credentials, in one description.
const MAX_ENTRIES: usize = 32;
/// Methods, paths or headers in one need.
const MAX_LIST: usize = 64;
/// Bytes of any one text but the schema.
const MAX_TEXT: usize = 1024;
/// Bytes of the schema: far more than any readable configuration needs.
const MAX_SCHEMA: usize = 256 * 1024;
/// How deep a configuration is thought to be while nobody has written one.
const CONFIG_DEPTH: usize = 4;

/// Headers that say who asks, where, through whom or how the message is framed: ours to set, or nobody's. The names
/// that begin with one of these words and a `-` are meant too.
const RESERVED: [&str; 27] = [
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "cookie",
    "cookie2",
    "date",
    "dpop",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "origin",
    "proxy",
    "range",
    "referer",
    "sec",
    "set-cookie",
    "set-cookie2",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
    "x-forwarded",
];

/// Headers by which some servers let a caller change the method or address that they act on.
const OVERRIDES: [&str; 10] = [
    "true-client-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-host",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-url",
    "x-real-ip",
    "x-rewrite-url",
];

/// Response headers that no plugin sees, whatever its needs name.
pub(crate) const UNSEEN: [&str; 3] = ["set-cookie", "set-cookie2", "dpop-nonce"];

impl Description {
    /// Checks everything that can be known without a configuration.
    pub fn validate(&self) -> Result<(), DescriptionError> {
        check_name("plugin", &self.name)?;
        check_text("version", &self.version)?;
        check_text("summary", &self.summary)?;
        self.validate_schema()?;
        check_count("needs", self.needs.len(), MAX_ENTRIES)?;
        check_count("credentials", self.credentials.len(), MAX_ENTRIES)?;
        check_unique("need", self.needs.iter().map(|need| &need.name))?;
        check_unique("credential", self.credentials.iter().map(|kind| &kind.name))?;
        for kind in &self.credentials {
            kind.validate()?;
        }
        for need in &self.needs {
            need.validate(&self.credentials)?;
        }
        Ok(())
    }

    fn validate_schema(&self) -> Result<(), DescriptionError> {
        check_count("config schema", self.config_schema.len(), MAX_SCHEMA)?;
        match serde_json::from_str(&self.config_schema) {
            Ok(schema @ serde_json::Value::Object(_)) => {
                check_schema_size(&schema, CONFIG_DEPTH).map_err(|why| wrong("config schema", why))
            }
            Ok(_) => Err(wrong("config schema", "is not a JSON object")),
            Err(error) => Err(wrong("config schema", format!("is not JSON: {error}"))),
        }
    }
}

impl Need {
    fn validate(&self, kinds: &[CredentialKind]) -> Result<(), DescriptionError> {
        check_name("need", &self.name)?;
        let subject = format!("need {:?}", self.name);
        OriginTemplate::parse(&self.origin).map_err(|reason| wrong(&subject, reason))?;
        let lists = [
            &self.methods,
            &self.paths,
            &self.request_headers,
            &self.response_headers,
        ];
        for list in lists {
            check_count(&subject, list.len(), MAX_LIST)?;
        }
        if self.methods.is_empty() || self.paths.is_empty() {
            return Err(wrong(&subject, "names no method or no path"));
        }
        for method in &self.methods {
            self.validate_method(&subject, method)?;
        }
        for path in &self.paths {
            PathPattern::parse(path).map_err(|reason| wrong(&subject, reason))?;
        }
        self.validate_headers(&subject, kinds)
    }

    fn validate_method(&self, subject: &str, method: &str) -> Result<(), DescriptionError> {
        let Some(parsed) = parse_method(method) else {
            return Err(wrong(
                subject,
                format!("{method:?} is not a method it may ask for"),
            ));
        };
        if self.check_only && parsed != Method::GET && parsed != Method::HEAD {
            let reason = format!("is for check alone, which may not {method}");
            return Err(wrong(subject, reason));
        }
        Ok(())
    }

    fn validate_headers(
        &self,
        subject: &str,
        kinds: &[CredentialKind],
    ) -> Result<(), DescriptionError> {
        let mut signed_by = None;
        if let Some(credential) = &self.credential {
            let Some(kind) = kinds.iter().find(|kind| kind.name == *credential) else {
                let reason = format!("names a credential {credential:?} that is not described");
                return Err(wrong(subject, reason));
            };
            signed_by = kind.header();
        }
        for name in &self.request_headers {
            let lower = check_header(subject, name)?;
            if is_reserved(&lower) || lower == "authorization" || Some(&*lower) == signed_by {
                return Err(wrong(subject, format!("may not set the header {lower:?}")));
            }
        }
        for name in &self.response_headers {
            let lower = check_header(subject, name)?;
            if UNSEEN.contains(&&*lower) {
                return Err(wrong(subject, format!("may not see the header {lower:?}")));
            }
        }
        if let Some(limit) = &self.rate_limit {
            for name in [&limit.limit, &limit.remaining, &limit.reset] {
                check_header(subject, name)?;
            }
        }
        Ok(())
    }
}

impl CredentialKind {
    fn validate(&self) -> Result<(), DescriptionError> {
        check_name("credential", &self.name)?;
        let subject = format!("credential {:?}", self.name);
        check_text(&subject, &self.summary)?;
        let (name, value) = match &self.scheme {
            Scheme::Header { name, value } => (name, value),
            Scheme::Oauth(scheme) => return scheme.validate(&subject),
        };
        let lower = check_header(&subject, name)?;
        if lower != *name {
            return Err(wrong(&subject, format!("{name:?} is not in lower case")));
        }
        if is_reserved(&lower) || is_common(&lower) {
            let reason = format!("may not put a secret into {lower:?}");
            return Err(wrong(&subject, reason));
        }
        check_text(&subject, value)?;
        if value.matches("{secret}").count() != 1 {
            return Err(wrong(&subject, "its value holds {secret} not exactly once"));
        }
        if HeaderValue::from_str(value).is_err() {
            return Err(wrong(&subject, "its value can't be a header's"));
        }
        Ok(())
    }
}

impl OauthScheme {
    fn validate(&self, subject: &str) -> Result<(), DescriptionError> {
        check_text(subject, &self.token_url)?;
        TokenUrl::parse(&self.token_url).map_err(|reason| wrong(subject, reason))?;
        check_count(subject, self.scopes.len(), MAX_LIST)?;
        if let Some(scope) = self.scopes.iter().find(|scope| !is_scope(scope)) {
            return Err(wrong(subject, format!("{scope:?} is no scope")));
        }
        check_count(subject, self.auth_methods.len(), MAX_LIST)?;
        let known = [AuthMethod::PrivateKeyJwt, AuthMethod::ClientSecretBasic];
        if !known.into_iter().any(|method| self.takes(method)) {
            let reason = "its clients can't prove themselves in a way that is known here";
            return Err(wrong(subject, reason));
        }
        Ok(())
    }
}

/// What can be one of several scopes in a request (RFC 6749, section 3.3).
pub fn is_scope(text: &str) -> bool {
    let allowed = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    !text.is_empty() && text.len() <= 256 && text.bytes().all(allowed)
}

/// Request headers that every plugin may set.
pub(crate) fn is_common(name: &str) -> bool {
    matches!(name, "accept" | "content-type" | "if-none-match")
}

/// The methods a need may name; `CONNECT` and `TRACE` have no place here.
pub(crate) fn parse_method(method: &str) -> Option<Method> {
    let known = [
        Method::GET,
        Method::HEAD,
        Method::OPTIONS,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
    ];
    known.into_iter().find(|known| known.as_str() == method)
}

fn is_reserved(name: &str) -> bool {
    let meant = |reserved: &&str| {
        name.strip_prefix(*reserved)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    };
    OVERRIDES.contains(&name) || RESERVED.iter().any(meant)
}

fn check_header(subject: &str, name: &str) -> Result<String, DescriptionError> {
    let parsed = (name.len() <= MAX_TEXT)
        .then(|| HeaderName::from_bytes(name.as_bytes()).ok())
        .flatten();
    parsed
        .map(|name| name.as_str().to_owned())
        .ok_or_else(|| wrong(subject, "names a header that can't be"))
}

fn check_name(subject: &str, name: &str) -> Result<(), DescriptionError> {
    let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
    if name.is_empty() || name.len() > 64 || !name.bytes().all(allowed) {
        let reason = "its name is not 1 to 64 of the characters a-z, 0-9, _ and -";
        return Err(wrong(subject, reason));
    }
    Ok(())
}

fn check_text(subject: &str, text: &str) -> Result<(), DescriptionError> {
    if text.len() > MAX_TEXT || text.chars().any(char::is_control) {
        let reason = format!("holds a text with control characters or of over {MAX_TEXT} bytes");
        return Err(wrong(subject, reason));
    }
    Ok(())
}

fn check_count(subject: &str, count: usize, most: usize) -> Result<(), DescriptionError> {
    if count > most {
        return Err(wrong(
            subject,
            format!("{count} are too many, {most} is the most"),
        ));
    }
    Ok(())
}

fn check_unique<'a>(
    what: &str,
    names: impl Iterator<Item = &'a String>,
) -> Result<(), DescriptionError> {
    let mut seen = HashSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(wrong(&format!("{what} {name:?}"), "is described twice"));
        }
    }
    Ok(())
}

fn wrong(subject: &str, reason: impl Into<String>) -> DescriptionError {
    DescriptionError {
        subject: subject.to_owned(),
        reason: reason.into(),
    }
}

#[cfg(test)]
mod tests;
