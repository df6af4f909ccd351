//! What administrators did, in the log under one name each, so that it can be found again (trust rule 21).

use std::fmt;

/// Something that a person decided and that changes what is read, or with which power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// A secret was replaced, and is used from now on.
    SecretRead,
    /// Files were opened anew.
    FilesReopened,
    /// How far a source is was forgotten.
    StateForgotten,
}

impl Act {
    /// The name it has in the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SecretRead => "secret-read",
            Self::FilesReopened => "files-reopened",
            Self::StateForgotten => "state-forgotten",
        }
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
