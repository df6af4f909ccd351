//! What survives a restart: checkpoints, positions, the ledger of delivered records, how far audits are, what is usual
//! for a source, and digests of compiled plugins. SQLite in a private folder.
//!
//! Everything that one commit holds becomes true at once or not at all, and is on the disk before [`State::commit`]
//! returns. A database that is damaged, or written by a newer version, is refused and never reset: resetting it would
//! read months of records again. Several processes may look; the one that moves checkpoints holds [`State::lock`].

mod audit;
mod backfill;
mod digest;
mod error;
mod folder;
mod habit;
mod ledger;
mod lock;
mod schema;
mod source;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params};

pub use audit::{AuditRow, Suspect, Verdict};
pub use backfill::BackfillRow;
pub use digest::{Digest, Digester};
pub use error::StateError;
pub use ledger::{LedgerRow, LedgerSize};
pub use lock::StateLock;
pub use source::{SourceCommit, StoredSource};

/// The database in the folder.
const DATABASE: &str = "state.db";

/// Who a checkpoint belongs to (delivery rule 18). A source that finds another owner under its name is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Name of the plugin.
    pub plugin: String,
    /// What it reads: the origin of the need that carries the credential, else of the first need, else empty.
    pub origin: String,
}

impl Owner {
    /// Whether a source of this name that is `other` now may go on from a checkpoint of this owner; if not, what to do.
    pub(crate) fn admits(&self, name: &str, other: &Self) -> Result<(), String> {
        if self == other {
            return Ok(());
        }
        let same = match self.plugin == other.plugin {
            true => format!(
                "if that is the same under a new address, `logweir state adopt {name}` lets it go on where it was; else "
            ),
            false => String::new(),
        };
        Err(format!(
            "the checkpoint stored for {name} belongs to {} at {}, and {name} is {} at {} now; {same}\
             choose another name, or run `logweir state forget {name}` to begin from the start",
            self.plugin, self.origin, other.plugin, other.origin
        ))
    }
}

/// What one transaction writes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Commit {
    /// Now, in nanoseconds since 1970.
    pub at: u64,
    /// How long the ledger remembers records, see [`ledger`].
    pub keep: Duration,
    /// Sources of which something settled, or whose checkpoint moves.
    pub sources: Vec<SourceCommit>,
    /// Outputs, by name, and where they are now.
    pub positions: Vec<(String, String)>,
}

/// The state folder, open. Cloning it shares the connection. Calls block for as long as the disk takes.
#[derive(Clone)]
pub struct State {
    folder: Arc<Path>,
    database: Arc<Path>,
    connection: Arc<Mutex<Connection>>,
    digester: Digester,
}

impl State {
    /// Opens or makes the folder (0700) and its database (0600). Several processes may have it open.
    pub fn open(folder: &Path) -> Result<Self, StateError> {
        let folder = folder::private(folder)?;
        let database = folder.join(DATABASE);
        folder::private_file(&database)?;
        let connection = schema::connect(&database)?;
        let seed = connection.query_row("SELECT seed FROM seed", [], |row| row.get(0));
        let seed: i64 = seed.map_err(|error| StateError::of_database(database.clone(), error))?;
        Ok(Self {
            folder: folder.into(),
            database: database.into(),
            connection: Arc::new(Mutex::new(connection)),
            digester: Digester::new(seed.cast_unsigned()),
        })
    }

    /// Opens the folder if something was ever stored in it, and makes nothing.
    pub fn open_existing(folder: &Path) -> Result<Option<Self>, StateError> {
        let exists = folder.join(DATABASE).exists();
        exists.then(|| Self::open(folder)).transpose()
    }

