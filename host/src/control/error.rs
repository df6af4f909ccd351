//! What can go wrong between a host and whoever asks it.

use std::io;
use std::path::PathBuf;

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
}
