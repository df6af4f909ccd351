//! Logweir's source for the Okta System Log.
//!
//! The modules, in the order an event meets them:
//!
//! - [`config`]: which org, how far back, how often.
//! - [`describe`]: the network access and the credential that the plugin asks for.
//! - [`query`]: the requests that are made by hand; [`link`]: the links that all others follow, byte for byte.
//! - [`reader`]: the state machine from answer to page, without any I/O of its own: the past and what is live, and
//!   where they meet.
//! - [`answer`], [`throttle`]: what an answer that is no page means, and how long to wait.
//! - [`scan`]: finds the events of a page in one pass; [`batch`]: makes records of them.
//! - [`checkpoint`]: what outlives a reader.
//! - [`check`]: "Test API".
//! - `component`: pumps all of this through `wasi:http`; for wasm alone.
//!
//! Everything but the last is plain data in, plain data out, and tested natively.

pub mod answer;
pub mod batch;
pub mod check;
pub mod checkpoint;
#[cfg(all(target_family = "wasm", feature = "component"))]
mod component;
pub mod config;
pub mod describe;
mod digest;
pub mod link;
pub mod query;
pub mod reader;
pub mod scan;
pub mod throttle;
pub mod time;
