//! A component is a source like any other, and what is none says what it is.

use super::*;

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
