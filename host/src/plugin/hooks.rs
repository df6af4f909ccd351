//! wasi:http on one side, the gate on the other: the only door out of an instance.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use crate::gate::{GateError, HttpError, Session, Timeouts};

/// A request's body is held in memory so that it can be signed.
const REQUEST_BODY_BYTES_MAX: usize = 1 << 20;

/// An instance's way out, if it has one.
pub(crate) struct Door(Option<Arc<Session>>);

impl Door {
    /// No way out.
    pub(crate) fn closed() -> Self {
        Self(None)
    }

    /// Out through a gate.
    pub(crate) fn open(session: Session) -> Self {
        Self(Some(Arc::new(session)))
    }

    /// How long the gate has held requests of this instance back so far.
    pub(crate) fn held_clock(&self) -> impl Fn() -> Duration + use<> {
        let session = self.0.clone();
        move || {
            session
                .as_ref()
                .map(|session| session.held())
                .unwrap_or_default()
        }
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

    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _sent: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Answer> + Send> {
        let Some(session) = self.0.clone() else {
            return Box::new(async { Err(Error::HttpRequestDenied) });
        };
        Box::new(async move {
            let (parts, body) = request.into_parts();
            let body = collect(body).await?;
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

async fn collect(body: WasiBody) -> Result<Bytes, Error> {
    let limited = Limited::new(body, REQUEST_BODY_BYTES_MAX);
    match limited.collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(_) => Err(Error::HttpRequestBodySize(Some(
            REQUEST_BODY_BYTES_MAX as u64,
        ))),
    }
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
/// code's own name, so that the person who reads the plugin's report learns the reason too: `denied: …`, `certificate: …`.
fn into_wasi(error: GateError) -> Error {
    let text = error.to_string();
    match error {
        GateError::Refused(_) => Error::InternalError(Some(format!("denied: {text}"))),
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
