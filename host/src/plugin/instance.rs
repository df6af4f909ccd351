//! One instance of a component: what it sees of the world, and calls that end within their limits.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmtime::component::ResourceTable;
use wasmtime::{Engine, Store, UpdateDeadline};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use super::hooks::Door;
use super::limits::{Exceeded, Limits, MemoryLimiter, TICK};
use super::log::GuestLog;
use crate::gate::{Gate, Purpose};

/// Everything that belongs to one instance. It dies with its store.
pub(crate) struct Guest {
    wasi: WasiCtx,
    table: ResourceTable,
    http: WasiHttpCtx,
    door: Door,
    memory: MemoryLimiter,
    log: GuestLog,
    ticks_left: u64,
    cpu: Duration,
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl WasiHttpView for Guest {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            hooks: &mut self.door,
            table: &mut self.table,
            ctx: &mut self.http,
        }
    }
}

/// How an instance reaches the network: not at all, or through a gate for one purpose.
pub(crate) enum Network {
    /// No request leaves.
    None,
    /// What the gate grants for this purpose.
    Gate(Arc<Gate>, Purpose),
}

/// Makes a store with the limits in force and nothing in it.
pub(crate) fn store(
    engine: &Engine,
    source: Arc<str>,
    network: Network,
    limits: &Limits,
) -> Store<Guest> {
    let (gate, door) = match network {
        Network::None => (None, Door::closed()),
        Network::Gate(gate, purpose) => {
            let door = Door::open(gate.session(purpose));
            (Some(gate), door)
        }
    };
    let log = GuestLog::new(source, gate, limits.log_lines);
    let mut table = ResourceTable::new();
    table.set_max_capacity(limits.handles);
    let guest = Guest {
        wasi: WasiCtx::builder()
            .stderr(log.clone())
            .max_random_size(64 << 10)
            .build(),
        table,
        http: WasiHttpCtx::new(),
        door,
        memory: MemoryLimiter::new(limits.memory),
        log,
        ticks_left: 0,
        cpu: limits.cpu,
    };
    let mut store = Store::new(engine, guest);
    store.limiter(|guest| &mut guest.memory);
    store.set_epoch_deadline(1);
    // A deadline in epochs would count the guest's waits in the host too, so ticks of running code are counted. Every
    // tick yields, so that a call's time limit can end a guest that never waits.
    store.epoch_deadline_callback(|mut context| {
        let guest = context.data_mut();
        match guest.ticks_left.checked_sub(1) {
            Some(left) => {
                guest.ticks_left = left;
                Ok(UpdateDeadline::YieldCustom(
                    1,
                    Box::pin(tokio::task::yield_now()),
                ))
            }
            None => Err(wasmtime::Error::new(Exceeded::Cpu(guest.cpu))),
        }
    });
    store
}

/// Runs one call into the guest. The limit leaves out what the gate held back (trust rule 15). After an error the
/// store only answers that it can't be entered: drop it.
pub(crate) async fn call<T>(
    store: &mut Store<Guest>,
    limit: Duration,
    run: impl AsyncFnOnce(&mut Store<Guest>) -> wasmtime::Result<T>,
) -> Result<T, String> {
    let ticks = store.data().cpu.as_millis() / TICK.as_millis();
    store.data_mut().ticks_left = u64::try_from(ticks).unwrap_or(u64::MAX);
    let held = store.data().door.held_clock();
    let log = store.data().log.clone();
    let outcome = within(limit, held, run(store)).await;
    match outcome {
        Some(Ok(value)) => Ok(value),
        Some(Err(error)) => Err(describe(&error, &log)),
        None => Err(Exceeded::Call(limit).to_string()),
    }
}

/// Waits for a future for as long as `limit` and whatever `held` counts meanwhile; `None` when that is over.
async fn within<T>(
    limit: Duration,
    held: impl Fn() -> Duration,
    future: impl Future<Output = T>,
) -> Option<T> {
    let mut future = pin!(future);
    let begin = Instant::now();
    let held_before = held();
    loop {
        let allowed = limit + held().saturating_sub(held_before);
        let left = allowed.checked_sub(begin.elapsed())?;
        if let Ok(value) = tokio::time::timeout(left, &mut future).await {
            return Some(value);
        }
    }
}

/// Says why a guest ended, with its own last words where it had some.
fn describe(error: &wasmtime::Error, log: &GuestLog) -> String {
    if let Some(exceeded) = error.downcast_ref::<Exceeded>() {
        return exceeded.to_string();
    }
    let said = log.last_words();
    let cause = error.root_cause();
    if said.is_empty() {
        format!("it trapped: {cause}")
    } else {
        format!("it trapped: {cause} ({said})")
    }
}
