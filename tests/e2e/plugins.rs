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
            share: None,
            budgets: Arc::default(),
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

#[tokio::test]
async fn trust_03_what_a_plugin_says_it_is_depends_on_its_file_alone() {
    let described = async || {
        let plugins = Arc::new(Plugins::new(None).unwrap());
        let bytes = fixtures::hostile().into();
        let plugin = plugins.load("hostile", bytes, None).await.unwrap();
        plugin.description().clone()
    };
    let said = described().await;
    assert_eq!(said, described().await);
    let moment = r#""$comment": "0 ns since 1970, 0 ns waited, "#;
    assert!(
        said.config_schema.contains(moment),
        "{}",
        said.config_schema
    );
}

#[tokio::test]
async fn a_plugin_that_breaks_when_it_is_asked_about_its_configuration_is_an_issue() {
    let loaded = loaded().await;
    let objections = async |config: Value| {
        let config = config.to_string();
        loaded.plugins.objections(&loaded.hostile, &config).await
    };
    let found = objections(json!({"mode": "trap-in-open"})).await;
    assert_eq!((found.len(), found[0].key.as_str()), (1, ""));
    assert!(
        found[0].message.contains("panicked"),
        "{}",
        found[0].message
    );
    assert_eq!(objections(json!({"mode": "trap"})).await, []);
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
