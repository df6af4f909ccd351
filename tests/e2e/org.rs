//! A simulated org in the test's own process, behind a real socket.

use std::sync::atomic::{AtomicUsize, Ordering};

use okta_sim::{Fault, Org as Sim, OrgConfig, Report, Running};

use tokio::net::TcpListener;

use crate::house::{TOKEN, lines_of};

/// Serves until it is dropped.
pub(crate) struct Org {
    pub(crate) url: String,
    sim: Sim,
    pushed: AtomicUsize,
    _running: Running,
    _runtime: tokio::runtime::Runtime,
}

impl Org {
    pub(crate) fn with_events(events: usize) -> Self {
        Self::seeded(events, 1)
    }

    pub(crate) fn seeded(events: usize, seed: u64) -> Self {
        Self::new(OrgConfig {
            events,
            seed,
            ..OrgConfig::default()
        })
    }

    /// An org as configured, with the test's token and 59 days of events.
    pub(crate) fn new(config: OrgConfig) -> Self {
        let sim = Sim::new(OrgConfig {
            token: TOKEN.to_owned(),
            days: 59.0,
            ..config
        });
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        // Serving spawns tasks of this runtime.
        let entered = runtime.enter();
        let running = sim.serve(listener).unwrap();
        drop(entered);
        Self {
            url: running.url(),
            sim,
            pushed: AtomicUsize::new(0),
            _running: running,
            _runtime: runtime,
        }
    }

    /// Every event in the order of persistence.
    pub(crate) fn persisted(&self) -> Vec<Vec<u8>> {
        let blocks: Vec<_> = self.sim.ndjson().collect();
        lines_of(&blocks.concat())
    }

    /// Adds events that happen now.
    pub(crate) fn persist_now(&self, count: usize) {
        for _ in 0..count {
            let number = self.pushed.fetch_add(1, Ordering::Relaxed);
            let published = self.sim.now();
            let event = format!(
                r#"{{"uuid":"live-{number}","published":"{published:.3}","eventType":"user.session.start","severity":"INFO"}}"#
            );
            self.sim.push_now(event);
        }
    }

    /// Adds one event that was published at one time and is persisted now.
    pub(crate) fn persist(&self, event: &str, published: jiff::Timestamp) {
        self.sim.push(event, published, self.sim.now());
    }

    pub(crate) fn now(&self) -> jiff::Timestamp {
        self.sim.now()
    }

    pub(crate) fn fault(&self, fault: Fault) {
        self.sim.fault(fault);
    }

    pub(crate) fn accept_token(&self, token: &str) {
        self.sim.accept_tokens([token.to_owned()]);
    }

    pub(crate) fn accept_tokens(&self, tokens: impl IntoIterator<Item = String>) {
        self.sim.accept_tokens(tokens);
    }

    pub(crate) fn set_rate_limit(&self, limit: u64) {
        self.sim.set_rate_limit(limit);
    }

    pub(crate) fn revoke_access_tokens(&self) {
        self.sim.revoke_access_tokens();
    }

    pub(crate) fn report(&self) -> Report {
        self.sim.report()
    }
}
