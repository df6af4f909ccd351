//! An answer in the making: what the endpoint says, before headers that every answer has.

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};

use crate::body::Step;
use crate::error::ApiError;
use crate::limits::Verdict;
use crate::page::Events;

/// How the body gets to the client.
#[derive(Default)]
pub(crate) enum Delivery {
    /// In chunks, to the end.
    #[default]
    Whole,
    /// These steps instead of the body.
    Steps(Vec<Step>),
}

/// How links are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum LinkStyle {
    /// One line each, `self` first.
    #[default]
    TwoLines,
    NextFirst,
    Joined,
}

/// The URLs of a page.
#[derive(Debug, Default, Clone)]
pub(crate) struct Links {
    pub(crate) own: Option<String>,
    pub(crate) next: Option<String>,
    pub(crate) style: LinkStyle,
}

/// What an endpoint says.
#[derive(Default)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) links: Links,
    pub(crate) body: Vec<Bytes>,
    pub(crate) delivery: Delivery,
    /// The events the client has when it has the answer.
    pub(crate) events: Option<Events>,
    /// Whether it is no longer the page that its events make.
    pub(crate) altered: bool,
    /// Whether the body may be compressed.
    pub(crate) gzip: bool,
    /// None where no limit counts.
    pub(crate) verdict: Option<Verdict>,
    pub(crate) rate_headers: crate::config::RateHeaders,
    /// Set over everything else; None takes a header away.
    pub(crate) overrides: Vec<(HeaderName, Option<HeaderValue>)>,
}

impl Answer {
    /// JSON with this status.
    pub(crate) fn json(status: StatusCode, body: impl Into<Bytes>) -> Self {
        Self::of("application/json", status, body)
    }

    pub(crate) fn html(status: StatusCode, text: &str) -> Self {
        let name = status.canonical_reason().unwrap_or("Error");
        let body = format!(
            "<html>\r\n<head><title>{status}</title></head>\r\n<body>\r\n<center><h1>{name}</h1>{text}</center>\r\n<hr><center>proxy</center>\r\n</body>\r\n</html>\r\n"
        );
        Self::of("text/html", status, body)
    }

    pub(crate) fn error(error: &ApiError, id: &str) -> Self {
        let answer = Self::json(error.status, error.body(id));
        match &error.challenge {
            Some(challenge) => answer.with(header::WWW_AUTHENTICATE, challenge),
            None => answer,
        }
    }

    pub(crate) fn with(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.append(name, value);
        }
        self
    }

    /// The header lines for the links.
    pub(crate) fn link_lines(&self) -> Vec<String> {
        let line = |url: &Option<String>, relation: &str| {
            url.as_ref()
                .map(|url| format!("<{url}>; rel=\"{relation}\""))
        };
        let own = line(&self.links.own, "self");
        let next = line(&self.links.next, "next");
        let lines: Vec<_> = match self.links.style {
            LinkStyle::NextFirst => [next, own],
            LinkStyle::TwoLines | LinkStyle::Joined => [own, next],
        }
        .into_iter()
        .flatten()
        .collect();
        match self.links.style {
            LinkStyle::Joined if !lines.is_empty() => vec![lines.join(", ")],
            _ => lines,
        }
    }

    fn of(kind: &str, status: StatusCode, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            body: vec![body.into()],
            ..Self::default()
        }
        .with(header::CONTENT_TYPE, kind)
    }
}
