//! `/livez`, `/readyz` and `/metrics` over HTTP, and nothing else (trust rule 21).
//!
//! It is meant for machines on loopback or in a cluster. A web page that somebody visits could send requests here too,
//! by a name of its own that resolves to this address (DNS rebinding): so only requests are answered that ask for an
//! address or for `localhost`. Whatever connects gets one answer, within seconds; only so many at a time.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use http::uri::Authority;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use super::overview::Overview;
use super::{escape, health, metrics};

/// More than any set of scrapers needs; the next one waits.
const CONNECTIONS_MAX: usize = 16;
/// How long a request may take to arrive.
const HEAD_WITHIN: Duration = Duration::from_secs(5);
/// How long a connection may last, for who reads slowly.
const CONNECTION_WITHIN: Duration = Duration::from_secs(10);
/// Bytes of the head of a request.
const HEAD_BYTES_MAX: usize = 16 << 10;
const HEADERS_MAX: usize = 64;
/// The pause after a connection that could not be accepted: there may be no free file for one.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";

/// Binds the address that health and metrics are served at.
pub async fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// Serves until it is dropped. `look` takes the picture that answers are made of.
pub async fn serve(listener: TcpListener, look: impl Fn() -> Overview) {
    let mut open = FuturesUnordered::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if open.len() < CONNECTIONS_MAX => match accepted {
                Ok((stream, _)) => open.push(serve_one(stream, &look)),
                Err(error) => {
                    tracing::debug!(%error, "could not accept a connection for health and metrics");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(()) = open.next() => {}
        }
    }
}

