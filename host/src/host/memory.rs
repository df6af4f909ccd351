//! What the compile cache remembers, kept in the state database.

use crate::plugin::Remembered;
use crate::state::State;

/// The state database as the memory of the compile cache. What it can't remember costs time, nothing else.
pub(crate) struct StateMemory(pub(crate) State);

impl Remembered for StateMemory {
    fn compiled(&self, key: &str) -> Option<[u8; 32]> {
        self.0.compiled(key).ok().flatten()
    }

    fn remember_compiled(&self, key: &str, digest: &[u8; 32]) {
        if let Err(error) = self.0.remember_compiled(key, digest) {
            tracing::warn!(%error, "the compiled plugin will be compiled again next time");
        }
    }

    fn description(&self, digest: &str) -> Option<String> {
        self.0.description(digest).ok().flatten()
    }

    fn remember_description(&self, digest: &str, json: &str) {
        if let Err(error) = self.0.remember_description(digest, json) {
            tracing::warn!(%error, "the plugin will be asked again what it is");
        }
    }
}
