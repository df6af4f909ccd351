//! How other programs of the same user talk to a running host: over a socket in its state folder.
//!
//! `STATE/control.sock`, mode 0600 in a folder of mode 0700; and the system is asked who is at the other end: the
//! host's own user, or root (trust rule 21). HTTP serves health and metrics alone; what changes anything comes this way.
//!
//! A conversation is lines of JSON: one request, one [`Answer`], until either side hangs up. To what takes a while the
//! host says how far it is, at least each few seconds, before it answers; who hangs up meanwhile does not want it any more.
//!
//! ```text
//! → {"version":1,"request":"status"}
//! ← {"version":1,"answer":{"status":{"process":{…},"state":{…},"sources":[…],"outputs":[…]}}}
//! → {"version":1,"request":{"audit":{"source":"acme","since":1789990000000000000,"fix":false}}}
//! ← {"version":1,"answer":{"audit_progress":{"step":"reading","read":1000,…}}}
//! ← {"version":1,"answer":{"audit":{"read":2500,"missing":0,…}}}
//! ```
//!
//! A host of another version says so in an answer, not by hanging up. Lines, waits and conversations are bounded on
//! both sides.
//!
//! A socket that a dead process left behind is replaced: whoever holds the state's lock is the only one who may listen,
//! so nobody does.

mod client;
mod error;
mod place;
mod protocol;
mod server;

pub use client::Client;
pub use error::ControlError;
pub use protocol::{Answer, Request, VERSION};
pub use server::{Control, Handler, News, Peer};
