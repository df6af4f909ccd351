//! A component as a source: readers are instances, and die with the first thing that goes wrong in them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Semaphore;
use wasmtime::Store;
use wasmtime::component::ResourceAny;

use super::bindings::SourcePlugin;
use super::instance::{self, Guest, Network};
use super::{Limits, Meter, Plugin, Plugins, convert};
use crate::gate::{Credential, Gate, Priority, Purpose};
use crate::record::Batch;
use crate::stage::{CheckReport, Pace, Page, Reader, Source, StageError, Start};
use crate::telemetry::acts::Act;

/// Where a source's credentials come from. Only the gate sees what they resolve to.
pub trait Credentials: Send + Sync {
    /// A number that is another one after what they are read from has changed.
    fn stamp(&self) -> u64;
    /// Reads them, or says in a sentence why they can't be read.
    fn resolve(&self) -> Result<Vec<Credential>, String>;
}

/// A configured source whose reader is a component.
pub struct ComponentSource {
    shared: Arc<Shared>,
    credentials: Arc<dyn Credentials>,
    /// The stamp of the credentials that the gate has; 0 before the first.
    applied: AtomicU64,
    applying: Semaphore,
}

struct Shared {
    name: Arc<str>,
    plugins: Arc<Plugins>,
    plugin: Arc<Plugin>,
    config: String,
    gate: Arc<Gate>,
    limits: Limits,
    /// Whether the newest page of any reader was the last one for now: then the next request polls at the head.
    caught_up: AtomicBool,
    meter: Arc<Meter>,
}

impl ComponentSource {
    /// `config` is the plugin's own configuration, as JSON.
    pub fn new(
        name: Arc<str>,
        plugins: Arc<Plugins>,
        plugin: Arc<Plugin>,
        config: String,
        gate: Arc<Gate>,
        limits: Limits,
        credentials: Box<dyn Credentials>,
    ) -> Self {
        let shared = Arc::new(Shared {
            name,
            plugins,
            plugin,
            config,
            gate,
            limits,
            caught_up: AtomicBool::new(false),
            meter: Arc::default(),
        });
        Self {
            shared,
            credentials: credentials.into(),
            applied: AtomicU64::new(0),
            applying: Semaphore::new(1),
        }
    }

    /// The gate of this source, for its counters.
    pub fn gate(&self) -> &Arc<Gate> {
        &self.shared.gate
    }

    /// What the instances of this source's plugin take.
    pub fn meter(&self) -> &Arc<Meter> {
        &self.shared.meter
    }

    /// Reads the credentials, unless the gate has them as they are now. Whoever opens a reader does it too.
    pub async fn read_credentials(&self) -> Result<(), StageError> {
        self.apply_credentials().await
    }

    /// Gives the gate the credentials as they are now, if they changed, or if the peer refused those it has: what a
    /// command prints may have changed without a sign.
    async fn apply_credentials(&self) -> Result<(), StageError> {
        let _one_at_a_time = self.applying.acquire().await;
        // 0 stands for "never applied", so a stamp of 0 is moved out of its way.
        let stamp = self.credentials.stamp().max(1);
        let are_applied = self.applied.load(Ordering::Acquire) == stamp;
        if are_applied && !self.shared.gate.credentials_refused() {
            return Ok(());
        }
        // Files are read and commands run, and the workers of the runtime must not wait for that.
        let credentials = Arc::clone(&self.credentials);
        let resolved = tokio::task::spawn_blocking(move || credentials.resolve()).await;
        let resolved = resolved.map_err(|error| StageError::Transient(error.to_string()))?;
        let credentials = resolved.map_err(StageError::Unauthorized)?;
        self.shared.gate.set_credentials(credentials);
        let before = self.applied.swap(stamp, Ordering::AcqRel);
        if before != 0 && before != stamp {
            tracing::info!(act = %Act::SecretRead, source = %self.shared.name, "the secret was replaced");
        }
        Ok(())
    }

    async fn instance(&self, start: Start, purpose: Purpose) -> Result<Instance, StageError> {
        self.apply_credentials().await?;
        Instance::open(Arc::clone(&self.shared), start, purpose).await
    }
}

#[async_trait]
impl Source for ComponentSource {
    async fn open(&self, start: Start) -> Result<Box<dyn Reader>, StageError> {
        Ok(Box::new(self.instance(start, Purpose::Read).await?))
    }

    async fn check(&self) -> Result<CheckReport, StageError> {
        self.instance(Start::First, Purpose::Check)
            .await?
            .check()
            .await
    }

    fn credential_stamp(&self) -> u64 {
        self.credentials.stamp()
    }

    fn held(&self) -> Duration {
        self.shared.gate.holds_for(self.shared.priority())
    }
}

impl Shared {
    /// The gate serves polls at the head before those who catch up. Which one the next request is, the newest page said.
    fn priority(&self) -> Priority {
        match self.caught_up.load(Ordering::Relaxed) {
            true => Priority::Live,
            false => Priority::Backlog,
        }
    }
}

