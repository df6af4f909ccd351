//! An HTTP client over `wasi:http`, WASI 0.2.
//!
//! A request goes out when it is sent, and its answer is waited for later, so that several can be under way. The
//! answer's status and headers are there before its body is read, and the next request may be sent while it is:
//!
//! ```
//! use std::time::Duration;
//!
//! use logweir_plugin::http::{HttpError, Request};
//!
//! # #[cfg(target_family = "wasm")]
//! fn fetch(url: &str) -> Result<String, HttpError> {
//!     let pending = Request::get(url)
//!         .header("accept", "application/json")
//!         .first_byte_timeout(Duration::from_secs(60))
//!         .send()?;
//!     let response = pending.wait()?;
//!     let next = response.headers.get("link").map(str::to_owned);
//!     let mut text = Vec::new();
//!     let mut body = response.into_body()?;
//!     while body.read(&mut text)? > 0 {
//!         // Half of it is here: time to ask for `next`.
//!     }
//!     # let _next = next;
//!     String::from_utf8(text).map_err(|error| HttpError::Other(error.to_string()))
//! }
//! ```
//!
//! What a request is and what came of it are ordinary data, native too. Sending, and with it [`Request::send`],
//! `Pending`, `Response` and `Body`, exists for wasm alone: keep what decides apart from what sends, and test it
//! natively.
//!
//! The host decides about each request: it adds the credential, refuses what was not granted, follows no redirect,
//! decompresses, and holds requests back while their budget is used up. Held-back time counts against no time-out.

#[cfg(target_family = "wasm")]
mod body;
#[cfg(target_family = "wasm")]
mod client;
#[cfg(target_family = "wasm")]
mod code;
mod error;
mod headers;
mod request;
#[cfg(any(test, target_family = "wasm"))]
mod target;

#[cfg(target_family = "wasm")]
pub use body::Body;
#[cfg(target_family = "wasm")]
pub use client::{Pending, Response};
pub use error::HttpError;
pub use headers::Headers;
pub use request::Request;
