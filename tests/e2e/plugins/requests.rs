//! What a plugin reaches of the world: what was granted, and no token.

use tokio::net::TcpListener;

use super::*;

#[tokio::test]
async fn no_plugin_has_the_token_in_its_memory_or_sees_the_machine() {
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nx-test: {TOKEN}\r\n\r\n{TOKEN}",
        TOKEN.len()
    );
    let url = one_answer(answer.leak()).await;
    let backwards: String = TOKEN
        .chars()
        .take(9)
        .collect::<String>()
        .chars()
        .rev()
        .collect();
    let sent = json!({"mode": "request", "url": url, "request": {"url": format!("{url}/ok")}});
    let page = read(sent).await.unwrap();
    assert!(
        texts(&page)[0].contains("200"),
        "the request went out, signed: {:?}",
        texts(&page)
    );

    assert!(
        texts(&page)[0].contains(&"*".repeat(TOKEN.len())),
        "the answer repeats what signed it, which is covered: {:?}",
        texts(&page)
    );

    let look = json!({
        "mode": "dump-memory",
        "url": url,
        "needle_backwards": backwards,
        "request": {"url": format!("{url}/ok")},
    });
    let found = texts(&read(look).await.unwrap());
    let world = found.last().unwrap();
    assert_eq!(
        found.len(),
        1,
        "nothing in its memory begins with the token's prefix: {found:?}"
    );
    assert!(
        !world.contains(TOKEN) && !world.contains("HOME") && !world.contains("PATH"),
        "{world}"
    );
}

#[tokio::test]
async fn what_was_not_granted_is_refused_with_words_and_counted() {
    let url = one_answer("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let elsewhere = one_answer("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let asks = [
        ("another host", json!({"url": format!("{elsewhere}/ok")})),
        (
            "another path",
            json!({"url": format!("{url}/api/v1/users")}),
        ),
        ("a longer path", json!({"url": format!("{url}/ok/more")})),
        ("dot segments", json!({"url": format!("{url}/x/../ok")})),
        ("an encoded slash", json!({"url": format!("{url}/ok%2f..")})),
        (
            "another method",
            json!({"url": format!("{url}/ok"), "method": "DELETE"}),
        ),
        (
            "a write",
            json!({"url": format!("{url}/ok"), "method": "POST", "body": "{}"}),
        ),
        ("a private address", json!({"url": "http://10.0.0.1/ok"})),
        (
            "the metadata service",
            json!({"url": "http://169.254.169.254/ok"}),
        ),
        (
            "its own credential",
            json!({"url": format!("{url}/ok"), "headers": {"authorization": "Bearer mine"}}),
        ),
        (
            "a method override",
            json!({"url": format!("{url}/ok"), "headers": {"x-http-method-override": "POST"}}),
        ),
    ];
    for (what, request) in asks {
        let source = source_with(
            json!({"mode": "request", "url": url, "request": request}),
            Limits::default(),
        )
        .await;
        let page = source
            .open(Start::First)
            .await
            .unwrap()
            .read()
            .await
            .unwrap();
        let told = texts(&page).join("");
        assert!(
            !told.contains("\"status\":200"),
            "{what} went through: {told}"
        );
        let refusals = source.gate().refusals();
        assert_eq!(
            refusals.iter().map(|refusal| refusal.count).sum::<u64>(),
            1,
            "{what}: {told} {refusals:?}"
        );
    }
}

#[tokio::test]
async fn trust_12_a_redirect_is_an_answer_and_its_target_is_not_asked() {
    let target = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let answer = format!(
        "HTTP/1.1 302 Found\r\nlocation: http://{}/ok\r\ncontent-length: 0\r\n\r\n",
        target.local_addr().unwrap()
    );
    let url = one_answer(answer.leak()).await;
    let page =
        read(json!({"mode": "request", "url": url, "request": {"url": format!("{url}/ok")}}))
            .await
            .unwrap();
    assert!(texts(&page)[0].contains("302"), "{:?}", texts(&page));
    let asked = tokio::time::timeout(Duration::from_millis(200), target.accept()).await;
    assert!(asked.is_err(), "the target of the redirect was asked");
}

#[tokio::test]
async fn a_check_runs_in_an_instance_of_its_own() {
    let url = one_answer("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let config = json!({"mode": "request", "url": url, "request": {"url": format!("{url}/ok")}});
    let report = source_with(config, Limits::default())
        .await
        .check()
        .await
        .unwrap();
    assert_eq!(report.findings.len(), 1);
    assert!(report.worst() < CheckStatus::Failed, "{report:?}");
}