async fn serve_one(stream: TcpStream, look: &impl Fn() -> Overview) {
    let service = service_fn(|request: Request<hyper::body::Incoming>| {
        let (head, _) = request.into_parts();
        let response = answer(&head, look);
        async { Ok::<_, std::convert::Infallible>(response) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    match within(connection).await {
        Some(Ok(())) => {}
        Some(Err(error)) => tracing::debug!(%error, "a request for health or metrics failed"),
        None => tracing::debug!("a request for health or metrics took too long"),
    }
}

async fn within<T>(connection: impl Future<Output = T>) -> Option<T> {
    timeout(CONNECTION_WITHIN, connection).await.ok()
}

fn answer(head: &http::request::Parts, look: &impl Fn() -> Overview) -> Response<Full<Bytes>> {
    if !is_for_us(&head.headers, head.uri.authority()) {
        let why = "ask for this address by its number or as localhost\n";
        return respond(StatusCode::MISDIRECTED_REQUEST, TEXT, why.to_owned());
    }
    if head.method != Method::GET && head.method != Method::HEAD {
        let mut response = respond(
            StatusCode::METHOD_NOT_ALLOWED,
            TEXT,
            "only GET and HEAD\n".to_owned(),
        );
        let allowed = header::HeaderValue::from_static("GET, HEAD");
        response.headers_mut().insert(header::ALLOW, allowed);
        return response;
    }
    match head.uri.path() {
        "/livez" => livez(&look()),
        "/readyz" => readyz(&look()),
        "/metrics" => match metrics::render(look()) {
            Ok(page) => respond(StatusCode::OK, metrics::CONTENT_TYPE, page),
            Err(error) => respond(StatusCode::INTERNAL_SERVER_ERROR, TEXT, error.to_string()),
        },
        _ => respond(
            StatusCode::NOT_FOUND,
            TEXT,
            "there are /livez, /readyz and /metrics\n".to_owned(),
        ),
    }
}

fn livez(overview: &Overview) -> Response<Full<Bytes>> {
    if health::is_alive(overview) {
        respond(StatusCode::OK, TEXT, "alive\n".to_owned())
    } else {
        let why = "the pipeline has lost its pulse\n".to_owned();
        respond(StatusCode::SERVICE_UNAVAILABLE, TEXT, why)
    }
}

fn readyz(overview: &Overview) -> Response<Full<Bytes>> {
    let readiness = health::readiness(overview);
    let status = match readiness.ready {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    match serde_json::to_string(&readiness) {
        // It holds words of peers and plugins, and somebody reads it on a terminal.
        Ok(text) => respond(status, JSON, format!("{}\n", escape::json(&text))),
        Err(error) => respond(StatusCode::INTERNAL_SERVER_ERROR, TEXT, error.to_string()),
    }
}

fn respond(status: StatusCode, kind: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let fixed = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    for (name, value) in fixed {
        let value = header::HeaderValue::from_static(value);
        response.headers_mut().insert(name, value);
    }
    response
}

/// Whether a request asks for this machine by something that no name server decides about.
fn is_for_us(headers: &HeaderMap, asked: Option<&Authority>) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return false;
    };
    let host = host.to_str().ok().and_then(|host| host.parse().ok());
    host.as_ref().is_some_and(is_fixed) && asked.is_none_or(is_fixed)
}

fn is_fixed(authority: &Authority) -> bool {
    let host = authority.host();
    let number = host.trim_start_matches('[').trim_end_matches(']');
    let plain = !authority.as_str().contains('@');
    plain && (host.eq_ignore_ascii_case("localhost") || number.parse::<IpAddr>().is_ok())
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::super::overview::{PhaseView, SourceView};
    use super::*;

    fn head(method: Method, uri: &str, hosts: &[&str]) -> http::request::Parts {
        let mut request = Request::builder().method(method).uri(uri);
        for host in hosts {
            request = request.header(header::HOST, *host);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn status(method: Method, uri: &str, hosts: &[&str]) -> u16 {
        let look = Overview::default;
        answer(&head(method, uri, hosts), &look).status().as_u16()
    }

    #[test]
    fn trust_21_only_who_asks_by_number_or_localhost_is_answered() {
        for host in [
            "127.0.0.1:9600",
            "127.0.0.1",
            "[::1]:9600",
            "localhost:9600",
            "LOCALHOST",
            "10.1.2.3:80",
        ] {
            assert_eq!(status(Method::GET, "/metrics", &[host]), 200, "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:9600",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "a@127.0.0.1",
            "",
            "127.0.0.1, evil.example",
        ] {
            assert_eq!(status(Method::GET, "/metrics", &[host]), 421, "{host}");
        }
        assert_eq!(status(Method::GET, "/metrics", &[]), 421, "no host at all");
        assert_eq!(
            status(Method::GET, "/metrics", &["127.0.0.1", "127.0.0.1"]),
            421,
            "two hosts"
        );
        let absolute = "http://evil.example/metrics";
        assert_eq!(
            status(Method::GET, absolute, &["127.0.0.1"]),
            421,
            "an absolute address"
        );
    }

    #[test]
    fn trust_21_health_and_metrics_can_be_read_and_nothing_else() {
        let host = &["127.0.0.1:9600"];
        for path in ["/livez", "/readyz", "/metrics"] {
            assert_eq!(status(Method::GET, path, host), 200, "{path}");
            assert_eq!(status(Method::HEAD, path, host), 200, "{path}");
            for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
                assert_eq!(status(method, path, host), 405, "{path}");
            }
        }
        for path in ["/", "/status", "/livez/", "/control"] {
            assert_eq!(status(Method::GET, path, host), 404, "{path}");
        }
    }

    #[tokio::test]
    async fn trust_20_words_of_others_are_escaped_in_what_is_not_ready() {
        let look = || Overview {
            sources: vec![SourceView {
                name: "acme".to_owned(),
                state: PhaseView::Stopped {
                    why: "\u{9b}2J \u{202e} \"é\"".to_owned(),
                },
                ..SourceView::default()
            }],
            ..Overview::default()
        };
        let response = answer(&head(Method::GET, "/readyz", &["[::1]"]), &look);
        assert_eq!(response.status(), 503);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let text = std::str::from_utf8(&body).unwrap();
        assert!(text.contains(r#"\u009b2J \u202e \"é\""#), "{text}");
    }
}
