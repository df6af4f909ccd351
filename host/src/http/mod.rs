//! The HTTP clients of the host: TLS, proxy, and the addresses that may be connected to.
//!
//! A [`Client`] belongs to a [`NetworkPolicy`], what a source's or output's `network:` says, and pools its
//! connections; [`Clients`] keeps one for each policy, so that a thousand sources of one policy share it. A client
//! follows no redirect, reads no proxy from the environment, decompresses, and connects only to addresses that are
//! public or that the policy names.
//!
//! Addresses are judged where they are used: a name's in the resolver of the very connection, so that there is no
//! second look-up for an attacker to answer differently; a literal on the parsed URL, since connecting to one asks no
//! resolver. Through a proxy neither can hold: the proxy resolves names, so it must guard its network itself.
//!
//! [`HttpError`] tells apart what a person would do something different about.

mod address;
mod client;
mod error;
mod policy;
mod resolve;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use client::{CONNECT_TIMEOUT, Client, Clients, Reach};
pub use error::{CertificateProblem, ClientError, HttpError};
pub use policy::NetworkPolicy;
pub use resolve::{Lookup, SystemLookup};