    /// Makes this process the only one that may move checkpoints; held until the guard is dropped.
    pub fn lock(&self) -> Result<StateLock, StateError> {
        lock::take(&self.folder)
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes digests as the ledger of this state has them.
    pub fn digester(&self) -> Digester {
        self.digester
    }

    /// Where an output is.
    pub fn position(&self, output: &str) -> Result<Option<String>, StateError> {
        let sql = "SELECT position FROM output WHERE name = ?1";
        self.first(sql, output, |row| row.get(0))
    }

    /// All positions, by output.
    pub fn positions(&self) -> Result<Vec<(String, String)>, StateError> {
        let sql = "SELECT name, position FROM output ORDER BY name";
        self.all(sql, |row| Ok((row.get(0)?, row.get(1)?)))
    }

    /// Writes everything in one durable transaction, or nothing. Says of each source how large its ledger is, if it
    /// grew.
    pub fn commit(&self, commit: &Commit) -> Result<Vec<Option<LedgerSize>>, StateError> {
        self.transact(|transaction| {
            for (output, position) in &commit.positions {
                write_position(transaction, output, position)?;
            }
            let sources = commit.sources.iter();
            sources
                .map(|source| source::write(transaction, source, commit))
                .collect()
        })
    }

    /// Forgets where an output is; says whether that was known.
    pub fn forget_position(&self, output: &str) -> Result<bool, StateError> {
        Ok(self.execute("DELETE FROM output WHERE name = ?1", params![output])? > 0)
    }

    /// The SHA-256 of the compiled form stored under `key`, if we wrote one.
    pub fn compiled(&self, key: &str) -> Result<Option<[u8; 32]>, StateError> {
        let sql = "SELECT sha256 FROM compiled WHERE key = ?1";
        self.first(sql, key, |row| row.get(0))
    }

    /// Remembers the SHA-256 of a compiled form.
    pub fn remember_compiled(&self, key: &str, digest: &[u8; 32]) -> Result<(), StateError> {
        let sql = "INSERT INTO compiled (key, sha256) VALUES (?1, ?2)
                   ON CONFLICT (key) DO UPDATE SET sha256 = excluded.sha256";
        self.execute(sql, params![key, digest])?;
        Ok(())
    }

    /// What the plugin with this digest said of itself, as JSON (trust rule 3).
    pub fn description(&self, digest: &str) -> Result<Option<String>, StateError> {
        let sql = "SELECT description FROM plugin WHERE sha256 = ?1";
        self.first(sql, digest, |row| row.get(0))
    }

    /// Remembers what a plugin said of itself.
    pub fn remember_description(&self, digest: &str, json: &str) -> Result<(), StateError> {
        let sql = "INSERT INTO plugin (sha256, description) VALUES (?1, ?2)
                   ON CONFLICT (sha256) DO UPDATE SET description = excluded.description";
        self.execute(sql, params![digest, json])?;
        Ok(())
    }

    /// A panic elsewhere leaves no half of a transaction behind, so a poisoned lock is as good as any.
    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn first<T>(
        &self,
        sql: &str,
        key: &str,
        read: fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, StateError> {
        let connection = self.connection();
        let found = connection
            .prepare_cached(sql)
            .and_then(|mut query| query.query_row([key], read).optional());
        found.map_err(|error| self.failed(error))
    }

    fn all<T>(
        &self,
        sql: &str,
        read: fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StateError> {
        let connection = self.connection();
        let rows = connection
            .prepare_cached(sql)
            .and_then(|mut query| query.query_map([], read)?.collect());
        rows.map_err(|error| self.failed(error))
    }

    /// Does something as a whole or not at all.
    fn transact<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StateError> {
        let mut connection = self.connection();
        let done = (|| {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let done = work(&transaction)?;
            transaction.commit()?;
            Ok(done)
        })();
        done.map_err(|error| self.failed(error))
    }

    fn execute(&self, sql: &str, values: impl rusqlite::Params) -> Result<usize, StateError> {
        let changed = self.connection().execute(sql, values);
        changed.map_err(|error| self.failed(error))
    }

    fn failed(&self, error: rusqlite::Error) -> StateError {
        let database = PathBuf::from(&*self.database);
        StateError::of_database(database, error)
    }
}

fn write_position(
    transaction: &Transaction<'_>,
    output: &str,
    position: &str,
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO output (name, position) VALUES (?1, ?2)
               ON CONFLICT (name) DO UPDATE SET position = excluded.position";
    let mut statement = transaction.prepare_cached(sql)?;
    statement.execute(params![output, position])?;
    Ok(())
}

#[cfg(test)]
mod tests;
