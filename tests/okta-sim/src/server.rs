//! Listens, and answers over HTTP/1.1.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Collected, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::body::StepBody;
use crate::faulty::Aborted;
use crate::org::Org;
use crate::report::Report;
use crate::tls::Tls;
use crate::{TOKEN_PATH, control, routes};

/// New events come in batches at least this far apart.
const LIVE_TICK: Duration = Duration::from_millis(20);
/// An org that is slower than this is looked after anyway.
const LIVE_TICK_MAX: Duration = Duration::from_secs(10);

/// Nobody's request for a token is longer.
const FORM_BYTES_MAX: usize = 64 * 1024;

/// An org that answers. Dropping it ends it.
pub struct Running {
    org: Org,
    addr: SocketAddr,
    scheme: &'static str,
    stop: DropGuard,
    task: JoinHandle<()>,
}

impl Running {
    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The org's origin, for example `http://127.0.0.1:40123`.
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.addr)
    }

    /// The org itself.
    pub fn org(&self) -> &Org {
        &self.org
    }

    /// What clients did so far.
    pub fn report(&self) -> Report {
        self.org.report()
    }

    /// Stops listening and cuts all connections.
    pub async fn shutdown(self) {
        drop(self.stop);
        // Cancelled or panicked: either way nothing listens any more.
        self.task.await.unwrap_or_default();
    }
}

impl Org {
    /// Answers over HTTP. Needs a tokio runtime around it.
    pub fn serve(&self, listener: TcpListener) -> io::Result<Running> {
        self.start(listener, None)
    }

    /// Answers over HTTPS.
    pub fn serve_tls(&self, listener: TcpListener, tls: &Tls) -> io::Result<Running> {
        self.start(listener, Some(tls.clone()))
    }

    fn start(&self, listener: TcpListener, tls: Option<Tls>) -> io::Result<Running> {
        let addr = listener.local_addr()?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let stop = CancellationToken::new();
        let (org, stopped) = (self.clone(), stop.clone());
        let task = tokio::spawn(async move {
            tokio::select! {
                () = stopped.cancelled() => {}
                () = accept(&org, &listener, tls) => {}
                () = live(&org) => {}
            }
        });
        Ok(Running {
            org: self.clone(),
            addr,
            scheme,
            stop: stop.drop_guard(),
            task,
        })
    }
}

/// All connections end when this does.
async fn accept(org: &Org, listener: &TcpListener, tls: Option<Tls>) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        // What fails here is one connection, or the process is out of descriptors for a moment.
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(LIVE_TICK).await;
            continue;
        };
        stream.set_nodelay(true).unwrap_or_default();
        // Who connected before all clients went away is one of them, whenever it is heard.
        let client = org.gone();
        connections.spawn(connection(org.clone(), client, stream, tls.clone()));
    }
}

async fn connection(org: Org, client: u64, stream: TcpStream, tls: Option<Tls>) {
    let reset = Arc::new(AtomicBool::new(false));
    let line = Line {
        stream,
        reset: Arc::clone(&reset),
    };
    // A client that breaks its connection off, or that we cut off, is no error of the org.
    match tls {
        None => http(org, "http", client, line, reset).await,
        Some(tls) => {
            if let Ok(stream) = tls.acceptor.accept(line).await {
                http(org, "https", client, stream, reset).await;
            }
        }
    }
}

async fn http(
    org: Org,
    scheme: &'static str,
    client: u64,
    stream: impl AsyncRead + AsyncWrite + Unpin,
    reset: Arc<AtomicBool>,
) {
    let service = service_fn(|request| answer(org.clone(), scheme, client, request, &reset));
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service);
    served.await.unwrap_or_default();
}

async fn answer(
    org: Org,
    scheme: &'static str,
    client: u64,
    request: Request<Incoming>,
    reset: &AtomicBool,
) -> Result<Response<StepBody>, Aborted> {
    let (parts, body) = request.into_parts();
    if parts.uri.path().starts_with("/sim/") {
        return Ok(control::handle(org, parts.method, &parts.uri, body).await);
    }
    // Only who asks for a token has something to say.
    let body = match parts.uri.path() {
        TOKEN_PATH => Limited::new(body, FORM_BYTES_MAX).collect().await,
        _ => Ok(Collected::default()),
    };
    let body = body.map_or_else(|_| Bytes::new(), Collected::to_bytes);
    let asked = (parts.method, parts.uri, parts.headers, body);
    let answered = routes::handle(org, scheme, client, asked).await;
    if answered.is_err() {
        reset.store(true, Ordering::Release);
    }
    answered
}

/// New events while the org runs; for ever, whether there are any or not.
async fn live(org: &Org) {
    let mut rate = org.live_rate();
    loop {
        let per_sec = *rate.borrow_and_update();
        let changed = rate.changed();
        let gone = tokio::select! {
            changed = changed => changed.is_err(),
            () = push_at(org, per_sec) => false,
        };
        if gone {
            return std::future::pending().await;
        }
    }
}

/// New events at this rate, for ever. A slow org wakes no more often than it has events: there may be a thousand.
async fn push_at(org: &Org, per_sec: f64) {
    let per_sec = per_sec.max(0.0);
    let keeps_ahead = org.config().ahead > 0;
    if per_sec == 0.0 && !keeps_ahead {
        return std::future::pending().await;
    }
    let apart = Duration::try_from_secs_f64(1.0 / per_sec).unwrap_or(Duration::MAX);
    let tick = match keeps_ahead {
        true => LIVE_TICK,
        false => apart.clamp(LIVE_TICK, LIVE_TICK_MAX),
    };
    let mut due = 0.0;
    let mut ticks = tokio::time::interval(tick);
    loop {
        ticks.tick().await;
        due += per_sec * tick.as_secs_f64();
        let whole = due as usize;
        due -= whole as f64;
        org.push_generated(whole, None);
        org.stay_ahead();
    }
}

/// A connection that can be reset: its peer sees an error instead of an end.
struct Line {
    stream: TcpStream,
    reset: Arc<AtomicBool>,
}

impl Line {
    fn check(&self) -> io::Result<()> {
        match self.reset.load(Ordering::Acquire) {
            true => Err(io::ErrorKind::ConnectionReset.into()),
            false => Ok(()),
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if self.check().is_err() {
            // Closing with nothing to linger for sends RST.
            self.stream.set_zero_linger().unwrap_or_default();
        }
    }
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
