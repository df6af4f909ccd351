//! Why there is no secret where one should be, in words for whoever has to change it. None of them shows one.

use std::path::PathBuf;

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
    /// A command in a file that may not name any.
    #[error(
        "a file in `logweir.d`, or a template's list, may not run commands; write `${{exec:…}}` in the main file"
    )]
    IncludedExec,
    /// No command.
    #[error("`${{exec:}}` names no command")]
    NoCommand,
    /// A file that an included file may not name.
    #[error(
        "a file in `logweir.d` may name secret files below that folder alone, and a template's list those below its own; move the secret there"
    )]
    Outside,
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
    /// A link leads out of the folder that the file must be in.
    #[error("the secret file {} is not below {}, where a link leads out of", path.display(), folder.display())]
    Outside {
        /// The file.
        path: PathBuf,
        /// The folder.
        folder: PathBuf,
    },
    /// The command gave no secret.
    #[error("the command {program:?} {reason}")]
    Command {
        /// The program, without its arguments.
        program: String,
        /// What went wrong.
        reason: String,
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
