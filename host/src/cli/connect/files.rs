//! What `connect` writes: the credential's file and the configuration, both or neither.

use std::fmt;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{anyhow, bail};
use logweir::config::Loaded;
use logweir::config::template::{self, NewClient, NewSource};
use secrecy::ExposeSecret;

use super::Connection;
use super::credential::{Given, Proof};
use crate::cli::{Usage, tell, validate};

/// Where the sources beside the main file's are.
const FRAGMENTS: &str = "logweir.d";

/// For what may be seen by others if the folder lets them.
const ORDINARY: u32 = 0o644;
/// For secrets (trust rule 19).
const PRIVATE: u32 = 0o600;

/// Where things go: into the main file when there is none, else into a file of their own beside it.
pub(super) struct Target {
    main: PathBuf,
    path: PathBuf,
    token: PathBuf,
    /// The same from the folder of the main file on, as the configuration names it.
    secret_file: String,
    /// The folder that secrets must be in, if the configuration is a file of the folder beside the main one.
    below: Option<PathBuf>,
}

/// What was written, for people.
pub(super) struct Written {
    config: PathBuf,
    /// The file with the secret that was written, or the one with the private key that was there.
    secret: Result<PathBuf, PathBuf>,
    source: String,
    screen: bool,
    past: String,
}

impl Target {
    pub(super) fn choose(main: &Path, name: &str) -> anyhow::Result<Self> {
        let token = format!("{name}.token");
        // A file of the folder may name secrets of that folder alone.
        let (path, secret_file, below) = if main.exists() {
            let folder = Path::new(FRAGMENTS);
            let fragment = main.with_file_name(folder.join(format!("{name}.yaml")));
            let below = main.with_file_name(folder);
            (fragment, format!("{FRAGMENTS}/{token}"), Some(below))
        } else {
            (main.to_owned(), token, None)
        };
        let token = main.with_file_name(&secret_file);
        for path in [&path, &token] {
            // Also a link that leads nowhere is there.
            if path.symlink_metadata().is_ok() {
                return Err(Usage(exists(path)).into());
            }
        }
        Ok(Self {
            main: main.to_owned(),
            path,
            token,
            secret_file,
            below,
        })
    }

    /// Whether the configuration may name what was given where it is (trust rule 18). Told before anything is tested.
    pub(super) fn check(&self, given: &Given) -> Result<(), Usage> {
        let (Err(key), Some(below)) = (given.secret(), &self.below) else {
            return Ok(());
        };
        let is_below = below
            .canonicalize()
            .is_ok_and(|below| key.starts_with(below));
        match is_below {
            true => Ok(()),
            false => Err(Usage(format!(
                "a source in {below} may name files of that folder alone: move the key there, and give --key-file {}",
                below.join(key.file_name().unwrap_or_default()).display(),
                below = below.display(),
            ))),
        }
    }

    /// A file that stays where it is, as the configuration names it: from its own folder on where it is below that.
    fn named(&self, file: &Path) -> String {
        let folder = self
            .main
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new(".")).canonicalize();
        let below = folder
            .ok()
            .and_then(|folder| file.strip_prefix(folder).ok());
        below.unwrap_or(file).display().to_string()
    }

    pub(super) fn write(
        &self,
        connection: &Connection<'_>,
        plugin: &str,
        given: &Given,
        past: String,
    ) -> anyhow::Result<Written> {
        let config: Vec<_> = connection
            .config
            .iter()
            .map(|(key, value)| (key.as_str(), value))
            .collect();
        let (secret_file, secret) = match given.secret() {
            Ok(secret) => (self.secret_file.clone(), Ok(secret)),
            Err(key) => {
                let named = self.named(key);
                (named.clone(), Err(PathBuf::from(named)))
            }
        };
        let source = NewSource {
            name: connection.name,
            plugin,
            config: &config,
            network: &connection.network.keys,
            credential: &connection.kind.name,
            client: client(given),
            secret_file: &secret_file,
        };
        let screen = self.path == self.main;
        let text = if screen {
            template::main_file(&source)
        } else {
            template::fragment(&source)
        };
        let token = secret
            .as_ref()
            .map(|secret| NewFile::create(&self.token, PRIVATE, secret.expose_secret()))
            .ok()
            .transpose()?;
        let config = NewFile::create(&self.path, ORDINARY, &text)?;
        // Other files beside it may have a say too.
        if let Err(errors) = Loaded::load(&self.main) {
            tell("What would have been written is not valid, so nothing was written.\n");
            return Err(validate::usage(errors));
        }
        config.keep();
        if let Some(token) = token {
            token.keep();
        }
        Ok(Written {
            config: self.path.clone(),
            secret: secret.map(|_| self.token.clone()),
            source: connection.name.to_owned(),
            screen,
            past,
        })
    }
}

