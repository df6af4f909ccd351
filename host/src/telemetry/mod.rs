//! What the host says about itself, and how it keeps others from speaking through it.
//!
//! There is one picture of a running host, the [`overview::Overview`]: plain data, taken from counters that the data
//! path keeps anyway, so that looking costs a record nothing. Whoever asks gets the same picture in the form they can
//! use: Prometheus text ([`metrics`]), ready or not and why ([`health`]), both over HTTP ([`http`]), or the whole of it
//! over the control socket ([`crate::control`]).
//!
//! Labels of metrics are bounded: names from the configuration, status codes, and words of ours. Nothing that a peer or
//! a plugin wrote becomes one.

pub mod acts;
pub mod audit;
pub mod backfill;
pub mod escape;
pub mod health;
pub mod http;
pub mod logs;
pub mod metrics;
pub mod overview;
pub mod process;
pub mod silence;
