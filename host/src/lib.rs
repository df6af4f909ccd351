//! Logweir's host: it loads untrusted plugins, reads from sources, and routes records to outputs, once each.
//!
//! The modules, in the order a batch meets them:
//!
//! - [`gate`]: the door out: what a plugin was granted, signed with what it never sees.
//! - [`http`]: the clients behind the door: TLS, proxy, addresses.
//! - [`plugin`]: loads components, limits them, and makes them look like any other stage.
//! - [`stage`]: what sources and outputs are, whoever implements them.
//! - [`record`]: the batch itself: bytes, and numbers that say where things are in them.
//! - [`pipeline`]: source, queue, delivery, acks: what makes "once" true.
//! - [`output`]: the destinations.
//! - [`state`]: what survives a restart.
//! - [`control`]: how other programs talk to a running host.
//! - [`config`]: from what was typed to what it means.
//! - [`host`]: puts all of these together; the library's door.

pub mod config;
pub mod control;
pub mod gate;
pub mod host;
pub mod http;
pub mod output;
pub mod pipeline;
pub mod plugin;
pub mod record;
pub mod secret;
pub mod stage;
pub mod state;
pub mod telemetry;
pub mod units;