fn client(given: &Given) -> Option<NewClient<'_>> {
    let Given::Client { client_id, proof } = given else {
        return None;
    };
    let (proof, key_id) = match proof {
        Proof::Key { key_id, .. } => ("private_key", key_id.as_deref()),
        Proof::Secret(_) => ("client_secret", None),
    };
    Some(NewClient {
        client_id,
        proof,
        key_id,
    })
}

fn exists(path: &Path) -> String {
    let path = path.display();
    format!(
        "{path} is there already, and is not overwritten: move it away, or choose another --name"
    )
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            config,
            secret,
            source,
            screen,
            past,
        } = self;
        let screen = if *screen {
            ", and shows them on the screen"
        } else {
            ""
        };
        let (did, path, what) = match secret {
            Ok(path) => ("wrote", path, "the credential; only you can read it"),
            Err(path) => ("named", path, "the private key; it stays where it is"),
        };
        let (config, path) = (config.display().to_string(), path.display().to_string());
        let width = config.chars().count().max(path.chars().count());
        writeln!(
            f,
            "wrote {config:width$}  reads `{source}` into logs/{source}.ndjson{screen}"
        )?;
        writeln!(f, "{did} {path:width$}  {what}")?;
        write!(f, "\nThe first run reads {past}, then follows what is new.")
    }
}

/// A file that was not there before. It goes away again unless it is kept.
struct NewFile {
    path: PathBuf,
    keep: bool,
}

impl NewFile {
    fn create(path: &Path, mode: u32, text: &str) -> anyhow::Result<Self> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| cannot(folder, &error))?;
        }
        let opened = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(path);
        let mut file = match opened {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => bail!(exists(path)),
            Err(error) => return Err(cannot(path, &error)),
        };
        let created = Self {
            path: path.to_owned(),
            keep: false,
        };
        let written = file
            .write_all(text.as_bytes())
            .and_then(|()| file.sync_all());
        written.map_err(|error| cannot(path, &error))?;
        Ok(created)
    }

    fn keep(mut self) {
        self.keep = true;
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.keep
            && let Err(error) = std::fs::remove_file(&self.path)
        {
            tracing::warn!(%error, path = %self.path.display(), "a file is left behind");
        }
    }
}

fn cannot(path: &Path, error: &std::io::Error) -> anyhow::Error {
    anyhow!("{} can't be written: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::*;

    #[test]
    fn trust_19_a_secret_is_private_from_its_first_moment_and_never_overwrites() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("acme.token");
        NewFile::create(&path, PRIVATE, "secret").unwrap().keep();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert!(NewFile::create(&path, PRIVATE, "other").is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "secret");

        let link = folder.path().join("link");
        symlink(folder.path().join("elsewhere"), &link).unwrap();
        assert!(NewFile::create(&link, PRIVATE, "secret").is_err());
        assert!(!folder.path().join("elsewhere").exists());
    }

    #[test]
    fn what_is_not_kept_goes_away_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("acme.token");
        drop(NewFile::create(&path, PRIVATE, "secret").unwrap());
        assert!(!path.exists());
    }
}
