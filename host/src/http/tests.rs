use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use reqwest::{Method, Request};
use rustls::ServerConfig;
use tempfile::NamedTempFile;

use super::testing::{Authority, Names, Reply, Server};
use super::*;

fn get(url: &str) -> Request {
    Request::new(Method::GET, url.parse().unwrap())
}

fn file(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn policy(ca_file: Option<PathBuf>) -> NetworkPolicy {
    NetworkPolicy {
        ca_file,
        allow_private: vec!["127.0.0.0/8".parse().unwrap()],
        ..NetworkPolicy::default()
    }
}

async fn error_of(clients: &Clients, policy: &NetworkPolicy, url: &str) -> HttpError {
    let client = clients.get(policy, Reach::Network).unwrap();
    client.send(get(url)).await.unwrap_err()
}

/// Asks `acme.test`, which is a server of this configuration, with `ca_file` trusted.
async fn ask_tls(
    server: Arc<ServerConfig>,
    ca_file: Option<PathBuf>,
) -> Result<reqwest::Response, HttpError> {
    let server = Server::start_with(Some(server), |_| Reply::ok("hello")).await;
    let clients = Clients::new(Names::new([("acme.test", &["127.0.0.1"])]));
    let client = clients.get(&policy(ca_file), Reach::Network).unwrap();
    let url = format!("https://acme.test:{}/", server.address.port());
    client.send(get(&url)).await
}

#[tokio::test]
async fn trust_11_a_name_that_stands_for_a_private_address_is_refused() {
    let server = Server::start(|_| Reply::ok("secret")).await;
    let clients = Clients::new(Names::new([("acme.test", &["127.0.0.1"])]));
    let url = format!("http://acme.test:{}/", server.address.port());
    let error = error_of(&clients, &NetworkPolicy::default(), &url).await;
    assert_eq!(
        error.to_string(),
        "acme.test is 127.0.0.1, a loopback address, which is refused; to allow it, add it to network.allow_private"
    );
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn trust_11_a_literal_is_judged_although_no_resolver_is_asked() {
    let server = Server::start(|_| Reply::ok("secret")).await;
    let port = server.address.port();
    let clients = Clients::default();
    for host in ["127.0.0.1", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]"] {
        let url = format!("http://{host}:{port}/");
        let error = error_of(&clients, &NetworkPolicy::default(), &url).await;
        assert!(
            matches!(error, HttpError::AddressRefused { .. }),
            "{host}: {error}"
        );
    }
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn trust_11_what_the_policy_allows_is_connected_to() {
    let server = Server::start(|_| Reply::ok("hello")).await;
    let names = Names::new([("acme.test", &["10.0.0.1", "127.0.0.1"])]);
    let clients = Clients::new(names);
    let client = clients.get(&policy(None), Reach::Network).unwrap();
    let url = format!("http://acme.test:{}/", server.address.port());
    let answer = client.send(get(&url)).await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "hello");
}

#[tokio::test]
async fn trust_11_loopback_reach_allows_loopback_and_nothing_else() {
    let server = Server::start(|_| Reply::ok("hello")).await;
    let clients = Clients::new(Names::new([
        ("localhost", &["127.0.0.1"]),
        ("inside.test", &["10.0.0.1"]),
    ]));
    let client = clients
        .get(&NetworkPolicy::default(), Reach::Loopback)
        .unwrap();
    let url = format!("http://localhost:{}/", server.address.port());
    assert_eq!(client.send(get(&url)).await.unwrap().status(), 200);
    let error = client.send(get("http://inside.test/")).await.unwrap_err();
    assert!(matches!(error, HttpError::AddressRefused { .. }), "{error}");
}

#[tokio::test]
async fn trust_12_a_redirect_is_not_followed() {
    let server = Server::start(|_| Reply::answer(302, "location: /elsewhere\r\n", "")).await;
    let client = Clients::default()
        .get(&policy(None), Reach::Network)
        .unwrap();
    let answer = client.send(get(&server.url())).await.unwrap();
    assert_eq!(answer.status(), 302);
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_request_says_who_asks() {
    let server = Server::start(|_| Reply::ok("")).await;
    let client = Clients::default()
        .get(&policy(None), Reach::Network)
        .unwrap();
    client.send(get(&server.url())).await.unwrap();
    let request = server.requests().remove(0);
    let version = env!("CARGO_PKG_VERSION");
    assert!(
        request.contains(&format!("user-agent: logweir/{version}\r\n")),
        "{request}"
    );
    assert!(request.contains("accept-encoding: gzip\r\n"), "{request}");
}

#[tokio::test]
async fn a_configured_proxy_is_asked_and_finds_the_address_itself() {
    let proxy = Server::start(|_| Reply::ok("from the proxy")).await;
    let clients = Clients::new(Names::new([("proxy.test", &["127.0.0.1"])]));
    let policy = NetworkPolicy {
        proxy: Some(
            format!("http://proxy.test:{}", proxy.address.port())
                .parse()
                .unwrap(),
        ),
        ..NetworkPolicy::default()
    };
    let client = clients.get(&policy, Reach::Network).unwrap();
    let answer = client.send(get("http://acme.test/logs")).await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "from the proxy");
    assert!(proxy.requests()[0].starts_with("GET http://acme.test/logs HTTP/1.1\r\n"));
}

#[tokio::test]
async fn names_and_ports_that_lead_nowhere_are_told_apart() {
    let clients = Clients::new(Names::new([("acme.test", &["127.0.0.1"])]));
    let error = error_of(&clients, &policy(None), "http://typo.test/").await;
    assert!(matches!(error, HttpError::NameNotFound { .. }), "{error}");

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let url = format!("http://acme.test:{port}/");
    let error = error_of(&clients, &policy(None), &url).await;
    assert_eq!(error, HttpError::ConnectionRefused);
}

#[tokio::test]
async fn an_authority_of_ones_own_is_trusted() {
    let authority = Authority::new();
    let ca_file = file(&authority.pem());
    let server = authority.server("acme.test", 2100);
    let answer = ask_tls(server, Some(ca_file.path().to_owned()))
        .await
        .unwrap();
    assert_eq!(answer.text().await.unwrap(), "hello");
}

#[tokio::test]
async fn an_authority_that_took_another_ones_place_is_trusted_after_another_look() {
    let (before, now) = (Authority::new(), Authority::new());
    let ca_file = file(&before.pem());
    let policy = policy(Some(ca_file.path().to_owned()));
    let server = Some(now.server("acme.test", 2100));
    let server = Server::start_with(server, |_| Reply::ok("hello")).await;
    let clients = Clients::new(Names::new([("acme.test", &["127.0.0.1"])]));
    let url = format!("https://acme.test:{}/", server.address.port());
    let refused = async || {
        let error = error_of(&clients, &policy, &url).await;
        assert!(matches!(error, HttpError::Certificate(_)), "{error}");
    };
    refused().await;
    assert!(clients.look_again().is_empty());
    std::fs::write(ca_file.path(), now.pem()).unwrap();
    refused().await;
    assert_eq!(clients.look_again(), std::slice::from_ref(&policy));
    let client = clients.get(&policy, Reach::Network).unwrap();
    assert_eq!(client.send(get(&url)).await.unwrap().status(), 200);
}

#[tokio::test]
async fn certificates_that_can_not_be_trusted_are_told_apart() {
    let authority = Authority::new();
    let ca_file = file(&authority.pem());
    let trusted = || Some(ca_file.path().to_owned());
    let cases = [
        (
            authority.server("acme.test", 2100),
            None,
            CertificateProblem::UnknownIssuer,
        ),
        (
            authority.server("acme.test", 2020),
            trusted(),
            CertificateProblem::Expired,
        ),
        (
            authority.server("other.test", 2100),
            trusted(),
            CertificateProblem::WrongName,
        ),
    ];
    for (server, ca_file, problem) in cases {
        let error = ask_tls(server, ca_file).await.unwrap_err();
        assert_eq!(error, HttpError::Certificate(problem));
    }
}

#[tokio::test]
async fn a_port_without_tls_is_told_apart() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, b"SSH-2.0-OpenSSH\r\n")
            .await
            .unwrap();
        std::future::pending::<()>().await;
    });
    let clients = Clients::default();
    let url = format!("https://127.0.0.1:{port}/");
    let error = error_of(&clients, &policy(None), &url).await;
    assert!(matches!(error, HttpError::Tls(_)), "{error:?}");
}

#[test]
fn files_of_no_use_are_named() {
    let empty = file("");
    let no_certificate = file("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let missing = PathBuf::from("/nowhere/ca.pem");
    for path in [empty.path(), no_certificate.path(), &*missing] {
        let error = Clients::default()
            .get(&policy(Some(path.to_owned())), Reach::Network)
            .unwrap_err();
        assert!(
            error.to_string().contains(&*path.to_string_lossy()),
            "{error}"
        );
        assert!(error.to_string().contains("ca_file"), "{error}");
    }
    let policy = NetworkPolicy {
        client_cert: Some(empty.path().to_owned()),
        ..NetworkPolicy::default()
    };
    let error = Clients::default().get(&policy, Reach::Network).unwrap_err();
    assert!(error.to_string().contains("client_cert"), "{error}");
}
