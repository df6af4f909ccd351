//! Why a request got no answer, or an answer did not end.

use std::time::Duration;

use super::oauth::{TokenError, TokenRefusal};
use super::refusal::Refusal;
use crate::http::{ClientError, HttpError};

/// What the gate says instead of an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GateError {
    /// The request did not go out.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The request went out, or tried to, and no answer came.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The request could not be signed: the peer gives its client no token, and somebody has to do something.
    #[error(transparent)]
    Unauthorized(#[from] TokenRefusal),
    /// The body stopped coming.
    #[error("the answer's body stopped: nothing came for {} s", .0.as_secs_f64())]
    Stalled(Duration),
    /// The body is longer than it may be.
    #[error("the answer's body is over the limit of {limit} bytes")]
    BodyTooLarge {
        /// The limit, in decompressed bytes.
        limit: u64,
    },
    /// The head is longer than it may be.
    #[error("the answer's headers are over the limit of {limit} bytes")]
    HeadersTooLarge {
        /// The limit.
        limit: usize,
    },
    /// The plugin's instance is gone, and its requests with it.
    #[error("the plugin's instance is gone")]
    Closed,
    /// The gate can't be made.
    #[error(transparent)]
    Client(#[from] ClientError),
}

impl From<TokenError> for GateError {
    /// What may pass is like a request that was not answered.
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Refused(refusal) => Self::Unauthorized(refusal),
            TokenError::Http(error) => Self::Http(error),
            TokenError::Unavailable(_) => Self::Http(HttpError::Other(error.to_string())),
        }
    }
}
