//! What comes back: whole or an error, bounded, and in time.

use std::io::Write;

use http_body_util::BodyExt;

use super::*;

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
