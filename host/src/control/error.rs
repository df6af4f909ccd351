//! What can go wrong between a host and whoever asks it.

use std::io;
use std::path::PathBuf;

use super::protocol::UNKNOWN;

/// Why a host could not be asked, or can't be.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The socket can't be made.
    #[error("can't listen at {}: {source}", path.display())]
    Bind {
        /// Where it would be.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Something else is where the socket would be.
    #[error("{} is there and is no socket: move it away", .0.display())]
    NoSocket(PathBuf),
    /// The host can't be reached although it seems to run.
    #[error("can't talk to the host at {}: {source}", path.display())]
    Talk {
        /// Where it listens.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It said something that is no answer.
    #[error("the host's answer can't be understood ({0}): it may be of another version")]
    Answer(String),
    /// It refuses.
    #[error("the host refuses: {0}")]
    Refused(String),
    /// It is of another version, which has no such request.
    #[error(
        "the running host is of another version and can't do this: restart it with this one, or stop it ({0})"
    )]
    Unknown(String),
}

impl ControlError {
    /// What a refusal of the host's means.
    pub fn refused(why: String) -> Self {
        match why.starts_with(UNKNOWN) {
            true => Self::Unknown(why),
            false => Self::Refused(why),
        }
    }
}
