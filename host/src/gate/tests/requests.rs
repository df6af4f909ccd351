//! What a plugin may ask for, and what is refused with words.

use super::*;
use crate::http::testing::Names;

#[tokio::test]
async fn trust_07_paths_that_could_be_read_as_others_are_refused() {
    let server = Server::start(|_| Reply::ok("")).await;
    let gate = gate(&server);
    let paths = [
        "/logs/../users",
        "/more/../users",
        "/more/./x",
        "/more/%2e%2e/users",
        "/more/%2E%2E/users",
        "/more/..%2fusers",
        "/more/x%2Fy",
        "/more\\..\\users",
        "/more/x%5cy",
        "/more//users",
        "/more/x;y",
        "/more/x%00",
        "/more/x\"y",
        "/more/{x}",
    ];
    for path in paths {
        let refusal = refused(&gate, get(&server, path)).await;
        assert_eq!(refusal.reason, RefusalReason::Url, "{path}: {refusal}");
    }
    for path in ["/logs2", "/logs/", "/users", "/"] {
        let refusal = refused(&gate, get(&server, path)).await;
        assert_eq!(
            refusal.reason,
            RefusalReason::NotGranted,
            "{path}: {refusal}"
        );
    }
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn trust_07_other_hosts_users_and_relative_addresses_are_refused() {
    let server = Server::start(|_| Reply::ok("")).await;
    let gate = gate(&server);
    let port = server.address.port();
    let addresses = [
        (
            format!("http://localhost:{port}/logs"),
            RefusalReason::NotGranted,
        ),
        (
            format!("https://127.0.0.1:{port}/logs"),
            RefusalReason::NotGranted,
        ),
        (
            format!("http://127.0.0.1:{port}@evil.example/logs"),
            RefusalReason::Url,
        ),
        (
            format!("http://me@127.0.0.1:{port}/logs"),
            RefusalReason::Url,
        ),
        ("/logs".to_owned(), RefusalReason::Url),
    ];
    for (address, reason) in addresses {
        let request = Request::get(&address).body(Bytes::new()).unwrap();
        let refusal = refused(&gate, request).await;
        assert_eq!(refusal.reason, reason, "{address}: {refusal}");
    }
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn trust_07_an_apostrophe_is_the_one_byte_that_is_sent_otherwise() {
    let server = Server::start(|_| Reply::ok("")).await;
    let gate = gate(&server);
    let query = "/logs?q=it's&after=a%2Fb%2e..//;+%20|";
    ask(&gate, get(&server, query)).await.unwrap();
    let sent = server.requests().remove(0);
    assert!(
        sent.starts_with("GET /logs?q=it%27s&after=a%2Fb%2e..//;+%20| HTTP/1.1\r\n"),
        "{sent}"
    );
    let refusal = refused(&gate, get(&server, "/logs?q=\u{e9}")).await;
    assert_eq!(refusal.reason, RefusalReason::Url);
}

#[tokio::test]
async fn trust_09_headers_that_the_need_does_not_name_are_refused_with_words() {
    let server = Server::start(|_| Reply::ok("")).await;
    let gate = gate(&server);
    let headers = [
        "authorization",
        "cookie",
        "x-http-method-override",
        "x-forwarded-for",
        "user-agent",
        "accept-encoding",
        "host",
        "range",
    ];
    for header in headers {
        let mut request = get(&server, "/logs");
        request.headers_mut().insert(header, "x".parse().unwrap());
        let refusal = refused(&gate, request).await;
        assert_eq!(refusal.reason, RefusalReason::Header);
        assert!(refusal.to_string().contains(header), "{refusal}");
    }
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn trust_09_what_is_allowed_passes_and_ours_is_there_once() {
    let server = Server::start(|_| Reply::ok("")).await;
    let gate = gate(&server);
    let mut request = get(&server, "/logs");
    let host = server.address.to_string();
    for (name, value) in [
        ("accept", "application/json"),
        ("x-trace", "7"),
        ("host", &*host),
    ] {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    ask(&gate, request).await.unwrap();
    let sent = server.requests().remove(0);
    assert!(sent.contains("accept: application/json\r\n"), "{sent}");
    assert!(sent.contains("x-trace: 7\r\n"), "{sent}");
    for once in [
        "host: ",
        "accept: ",
        "user-agent: ",
        "authorization: ",
        "accept-encoding: ",
    ] {
        assert_eq!(
            sent.matches(&format!("\r\n{once}")).count(),
            1,
            "{once} in {sent}"
        );
    }
}

#[tokio::test]
async fn bodies_are_sent_bounded_and_only_by_methods_that_have_one() {
    let server = Server::start(|_| Reply::ok("")).await;
    let mut config = config(&server.url());
    config.limits.request_bytes = 5;
    let gate = Gate::new(config, &Clients::default()).unwrap();
    let with_body =
        |request: Request<Bytes>, body: &'static str| request.map(|_| Bytes::from(body));
    let post = || {
        Request::post(format!("{}/post", server.url()))
            .body(Bytes::new())
            .unwrap()
    };
    ask(&gate, with_body(post(), "hello")).await.unwrap();
    ask(&gate, post()).await.unwrap();
    let sent = server.requests();
    assert!(sent[0].ends_with("\r\n\r\nhello"));
    assert!(sent[1].contains("content-length: 0\r\n"));
    let too_long = refused(&gate, with_body(post(), "hello!")).await;
    assert_eq!(too_long.reason, RefusalReason::Body);
    let on_get = refused(&gate, with_body(get(&server, "/me"), "x")).await;
    assert_eq!(on_get.reason, RefusalReason::Body);
}

#[tokio::test]
async fn trust_11_a_configured_name_or_literal_that_is_private_is_refused_and_counted() {
    let names = Names::new([("acme.test", &["127.0.0.1"])]);
    for url in ["https://acme.test", "https://10.0.0.1"] {
        let gate = Gate::new(config(url), &Clients::new(names.clone())).unwrap();
        let request = Request::get(format!("{url}/logs"))
            .body(Bytes::new())
            .unwrap();
        let refusal = refused(&gate, request).await;
        assert_eq!(refusal.reason, RefusalReason::Address, "{refusal}");
        assert!(
            refusal.detail.contains("network.allow_private"),
            "{refusal}"
        );
        assert_eq!(gate.refusals()[0].first, refusal);
        assert_eq!((gate.stats().refused, gate.stats().requests()), (1, 0));
    }
}

#[tokio::test]
async fn trust_19_refusals_are_said_once_and_counted() {
    let server = Server::start(|_| Reply::ok("")).await;
    let gate = gate(&server);
    for _ in 0..3 {
        refused(&gate, get(&server, "/users/\u{e9}")).await;
    }
    refused(&gate, get(&server, "/admin")).await;
    let counts: Vec<_> = gate.refusals().iter().map(|entry| entry.count).collect();
    assert_eq!(counts, [3, 1]);
    assert!(
        gate.refusals()
            .iter()
            .all(|entry| entry.first.detail.is_ascii())
    );
    assert_eq!(gate.stats().refused, 4);
}
