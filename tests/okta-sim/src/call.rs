//! A request, as far as endpoints care.

use bytes::Bytes;
use http::header::{self, HeaderMap};
use http::{Method, Uri};

use crate::org::Org;

/// Who asks for what.
pub(crate) struct Call {
    pub(crate) org: Org,
    pub(crate) method: Method,
    pub(crate) path: String,
    /// As it was sent.
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    /// Empty where no endpoint cares.
    pub(crate) body: Bytes,
    /// `http` or `https`.
    pub(crate) scheme: &'static str,
    pub(crate) accepts_gzip: bool,
    /// How often all clients had gone away when this one connected.
    client: u64,
}

impl Call {
    pub(crate) fn new(
        org: Org,
        scheme: &'static str,
        client: u64,
        (method, uri, headers, body): (Method, &Uri, HeaderMap, Bytes),
    ) -> Self {
        let encodings = headers.get_all(header::ACCEPT_ENCODING).iter();
        let mut encodings = encodings.filter_map(|value| value.to_str().ok());
        Self {
            accepts_gzip: encodings.any(|value| value.contains("gzip")),
            org,
            method,
            path: uri.path().to_owned(),
            query: uri.query().unwrap_or_default().to_owned(),
            headers,
            body,
            scheme,
            client,
        }
    }

    /// Whether somebody sent it who was gone before it was read: that is on nobody's account.
    pub(crate) fn is_of_who_is_gone(&self) -> bool {
        self.client < self.org.gone()
    }

    /// The value of a header, if it is text.
    pub(crate) fn header(&self, name: &header::HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Path and query, as they were sent.
    pub(crate) fn target(&self) -> String {
        match self.query.as_str() {
            "" => self.path.clone(),
            query => format!("{}?{query}", self.path),
        }
    }

    /// A URL on the host that was asked, or on its `-admin` twin if the org's links are so.
    pub(crate) fn url(&self, target: &str) -> String {
        let host = match self.org.config().admin_links {
            true => admin_twin(self.host()),
            false => self.host().to_owned(),
        };
        format!("{}://{host}{target}", self.scheme)
    }

    /// The host that was asked.
    pub(crate) fn host(&self) -> &str {
        self.header(&header::HOST).unwrap_or("localhost")
    }
}

/// `acme.okta.com` is `acme-admin.okta.com` to administrators. An address has no twin, so it gets a made-up one.
pub(crate) fn admin_twin(host: &str) -> String {
    let name_ends = host.find(['.', ':']).unwrap_or(host.len());
    match host.split_at_checked(name_ends) {
        Some((name, rest)) if name.starts_with(|first: char| first.is_ascii_alphabetic()) => {
            format!("{name}-admin{rest}")
        }
        _ => "sim-admin.example.com".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twins() {
        assert_eq!(
            admin_twin("acme.okta.example:8443"),
            "acme-admin.okta.example:8443"
        );
        assert_eq!(admin_twin("localhost:1"), "localhost-admin:1");
        assert_eq!(admin_twin("127.0.0.1:1"), "sim-admin.example.com");
    }
}
