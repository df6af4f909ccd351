//! A world in which nothing moves. What a plugin says of itself in it depends on its file alone (trust rule 3): it can't
//! say one thing to `inspect` and another to `run`, whether or not somebody remembers what it said.
//!
//! Clocks stand, randomness repeats itself, and nothing can be waited for: whether a moment has come, or an answer,
//! would be a clock too. What a guest writes to its log is taken at once in every world ([`super::log`]).

use std::time::Duration;

use wasmtime::component::{Linker, Resource};
use wasmtime::{Result, StoreContextMut};
use wasmtime_wasi::clocks::WasiClocksView;
use wasmtime_wasi::p2::DynPollable;
use wasmtime_wasi::p2::bindings::clocks::monotonic_clock::Host as _;
use wasmtime_wasi::{Deterministic, HostMonotonicClock, HostWallClock, WasiCtxBuilder, WasiView};
use wasmtime_wasi_http::WasiHttpView;
use wasmtime_wasi_http::p2::bindings::http::outgoing_handler::{
    ErrorCode, FutureIncomingResponse, Host as _, OutgoingRequest, RequestOptions,
};

use super::engine::replace;
use super::instance::Guest;

/// Every seed, and every byte of "randomness".
const SEED: u8 = 7;

/// Stops the clocks and fixes the randomness that a guest sees.
pub(crate) fn stop(builder: &mut WasiCtxBuilder) {
    builder
        .wall_clock(Stopped)
        .monotonic_clock(Stopped)
        .secure_random(Deterministic::new(vec![SEED]))
        .insecure_random(Deterministic::new(vec![SEED]))
        .insecure_random_seed(u128::from(SEED));
}

/// Puts functions in place of those that would let time pass: a wait is over at once in a still world, and without a
/// way out a request is refused before it is one. With one, what came with a request goes with it.
pub(crate) fn link(linker: &mut Linker<Guest>) -> Result<()> {
    const CLOCK: &str = "wasi:clocks/monotonic-clock@0.2.12";
    let wait_until = |mut store: StoreContextMut<'_, Guest>, (when,): (u64,)| {
        let guest = store.data_mut();
        let when = if guest.is_still() { 0 } else { when };
        Ok((guest.clocks().subscribe_instant(when)?,))
    };
    replace(linker, CLOCK, "subscribe-instant", wait_until)?;
    let wait_for = |mut store: StoreContextMut<'_, Guest>, (duration,): (u64,)| {
        let guest = store.data_mut();
        let duration = if guest.is_still() { 0 } else { duration };
        let over: Resource<DynPollable> = guest.clocks().subscribe_duration(duration)?;
        Ok((over,))
    };
    replace(linker, CLOCK, "subscribe-duration", wait_for)?;
    const HANDLER: &str = "wasi:http/outgoing-handler@0.2.12";
    replace(linker, HANDLER, "handle", handle)
}

type Handled = (Result<Resource<FutureIncomingResponse>, ErrorCode>,);

fn handle(
    mut store: StoreContextMut<'_, Guest>,
    (request, options): (Resource<OutgoingRequest>, Option<Resource<RequestOptions>>),
) -> Result<Handled> {
    let guest = store.data_mut();
    let options_rep = options.as_ref().map(Resource::rep);
    let handled = if guest.is_offline() {
        guest.ctx().table.delete(request)?;
        Err(ErrorCode::HttpRequestDenied)
    } else {
        match guest.http().handle(request, options) {
            Ok(response) => Ok(response),
            Err(error) => Err(error.downcast()?),
        }
    };
    // They are the host's now, and nobody else takes them out of the table: it would fill up, request by request.
    if let Some(rep) = options_rep {
        let options = Resource::<RequestOptions>::new_own(rep);
        guest.ctx().table.delete(options)?;
    }
    Ok((handled,))
}

/// It is 1970, and stays so.
struct Stopped;

impl HostWallClock for Stopped {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(1)
    }

    fn now(&self) -> Duration {
        Duration::ZERO
    }
}

impl HostMonotonicClock for Stopped {
    fn resolution(&self) -> u64 {
        1
    }

    fn now(&self) -> u64 {
        0
    }
}
