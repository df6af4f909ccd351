//! Where a secret is, and the secret itself for as long as somebody needs it.
//!
//! A configuration says where a secret is: `${env:NAME}` or `${file:PATH}`, as the whole value. It is looked up after
//! the configuration was read, so that what it holds can never become structure, and only where a secret is expected.
//! A secret written down as such works too, with a warning. No form of it is ever shown by `Debug` or in an error.

use std::fmt;
use std::fs::{File, Metadata};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

/// More than any token or password has; whatever is longer is the wrong file.
const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// Where a secret is.
#[derive(Clone)]
pub enum SecretRef {
    /// In an environment variable.
    Env(String),
    /// In a file.
    File(PathBuf),
    /// Written down right here.
    Literal(SecretString),
}

/// Why a text does not say where a secret is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretRefError {
    /// Nothing was written.
    #[error("a secret is missing; write `${{env:NAME}}` or `${{file:PATH}}`")]
    Empty,
    /// A reference with something around it.
    #[error("a reference must be the whole value: nothing before `${{` or after `}}`")]
    NotWhole,
    /// A reference without a scheme.
    #[error("a reference says where to look: write `${{env:NAME}}` or `${{file:PATH}}`")]
    NoScheme,
    /// A scheme that is none of ours.
    #[error("there are no `{0}` references; write `${{env:NAME}}` or `${{file:PATH}}`")]
    UnknownScheme(String),
    /// A command to be run.
    #[error("`${{exec:…}}` is not supported yet; write `${{env:NAME}}` or `${{file:PATH}}`")]
    Exec,
    /// Not a name that an environment variable can have.
    #[error(
        "the name of an environment variable is letters, digits and `_`, and does not begin with a digit"
    )]
    VariableName,
    /// No path.
    #[error("`${{file:}}` names no file")]
    NoPath,
}

/// Why there is no secret where one should be.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The variable does not exist.
    #[error("the environment variable {0} is not set")]
    NotSet(String),
    /// The file can't be read.
    #[error("can't read the secret file {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The path is a folder, a pipe or a device.
    #[error("{} is not a regular file", .0.display())]
    NotAFile(PathBuf),
    /// What was found can't be a secret.
    #[error("the secret in {place} {fault}")]
    Unusable {
        /// Where it was looked up.
        place: String,
        /// What is wrong with it.
        fault: SecretFault,
    },
}

/// What is wrong with a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretFault {
    /// Nothing, or nothing but a line break.
    #[error("is empty")]
    Empty,
    /// More than one line, or only part of one was meant.
    #[error(
        "has a line break in it; a single line is expected, and one line break at its end is ignored"
    )]
    LineBreak,
    /// Something invisible that no header and no form takes.
    #[error("has a control character in it")]
    Control,
    /// A space, tab or byte order mark that nobody meant.
    #[error("begins or ends with a blank or a byte order mark")]
    Blank,
    /// Not text.
    #[error("is not UTF-8 text")]
    NotText,
    /// The wrong file.
    #[error("is longer than 64 KiB")]
    TooLong,
}

