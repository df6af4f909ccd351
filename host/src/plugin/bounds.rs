//! What the host keeps for a guest has a bound, handle by handle.
//!
//! A guest's own memory is limited, but with each handle the host keeps a copy of what was put into it: the method and
//! the address of a request, headers, the part of a body that waits to be sent. wasi:http bounds the headers alone, so a
//! guest that puts one long text into a thousand requests would have the host keep it a thousand times, and needs no
//! grant for it. Here every such text gets a bound far above what any server takes, and with the number of handles
//! ([`super::Limits::handles`]) that bounds all that an instance can have the host keep for it: 20 MiB. Answers come on
//! top, which the gate bounds. What is there during one call alone, the fuel of that call bounds ([`super::Limits`]).
//!
//! A text that is too long is refused as one that can't be sent: the guest hears it where it hears of bad syntax.

use wasmtime::component::{Linker, Resource};
use wasmtime::{Result, StoreContextMut};
use wasmtime_wasi_http::WasiHttpView;
use wasmtime_wasi_http::p2::bindings::http::types::{
    HostOutgoingRequest as _, Method, OutgoingRequest, Scheme,
};

use super::engine::replace;
use super::instance::Guest;

/// Methods that servers know have less than half of this.
const METHOD_BYTES_MAX: usize = 32;
/// A scheme that is neither `http` nor `https` goes nowhere.
const SCHEME_BYTES_MAX: usize = 16;
/// A host name has 253 bytes at most (RFC 1035, 2.3.4), and a port six.
const AUTHORITY_BYTES_MAX: usize = 300;
/// Twice what common servers take.
const PATH_BYTES_MAX: usize = 16 << 10;
/// Names and values of one set of headers, and what it takes to hold them.
pub(crate) const FIELDS_BYTES_MAX: usize = 16 << 10;
/// One piece of a request's body; two wait to be sent.
pub(crate) const BODY_PIECE_BYTES_MAX: usize = 16 << 10;

/// The interface whose functions are replaced, as `wasmtime-wasi-http` names it.
const TYPES: &str = "wasi:http/types@0.2.12";

type Request = Resource<OutgoingRequest>;
/// What the setters of a request answer: an error without words means that it can't be sent like this.
type Set = (Result<(), ()>,);

/// Puts bounded setters in place of those that keep whatever they are given.
pub(crate) fn link(linker: &mut Linker<Guest>) -> Result<()> {
    replace(
        linker,
        TYPES,
        "[method]outgoing-request.set-method",
        |mut store: StoreContextMut<'_, Guest>, (request, method): (Request, Method)| {
            let is_long = matches!(&method, Method::Other(name) if name.len() > METHOD_BYTES_MAX);
            set(is_long, || {
                store.data_mut().http().set_method(request, method)
            })
        },
    )?;
    replace(
        linker,
        TYPES,
        "[method]outgoing-request.set-scheme",
        |mut store: StoreContextMut<'_, Guest>, (request, scheme): (Request, Option<Scheme>)| {
            let is_long =
                matches!(&scheme, Some(Scheme::Other(name)) if name.len() > SCHEME_BYTES_MAX);
            set(is_long, || {
                store.data_mut().http().set_scheme(request, scheme)
            })
        },
    )?;
    replace(
        linker,
        TYPES,
        "[method]outgoing-request.set-authority",
        |mut store: StoreContextMut<'_, Guest>, (request, authority): (Request, Option<String>)| {
            let is_long = is_long(authority.as_deref(), AUTHORITY_BYTES_MAX);
            set(is_long, || {
                store.data_mut().http().set_authority(request, authority)
            })
        },
    )?;
    replace(
        linker,
        TYPES,
        "[method]outgoing-request.set-path-with-query",
        |mut store: StoreContextMut<'_, Guest>, (request, path): (Request, Option<String>)| {
            let is_long = is_long(path.as_deref(), PATH_BYTES_MAX);
            set(is_long, || {
                store.data_mut().http().set_path_with_query(request, path)
            })
        },
    )
}

fn is_long(text: Option<&str>, bytes_max: usize) -> bool {
    text.is_some_and(|text| text.len() > bytes_max)
}

fn set(is_long: bool, set: impl FnOnce() -> Result<Result<(), ()>>) -> Result<Set> {
    match is_long {
        true => Ok((Err(()),)),
        false => Ok((set()?,)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Limits;
    use super::*;

    /// A request with its address, headers, two pieces of its body, and trailers.
    const HANDLE_BYTES_MAX: usize = METHOD_BYTES_MAX
        + SCHEME_BYTES_MAX
        + AUTHORITY_BYTES_MAX
        + PATH_BYTES_MAX
        + 2 * FIELDS_BYTES_MAX
        + 2 * BODY_PIECE_BYTES_MAX;

    #[test]
    fn delivery_19_what_the_host_keeps_for_an_instance_is_a_fraction_of_its_memory() {
        let limits = Limits::default();
        assert!(limits.handles * HANDLE_BYTES_MAX <= limits.memory / 8);
    }
}
