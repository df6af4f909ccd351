//! wasi:http on one side, the gate on the other: the only door out of an instance.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::Body;
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use super::bounds::BODY_PIECE_BYTES_MAX;
use crate::gate::{GateError, HttpError, Priority, Session, Timeouts};

/// A request's body is held in memory so that it can be signed.
const REQUEST_BODY_BYTES_MAX: usize = 1 << 20;

/// Requests of an instance whose bodies may be under way to here at once. Each has up to [`REQUEST_BODY_BYTES_MAX`], and
/// the gate's own count begins only when a request is whole.
const BODIES_AT_ONCE: usize = 8;
/// A body that does not come to its end within this time is given up: it keeps another one out.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// An instance's way out, if it has one.
pub(crate) struct Door {
    session: Option<Arc<Session>>,
    longest_hold: Duration,
    bodies: Arc<Semaphore>,
}

impl Door {
    /// No way out.
    pub(crate) fn closed() -> Self {
        Self {
            session: None,
            longest_hold: Duration::ZERO,
            bodies: Arc::new(Semaphore::new(0)),
        }
    }

    /// Out through a gate, which holds requests back for up to `longest_hold`.
    pub(crate) fn open(session: Session, longest_hold: Duration) -> Self {
        Self {
            session: Some(Arc::new(session)),
            longest_hold,
            bodies: Arc::new(Semaphore::new(BODIES_AT_ONCE)),
        }
    }

    /// Whether there is no way out.
    pub(crate) fn is_closed(&self) -> bool {
        self.session.is_none()
    }

    /// How urgent this instance's requests are from now on.
    pub(crate) fn set_priority(&self, priority: Priority) {
        if let Some(session) = &self.session {
            session.set_priority(priority);
        }
    }

    /// Whether an answer is on its way, or there and not read.
    pub(crate) fn expects_something(&self) -> bool {
        let session = self.session.as_ref();
        session.is_some_and(|session| session.expects_something())
    }

    /// How long the gate has held requests of this instance back so far.
    pub(crate) fn held_clock(&self) -> impl Fn() -> Duration + use<> {
        let session = self.session.clone();
        move || {
            session
                .as_ref()
                .map(|session| session.held())
                .unwrap_or_default()
        }
    }

    /// How long the gate holds a request back, at most.
    pub(crate) fn hold_limit(&self) -> Duration {
        self.longest_hold
    }
}

type Answer = Result<
    (
        http::Response<WasiBody>,
        Box<dyn Future<Output = Result<(), Error>> + Send>,
    ),
    Error,
>;

impl WasiHttpHooks for Door {
    /// Nothing is forbidden here: what the gate refuses, it refuses with words.
    fn forbidden_header_filter(&mut self) -> wasmtime_wasi_http::ForbiddenHeaderFilter {
        Arc::new(|_| false)
    }

    fn set_host_header(&mut self) -> bool {
        false
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        BODY_PIECE_BYTES_MAX
    }

    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _sent: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Answer> + Send> {
        let Some(session) = self.session.clone() else {
            return Box::new(async { Err(Error::HttpRequestDenied) });
        };
        // Now and not when the body is waited for: a request without a place must not keep what was written for it.
        let place = place(&self.bodies, &request);
        Box::new(async move {
            let place = place?;
            let (parts, body) = request.into_parts();
            let body = collect(body, BODY_TIMEOUT).await?;
            drop(place);
            let request = http::Request::from_parts(parts, body);
            let response = session
                .send(request, timeouts(options))
                .await
                .map_err(into_wasi)?;
            let response = response.map(|body| body.map_err(into_wasi).boxed_unsync());
            let done: Box<dyn Future<Output = Result<(), Error>> + Send> =
                Box::new(async { Ok(()) });
            Ok((response, done))
        })
    }
}

/// A place for the body of a request, if it has one.
fn place(
    bodies: &Arc<Semaphore>,
    request: &http::Request<WasiBody>,
) -> Result<Option<OwnedSemaphorePermit>, Error> {
    if request.body().is_end_stream() {
        return Ok(None);
    }
    let taken = Arc::clone(bodies).try_acquire_owned();
    taken.map(Some).map_err(|_| {
        let why =
            format!("denied: the bodies of {BODIES_AT_ONCE} requests are being written already");
        Error::InternalError(Some(why))
    })
}

