//! One instance of a component: what it sees of the world, and calls that end within their limits.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmtime::component::ResourceTable;
use wasmtime::{Engine, Store, UpdateDeadline};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use super::bounds::FIELDS_BYTES_MAX;
use super::hooks::Door;
use super::limits::{CALL_BYTES_MAX, Exceeded, Limits, MemoryLimiter};
use super::log::GuestLog;
use super::meter::Meter;
use super::{still, work};
use crate::gate::{Gate, Priority, Purpose};
use crate::stage::CRASH_TRAP;

/// Everything that belongs to one instance. It dies with its store.
pub(crate) struct Guest {
    wasi: WasiCtx,
    table: ResourceTable,
    http: WasiHttpCtx,
    door: Door,
    memory: MemoryLimiter,
    log: GuestLog,
    cpu: Duration,
    is_still: bool,
    meter: Arc<Meter>,
}

impl Guest {
    /// Whether nothing moves in its world.
    pub(crate) fn is_still(&self) -> bool {
        self.is_still
    }

    /// Whether no request can leave.
    pub(crate) fn is_offline(&self) -> bool {
        self.door.is_closed()
    }
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

/// What world an instance lives in: whether it reaches the network, or not even the time.
pub(crate) enum Network {
    /// No request leaves, and nothing moves: what a guest does depends on what it is told alone.
    Still,
    /// No request leaves.
    None,
    /// What the gate grants for this purpose.
    Gate(Arc<Gate>, Purpose),
}

impl Guest {
    /// How urgent this instance's requests are from now on.
    pub(crate) fn set_priority(&self, priority: Priority) {
        self.door.set_priority(priority);
    }

    /// Whether an answer is on its way to this instance, or there and not read.
    pub(crate) fn expects_something(&self) -> bool {
        self.door.expects_something()
    }
}

/// Makes a store with the limits in force and nothing in it.
pub(crate) fn store(
    engine: &Engine,
    source: Arc<str>,
    network: Network,
    limits: &Limits,
    meter: &Arc<Meter>,
) -> Store<Guest> {
    let is_still = matches!(network, Network::Still);
    let (gate, door) = match network {
        Network::Still | Network::None => (None, Door::closed()),
        Network::Gate(gate, purpose) => {
            let door = Door::open(gate.session(purpose), gate.hold_limit());
            (Some(gate), door)
        }
    };
    // Without a gate there is no batch to hand over.
    let fuel = match &gate {
        Some(_) => limits.fuel(),
        None => CALL_BYTES_MAX,
    };
    let log = GuestLog::new(source, gate, limits.log_lines);
    let mut table = ResourceTable::new();
    table.set_max_capacity(limits.handles);
    let mut http = WasiHttpCtx::new();
    http.set_field_size_limit(FIELDS_BYTES_MAX);
    let guest = Guest {
        wasi: wasi(&log, is_still),
        table,
        http,
        door,
        memory: MemoryLimiter::new(limits.memory, Arc::clone(meter)),
        log,
        cpu: limits.cpu,
        is_still,
        meter: Arc::clone(meter),
    };
    let mut store = Store::new(engine, guest);
    store.limiter(|guest| &mut guest.memory);
    store.set_hostcall_fuel(fuel);
    store.set_max_component_handles(limits.handles);
    store.set_epoch_deadline(1);
    // A deadline in epochs would count the guest's waits in the host too. Every tick yields, so that the limits of a call
    // can end a guest that never waits.
    store.epoch_deadline_callback(|_| {
        let at_once = Box::pin(tokio::task::yield_now());
        Ok(UpdateDeadline::YieldCustom(1, at_once))
    });
    store
}

fn wasi(log: &GuestLog, is_still: bool) -> WasiCtx {
    let mut wasi = WasiCtx::builder();
    wasi.stderr(log.clone()).max_random_size(64 << 10);
    if is_still {
        still::stop(&mut wasi);
    }
    wasi.build()
}

/// Runs one call into the guest. The limit leaves out what the gate held back (trust rule 15). After an error the
/// store only answers that it can't be entered: drop it.
pub(crate) async fn call<T>(
    store: &mut Store<Guest>,
    limit: Duration,
    run: impl AsyncFnOnce(&mut Store<Guest>) -> wasmtime::Result<T>,
) -> Result<T, String> {
    let guest = store.data();
    let (cpu, held, longest_hold) = (guest.cpu, guest.door.held_clock(), guest.door.hold_limit());
    let log = guest.log.clone();
    let meter = Arc::clone(&guest.meter);
    let run = work::limited(cpu, meter.timed(run(store)));
    match within(limit, held, longest_hold, run).await {
        Some(Ok(Ok(value))) => Ok(value),
        Some(Ok(Err(error))) => Err(describe(&error, &log)),
        Some(Err(exceeded)) => Err(exceeded.to_string()),
        None => Err(Exceeded::Call(limit).to_string()),
    }
}

/// Waits for a future for as long as `limit` and whatever `held` counts meanwhile, up to `longest_hold`: a request that was
/// sent early and is held may have nothing to do with what this call waits for. `None` when that is over.
async fn within<T>(
    limit: Duration,
    held: impl Fn() -> Duration,
    longest_hold: Duration,
    future: impl Future<Output = T>,
) -> Option<T> {
    let mut future = pin!(future);
    let begin = Instant::now();
    let held_before = held();
    loop {
        let allowed = limit + held().saturating_sub(held_before).min(longest_hold);
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
        format!("{CRASH_TRAP}: {cause}")
    } else {
        format!("{CRASH_TRAP}: {cause} ({said})")
    }
}

#[cfg(test)]
mod tests {
    use std::slice;

