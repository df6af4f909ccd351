//! Where a secret is, and the secret itself for as long as somebody needs it.
//!
//! A configuration says where a secret is: `${env:NAME}`, `${file:PATH}` or `${exec:COMMAND ARGUMENT…}`, as the whole
//! value. It is looked up after the configuration was read, so that what it holds can never become structure, and only
//! where a secret is expected. A secret written down as such works too, with a warning. No form of it is ever shown by
//! `Debug` or in an error.
//!
//! A command is cut at white space and run without a shell: there is nothing to quote and nothing that is expanded. Its
//! standard output is the secret. Only the main file may name one; a file of `logweir.d` and the list of a template, which
//! somebody else may have put there, name secret files below their own folder alone (trust rule 18).

mod error;
mod exec;

use std::fmt;
use std::fs::{File, Metadata};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

pub use error::{SecretError, SecretFault, SecretRefError};

/// More than any token or password has; whatever is longer is the wrong file.
const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// Where a secret is.
#[derive(Clone)]
pub enum SecretRef {
    /// In an environment variable.
    Env(String),
    /// In a file.
    File(PathBuf),
    /// In a file that must not be outside of a folder, whatever links lead there.
    FileBelow {
        /// The folder.
        folder: PathBuf,
        /// The file.
        path: PathBuf,
    },
    /// What a command prints.
    Exec {
        /// The program and its arguments.
        argv: Vec<String>,
        /// The folder it is run in, where a relative path to it starts.
        folder: PathBuf,
    },
    /// Written down right here.
    Literal(SecretString),
}

impl SecretRef {
    /// Reads a reference of an included file: it may name files below `folder` alone, and no commands.
    pub fn parse_included(text: &str, base: &Path, folder: &Path) -> Result<Self, SecretRefError> {
        Self::parse(text, base)?.included(folder)
    }

    /// The same reference, of an included file.
    pub fn included(self, folder: &Path) -> Result<Self, SecretRefError> {
        match self {
            Self::Exec { .. } => Err(SecretRefError::IncludedExec),
            Self::File(path) if !is_below(&path, folder) => Err(SecretRefError::Outside),
            Self::File(path) => Ok(Self::FileBelow {
                folder: folder.to_owned(),
                path,
            }),
            other => Ok(other),
        }
    }

    /// Reads a reference. Relative paths start from `base`. Text that is no reference is the secret itself.
    pub fn parse(text: &str, base: &Path) -> Result<Self, SecretRefError> {
        if text.is_empty() {
            return Err(SecretRefError::Empty);
        }
        if !text.contains("${") {
            return Ok(Self::Literal(text.into()));
        }
        let inside = text
            .strip_prefix("${")
            .and_then(|rest| rest.strip_suffix('}'))
            .filter(|inside| !inside.contains("${"))
            .ok_or(SecretRefError::NotWhole)?;
        let (scheme, place) = inside.split_once(':').ok_or(SecretRefError::NoScheme)?;
        match scheme {
            "env" if is_variable_name(place) => Ok(Self::Env(place.to_owned())),
            "env" => Err(SecretRefError::VariableName),
            "file" if place.is_empty() => Err(SecretRefError::NoPath),
            "file" => Ok(Self::File(base.join(place))),
            "exec" => {
                let argv: Vec<_> = place.split_whitespace().map(str::to_owned).collect();
                match argv.is_empty() {
                    true => Err(SecretRefError::NoCommand),
                    false => Ok(Self::Exec {
                        argv,
                        folder: base.to_owned(),
                    }),
                }
            }
            other => Err(SecretRefError::UnknownScheme(other.to_owned())),
        }
    }

    /// Looks the secret up. One line break at its end is not part of it. This reads files and runs commands, so it
    /// takes time.
    pub fn resolve(&self) -> Result<SecretString, SecretError> {
        self.resolved(usable)
    }

    /// Looks up a secret that may have many lines, such as a key.
    pub fn resolve_document(&self) -> Result<SecretString, SecretError> {
        self.resolved(|text| match text.expose_secret().trim().is_empty() {
            true => Err(SecretFault::Empty),
            false => Ok(text.clone()),
        })
    }

    fn resolved(
        &self,
        usable: impl Fn(&SecretString) -> Result<SecretString, SecretFault>,
    ) -> Result<SecretString, SecretError> {
        let found = match self {
            Self::Env(name) => std::env::var_os(name)
                .ok_or_else(|| SecretError::NotSet(name.clone()))?
                .into_string()
                .map_err(|_| SecretFault::NotText),
            Self::File(path) => read_file(path)?,
            Self::FileBelow { folder, path } => {
                check_below(path, folder)?;
                read_file(path)?
            }
            Self::Exec { argv, folder } => as_text(exec::run(argv, folder)?),
            Self::Literal(secret) => Ok(secret.expose_secret().to_owned()),
        };
        found
            .map(SecretString::from)
            .and_then(|secret| usable(&secret))
            .map_err(|fault| SecretError::Unusable {
                place: self.to_string(),
                fault,
            })
    }

