//! What the host does to plugins that mean harm, or are no plugins at all: trust.md, rule by rule, with real components
//! and real sockets.

use std::sync::Arc;
use std::time::Duration;

use logweir::gate::{Credential, Gate, GateConfig, GateLimits, Grant, Granting};
use logweir::http::{Clients, NetworkPolicy};
use logweir::plugin::{ComponentSource, Credentials, Limits, Plugin, PluginError, Plugins};
use logweir::stage::{CheckStatus, Pace, Page, Source, StageError, Start};
use logweir_fixtures as fixtures;
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::OnceCell;

use crate::house::TOKEN;

struct Loaded {
    plugins: Arc<Plugins>,
    hostile: Arc<Plugin>,
}

/// Compiled once for all tests.
async fn loaded() -> &'static Loaded {
    static LOADED: OnceCell<Loaded> = OnceCell::const_new();
    LOADED
        .get_or_init(async || {
            let plugins = Arc::new(Plugins::new(None).unwrap());
            let hostile = plugins
                .load("hostile", fixtures::hostile().into(), None)
                .await
                .unwrap();
            Loaded { plugins, hostile }
        })
        .await
}

struct Token(Arc<Plugin>);

impl Credentials for Token {
    fn stamp(&self) -> u64 {
        1
    }

    fn resolve(&self) -> Result<Vec<Credential>, String> {
        let kind = self.0.description().credential("token").unwrap();
        Ok(vec![
            Credential::new(kind, &SecretString::from(TOKEN)).unwrap(),
        ])
    }
}

async fn source_with(config: Value, limits: Limits) -> ComponentSource {
    let loaded = loaded().await;
    let grants =
        Grant::resolve_all(loaded.hostile.description(), &config, Granting::BuiltIn).unwrap();
    let gate = Gate::new(
        GateConfig {
            source: "hostile".into(),
            grants,
            credentials: Vec::new(),
            network: NetworkPolicy::default(),
            limits: GateLimits::default(),
        },
        &Clients::default(),
    );
    ComponentSource::new(
        "hostile".into(),
        Arc::clone(&loaded.plugins),
        Arc::clone(&loaded.hostile),
        config.to_string(),
        gate.unwrap(),
        limits,
        Box::new(Token(Arc::clone(&loaded.hostile))),
    )
}

async fn read(config: Value) -> Result<Page, StageError> {
    read_within(config, Limits::default()).await
}

async fn read_within(config: Value, limits: Limits) -> Result<Page, StageError> {
    let source = source_with(config, limits).await;
    source.open(Start::First).await?.read().await
}

async fn crash(config: Value) -> String {
    crash_within(config, Limits::default()).await
}

async fn crash_within(config: Value, limits: Limits) -> String {
    match read_within(config, limits).await {
        Err(StageError::Crashed(why)) => why,
        other => panic!("it should have ended its instance, and answered {other:?}"),
    }
}

fn texts(page: &Page) -> Vec<String> {
    page.batch
        .records()
        .map(|record| String::from_utf8(record.text().to_vec()).unwrap())
        .collect()
}

/// Whether the host is as well as ever.
async fn assert_host_is_well() {
    let page = read(json!({"mode": "ok", "records": 3})).await.unwrap();
    assert_eq!(page.batch.len(), 3);
}

#[tokio::test]
async fn a_component_is_a_source_like_any_other() {
    let source = source_with(
        json!({"mode": "ok", "records": 2, "pages": 3}),
        Limits::default(),
    )
    .await;
    let mut reader = source.open(Start::First).await.unwrap();
    let first = reader.read().await.unwrap();
    assert_eq!((first.batch.len(), first.pace), (2, Pace::Now));
    drop(reader);

    let mut reader = source
        .open(Start::Checkpoint(first.checkpoint))
        .await
        .unwrap();
    reader.read().await.unwrap();
    let last = reader.read().await.unwrap();
    assert!(last.progress.caught_up);
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

#[tokio::test]
async fn trust_14_a_flood_of_log_lines_does_not_stop_the_host() {
    let page = read(json!({"mode": "spam-log", "count": 500}))
        .await
        .unwrap();
    assert_eq!(page.batch.len(), 1);
}

#[tokio::test]
async fn errors_keep_their_kind() {
    let unauthorized = read(json!({"mode": "fail", "error": "unauthorized"})).await;
    assert!(
        matches!(unauthorized, Err(StageError::Unauthorized(_))),
        "{unauthorized:?}"
    );
    let throttled = read(json!({"mode": "fail", "error": "throttled", "ms": 1500})).await;
    assert_eq!(
        throttled.unwrap_err(),
        StageError::Throttled(Duration::from_millis(1500))
    );
    let forever = read(json!({"mode": "fail", "error": "throttled", "ms": u64::MAX})).await;
    assert_eq!(
        forever.unwrap_err(),
        StageError::Throttled(Duration::from_secs(3_600)),
        "delivery 8: capped at an hour"
    );
}

#[tokio::test]
async fn no_plugin_has_the_token_in_its_memory_or_sees_the_machine() {
    let url = one_answer("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-test: seen\r\n\r\nok").await;
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

    let look = json!({"mode": "dump-memory", "url": url, "needle_backwards": backwards});
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

/// Answers every request on a loopback address with the same bytes; says where.
async fn one_answer(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = vec![0; 4096];
                while let Ok(1..) = socket.read(&mut request).await {
                    socket.write_all(answer.as_bytes()).await.unwrap();
                }
            });
        }
    });
    url
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

#[tokio::test]
async fn files_that_are_no_plugins_say_what_they_are() {
    let plugins = &loaded().await.plugins;
    let load = async |bytes: &[u8], pinned| {
        plugins
            .load("file", bytes.into(), pinned)
            .await
            .err()
            .unwrap()
    };
    assert_eq!(
        load(fixtures::core_module(), None).await,
        PluginError::CoreModule
    );
    assert_eq!(load(fixtures::not_wasm(), None).await, PluginError::NotWasm);
    assert_eq!(load(b"", None).await, PluginError::NotWasm);
    assert_eq!(
        load(b"\x7fELF\x02\x01\x01\0\0\0", None).await,
        PluginError::Precompiled,
        "trust 17"
    );
    let version = load(&fixtures::unknown_version(), None).await;
    assert_eq!(
        version,
        PluginError::Version {
            found: "9.1.0".into()
        }
    );
    let world = load(fixtures::transform(), None).await;
    assert_eq!(
        world,
        PluginError::World {
            found: "transform".into()
        }
    );
    let pinned = load(fixtures::hostile(), Some([7; 32])).await;
    assert!(matches!(pinned, PluginError::Pinned { .. }));
    let cut = load(&fixtures::hostile()[..10_000], None).await;
    assert!(matches!(cut, PluginError::Compile(_)), "{cut:?}");
}
