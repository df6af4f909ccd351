//! The body of an answer.

use wasip2::http::types::{IncomingBody, http_error_code};
use wasip2::io::streams::{InputStream, StreamError};

use super::HttpError;

/// Asked for at a time. The host gives what it has, so more costs nothing; each call costs some 100 ns.
const MAX_READ_BYTES: u64 = 256 * 1024;

/// The body of an answer, read piece by piece. Dropping it gives the rest up.
#[derive(Debug)]
pub struct Body(Option<Open>);

/// A stream is a child of its body: it has to go first, and fields go in this order.
#[derive(Debug)]
struct Open {
    stream: InputStream,
    body: IncomingBody,
}

impl Body {
    pub(super) fn new(stream: InputStream, body: IncomingBody) -> Self {
        Self(Some(Open { stream, body }))
    }

    /// Appends what comes next to `into`, waiting until something is there, and says how many bytes that were: 0 is
    /// the end, and only a whole body has one. After an error there is nothing more to read.
    pub fn read(&mut self, into: &mut Vec<u8>) -> Result<usize, HttpError> {
        while let Some(open) = self.0.take() {
            match open.stream.blocking_read(MAX_READ_BYTES) {
                Ok(bytes) => {
                    self.0 = Some(open);
                    if !bytes.is_empty() {
                        into.extend_from_slice(&bytes);
                        return Ok(bytes.len());
                    }
                }
                Err(StreamError::Closed) => open.finish()?,
                Err(StreamError::LastOperationFailed(error)) => {
                    return Err(match http_error_code(&error) {
                        Some(code) => code.into(),
                        None => HttpError::Other(error.to_debug_string()),
                    });
                }
            }
        }
        Ok(0)
    }

    /// All of the rest, if it is not longer than `limit` bytes.
    pub fn read_to_end(mut self, limit: usize) -> Result<Vec<u8>, HttpError> {
        let mut bytes = Vec::new();
        while self.read(&mut bytes)? > 0 {
            if bytes.len() > limit {
                return Err(HttpError::TooLarge { limit });
            }
        }
        Ok(bytes)
    }
}

impl Open {
    /// Waits for the trailers, which nobody reads: what comes in their place may be that the body was cut.
    fn finish(self) -> Result<(), HttpError> {
        drop(self.stream);
        let trailers = IncomingBody::finish(self.body);
        trailers.subscribe().block();
        match trailers.get() {
            Some(Ok(Err(code))) => Err(code.into()),
            _ => Ok(()),
        }
    }
}
