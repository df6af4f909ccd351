//! The gate against a token endpoint and an API behind real sockets.

mod keys;
mod peer;
mod proofs;
mod secrecy;
mod tokens;
