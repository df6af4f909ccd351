//! How much a plugin may take, and what notices when it takes more.

use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::time::Duration;

use wasmtime::{Engine, ResourceLimiter};

/// How often a running guest is looked at.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// What one instance of a plugin may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of memory, over all memories of a composed plugin.
    pub memory: usize,
    /// Time of one call, from entering the guest to its answer, without what the gate held back.
    pub call: Duration,
    /// Time that a guest may compute within one call.
    pub cpu: Duration,
    /// Bytes of text in one batch, refused bytes included.
    pub batch_bytes: usize,
    /// Records in one batch.
    pub batch_records: usize,
    /// Bytes of one checkpoint.
    pub checkpoint: usize,
    /// Handles (requests, headers, streams) that may be open at once.
    pub handles: usize,
    /// Lines of log that are passed on each second.
    pub log_lines: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 256 << 20,
            call: Duration::from_secs(120),
            cpu: Duration::from_secs(5),
            batch_bytes: 64 << 20,
            batch_records: 100_000,
            checkpoint: 64 << 10,
            handles: 1_024,
            log_lines: 20,
        }
    }
}

/// Why an instance was ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Exceeded {
    /// It asked for more memory than it may have.
    #[error("it needs more than its memory limit of {} MiB", .0 >> 20)]
    Memory(usize),
    /// It computed for too long within one call.
    #[error("it computed for longer than its limit of {} s within one call", .0.as_secs_f64())]
    Cpu(Duration),
    /// Its call took too long.
    #[error("its call took longer than its limit of {} s", .0.as_secs_f64())]
    Call(Duration),
}

/// Counts the memory of all instances and memories in one store.
pub(crate) struct MemoryLimiter {
    used: usize,
    limit: usize,
}

/// Table elements are pointers of the host; a plugin needs a few thousand.
const TABLE_ELEMENTS_MAX: usize = 100_000;

impl MemoryLimiter {
    pub(crate) fn new(limit: usize) -> Self {
        Self { used: 0, limit }
    }
}

impl ResourceLimiter for MemoryLimiter {
    /// Returns the limit as a typed error: a refused growth would look like a panic of the guest.
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let used = self.used.saturating_add(desired.saturating_sub(current));
        if used > self.limit {
            return Err(wasmtime::Error::new(Exceeded::Memory(self.limit)));
        }
        self.used = used;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= TABLE_ELEMENTS_MAX)
    }
}

/// Advances the engine's epoch while any guest runs, and rests while none does: a thousand idle sources must not
/// cost a hundred wake-ups a second.
pub(crate) struct Ticker {
    shared: Arc<TickerShared>,
}

struct TickerShared {
    running: Mutex<Running>,
    changed: Condvar,
}

#[derive(Default)]
struct Running {
    calls: usize,
    closed: bool,
}

impl Ticker {
    /// Starts the thread.
    pub(crate) fn start(engine: &Engine) -> std::io::Result<Self> {
        let shared = Arc::new(TickerShared {
            running: Mutex::default(),
            changed: Condvar::new(),
        });
        let seen = Arc::downgrade(&shared);
        let engine = engine.weak();
        std::thread::Builder::new()
            .name("epochs".into())
            .spawn(move || {
                while wait_for_a_call(&seen) {
                    std::thread::sleep(TICK);
                    match engine.upgrade() {
                        Some(engine) => engine.increment_epoch(),
                        None => return,
                    }
                }
            })?;
        Ok(Self { shared })
    }

    /// Keeps the ticker going until the guard is dropped.
    pub(crate) fn running(&self) -> RunningCall {
        self.shared.change(|running| running.calls += 1);
        RunningCall(Arc::clone(&self.shared))
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.change(|running| running.closed = true);
    }
}

/// See [`Ticker::running`].
pub(crate) struct RunningCall(Arc<TickerShared>);

impl Drop for RunningCall {
    fn drop(&mut self) {
        self.0.change(|running| running.calls -= 1);
    }
}

impl TickerShared {
    fn change(&self, change: impl FnOnce(&mut Running)) {
        change(&mut self.running.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_one();
    }
}

/// Waits until a call runs; false when the ticker is closed.
fn wait_for_a_call(shared: &Weak<TickerShared>) -> bool {
    let Some(shared) = shared.upgrade() else {
        return false;
    };
    let running = shared
        .running
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let running = shared
        .changed
        .wait_while(running, |running| running.calls == 0 && !running.closed)
        .unwrap_or_else(PoisonError::into_inner);
    !running.closed
}
