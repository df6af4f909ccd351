//! Judges a request: what will be sent is parsed once, decided on, and is what is sent.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use url::Url;

use super::credential::Credentials;
use super::grant::Grant;
use super::path::ambiguity;
use super::refusal::{Refusal, RefusalReason};
use super::session::Purpose;
use super::validate::is_common;

/// Bytes of all request headers together.
const MAX_HEADERS: usize = 16 * 1024;

/// Characters of a plugin's text that a refusal repeats.
const MAX_QUOTED: usize = 200;

/// A request that may go out, not signed yet.
#[derive(Debug)]
pub(crate) struct Admitted {
    /// Which of the grants it goes out under.
    pub(crate) grant: usize,
    pub(crate) request: reqwest::Request,
}

/// What a request is judged by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules<'a> {
    pub(crate) grants: &'a [Grant],
    pub(crate) credentials: &'a Credentials,
    pub(crate) purpose: Purpose,
    pub(crate) request_bytes: usize,
}

impl Rules<'_> {
    /// Lets a request pass, made anew from what was judged, or says why not.
    pub(crate) fn admit(&self, request: http::Request<Bytes>) -> Result<Admitted, Refusal> {
        let (head, body) = request.into_parts();
        let url = parse(&head.uri)?;
        let (at, grant) = self.choose(&url, &head.method)?;
        let under = |(reason, detail)| Refusal {
            need: Some(grant.need().clone()),
            reason,
            detail,
        };
        let headers = filter(grant, &url, &head.headers, body.len()).map_err(under)?;
        self.check_body(&head.method, &body).map_err(under)?;
        let mut request = reqwest::Request::new(head.method, url);
        *request.headers_mut() = headers;
        if !body.is_empty() {
            *request.body_mut() = Some(body.into());
        } else if takes_body(request.method()) {
            // Some servers answer 411 to an empty body without its length (RFC 9110, section 8.6).
            let length = HeaderValue::from_static("0");
            request.headers_mut().insert(header::CONTENT_LENGTH, length);
        }
        Ok(Admitted { grant: at, request })
    }

    /// The first grant that admits the request and whose credential, if it names one, is configured.
    fn choose(&self, url: &Url, method: &Method) -> Result<(usize, &Grant), Refusal> {
        // Not even for a plugin whose need names it: what asks for tokens is the host's (trust rule 6).
        let asks_for_tokens = |grant: &Grant| {
            let same =
                |tokens: &Url| tokens.origin() == url.origin() && tokens.path() == url.path();
            grant.token_url().is_some_and(same)
        };
        if self.grants.iter().any(asks_for_tokens) {
            return Err(Refusal {
                need: None,
                reason: RefusalReason::NotGranted,
                detail: "tokens are asked for by the host alone".to_owned(),
            });
        }
        let open = |grant: &Grant| self.purpose == Purpose::Check || !grant.is_check_only();
        let mut unsigned = None;
        for (at, grant) in self.grants.iter().enumerate() {
            if !open(grant) || !grant.admits(url, method) {
                continue;
            }
            match grant.credential() {
                Some(kind) if self.credentials.get(kind).is_none() => {
                    unsigned.get_or_insert((grant, kind));
                }
                _ => return Ok((at, grant)),
            }
        }
        Err(match unsigned {
            Some((grant, kind)) => Refusal {
                need: Some(grant.need().clone()),
                reason: RefusalReason::NoCredential,
                detail: format!("no credential {kind:?} is configured"),
            },
            None => Refusal {
                need: None,
                reason: RefusalReason::NotGranted,
                detail: format!(
                    "{} {}{} is not granted",
                    quoted(method.as_str()),
                    url.origin().ascii_serialization(),
                    quoted(url.path()),
                ),
            },
        })
    }

    fn check_body(&self, method: &Method, body: &Bytes) -> Result<(), (RefusalReason, String)> {
        if !body.is_empty() && !takes_body(method) {
            return Err((RefusalReason::Body, format!("a {method} has no body")));
        }
        if body.len() > self.request_bytes {
            let most = self.request_bytes;
            return Err((
                RefusalReason::Body,
                format!("its body is over the limit of {most} bytes"),
            ));
        }
        Ok(())
    }
}

fn takes_body(method: &Method) -> bool {
    [Method::POST, Method::PUT, Method::PATCH, Method::DELETE].contains(method)
}

/// Parses an address, and refuses it if what would be sent is not what was written. A `'` in a query, which is sent
/// as `%27`, is the one difference that is let pass.
fn parse(uri: &Uri) -> Result<Url, Refusal> {
    let refused = |detail: String| Refusal {
        need: None,
        reason: RefusalReason::Url,
        detail,
    };
    let (Some(_), Some(authority)) = (uri.scheme(), uri.authority()) else {
        return Err(refused("its address is not a whole one".to_owned()));
    };
    if authority.as_str().contains('@') {
        return Err(refused("its address has a user in it".to_owned()));
    }
    if let Some(what) = ambiguity(uri.path()) {
        let path = quoted(uri.path());
        return Err(refused(format!("its path {path} holds {what}")));
    }
    let url = Url::parse(&uri.to_string())
        .map_err(|error| refused(format!("its address can't be read: {error}")))?;
    if url.path() != uri.path() {
        let (sent, written) = (quoted(url.path()), quoted(uri.path()));
        return Err(refused(format!(
            "its path {written} would be sent as {sent}"
        )));
    }
    let query = uri.query().map(|query| query.replace('\'', "%27"));
    if url.query() != query.as_deref() {
        return Err(refused("its query would be sent as another one".to_owned()));
    }
    Ok(url)
}

/// The headers that go out, out of those the plugin gave. What ours replaces is dropped if it says the same.
fn filter(
    grant: &Grant,
    url: &Url,
    given: &HeaderMap,
    body: usize,
) -> Result<HeaderMap, (RefusalReason, String)> {
    let size: usize = given
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    if size > MAX_HEADERS {
        let detail = format!("its headers are over the limit of {MAX_HEADERS} bytes");
        return Err((RefusalReason::Header, detail));
    }
    let mut passed = HeaderMap::new();
    for (name, value) in given {
        if is_common(name.as_str()) || grant.request_headers().contains(name) {
            passed.append(name, value.clone());
        } else if !says_the_same(name, value, url, body) {
            let name = quoted(name.as_str());
            let detail = format!("it may not set the header {name}, which the need does not name");
            return Err((RefusalReason::Header, detail));
        }
    }
    Ok(passed)
}

/// `wasi:http` hosts and client libraries set these by themselves.
fn says_the_same(name: &HeaderName, value: &HeaderValue, url: &Url, body: usize) -> bool {
    let value = value.as_bytes();
    match *name {
        header::HOST => value.eq_ignore_ascii_case(url.authority().as_bytes()),
        header::CONTENT_LENGTH => value == body.to_string().as_bytes(),
        _ => false,
    }
}

/// A plugin's text, as plain ASCII and not too much of it.
fn quoted(text: &str) -> String {
    text.escape_default().take(MAX_QUOTED).collect()
}
