//! Where the socket is.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

/// The socket's name in the state folder.
const SOCKET: &str = "control.sock";

/// What the address of a Unix socket may be long on every system: `sun_path` has 104 bytes at least.
const ADDRESS_BYTES_MAX: usize = 103;

/// A way to the socket that is short enough for an address.
pub(super) struct Place {
    /// Where it is, for people.
    pub(super) path: PathBuf,
    /// How it is called.
    pub(super) address: PathBuf,
    /// Held open: the address leads through it.
    _folder: Option<File>,
}

impl Place {
    /// The socket of a state folder. If its path is too long, the address is one through the open folder, which Linux
    /// has under `/proc`.
    pub(super) fn of(folder: &Path) -> io::Result<Self> {
        let path = folder.join(SOCKET);
        if path.as_os_str().len() <= ADDRESS_BYTES_MAX {
            let address = path.clone();
            return Ok(Self {
                path,
                address,
                _folder: None,
            });
        }
        let opened = File::open(folder)?;
        let address = PathBuf::from(format!("/proc/self/fd/{}/{SOCKET}", opened.as_raw_fd()));
        Ok(Self {
            path,
            address,
            _folder: Some(opened),
        })
    }
}