impl SecretRef {
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
            "exec" => Err(SecretRefError::Exec),
            other => Err(SecretRefError::UnknownScheme(other.to_owned())),
        }
    }

    /// Looks the secret up. One line break at its end is not part of it.
    pub fn resolve(&self) -> Result<SecretString, SecretError> {
        let found = match self {
            Self::Env(name) => std::env::var_os(name)
                .ok_or_else(|| SecretError::NotSet(name.clone()))?
                .into_string()
                .map_err(|_| SecretFault::NotText),
            Self::File(path) => read_file(path)?,
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

    /// A number that is another one after the secret may have changed. It never reads the secret. An environment
    /// variable can't change under a running process, so its number is always the same.
    pub fn stamp(&self) -> u64 {
        let Self::File(path) = self else { return 0 };
        std::fs::metadata(path).map_or(1, |metadata| stamp_of(&metadata))
    }

    /// What a person should know about where this secret is kept, if anything.
    pub fn warning(&self) -> Option<String> {
        match self {
            Self::Env(_) => None,
            Self::Literal(_) => Some(
                "this secret is written down in the configuration; `${file:PATH}` or `${env:NAME}` keep it apart"
                    .to_owned(),
            ),
            Self::File(path) => {
                let mode = std::fs::metadata(path).ok()?.mode() & 0o777;
                let path = path.display();
                (mode & 0o077 != 0).then(|| {
                    format!("others may read the secret file {path} (mode {mode:04o}); `chmod 600 {path}` keeps it private")
                })
            }
        }
    }
}

/// Where the secret is, for people.
impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "the environment variable {name}"),
            Self::File(path) => write!(f, "the file {}", path.display()),
            Self::Literal(_) => f.write_str("the configuration"),
        }
    }
}

impl fmt::Debug for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => f.debug_tuple("Env").field(name).finish(),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Literal(_) => f.write_str("Literal(***)"),
        }
    }
}

