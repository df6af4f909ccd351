//! Why a request was not answered, or an answer not to its end.

/// Why a request was not answered, or an answer not to its end. An answer with any status is an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// The host did not let it out: it was not granted, or goes to an address that is not public.
    #[error("the host refused the request: {0}")]
    Denied(String),
    /// The host could not sign it: the credential gets no token, and somebody has to do something.
    #[error("{0}")]
    Unauthorized(String),
    /// The name has no address.
    #[error("the name does not resolve: {0}")]
    Dns(String),
    /// Nobody listens there.
    #[error("the connection was refused")]
    ConnectionRefused,
    /// The peer can't prove who it is, or TLS failed for another reason.
    #[error("no secure connection: {0}")]
    Tls(String),
    /// It took too long.
    #[error("timed out: {0}")]
    Timeout(String),
    /// The answer is longer than the caller takes.
    #[error("the answer is longer than {limit} bytes")]
    TooLarge {
        /// What the caller takes.
        limit: usize,
    },
    /// The request is none: its URL, method or headers can't be sent.
    #[error("no valid request: {0}")]
    Invalid(String),
    /// Anything else: the connection broke, or what came over it is no HTTP.
    #[error("{0}")]
    Other(String),
}

impl HttpError {
    /// What a host says in the text of `internal-error`, the one error code of `wasi:http` that has room for words.
    ///
    /// `denied: …` and `certificate: …` stand for [`HttpError::Denied`] and [`HttpError::Tls`], whose own codes say
    /// nothing about the reason; `unauthorized: …` for [`HttpError::Unauthorized`], which has no code.
    #[cfg(any(test, target_family = "wasm"))]
    pub(crate) fn from_text(text: String) -> Self {
        if let Some(reason) = text.strip_prefix("denied: ") {
            Self::Denied(reason.to_owned())
        } else if let Some(reason) = text.strip_prefix("certificate: ") {
            Self::Tls(reason.to_owned())
        } else if let Some(reason) = text.strip_prefix("unauthorized: ") {
            Self::Unauthorized(reason.to_owned())
        } else {
            Self::Other(text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_can_say_why() {
        let denied = HttpError::from_text("denied: no grant admits GET /users".to_owned());
        assert_eq!(
            denied,
            HttpError::Denied("no grant admits GET /users".to_owned())
        );
        let tls = HttpError::from_text("certificate: it has expired".to_owned());
        assert_eq!(tls, HttpError::Tls("it has expired".to_owned()));
        let unsigned = HttpError::from_text("unauthorized: no token: no such client".to_owned());
        assert_eq!(
            unsigned,
            HttpError::Unauthorized("no token: no such client".to_owned())
        );
        let other = HttpError::from_text("it was denied: why?".to_owned());
        assert_eq!(other, HttpError::Other("it was denied: why?".to_owned()));
    }
}