    /// The file that the secret is in, if it is in one.
    fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) | Self::FileBelow { path, .. } => Some(path),
            Self::Env(_) | Self::Exec { .. } | Self::Literal(_) => None,
        }
    }

    /// A number that is another one after the secret may have changed. It never reads the secret. An environment
    /// variable can't change under a running process, so its number is always the same; what a command would print now
    /// is not known without running it, so its number is the same too.
    pub fn stamp(&self) -> u64 {
        let Some(path) = self.file() else { return 0 };
        std::fs::metadata(path).map_or(1, |metadata| stamp_of(&metadata))
    }

    /// What a person should know about where this secret is kept, if anything.
    pub fn warning(&self) -> Option<String> {
        if let Self::Literal(_) = self {
            return Some(
                "this secret is written down in the configuration; `${file:PATH}` or `${env:NAME}` keep it apart"
                    .to_owned(),
            );
        }
        let path = self.file()?;
        let mode = std::fs::metadata(path).ok()?.mode() & 0o777;
        let path = path.display();
        (mode & 0o077 != 0).then(|| {
            format!("others may read the secret file {path} (mode {mode:04o}); `chmod 600 {path}` keeps it private")
        })
    }
}

/// Where the secret is, for people.
impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "the environment variable {name}"),
            Self::File(path) | Self::FileBelow { path, .. } => {
                write!(f, "the file {}", path.display())
            }
            Self::Exec { argv, .. } => {
                let program = argv.first().map_or("", String::as_str);
                write!(f, "what the command {program:?} printed")
            }
            Self::Literal(_) => f.write_str("the configuration"),
        }
    }
}

impl fmt::Debug for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => f.debug_tuple("Env").field(name).finish(),
            Self::File(path) | Self::FileBelow { path, .. } => {
                f.debug_tuple("File").field(path).finish()
            }
            // Somebody may have put a secret among the arguments.
            Self::Exec { argv, .. } => f.debug_tuple("Exec").field(&argv.first()).finish(),
            Self::Literal(_) => f.write_str("Literal(***)"),
        }
    }
}

impl PartialEq for SecretRef {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Env(one), Self::Env(two)) => one == two,
            (Self::File(one), Self::File(two)) => one == two,
            (
                Self::FileBelow { folder, path },
                Self::FileBelow {
                    folder: other_folder,
                    path: other_path,
                },
            ) => folder == other_folder && path == other_path,
            (
                Self::Exec { argv, folder },
                Self::Exec {
                    argv: other_argv,
                    folder: other_folder,
                },
            ) => argv == other_argv && folder == other_folder,
            (Self::Literal(one), Self::Literal(two)) => one.expose_secret() == two.expose_secret(),
            _ => false,
        }
    }
}

impl Eq for SecretRef {}

fn is_variable_name(name: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    !name.starts_with(|first: char| first.is_ascii_digit())
        && !name.is_empty()
        && name.bytes().all(word)
}

/// By the words of the paths alone: neither has to be there.
pub(crate) fn is_below(path: &Path, folder: &Path) -> bool {
    let climbs = path
        .components()
        .any(|component| matches!(component, Component::ParentDir));
    !climbs && path.starts_with(folder) && path != folder
}

/// By what the paths lead to.
fn check_below(path: &Path, folder: &Path) -> Result<(), SecretError> {
    let real = |path: &Path| {
        path.canonicalize()
            .map_err(|source| SecretError::Unreadable {
                path: path.to_owned(),
                source,
            })
    };
    match real(path)?.starts_with(real(folder)?) {
        true => Ok(()),
        false => Err(SecretError::Outside {
            path: path.to_owned(),
            folder: folder.to_owned(),
        }),
    }
}

fn read_file(path: &Path) -> Result<Result<String, SecretFault>, SecretError> {
    let unreadable = |source| SecretError::Unreadable {
        path: path.to_owned(),
        source,
    };
    // Before it is opened: opening a pipe waits for somebody to write.
    if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(SecretError::NotAFile(path.to_owned()));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    let read = file.take(SECRET_BYTES_MAX + 1).read_to_end(&mut bytes);
    read.map_err(unreadable)?;
    Ok(as_text(bytes))
}

fn as_text(bytes: Vec<u8>) -> Result<String, SecretFault> {
    if bytes.len() as u64 > SECRET_BYTES_MAX {
        return Err(SecretFault::TooLong);
    }
    String::from_utf8(bytes).map_err(|_| SecretFault::NotText)
}

fn usable(secret: &SecretString) -> Result<SecretString, SecretFault> {
    let text = secret.expose_secret();
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    let blank = |c: char| c.is_whitespace() || c == '\u{feff}';
    if text.is_empty() {
        Err(SecretFault::Empty)
    } else if text.contains(['\n', '\r']) {
        Err(SecretFault::LineBreak)
    } else if text.starts_with(blank) || text.ends_with(blank) {
        Err(SecretFault::Blank)
    } else if text.contains(char::is_control) {
        Err(SecretFault::Control)
    } else {
        Ok(text.into())
    }
}

fn stamp_of(metadata: &Metadata) -> u64 {
    let mut hasher = DefaultHasher::new();
    (metadata.dev(), metadata.ino(), metadata.len()).hash(&mut hasher);
    (metadata.mtime(), metadata.mtime_nsec()).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests;