/// Takes in a body, in one piece, whatever the pieces it comes in.
async fn collect(body: WasiBody, timeout: Duration) -> Result<Bytes, Error> {
    let whole = async {
        let mut body = pin!(body);
        let mut whole = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let Ok(piece) = frame?.into_data() else {
                continue;
            };
            if whole.len() + piece.len() > REQUEST_BODY_BYTES_MAX {
                let limit = REQUEST_BODY_BYTES_MAX as u64;
                return Err(Error::HttpRequestBodySize(Some(limit)));
            }
            whole.extend_from_slice(&piece);
        }
        Ok(whole.freeze())
    };
    let whole = tokio::time::timeout(timeout, whole).await;
    whole.unwrap_or(Err(Error::ConnectionWriteTimeout))
}

fn timeouts(options: Option<RequestOptions>) -> Timeouts {
    let options = options.unwrap_or_default();
    let defaults = Timeouts::default();
    Timeouts {
        connect: options.connect_timeout.unwrap_or(defaults.connect),
        first_byte: options.first_byte_timeout.unwrap_or(defaults.first_byte),
        between_bytes: options
            .between_bytes_timeout
            .unwrap_or(defaults.between_bytes),
    }
}

/// What the gate says, in the words of wasi:http. Codes that can't carry a text travel as `internal-error` behind the
/// code's own name, so that the person who reads the plugin's report learns the reason too: `denied: …`, `certificate: …`,
/// `unauthorized: …`.
fn into_wasi(error: GateError) -> Error {
    let text = error.to_string();
    match error {
        GateError::Refused(_) => Error::InternalError(Some(format!("denied: {text}"))),
        GateError::Unauthorized(_) => Error::InternalError(Some(format!("unauthorized: {text}"))),
        GateError::Stalled(_) => Error::ConnectionReadTimeout,
        GateError::BodyTooLarge { limit } => Error::HttpResponseBodySize(Some(limit)),
        GateError::HeadersTooLarge { limit } => {
            Error::HttpResponseHeaderSectionSize(u32::try_from(limit).ok())
        }
        GateError::Closed => Error::ConnectionTerminated,
        GateError::Client(_) => Error::InternalError(Some(text)),
        GateError::Http(error) => match error {
            HttpError::NameNotFound { .. } => Error::DnsError {
                rcode: Some(text),
                info_code: None,
            },
            HttpError::AddressRefused { .. } => {
                Error::InternalError(Some(format!("denied: {text}")))
            }
            HttpError::ConnectionRefused => Error::ConnectionRefused,
            HttpError::ConnectTimeout => Error::ConnectionTimeout,
            HttpError::Certificate(_) | HttpError::Tls(_) => {
                Error::InternalError(Some(format!("certificate: {text}")))
            }
            HttpError::Timeout(_) => Error::ConnectionReadTimeout,
            HttpError::Other(_) => Error::InternalError(Some(text)),
        },
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;
    use http_body::Frame;
    use http_body_util::StreamBody;

    use super::*;

    /// A body of pieces of one byte.
    fn crumbs(bytes: usize) -> WasiBody {
        let crumb = || Ok::<_, Error>(Frame::data(Bytes::from_static(b"a")));
        StreamBody::new(stream::iter((0..bytes).map(move |_| crumb()))).boxed_unsync()
    }

    #[tokio::test]
    async fn delivery_19_a_body_of_crumbs_is_one_piece_of_bounded_size() {
        let minute = Duration::from_secs(60);
        let whole = collect(crumbs(REQUEST_BODY_BYTES_MAX), minute).await;
        assert_eq!(whole.unwrap().len(), REQUEST_BODY_BYTES_MAX);
        let error = collect(crumbs(REQUEST_BODY_BYTES_MAX + 1), minute).await;
        assert!(matches!(error, Err(Error::HttpRequestBodySize(_))));
    }

    #[tokio::test]
    async fn delivery_19_a_body_without_an_end_is_given_up() {
        let open = StreamBody::new(stream::pending::<Result<Frame<Bytes>, Error>>());
        let error = collect(open.boxed_unsync(), Duration::from_millis(10)).await;
        assert!(matches!(error, Err(Error::ConnectionWriteTimeout)));
    }
}
