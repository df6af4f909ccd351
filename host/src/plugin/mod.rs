//! Plugins: loads components, limits them, and makes them look like any other stage.
//!
//! A plugin is untrusted (`ARCHITECTURE.md`, security model). It is linked to outgoing HTTP behind the gate, clocks,
//! randomness and a log, and to nothing else; it has a memory limit and two time limits; what it returns is checked
//! before anything depends on it. A trap, a limit or a lie ends its instance, never the host.
//!
//! - `load`: file → verified, compiled (or from the `cache`), linked, described.
//! - `instance`: a store with its limits, and calls into it; `still` is the world that `describe` sees.
//! - `meter`: what the instances of a source take.
//! - `limits`, `work`, `bounds`: what a guest may take: memory, time, and what the host keeps for it.
//! - `source`: a component as a [`crate::stage::Source`].
//! - `hooks`: wasi:http → [`crate::gate`].
//! - `bindings`: generated, alone.

mod bindings;
mod bounds;
mod builtin;
mod cache;
mod convert;
mod engine;
mod hooks;
mod instance;
mod limits;
mod load;
mod log;
mod meter;
mod source;
mod still;
mod work;

pub use builtin::{BUILTIN, builtin};
pub use cache::{Cache, Remembered};
pub use limits::{Exceeded, Limits};
pub use load::{Plugin, Plugins};
pub use meter::Meter;
pub use source::{ComponentSource, Credentials};

/// Why a file can't be used as a plugin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PluginError {
    /// The engine can't be made on this machine.
    #[error("the WebAssembly engine can't be made: {0}")]
    Engine(String),
    /// The file has another digest than the configuration says.
    #[error(
        "its SHA-256 is {found}, not the one that the configuration pins: update `sha256` if you trust this file"
    )]
    Pinned {
        /// The digest it has.
        found: String,
    },
    /// The file is too large.
    #[error("it has {bytes} bytes, which is more than any plugin needs")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// A module, not a component.
    #[error(
        "it is a core WebAssembly module, not a component: build it with `--target wasm32-wasip2`"
    )]
    CoreModule,
    /// Native code.
    #[error("it is precompiled code, which can't be verified: give the component (.wasm) itself")]
    Precompiled,
    /// Something else.
    #[error("it is not a WebAssembly component")]
    NotWasm,
    /// It does not compile.
    #[error("it does not compile: {0}")]
    Compile(String),
    /// It imports what no plugin gets.
    #[error("it imports what plugins don't get: {0}")]
    Import(String),
    /// It exports another version of the interface.
    #[error(
        "it implements version {found} of the source interface, and this host understands 0.1.0: rebuild it with a matching SDK, or use a matching host"
    )]
    Version {
        /// The version it has.
        found: String,
    },
    /// It implements another interface.
    #[error("it is a plugin for `{found}`, not a source")]
    World {
        /// The interface it has.
        found: String,
    },
    /// It implements nothing of ours.
    #[error("it is a component, but not a Logweir plugin: it exports {}", if .exports.is_empty() { "nothing".to_owned() } else { .exports.join(", ") })]
    NotAPlugin {
        /// What it exports.
        exports: Vec<String>,
    },
    /// Its interface has the right name and other contents.
    #[error("its source interface is not the one this host knows: {0}")]
    Contract(String),
    /// It could not say what it is.
    #[error("it can't say what it is: {0}")]
    Describe(String),
}