/// How urgent a reader's requests are that begins like this; nothing where its pages tell.
fn priority(start: &Start) -> Option<Priority> {
    match start {
        Start::First | Start::Checkpoint(_) | Start::At(_) => None,
        Start::Window { .. } => Some(Priority::Window),
    }
}

/// A reader in a store of its own.
struct Instance {
    shared: Arc<Shared>,
    store: Store<Guest>,
    plugin: SourcePlugin,
    reader: ResourceAny,
    /// How urgent its requests are, where that does not depend on what its pages say.
    priority: Option<Priority>,
}

impl Instance {
    async fn open(shared: Arc<Shared>, start: Start, purpose: Purpose) -> Result<Self, StageError> {
        let network = Network::Gate(Arc::clone(&shared.gate), purpose);
        let engine = &shared.plugins.engine;
        let mut store = instance::store(
            engine,
            Arc::clone(&shared.name),
            network,
            &shared.limits,
            &shared.meter,
        );
        let running = shared.plugins.ticker.running();
        let priority = priority(&start);
        let start = convert::start(start);
        let opened = instance::call(&mut store, shared.limits.call, async |store| {
            let plugin = shared.plugin.pre.instantiate_async(&mut *store).await?;
            let opened = plugin
                .logweir_pipeline_source()
                .reader()
                .call_open(store, &shared.config, &start)
                .await?;
            Ok((plugin, opened))
        });
        let (plugin, opened) = opened.await.map_err(StageError::Crashed)?;
        drop(running);
        let reader = opened.map_err(|error| convert::error(error, &shared.gate))?;
        Ok(Self {
            shared,
            store,
            plugin,
            reader,
            priority,
        })
    }

    async fn check(mut self) -> Result<CheckReport, StageError> {
        self.store.data().set_priority(Priority::Live);
        let _running = self.shared.plugins.ticker.running();
        let (plugin, reader) = (&self.plugin, self.reader);
        let checked = instance::call(&mut self.store, self.shared.limits.call, async |store| {
            plugin
                .logweir_pipeline_source()
                .reader()
                .call_check(store, reader)
                .await
        });
        match checked.await.map_err(StageError::Crashed)? {
            Ok(report) => Ok(convert::check_report(report, &self.shared.gate)),
            Err(error) => Err(convert::error(error, &self.shared.gate)),
        }
    }
}

#[async_trait]
impl Reader for Instance {
    fn expects_something(&self) -> bool {
        self.store.data().expects_something()
    }

    async fn read(&mut self) -> Result<Page, StageError> {
        let by_pages = self.shared.priority();
        let priority = self.priority.unwrap_or(by_pages);
        self.store.data().set_priority(priority);
        let _running = self.shared.plugins.ticker.running();
        let (plugin, reader) = (&self.plugin, self.reader);
        let read = instance::call(&mut self.store, self.shared.limits.call, async |store| {
            plugin
                .logweir_pipeline_source()
                .reader()
                .call_read(store, reader)
                .await
        });
        match read.await.map_err(StageError::Crashed)? {
            Ok(page) => {
                let page = self.check_page(page)?;
                let caught_up = page.progress.caught_up || page.pace != Pace::Now;
                // A window of the past says nothing about the head.
                if self.priority.is_none() {
                    self.shared.caught_up.store(caught_up, Ordering::Relaxed);
                }
                Ok(page)
            }
            Err(error) => Err(convert::error(error, &self.shared.gate)),
        }
    }
}

impl Instance {
    /// The host never trusts a page (trust rule 16): sizes first, then every span.
    fn check_page(&self, page: convert::GuestPage) -> Result<Page, StageError> {
        let limits = &self.shared.limits;
        let refused_bytes: usize = page.refused.iter().map(|refused| refused.bytes.len()).sum();
        let bytes = page.batch.body.len() + refused_bytes;
        let records = page.batch.entries.len() + page.refused.len();
        let lie = if bytes > limits.batch_bytes {
            Some(format!(
                "its page has {bytes} bytes, more than its limit of {}",
                limits.batch_bytes
            ))
        } else if records > limits.batch_records {
            Some(format!(
                "its page has {records} records, more than its limit of {}",
                limits.batch_records
            ))
        } else if page.checkpoint.len() > limits.checkpoint {
            let length = page.checkpoint.len();
            Some(format!(
                "its checkpoint has {length} bytes, more than its limit of {}",
                limits.checkpoint
            ))
        } else {
            None
        };
        if let Some(lie) = lie {
            return Err(StageError::Crashed(lie));
        }
        let entries = page.batch.entries.into_iter().map(convert::entry).collect();
        let batch = Batch::new(Arc::clone(&self.shared.name), page.batch.body, entries).map_err(
            |error| StageError::Crashed(format!("it returned an impossible page: {error}")),
        )?;
        let gate = &self.shared.gate;
        let refused = page.refused.into_iter();
        let refused = refused.map(|refused| convert::refused(refused, gate));
        Ok(Page {
            batch,
            refused: refused.collect(),
            checkpoint: page.checkpoint.into(),
            pace: convert::pace(page.pace),
            overlap: page.overlap,
            progress: convert::progress(page.progress, gate),
        })
    }
}
