//! Compiled plugins on disk. They are native code, so what is read back must be what we wrote (trust rule 17): the
//! folder and its files belong to us and nobody else may write to them, no link is followed, and the SHA-256 of the
//! bytes in memory must be the one that the state database remembers. Anything else is compiled again.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::gate::Description;

/// What the cache remembers outside its folder, where a writer of files can't reach it.
pub trait Remembered: Send + Sync {
    /// The SHA-256 of the compiled form under `key`, if it was put there by us.
    fn compiled(&self, key: &str) -> Option<[u8; 32]>;
    /// Remembers the SHA-256 of a compiled form.
    fn remember_compiled(&self, key: &str, digest: &[u8; 32]);
    /// What the plugin with this digest said of itself, as JSON.
    fn description(&self, digest: &str) -> Option<String>;
    /// Remembers what a plugin said of itself.
    fn remember_description(&self, digest: &str, json: &str);
}

/// A folder of compiled plugins, private to the user.
pub struct Cache {
    folder: PathBuf,
    remembered: Arc<dyn Remembered>,
}

/// Native code of one component.
pub(crate) struct Compiled(pub(crate) Vec<u8>);

impl Cache {
    /// Uses `folder`, which is made when it is first needed.
    pub fn new(folder: PathBuf, remembered: Arc<dyn Remembered>) -> Self {
        Self { folder, remembered }
    }

    /// The compiled form under `key`, if it can be trusted.
    pub(crate) fn get(&self, engine: &Engine, key: &str) -> Option<Component> {
        let expected = self.remembered.compiled(key)?;
        let bytes = match self.read(key) {
            Ok(bytes) => bytes,
            Err(error) => {
                tracing::debug!(%error, key, "compiled plugin can't be read, compiling again");
                return None;
            }
        };
        if <[u8; 32]>::from(Sha256::digest(&bytes)) != expected {
            tracing::warn!(
                key,
                "compiled plugin is not the one that was stored, compiling again"
            );
            return None;
        }
        #[expect(
            unsafe_code,
            reason = "these are the bytes that `serialize` gave us: their digest is ours"
        )]
        // SAFETY: `deserialize` trusts its input to come from `Component::serialize` of a compatible engine. The digest
        // was stored by `put` from exactly such bytes, and the key names the engine's settings.
        let component = unsafe { Component::deserialize(engine, &bytes) };
        component
            .inspect_err(
                |error| tracing::debug!(%error, key, "compiled plugin is of another engine"),
            )
            .ok()
    }

    /// Stores a compiled form. Failing costs time at the next start and nothing else.
    pub(crate) fn put(&self, key: &str, compiled: &Compiled) {
        match self.write(key, &compiled.0) {
            Ok(()) => self
                .remembered
                .remember_compiled(key, &Sha256::digest(&compiled.0).into()),
            Err(error) => {
                tracing::warn!(%error, folder = %self.folder.display(), "compiled plugin can't be stored")
            }
        }
    }

    /// What the plugin with this digest said of itself when it was first loaded.
    pub(crate) fn description(&self, digest: &str) -> Option<Description> {
        serde_json::from_str(&self.remembered.description(digest)?).ok()
    }

    /// Remembers what a plugin said of itself.
    pub(crate) fn remember_description(&self, digest: &str, description: &Description) {
        if let Ok(json) = serde_json::to_string(description) {
            self.remembered.remember_description(digest, &json);
        }
    }

    fn path(&self, key: &str) -> PathBuf {
        self.folder.join(format!("{key}.cwasm"))
    }

    fn read(&self, key: &str) -> std::io::Result<Vec<u8>> {
        private(&std::fs::symlink_metadata(&self.folder)?)?;
        let mut file = OpenOptions::new()
            .read(true)
            .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
            .open(self.path(key))?;
        private(&file.metadata()?)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn write(&self, key: &str, bytes: &[u8]) -> std::io::Result<()> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.folder)?;
        private(&std::fs::symlink_metadata(&self.folder)?)?;
        let new = self
            .folder
            .join(format!("{key}.{}.new", std::process::id()));
        write_new(&new, bytes)?;
        std::fs::rename(&new, self.path(key))
    }
}

fn write_new(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file: File = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(bytes)
}

/// Refuses what is not ours or what others may write to.
fn private(metadata: &std::fs::Metadata) -> std::io::Result<()> {
    let ours = metadata.uid() == rustix::process::geteuid().as_raw();
    if metadata.is_symlink() || !ours || metadata.mode() & 0o022 != 0 {
        return Err(std::io::Error::other(
            "it is a link, of another user, or writable by others",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::sync::Mutex;

    #[derive(Default)]
    struct InMemory(Mutex<HashMap<String, [u8; 32]>>);

    impl Remembered for InMemory {
        fn compiled(&self, key: &str) -> Option<[u8; 32]> {
            self.0.lock().unwrap().get(key).copied()
        }
        fn remember_compiled(&self, key: &str, digest: &[u8; 32]) {
            self.0.lock().unwrap().insert(key.to_owned(), *digest);
        }
        fn description(&self, _digest: &str) -> Option<String> {
            None
        }
        fn remember_description(&self, _digest: &str, _json: &str) {}
    }

    fn stored() -> (tempfile::TempDir, Engine, Cache) {
        let folder = tempfile::tempdir().unwrap();
        let engine = super::super::engine::engine().unwrap();
        let component = Component::from_binary(&engine, b"\0asm\x0d\0\x01\0").unwrap();
        let cache = Cache::new(
            folder.path().join("compiled"),
            Arc::new(InMemory::default()),
        );
        cache.put("key", &Compiled(component.serialize().unwrap()));
        (folder, engine, cache)
    }

    #[test]
    fn what_was_put_comes_back() {
        let (_folder, engine, cache) = stored();
        assert!(cache.get(&engine, "key").is_some());
        assert!(cache.get(&engine, "other").is_none());
    }

    #[test]
    fn trust_17_changed_compiled_code_is_not_run() {
        let (_folder, engine, cache) = stored();
        let path = cache.path("key");
        let mut bytes = std::fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(&path, bytes).unwrap();
        assert!(cache.get(&engine, "key").is_none());
    }

    #[test]
    fn trust_17_compiled_code_that_others_may_write_is_not_run() {
        let (_folder, engine, cache) = stored();
        let path = cache.path("key");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o620)).unwrap();
        assert!(cache.get(&engine, "key").is_none());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert!(cache.get(&engine, "key").is_some());
        std::fs::set_permissions(&cache.folder, std::fs::Permissions::from_mode(0o777)).unwrap();
        assert!(cache.get(&engine, "key").is_none());
    }

    #[test]
    fn trust_17_a_link_in_the_cache_is_not_followed() {
        let (folder, engine, cache) = stored();
        let path = cache.path("key");
        let elsewhere = folder.path().join("elsewhere");
        std::fs::rename(&path, &elsewhere).unwrap();
        symlink(&elsewhere, &path).unwrap();
        assert!(cache.get(&engine, "key").is_none());
    }
}
