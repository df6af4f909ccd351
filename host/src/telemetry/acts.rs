//! What administrators did, in the log under one name each, so that it can be found again (trust rule 21).
//!
//! One line an act: what (`act`), who (`uid`), how it was asked for (`by`), and of which source. Where a command changes
//! what is stored while no host runs, its own log says so.

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
    /// A source begins again at a time.
    StateRewound,
    /// A source goes on where it was, at another address.
    StateAdopted,
    /// An audit delivers what is missing.
    AuditFix,
    /// More of the past is read than the first read did.
    Backfill,
    /// The configuration was read again, and what differed was changed.
    Reloaded,
    /// A plugin may reach something else than before.
    GrantsChanged,
}

impl Act {
    /// The name it has in the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SecretRead => "secret-read",
            Self::FilesReopened => "files-reopened",
            Self::StateForgotten => "state-forgotten",
            Self::Reloaded => "reloaded",
            Self::StateRewound => "state-rewound",
            Self::StateAdopted => "state-adopted",
            Self::AuditFix => "audit-fix",
            Self::Backfill => "backfill",
            Self::GrantsChanged => "grants-changed",
        }
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who did it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Actor {
    /// The user.
    pub uid: u32,
    /// `command` or `socket`.
    by: &'static str,
}

impl Actor {
    /// Whoever runs this process.
    pub fn command() -> Self {
        let uid = rustix::process::getuid().as_raw();
        let by = "command";
        Self { uid, by }
    }

    /// Who is at the other end of the control socket.
    pub fn socket(uid: u32) -> Self {
        Self { uid, by: "socket" }
    }
}

/// Logs what somebody did to a source, as something that needs attention.
pub fn record(act: Act, actor: Actor, source: &str, what: &str) {
    let Actor { uid, by } = actor;
    tracing::warn!(%act, uid, by, source, "{what}");
}
