//! A plugin that breaks, lies or takes too much ends its own instance and nothing else.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

async fn crash(config: Value) -> String {
    crash_within(config, Limits::default()).await
}

async fn crash_within(config: Value, limits: Limits) -> String {
    match read_within(config, limits).await {
        Err(StageError::Crashed(why)) => why,
        other => panic!("it should have ended its instance, and answered {other:?}"),
    }
}

/// Whether the host is as well as ever.
async fn assert_host_is_well() {
    let page = read(json!({"mode": "ok", "records": 3})).await.unwrap();
    assert_eq!(page.batch.len(), 3);
}

#[tokio::test]
async fn a_trap_ends_the_instance_alone_and_its_words_are_told() {
    let why = crash(json!({"mode": "trap"})).await;
    assert!(why.contains("trapped") && why.contains("panicked"), "{why}");
    assert_host_is_well().await;
}

#[tokio::test]
async fn trust_15_a_loop_is_ended_by_its_limits() {
    let cpu = Limits {
        cpu: Duration::from_millis(200),
        ..Limits::default()
    };
    let why = crash_within(json!({"mode": "loop"}), cpu).await;
    assert!(
        why.contains("computed for longer than its limit of 0.2 s"),
        "{why}"
    );

    let call = Limits {
        call: Duration::from_millis(200),
        ..Limits::default()
    };
    let why = crash_within(json!({"mode": "loop"}), call).await;
    assert!(why.contains("took longer than its limit of 0.2 s"), "{why}");
    assert_host_is_well().await;
}

#[tokio::test]
async fn memory_without_end_is_ended_by_its_limit() {
    let why = crash_within(
        json!({"mode": "grow"}),
        Limits {
            memory: 32 << 20,
            ..Limits::default()
        },
    )
    .await;
    assert!(why.contains("memory limit of 32 MiB"), "{why}");
    assert_host_is_well().await;
}

#[tokio::test]
async fn delivery_19_handles_without_end_are_ended_by_their_limit() {
    let why = crash(json!({"mode": "many-handles"})).await;
    assert!(why.contains("trapped"), "{why}");
    assert_host_is_well().await;
}

#[tokio::test]
async fn trust_16_a_page_that_lies_ends_the_instance() {
    let lies = [
        ("span-outside", "ends at byte"),
        ("span-mid-char", "within a character"),
        ("overlap", "overlaps"),
        ("long-id", "more than 512"),
        ("big-checkpoint", "checkpoint has 65537 bytes"),
    ];
    for (mode, says) in lies {
        let why = crash(json!({"mode": mode})).await;
        assert!(why.contains(says), "{mode}: {why}");
    }
    let large = Limits {
        batch_bytes: 1 << 20,
        ..Limits::default()
    };
    let why = crash_within(
        json!({"mode": "huge-batch", "bytes": 8 << 20}),
        large.clone(),
    )
    .await;
    assert!(why.contains("more than its limit of 1048576"), "{why}");
    let why = crash_within(json!({"mode": "huge-batch", "bytes": 1 << 30}), large).await;
    assert!(why.contains("memory limit"), "a gigabyte: {why}");
    let many = Limits {
        batch_records: 10,
        ..Limits::default()
    };
    let why = crash_within(json!({"mode": "huge-batch", "records": 11}), many).await;
    assert!(why.contains("11 records"), "{why}");
    assert_host_is_well().await;
}

/// What the only record of a page says, as JSON.
async fn told(config: Value) -> Value {
    let page = read(config).await.unwrap();
    serde_json::from_str(&texts(&page)[0]).unwrap()
}

#[tokio::test]
async fn delivery_19_the_host_keeps_no_long_text_for_a_request() {
    let hoard =
        async |bytes: usize| told(json!({"mode": "hoard", "count": 5, "bytes": bytes})).await;
    let each = |[method, scheme, authority, path]: [u32; 4]| json!({"method": method, "scheme": scheme, "authority": authority, "path": path});
    assert_eq!(hoard(1 << 20).await, each([0, 0, 0, 0]));
    assert_eq!(hoard(16 << 10).await, each([0, 0, 0, 0]));
    assert_eq!(hoard(15 << 10).await, each([0, 0, 0, 5]));
    assert_eq!(hoard(300).await, each([0, 0, 5, 5]));
    assert_eq!(hoard(32).await, each([5, 0, 5, 5]));
    assert_eq!(hoard(16).await, each([5, 5, 5, 5]));

    let header = |bytes: usize| json!({"mode": "long-header", "bytes": bytes});
    assert_eq!(told(header(15 << 10)).await, json!({"taken": true}));
    let why = crash(header(17 << 10)).await;
    assert!(why.contains("size of fields"), "{why}");
}

#[tokio::test]
async fn delivery_19_a_reader_that_goes_on_and_on_takes_no_more_handles() {
    let url = one_answer("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let request = json!({"url": format!("{url}/ok"), "first_byte_ms": 10_000});
    let config = json!({"mode": "request", "url": url, "request": request});
    let limits = Limits {
        handles: 24,
        ..Limits::default()
    };
    let source = source_with(config, limits).await;
    let mut reader = source.open(Start::First).await.unwrap();
    for number in 0..60 {
        let page = reader.read().await.unwrap();
        assert!(
            texts(&page)[0].contains("200"),
            "{number}: {:?}",
            texts(&page)
        );
    }
}

#[tokio::test]
async fn delivery_19_bodies_without_an_end_are_bounded_in_number() {
    let unfinished = json!({"mode": "unfinished-bodies", "count": 20, "ms": 1_000});
    assert_eq!(told(unfinished).await, json!({"begun": 20, "over": 12}));
    let few = json!({"mode": "unfinished-bodies", "count": 8, "ms": 10});
    assert_eq!(told(few).await, json!({"begun": 8, "over": 0}));
}

#[tokio::test]
async fn a_batch_may_be_as_large_as_its_limit_whatever_the_engine_s_default_is() {
    let large = Limits {
        memory: 1 << 30,
        batch_bytes: 140 << 20,
        ..Limits::default()
    };
    let page = read_within(json!({"mode": "huge-batch", "bytes": 140 << 20}), large).await;
    assert_eq!(page.unwrap().batch.len(), 1);
}

#[tokio::test]
async fn trust_15_an_answer_that_comes_in_many_pieces_is_read_whole() {
    const PIECES: usize = 100;
    let pause = Duration::from_millis(15);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut request = vec![0; 4096];
        let asked = socket.read(&mut request).await.unwrap();
        assert!(asked > 0);
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {PIECES}\r\n\r\n");
        socket.write_all(head.as_bytes()).await.unwrap();
        for _ in 0..PIECES {
            socket.write_all(b"p").await.unwrap();
            tokio::time::sleep(pause).await;
        }
    });
    let slow = json!({"mode": "request", "url": url, "request": {"url": format!("{url}/ok")}});
    // Far less than the pieces take, and far more than the plugin's work.
    let limits = Limits {
        cpu: Duration::from_millis(500),
        ..Limits::default()
    };
    let page = read_within(slow, limits).await.unwrap();
    assert!(
        texts(&page)[0].contains(&"p".repeat(PIECES)),
        "{:?}",
        texts(&page)
    );
}
