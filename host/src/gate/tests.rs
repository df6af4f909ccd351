use std::io::Write;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use secrecy::SecretString;
use serde_json::json;

use super::*;
use crate::http::testing::{Names, Reply, Server};

const TOKEN: &str = "00t0kenOfAcme";

/// A plugin with two needs: `logs`, signed and with a budget, and `me`, for check alone.
pub(crate) fn description() -> Description {
    let need = |name: &str, paths: &[&str]| Need {
        name: name.into(),
        origin: "{url}".into(),
        methods: vec!["GET".into()],
        paths: paths.iter().map(|path| (*path).into()).collect(),
        request_headers: vec!["x-trace".into()],
        response_headers: vec!["link".into(), "x-echo".into()],
        credential: None,
        rate_limit: None,
        check_only: false,
    };
    let logs = Need {
        credential: Some("token".into()),
        rate_limit: Some(RateLimit {
            limit: "x-limit".into(),
            remaining: "x-remaining".into(),
            reset: "x-reset".into(),
            reset_is: ResetFormat::DeltaSeconds,
        }),
        ..need("logs", &["/logs", "/more/*"])
    };
    let me = Need {
        check_only: true,
        ..need("me", &["/me"])
    };
    let post = Need {
        methods: vec!["POST".into()],
        ..need("post", &["/post"])
    };
    Description {
        name: "acme".into(),
        version: "1.0.0".into(),
        summary: "Reads acme.".into(),
        config_schema: "{}".into(),
        needs: vec![logs, me, post],
        credentials: vec![CredentialKind {
            name: "token".into(),
            summary: "A token.".into(),
            scheme: Scheme::Header {
                name: "authorization".into(),
                value: "SSWS {secret}".into(),
            },
        }],
    }
}

fn token(secret: &str) -> Credential {
    Credential::new(&description().credentials[0], &SecretString::from(secret)).unwrap()
}

fn config(url: &str) -> GateConfig {
    let config = json!({ "url": url });
    GateConfig {
        source: "acme".into(),
        grants: Grant::resolve_all(&description(), &config, Granting::BuiltIn).unwrap(),
        credentials: vec![token(TOKEN)],
        network: NetworkPolicy::default(),
        limits: GateLimits::default(),
        share: None,
        budgets: Arc::default(),
    }
}

fn gate(server: &Server) -> Arc<Gate> {
    Gate::new(config(&server.url()), &Clients::default()).unwrap()
}

fn get(server: &Server, path: &str) -> Request<Bytes> {
    let uri = format!("{}{path}", server.url());
    Request::get(uri).body(Bytes::new()).unwrap()
}

/// The head of an answer; its body ends with the session.
async fn ask(gate: &Arc<Gate>, request: Request<Bytes>) -> Result<Response<GateBody>, GateError> {
    let session = gate.session(Purpose::Check);
    session.send(request, Timeouts::default()).await
}

async fn refused(gate: &Arc<Gate>, request: Request<Bytes>) -> Refusal {
    match ask(gate, request).await {
        Err(GateError::Refused(refusal)) => refusal,
        Err(error) => panic!("not refused but: {error}"),
        Ok(answer) => panic!("not refused but: {}", answer.status()),
    }
}

#[tokio::test]
async fn an_answer_comes_back_whole() {
    let server = Server::start(|_| Reply::ok("[1,2,3]")).await;
    let gate = gate(&server);
    let session = gate.session(Purpose::Read);
    let answer = session.send(get(&server, "/logs?limit=10"), Timeouts::default());
    let body = answer.await.unwrap().into_body().collect().await.unwrap();
    assert_eq!(body.to_bytes(), "[1,2,3]");
    assert!(server.requests()[0].starts_with("GET /logs?limit=10 HTTP/1.1\r\n"));
    let stats = gate.stats();
    assert_eq!((stats.requests(), stats.bytes), (1, 7));
    assert_eq!(stats.answers.get(&200), Some(&1));
}

#[tokio::test]
async fn trust_01_a_credential_goes_only_where_its_need_goes() {
    let server = Server::start(|_| Reply::ok("")).await;
    let gate = gate(&server);
    ask(&gate, get(&server, "/logs")).await.unwrap();
    ask(&gate, get(&server, "/me")).await.unwrap();
    let signed: Vec<_> = server
        .requests()
        .iter()
        .map(|request| request.contains(&format!("authorization: SSWS {TOKEN}\r\n")))
        .collect();
    assert_eq!(signed, [true, false]);
    assert!(!server.requests()[1].contains(TOKEN));
}

