//! What the host does to plugins that mean harm, or are no plugins at all, with real components and real sockets.

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

mod again;
mod contract;
mod limits;
mod requests;

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

fn texts(page: &Page) -> Vec<String> {
    page.batch
        .records()
        .map(|record| String::from_utf8(record.text().to_vec()).unwrap())
        .collect()
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
