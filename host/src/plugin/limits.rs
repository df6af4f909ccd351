//! How much a plugin may take, and what notices when it takes more.

use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::time::Duration;

use wasmtime::{Engine, ResourceLimiter};

use super::meter::Meter;
use crate::stage::{CRASH_CALL, CRASH_CPU, CRASH_MEMORY};

/// How often a running guest is looked at.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// Bytes that may cross into the host in a call that hands over no batch: descriptions, reports, arguments.
pub(crate) const CALL_BYTES_MAX: usize = 4 << 20;

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

impl Limits {
    /// Bytes that may cross into the host in one call, as the engine counts them: a batch and the lists that point into
    /// it, or else what the arguments of a function may have.
    pub(crate) fn fuel(&self) -> usize {
        /// An entry has 40, a refused record 48 and its texts, which count as the batch's.
        const RECORD_BYTES: usize = 128;
        let records = self.batch_records.saturating_mul(RECORD_BYTES);
        let page = self.batch_bytes.saturating_add(records);
        page.saturating_add(CALL_BYTES_MAX)
    }
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
            handles: 256,
            log_lines: 20,
        }
    }
}

/// Why an instance was ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Exceeded {
    /// It asked for more memory than it may have.
    #[error("{} of {} MiB", CRASH_MEMORY, .0 >> 20)]
    Memory(usize),
    /// It computed for too long within one call.
    #[error("{} of {} s within one call", CRASH_CPU, .0.as_secs_f64())]
    Cpu(Duration),
    /// Its call took too long.
    #[error("{} of {} s", CRASH_CALL, .0.as_secs_f64())]
    Call(Duration),
}

/// Counts the memory of all instances, memories and tables in one store, and tells the source's meter, until it is dropped with
/// the store.
pub(crate) struct MemoryLimiter {
    used: usize,
    limit: usize,
    meter: Arc<Meter>,
}

/// What one element of a table takes in the host, at most: a reference and what belongs to it.
const TABLE_ELEMENT_BYTES: usize = 16;
/// Core instances of one component: what it is composed of has a handful each.
const INSTANCES_MAX: usize = 200;
/// Tables of one component. Each takes something even when it is empty.
const TABLES_MAX: usize = 100;
/// Memories of one component. Each reserves address space.
const MEMORIES_MAX: usize = 32;

impl MemoryLimiter {
    pub(crate) fn new(limit: usize, meter: Arc<Meter>) -> Self {
        meter.began();
        Self {
            used: 0,
            limit,
            meter,
        }
    }

    /// Returns the limit as a typed error: a refused growth would look like a panic of the guest.
    fn grow(&mut self, bytes: usize) -> wasmtime::Result<bool> {
        let used = self.used.saturating_add(bytes);
        if used > self.limit {
            return Err(wasmtime::Error::new(Exceeded::Memory(self.limit)));
        }
        self.meter.grew(used - self.used);
        self.used = used;
        Ok(true)
    }
}

impl Drop for MemoryLimiter {
    fn drop(&mut self) {
        self.meter.ended(self.used);
    }
}

impl ResourceLimiter for MemoryLimiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        self.grow(desired.saturating_sub(current))
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let elements = desired.saturating_sub(current);
        self.grow(elements.saturating_mul(TABLE_ELEMENT_BYTES))
    }

    fn instances(&self) -> usize {
        INSTANCES_MAX
    }

    fn tables(&self) -> usize {
        TABLES_MAX
    }

    fn memories(&self) -> usize {
        MEMORIES_MAX
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::Crash;

    #[test]
    fn delivery_19_memories_and_tables_count_against_one_limit() {
        let mut limiter = MemoryLimiter::new(1 << 20, Arc::default());
        assert!(limiter.memory_growing(0, 1 << 19, None).is_ok());
        for _ in 0..8 {
            assert!(limiter.table_growing(0, 4_096, None).is_ok());
        }
        let error = limiter.table_growing(4_096, 4_097, None).unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&Exceeded::Memory(1 << 20)));
        assert!(limiter.table_growing(4_096, usize::MAX, None).is_err());
        assert!(limiter.memory_growing(1 << 19, usize::MAX, None).is_err());
    }

    #[test]
    fn what_the_limits_of_a_batch_allow_the_engine_lets_through() {
        let limits = Limits {
            batch_bytes: 1 << 30,
            batch_records: 10_000_000,
            ..Limits::default()
        };
        assert!(limits.fuel() > (1 << 30) + 10_000_000 * size_of::<crate::record::Entry>());
        let limits = Limits {
            batch_bytes: usize::MAX,
            batch_records: usize::MAX,
            ..Limits::default()
        };
        assert_eq!(limits.fuel(), usize::MAX);
    }

    #[test]
    fn every_limit_is_counted_under_its_own_name() {
        let second = Duration::from_secs(1);
        let sorts = [
            (Exceeded::Memory(1 << 20), Crash::Memory),
            (Exceeded::Cpu(second), Crash::Cpu),
            (Exceeded::Call(second), Crash::Call),
        ];
        for (exceeded, crash) in sorts {
            assert_eq!(Crash::of(&exceeded.to_string()), crash);
        }
    }

    #[test]
    fn memory_that_was_refused_does_not_count_and_a_dropped_store_has_none() {
        let meter = Arc::new(Meter::default());
        let mut limiter = MemoryLimiter::new(100, Arc::clone(&meter));
        assert!(limiter.memory_growing(0, 60, None).unwrap());
        assert!(limiter.memory_growing(0, 60, None).is_err());
        assert_eq!((meter.memory(), meter.instances()), (60, 1));
        let mut other = MemoryLimiter::new(100, Arc::clone(&meter));
        assert!(other.memory_growing(0, 50, None).unwrap());
        drop(limiter);
        assert_eq!((meter.memory(), meter.instances()), (50, 1));
        drop(other);
        assert_eq!((meter.memory(), meter.instances()), (0, 0));
        assert_eq!(meter.memory_peak(), 110);
    }
}
