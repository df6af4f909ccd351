//! Tokens that the gate asks for itself: OAuth 2.0 client credentials (RFC 6749, section 4.4).
//!
//! A [`OauthClient`] is one configured client. Before a request goes out it is signed with a token ([`token`]), which is
//! asked for when there is none, renewed before its end by one request at a time, and renewed once more when the peer
//! says 401 all the same ([`client`]). Neither key, secret, token nor nonce ever reaches a plugin.
//!
//! How a client proves who it is:
//!
//! - `private_key_jwt` (RFC 7523): an [`assertion`] signed with the client's [`key`], a fresh one for every POST, since
//!   a peer takes each only once. Keys are PEM or JSON Web Keys ([`jwk`]).
//! - `client_secret_basic`: the secret in `Authorization`, where the plugin's kind of credential allows it.
//!
//! A peer may want tokens bound to a key (DPoP, RFC 9449): then each request carries a [`proof`], made right before it
//! goes out and never used again. The gate turns this on by itself when the token endpoint asks for it, with a key of
//! its own that lives as long as the client does; the newest nonce of any answer goes into the next proof.
//!
//! Assertions and proofs hold times, and peers refuse wrong ones: all of them are told by the peer's own [`clock`].
//!
//! What a token endpoint says instead of a token becomes words for the person who has to act ([`answer`]).

mod answer;
mod assertion;
mod client;
mod clock;
mod error;
mod identity;
mod jwk;
mod jws;
mod key;
mod limit;
mod proof;
mod retries;
mod secret;
#[cfg(test)]
mod tests;
mod token;

pub use answer::{TokenRefusal, TokenRefusalCause};
pub(crate) use client::{Errand, OauthClient};
pub(crate) use error::TokenError;
pub use identity::{OauthIdentity, OauthProof};
pub use key::{KeyError, SigningKey};
pub(crate) use retries::{Retries, Signed};