#[tokio::test]
async fn a_replaced_credential_signs_from_then_on() {
    let server = Server::start(|_| Reply::ok("")).await;
    let gate = gate(&server);
    gate.set_credentials(vec![token("00second")]);
    ask(&gate, get(&server, "/logs")).await.unwrap();
    assert!(server.requests()[0].contains("authorization: SSWS 00second\r\n"));
    assert_eq!(gate.scrub(&format!("{TOKEN} 00second")), "*** ***");
    gate.set_credentials(Vec::new());
    let refusal = refused(&gate, get(&server, "/logs")).await;
    assert_eq!(refusal.reason, RefusalReason::NoCredential);
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn trust_04_what_is_for_check_alone_is_closed_to_reading() {
    let server = Server::start(|_| Reply::ok("")).await;
    let gate = gate(&server);
    let reading = gate.session(Purpose::Read);
    let error = reading.send(get(&server, "/me"), Timeouts::default()).await;
    assert!(matches!(error, Err(GateError::Refused(_))));
    ask(&gate, get(&server, "/me")).await.unwrap();
    assert_eq!(server.requests().len(), 1);
}

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
async fn trust_10_a_plugin_sees_the_headers_its_need_names() {
    let headers = "content-type: application/json\r\nlink: <a>; rel=\"self\"\r\nlink: <b>; rel=\"next\"\r\n\
                   set-cookie: a=b\r\nserver: acme\r\ndate: Mon, 29 Sep 2025 06:24:57 GMT\r\n";
    let server = Server::start(|_| Reply::answer(200, headers, "")).await;
    let answer = ask(&gate(&server), get(&server, "/logs")).await.unwrap();
    let mut names: Vec<_> = answer.headers().keys().map(ToString::to_string).collect();
    names.sort();
    assert_eq!(names, ["content-type", "date", "link"]);
    assert_eq!(answer.headers().get_all("link").iter().count(), 2);
}

#[tokio::test]
async fn trust_10_a_header_that_says_the_credential_is_not_shown() {
    let server = Server::start(|request| {
        let token = request.split("authorization: SSWS ").nth(1).unwrap();
        let token = token.lines().next().unwrap();
        Reply::answer(
            200,
            &format!("x-echo: you are {token}\r\nx-echo: hello\r\n"),
            "",
        )
    })
    .await;
    let answer = ask(&gate(&server), get(&server, "/logs")).await.unwrap();
    let shown: Vec<_> = answer.headers().get_all("x-echo").iter().collect();
    assert_eq!(shown, ["hello"]);
}

#[tokio::test]
async fn trust_10_headers_are_bounded() {
    let header = format!("x-echo: {}\r\n", "x".repeat(2000));
    let server = Server::start(move |_| Reply::answer(200, &header, "")).await;
    let mut config = config(&server.url());
    config.limits.header_bytes = 1000;
    let gate = Gate::new(config, &Clients::default()).unwrap();
    let error = ask(&gate, get(&server, "/logs")).await.unwrap_err();
    assert_eq!(error, GateError::HeadersTooLarge { limit: 1000 });
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn trust_10_a_compressed_answer_is_counted_as_what_it_becomes() {
    let bomb = gzip(&vec![b' '; 10_000_000]);
    assert!(bomb.len() < 20_000);
    let server =
        Server::start(move |_| Reply::answer(200, "content-encoding: gzip\r\n", &bomb)).await;
    let mut config = config(&server.url());
    config.limits.response_bytes = 1_000_000;
    let gate = Gate::new(config, &Clients::default()).unwrap();
    let session = gate.session(Purpose::Read);
    let answer = session
        .send(get(&server, "/logs"), Timeouts::default())
        .await
        .unwrap();
    let error = answer.into_body().collect().await.unwrap_err();
    assert_eq!(error, GateError::BodyTooLarge { limit: 1_000_000 });
    assert!(gate.stats().bytes < 2_000_000);
}

#[tokio::test]
async fn compressed_answers_come_decompressed() {
    let body = gzip(b"[1,2,3]");
    let server =
        Server::start(move |_| Reply::answer(200, "content-encoding: gzip\r\n", &body)).await;
    let gate = gate(&server);
    let session = gate.session(Purpose::Read);
    let answer = session
        .send(get(&server, "/logs"), Timeouts::default())
        .await
        .unwrap();
    assert_eq!(
        answer.into_body().collect().await.unwrap().to_bytes(),
        "[1,2,3]"
    );
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
async fn trust_12_a_redirect_is_an_answer_like_any_other() {
    let server =
        Server::start(|_| Reply::answer(302, "location: http://evil.example/\r\n", "moved")).await;
    let answer = ask(&gate(&server), get(&server, "/logs")).await.unwrap();
    assert_eq!(answer.status(), 302);
    assert!(answer.headers().get("location").is_none());
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn trap_18_a_body_that_stalls_ends_with_an_error_and_keeps_what_came() {
    let server = Server::start(|_| {
        Reply::Stall(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n[1,".to_vec())
    })
    .await;
    let gate = gate(&server);
    let session = gate.session(Purpose::Read);
    let between_bytes = Duration::from_millis(50);
    let timeouts = Timeouts {
        between_bytes,
        ..Timeouts::default()
    };
    let mut body = session
        .send(get(&server, "/logs"), timeouts)
        .await
        .unwrap()
        .into_body();
    let first = body.frame().await.unwrap().unwrap();
    assert_eq!(first.into_data().unwrap(), "[1,");
    let error = body.frame().await.unwrap().unwrap_err();
    assert_eq!(error, GateError::Stalled(between_bytes));
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn an_answer_that_is_cut_is_an_error() {
    let cut = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n[1,".to_vec();
    let server = Server::start(move |_| Reply::Bytes(cut.clone())).await;
    let gate = gate(&server);
    let session = gate.session(Purpose::Read);
    let answer = session
        .send(get(&server, "/logs"), Timeouts::default())
        .await
        .unwrap();
    let error = answer.into_body().collect().await.unwrap_err();
    assert!(
        matches!(error, GateError::Http(HttpError::Other(_))),
        "{error}"
    );
}

#[tokio::test]
async fn a_server_that_says_nothing_times_out() {
    let server = Server::start(|_| Reply::Stall(Vec::new())).await;
    let gate = gate(&server);
    let session = gate.session(Purpose::Read);
    let timeouts = Timeouts {
        connect: Duration::ZERO,
        first_byte: Duration::from_millis(50),
        ..Timeouts::default()
    };
    let error = session
        .send(get(&server, "/logs"), timeouts)
        .await
        .unwrap_err();
    assert_eq!(
        error,
        GateError::Http(HttpError::Timeout(Duration::from_millis(50)))
    );
    assert_eq!(gate.stats().failed, 1);
}

/// Waits until the gate has taken in this many bytes.
async fn taken(gate: &Gate, bytes: u64) {
    while gate.stats().bytes < bytes {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn an_early_answer_comes_although_nobody_reads_it() {
    let body = "x".repeat(1_000_000);
    let sent = body.clone();
    let server = Server::start(move |_| Reply::ok(&sent)).await;
    let gate = gate(&server);
    let session = gate.session(Purpose::Read);
    let answer = session
        .send(get(&server, "/logs"), Timeouts::default())
        .await
        .unwrap();
    taken(&gate, 1_000_000).await;
    let mut read = answer.into_body();
    let mut got = Vec::new();
    let mut frames = 0;
    while let Some(frame) = read.frame().await {
        got.extend_from_slice(&frame.unwrap().into_data().unwrap());
        frames += 1;
    }
    assert_eq!(got, body.as_bytes());
    assert!(frames <= 16, "{frames} reads");
}

#[tokio::test]
async fn an_answer_is_drained_no_further_ahead_than_the_limit() {
    let server = Server::start(|_| Reply::ok(&"x".repeat(20_000_000))).await;
    let mut config = config(&server.url());
    config.limits.ahead_bytes = 1_000_000;
    let gate = Gate::new(config, &Clients::default()).unwrap();
    let session = gate.session(Purpose::Read);
    let answer = session
        .send(get(&server, "/logs"), Timeouts::default())
        .await
        .unwrap();
    taken(&gate, 1_000_000).await;
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(gate.stats().bytes < 3_000_000, "{}", gate.stats().bytes);
    let body = answer.into_body().collect().await.unwrap();
    assert_eq!(body.to_bytes().len(), 20_000_000);
}

#[tokio::test]
async fn trust_15_what_an_instance_asked_for_ends_with_it() {
    let server = Server::start(|request| {
        if request.starts_with("GET /logs ") {
            Reply::Stall(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n".to_vec())
        } else {
            Reply::Stall(Vec::new())
        }
    })
    .await;
    let gate = gate(&server);
    let session = gate.session(Purpose::Check);
    let body = session
        .send(get(&server, "/logs"), Timeouts::default())
        .await
        .unwrap()
        .into_body();
    let waiting = tokio::spawn(session.send(get(&server, "/me"), Timeouts::default()));
    while server.requests().len() < 2 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    drop(session);
    assert_eq!(body.collect().await.unwrap_err(), GateError::Closed);
    assert_eq!(waiting.await.unwrap().unwrap_err(), GateError::Closed);
}

#[tokio::test]
async fn requests_under_way_are_bounded_and_a_dropped_body_makes_room() {
    let server = Server::start(|_| Reply::ok("[]")).await;
    let gate = gate(&server);
    let session = gate.session(Purpose::Read);
    let ask = || session.send(get(&server, "/logs"), Timeouts::default());
    let mut unread = Vec::new();
    for _ in 0..8 {
        unread.push(ask().await.unwrap());
    }
    let Err(GateError::Refused(refusal)) = ask().await else {
        panic!("a ninth request went out");
    };
    assert_eq!(refusal.reason, RefusalReason::TooMany);
    unread.pop();
    assert!(ask().await.is_ok());
}

#[tokio::test]
async fn delivery_08_after_a_429_the_next_request_is_held_back_which_is_no_timeout() {
    let headers = "x-limit: 60\r\nx-remaining: 0\r\nx-reset: 0\r\n";
    let server = Server::start(|_| Reply::answer(429, headers, "")).await;
    let gate = gate(&server);
    let session = gate.session(Purpose::Check);
    let timeouts = Timeouts {
        connect: Duration::ZERO,
        first_byte: Duration::from_millis(900),
        ..Timeouts::default()
    };
    let ask = |path| session.send(get(&server, path), timeouts);
    assert_eq!(ask("/logs").await.unwrap().status(), 429);
    assert_eq!(session.held(), Duration::ZERO);
    let until = gate.stats().hold.unwrap().lasts;
    ask("/me").await.unwrap();
    assert_eq!(session.held(), Duration::ZERO);
    ask("/logs").await.unwrap();
    assert!(until <= Duration::from_secs(1));
    assert!(session.held() > timeouts.first_byte);
    assert_eq!(server.requests().len(), 3);
    assert_eq!(gate.stats().budgets[0].1.limit, 60);
}

#[tokio::test]
async fn delivery_08_a_hold_is_bounded_and_the_request_goes_out_then() {
    let server =
        Server::start(|_| Reply::answer(429, "x-limit: 60\r\nx-reset: 3000\r\n", "")).await;
    let mut config = config(&server.url());
    config.limits.hold = Duration::from_millis(50);
    let gate = Gate::new(config, &Clients::default()).unwrap();
    let session = gate.session(Purpose::Read);
    for _ in 0..2 {
        let ask = session.send(get(&server, "/logs"), Timeouts::default());
        assert_eq!(ask.await.unwrap().status(), 429);
    }
    assert!(session.held() >= Duration::from_millis(50));
    assert!(gate.stats().hold.unwrap().lasts > Duration::from_secs(2900));
}

#[tokio::test]
async fn trust_13_gates_of_one_origin_and_credential_share_a_budget_and_others_do_not() {
    let headers = "x-limit: 100\r\nx-remaining: 60\r\nx-reset: 30\r\n";
    let server = Server::start(|_| Reply::answer(200, headers, "")).await;
    let other = Server::start(|_| Reply::answer(200, headers, "")).await;
    let budgets = Arc::default();
    let gate = |server: &Server, secret, share| {
        let config = GateConfig {
            credentials: vec![token(secret)],
            share,
            budgets: Arc::clone(&budgets),
            ..config(&server.url())
        };
        Gate::new(config, &Clients::default()).unwrap()
    };
    let first = gate(&server, TOKEN, None);
    let same = gate(&server, TOKEN, Share::percent(20));
    let strangers = [gate(&server, "00another", None), gate(&other, TOKEN, None)];
    ask(&first, get(&server, "/logs")).await.unwrap();
    let of = |gate: &Arc<Gate>| gate.stats().budgets.first().map(|(_, budget)| budget.share);
    assert_eq!((of(&first), of(&same)), (Some(20), Some(20)));
    assert_eq!(strangers.each_ref().map(of), [None, None]);
    // A replaced token is another one to the peer too, and the same one is not.
    same.set_credentials(vec![token(TOKEN)]);
    assert_eq!(of(&same), Some(20));
    same.set_credentials(vec![token("00another")]);
    assert_eq!((of(&first), of(&same)), (Some(50), None));
}

#[tokio::test]
async fn trust_13_needs_do_not_share_a_budget() {
    let used_up = "x-limit: 4\r\nx-remaining: 0\r\nx-reset: 3000\r\n";
    let server = Server::start(|_| Reply::answer(200, used_up, "")).await;
    let gate = gate(&server);
    ask(&gate, get(&server, "/logs")).await.unwrap();
    assert_eq!(gate.stats().budgets.len(), 1);
    for _ in 0..3 {
        ask(&gate, get(&server, "/me")).await.unwrap();
    }
}

#[tokio::test]
async fn trust_13_what_is_kept_for_polls_at_the_head_is_refused_to_a_backlog() {
    let left = std::sync::atomic::AtomicU64::new(8);
    let server = Server::start(move |_| {
        let left = left.fetch_sub(1, Ordering::Relaxed) - 1;
        let headers = format!("x-limit: 8\r\nx-remaining: {left}\r\nx-reset: 3000\r\n");
        Reply::answer(200, &headers, "")
    })
    .await;
    let gate = gate(&server);
    let (live, backlog) = (gate.session(Purpose::Read), gate.session(Purpose::Read));
    live.set_priority(Priority::Live);
    let ask = |session: &Session| session.send(get(&server, "/logs"), Timeouts::default());
    ask(&live).await.unwrap();
    ask(&backlog).await.unwrap();
    let waiting = tokio::spawn(ask(&backlog));
    while gate.stats().waiting == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(gate.stats().hold.unwrap().why, HoldReason::Reserved);
    ask(&live).await.unwrap();
    ask(&live).await.unwrap();
    assert_eq!((server.requests().len(), gate.stats().waiting), (4, 1));
    drop(backlog);
    assert_eq!(waiting.await.unwrap().unwrap_err(), GateError::Closed);
    assert_eq!(
        gate.stats().waiting,
        0,
        "who is gone does not stand in the line"
    );
}

#[tokio::test]
async fn trap_16_absurd_values_and_429s_are_counted_by_what_they_are() {
    let server = Server::start(|request| match request {
        request if request.starts_with("GET /more/absurd") => Reply::answer(
            200,
            "x-limit: 9\r\nx-remaining: 12\r\nx-reset: never\r\n",
            "",
        ),
        request if request.starts_with("GET /more/busy") => {
            Reply::answer(429, "x-limit: 0\r\nx-remaining: 0\r\nx-reset: 60\r\n", "")
        }
        _ => Reply::answer(429, "x-limit: 9\r\nx-remaining: 0\r\nx-reset: 60\r\n", ""),
    })
    .await;
    let gate = gate(&server);
    ask(&gate, get(&server, "/more/absurd")).await.unwrap();
    assert_eq!((gate.stats().absurd, gate.stats().hold), (2, None));
    ask(&gate, get(&server, "/more/busy")).await.unwrap();
    let hold = gate.stats().hold.unwrap();
    assert_eq!(hold.why, HoldReason::Concurrency);
    assert!(hold.lasts <= Duration::from_secs(2));
    ask(&gate, get(&server, "/logs")).await.unwrap();
    assert_eq!(gate.stats().hold.unwrap().why, HoldReason::Refused);
    let throttles = Throttles {
        ours: 0,
        others: 1,
        concurrency: 1,
    };
    assert_eq!(gate.stats().throttles, throttles);
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