impl PartialEq for SecretRef {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Env(one), Self::Env(two)) => one == two,
            (Self::File(one), Self::File(two)) => one == two,
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
    if bytes.len() as u64 > SECRET_BYTES_MAX {
        return Ok(Err(SecretFault::TooLong));
    }
    Ok(String::from_utf8(bytes).map_err(|_| SecretFault::NotText))
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
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn parse(text: &str) -> Result<SecretRef, SecretRefError> {
        SecretRef::parse(text, Path::new("/etc/logweir"))
    }

    fn secret_in_file(content: &[u8]) -> Result<String, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, content).unwrap();
        let resolved = SecretRef::File(path.clone()).resolve();
        resolved
            .map(|secret| secret.expose_secret().to_owned())
            .map_err(|error| error.to_string().replace(path.to_str().unwrap(), "TOKEN"))
    }

    #[test]
    fn references_are_whole_scalars() {
        assert_eq!(parse("${env:TOKEN}"), Ok(SecretRef::Env("TOKEN".into())));
        assert_eq!(
            parse("${file:/run/t}"),
            Ok(SecretRef::File("/run/t".into()))
        );
        assert_eq!(
            parse("${file:t}"),
            Ok(SecretRef::File("/etc/logweir/t".into()))
        );
        assert_eq!(parse("00abc"), Ok(SecretRef::Literal("00abc".into())));
        assert_eq!(parse("$x{y}"), Ok(SecretRef::Literal("$x{y}".into())));
        assert_eq!(parse("SSWS ${env:T}"), Err(SecretRefError::NotWhole));
        assert_eq!(parse("${env:A}${env:B}"), Err(SecretRefError::NotWhole));
        assert_eq!(parse("${env:A"), Err(SecretRefError::NotWhole));
        assert_eq!(parse("${TOKEN}"), Err(SecretRefError::NoScheme));
        assert_eq!(parse("${env:}"), Err(SecretRefError::VariableName));
        assert_eq!(parse("${env:A-B}"), Err(SecretRefError::VariableName));
        assert_eq!(parse("${file:}"), Err(SecretRefError::NoPath));
        assert_eq!(parse("${exec:pass show token}"), Err(SecretRefError::Exec));
        assert_eq!(
            parse("${vault:a}"),
            Err(SecretRefError::UnknownScheme("vault".into()))
        );
        assert_eq!(parse(""), Err(SecretRefError::Empty));
    }

    #[test]
    fn trap_29_a_line_break_is_trimmed_or_refused_with_words() {
        assert_eq!(secret_in_file(b"00abc"), Ok("00abc".into()));
        assert_eq!(secret_in_file(b"00abc\n"), Ok("00abc".into()));
        assert_eq!(secret_in_file(b"00abc\r\n"), Ok("00abc".into()));
        insta::assert_snapshot!(secret_in_file(b"00abc\ndef\n").unwrap_err(), @"the secret in the file TOKEN has a line break in it; a single line is expected, and one line break at its end is ignored");
        insta::assert_snapshot!(secret_in_file(b"00abc\n\n").unwrap_err(), @"the secret in the file TOKEN has a line break in it; a single line is expected, and one line break at its end is ignored");
        insta::assert_snapshot!(secret_in_file(b"00\x1babc").unwrap_err(), @"the secret in the file TOKEN has a control character in it");
        insta::assert_snapshot!(secret_in_file(b"00abc ").unwrap_err(), @"the secret in the file TOKEN begins or ends with a blank or a byte order mark");
        insta::assert_snapshot!(secret_in_file(b"\xef\xbb\xbf00abc").unwrap_err(), @"the secret in the file TOKEN begins or ends with a blank or a byte order mark");
        insta::assert_snapshot!(secret_in_file(b"\n").unwrap_err(), @"the secret in the file TOKEN is empty");
        insta::assert_snapshot!(secret_in_file(b"\xff\xfe0\0").unwrap_err(), @"the secret in the file TOKEN is not UTF-8 text");
        insta::assert_snapshot!(secret_in_file(&[b'a'; 70_000]).unwrap_err(), @"the secret in the file TOKEN is longer than 64 KiB");
    }

    #[test]
    fn what_is_missing_is_named() {
        let unset = SecretRef::Env("LOGWEIR_NO_SUCH_VARIABLE".into());
        insta::assert_snapshot!(unset.resolve().unwrap_err(), @"the environment variable LOGWEIR_NO_SUCH_VARIABLE is not set");
        let missing = SecretRef::File("/nonexistent/token".into());
        insta::assert_snapshot!(missing.resolve().unwrap_err(), @"can't read the secret file /nonexistent/token: No such file or directory (os error 2)");
        assert!(matches!(
            SecretRef::File("/".into()).resolve(),
            Err(SecretError::NotAFile(_))
        ));
        // Set by cargo for every test.
        let set = SecretRef::Env("CARGO_PKG_NAME".into());
        assert_eq!(set.resolve().unwrap().expose_secret(), "logweir");
    }

    #[test]
    fn trap_30_debug_and_errors_never_show_a_secret() {
        let literal = parse("hunter2\u{7}").unwrap();
        let error = literal.resolve().unwrap_err();
        let shown = format!(
            "{literal:?} {literal} {error} {error:?} {:?}",
            literal.warning()
        );
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("Literal(***)"), "{shown}");
    }

    #[test]
    fn the_stamp_changes_with_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let secret = SecretRef::File(path.clone());
        let missing = secret.stamp();
        std::fs::write(&path, "one").unwrap();
        let first = secret.stamp();
        assert_eq!(first, secret.stamp());
        std::fs::write(&path, "longer").unwrap();
        let longer = secret.stamp();
        let other = folder.path().join("other");
        std::fs::write(&other, "forged").unwrap();
        std::fs::rename(&other, &path).unwrap();
        let renamed = secret.stamp();
        assert_ne!(missing, first);
        assert_ne!(first, longer);
        assert_ne!(longer, renamed);
    }

    #[test]
    fn trust_19_a_file_that_others_may_read_is_warned_about() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "t").unwrap();
        let secret = SecretRef::File(path.clone());
        let mode = |mode| std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        mode(0o640);
        let warning = secret
            .warning()
            .unwrap()
            .replace(path.to_str().unwrap(), "TOKEN");
        insta::assert_snapshot!(warning, @"others may read the secret file TOKEN (mode 0640); `chmod 600 TOKEN` keeps it private");
        mode(0o600);
        assert_eq!(secret.warning(), None);
        assert!(parse("00abc").unwrap().warning().is_some());
        assert_eq!(parse("${env:A}").unwrap().warning(), None);
    }
}