    use wasmtime::component::{Component, Linker};

    use super::super::engine;
    use super::*;

    const SHORT: Duration = Duration::from_millis(20);

    #[tokio::test]
    async fn trust_15_what_is_held_for_ever_does_not_keep_a_call_for_ever() {
        let begin = Instant::now();
        let held_since = move || begin.elapsed();
        let call = within(SHORT, held_since, SHORT, std::future::pending::<()>());
        let ended = tokio::time::timeout(Duration::from_secs(20), call).await;
        assert_eq!(ended, Ok(None));
    }

    #[tokio::test]
    async fn trust_15_what_is_held_is_no_time_of_the_call() {
        let begin = Instant::now();
        let held_since = move || begin.elapsed();
        let answer = tokio::time::sleep(3 * SHORT);
        let waited = within(SHORT, held_since, Duration::from_secs(20), answer).await;
        assert_eq!(waited, Some(()));
    }

    /// A section of the binary format. All counts here fit into two bytes of LEB128.
    fn section(id: u8, count: usize, item: &[u8]) -> Vec<u8> {
        let leb = |number: usize| [(number % 128) as u8 | 0x80, (number / 128) as u8];
        let items = item.repeat(count);
        let length = leb(items.len() + 2);
        [&[id][..], &length, &leb(count), &items].concat()
    }

    /// A component that makes `instances` of one module with these sections.
    fn component(sections: &[Vec<u8>], instances: usize) -> Vec<u8> {
        let module = [&b"\0asm\x01\0\0\0"[..], &sections.concat()].concat();
        let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
        let length = [
            (module.len() % 128) as u8 | 0x80,
            (module.len() / 128) as u8,
        ];
        bytes.extend([&[1][..], &length, &module].concat());
        bytes.extend(section(2, instances, &[0, 0, 0]));
        bytes
    }

    async fn instantiate(component: &[u8]) -> Result<(), String> {
        let engine = engine::engine().unwrap();
        let component = Component::from_binary(&engine, component).unwrap();
        let limits = Limits {
            memory: 1 << 20,
            ..Limits::default()
        };
        let mut store = store(
            &engine,
            "test".into(),
            Network::None,
            &limits,
            &Arc::default(),
        );
        let linker = Linker::new(&engine);
        let made = linker.instantiate_async(&mut store, &component).await;
        made.map(drop)
            .map_err(|error| error.root_cause().to_string())
    }

    /// A table of function references with 10,000 elements.
    const TABLE: [u8; 4] = [0x70, 0, 0x90, 0x4e];

    #[tokio::test]
    async fn delivery_19_tables_memories_and_instances_are_counted() {
        assert_eq!(
            instantiate(&component(&[section(4, 6, &TABLE)], 1)).await,
            Ok(())
        );
        let large = instantiate(&component(&[section(4, 7, &TABLE)], 1)).await;
        assert!(large.unwrap_err().contains("memory limit of 1 MiB"));

        let empty_tables = section(4, 60, &[0x70, 0, 0]);
        assert_eq!(
            instantiate(&component(slice::from_ref(&empty_tables), 1)).await,
            Ok(())
        );
        let many = instantiate(&component(&[empty_tables], 2)).await;
        assert!(many.unwrap_err().contains("table"));

        let memories = section(5, 20, &[0, 0]);
        assert_eq!(
            instantiate(&component(slice::from_ref(&memories), 1)).await,
            Ok(())
        );
        let many = instantiate(&component(&[memories], 2)).await;
        assert!(many.unwrap_err().contains("memor"));

        assert_eq!(instantiate(&component(&[], 200)).await, Ok(()));
        assert!(
            instantiate(&component(&[], 201))
                .await
                .unwrap_err()
                .contains("instance")
        );
    }
}
