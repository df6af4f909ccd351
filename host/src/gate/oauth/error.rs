//! Why a request could not be signed.

use std::fmt;

use super::answer::{TokenRefusal, TokenRefusalCause};
use crate::http::HttpError;

/// Why a request could not be signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TokenError {
    /// Somebody has to do something.
    Refused(TokenRefusal),
    /// The request for a token was not answered.
    Http(HttpError),
    /// It may pass.
    Unavailable(String),
}

impl TokenError {
    /// A refusal in our own words.
    pub(super) fn refused(cause: TokenRefusalCause, told: &str) -> Self {
        Self::Refused(TokenRefusal {
            cause,
            told: told.to_owned(),
        })
    }

    /// What we were given can't be sent.
    pub(super) fn unprintable() -> Self {
        Self::Unavailable("it can't stand in a header".to_owned())
    }

    /// Nothing can be signed without randomness.
    pub(super) fn no_randomness() -> Self {
        Self::Unavailable("the system gave no randomness to sign with".to_owned())
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Http(error) => write!(f, "no token: {error}"),
            Self::Unavailable(told) => write!(f, "no token: {told}"),
        }
    }
}
