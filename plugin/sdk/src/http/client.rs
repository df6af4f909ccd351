//! Sending a request, and the head of its answer.

use std::time::Duration;

use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    Fields, FutureIncomingResponse, HeaderError, IncomingResponse, Method, OutgoingBody,
    OutgoingRequest, RequestOptions, Scheme,
};

use super::target::Target;
use super::{Body, Headers, HttpError, Request};

/// The most that `wasi:io` takes in one blocking write.
const MAX_WRITE_BYTES: usize = 4096;

impl Request {
    /// Sends the request. It is under way when this returns; the answer is waited for later.
    pub fn send(self) -> Result<Pending, HttpError> {
        let request = outgoing(&self)?;
        let options = options(&self);
        let Some(bytes) = self.body else {
            return Ok(Pending(outgoing_handler::handle(request, Some(options))?));
        };
        let body = request
            .body()
            .map_err(|()| HttpError::Other("the request has no body to write to".to_owned()))?;
        let pending = Pending(outgoing_handler::handle(request, Some(options))?);
        write(body, &bytes);
        Ok(pending)
    }
}

/// A request that is under way. Dropping it gives it up.
#[derive(Debug)]
pub struct Pending(FutureIncomingResponse);

impl Pending {
    /// Whether [`Pending::wait`] would return at once.
    pub fn ready(&self) -> bool {
        self.0.subscribe().ready()
    }

    /// Waits for the answer's head.
    pub fn wait(self) -> Result<Response, HttpError> {
        self.0.subscribe().block();
        match self.0.get() {
            Some(Ok(answer)) => Ok(Response::new(answer?)),
            Some(Err(())) | None => Err(HttpError::Other("the answer is gone".to_owned())),
        }
    }
}

/// The head of an answer, whatever its status. Dropping it gives its body up.
#[derive(Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The headers that the plugin may see.
    pub headers: Headers,
    incoming: IncomingResponse,
}

impl Response {
    fn new(incoming: IncomingResponse) -> Self {
        Self {
            status: incoming.status(),
            headers: incoming.headers().entries().into_iter().collect(),
            incoming,
        }
    }

    /// The body, to be read.
    pub fn into_body(self) -> Result<Body, HttpError> {
        let taken = || HttpError::Other("the answer's body is gone".to_owned());
        let body = self.incoming.consume().map_err(|()| taken())?;
        let stream = body.stream().map_err(|()| taken())?;
        Ok(Body::new(stream, body))
    }
}

fn outgoing(request: &Request) -> Result<OutgoingRequest, HttpError> {
    let target = Target::of(&request.url)?;
    let invalid = |what: &str| HttpError::Invalid(format!("{what} can't be sent"));
    let scheme = match target.https {
        true => Scheme::Https,
        false => Scheme::Http,
    };
    let outgoing = OutgoingRequest::new(fields(request)?);
    outgoing
        .set_method(&method(&request.method))
        .map_err(|()| invalid("the method"))?;
    outgoing
        .set_scheme(Some(&scheme))
        .map_err(|()| invalid("the scheme"))?;
    outgoing
        .set_authority(Some(target.authority))
        .map_err(|()| invalid("the authority"))?;
    outgoing
        .set_path_with_query(Some(&target.path_with_query))
        .map_err(|()| invalid("the path or query"))?;
    Ok(outgoing)
}

fn fields(request: &Request) -> Result<Fields, HttpError> {
    let entries: Vec<_> = request
        .headers
        .iter()
        .map(|(name, value)| (name.clone(), value.clone().into_bytes()))
        .collect();
    Fields::from_list(&entries).map_err(|error| {
        HttpError::Invalid(match error {
            HeaderError::Forbidden => "one of its headers is the host's to set".to_owned(),
            HeaderError::InvalidSyntax | HeaderError::Immutable => {
                "one of its headers can't be sent".to_owned()
            }
        })
    })
}

fn method(name: &str) -> Method {
    match name {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "CONNECT" => Method::Connect,
        "OPTIONS" => Method::Options,
        "TRACE" => Method::Trace,
        "PATCH" => Method::Patch,
        other => Method::Other(other.to_owned()),
    }
}

fn options(request: &Request) -> RequestOptions {
    let options = RequestOptions::new();
    // A host that can't keep one of these says so by an error; it has limits of its own, so that is no reason to stop.
    options
        .set_connect_timeout(request.connect_timeout.map(nanoseconds))
        .ok();
    options
        .set_first_byte_timeout(request.first_byte_timeout.map(nanoseconds))
        .ok();
    options
        .set_between_bytes_timeout(request.between_bytes_timeout.map(nanoseconds))
        .ok();
    options
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Writes the request's body. A failure is not told here: the answer says more about it.
fn write(body: OutgoingBody, bytes: &[u8]) {
    let Ok(stream) = body.write() else { return };
    for chunk in bytes.chunks(MAX_WRITE_BYTES) {
        if stream.blocking_write_and_flush(chunk).is_err() {
            return;
        }
    }
    // A stream is a child of its body: it has to go first.
    drop(stream);
    drop(OutgoingBody::finish(body, None));
}
