//! The layout of the database, and the first look at one.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use super::StateError;

/// The newest layout that we know. Raised whenever an older version would misread what this one writes.
const LAYOUT: i64 = 1;

/// Long enough for another process's commit on a slow disk.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

const TABLES: &str = "
    CREATE TABLE source (
        name TEXT PRIMARY KEY,
        plugin TEXT NOT NULL,
        origin TEXT NOT NULL,
        checkpoint TEXT NOT NULL,
        settled INTEGER NOT NULL,
        dead INTEGER NOT NULL,
        updated INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE output (name TEXT PRIMARY KEY, position TEXT NOT NULL) STRICT;
    CREATE TABLE compiled (key TEXT PRIMARY KEY, sha256 BLOB NOT NULL) STRICT;
    CREATE TABLE plugin (sha256 TEXT PRIMARY KEY, description TEXT NOT NULL) STRICT;
";

/// Opens a database that is there, perhaps empty; it is ours, whole, and of a layout that we know when this returns.
pub(super) fn connect(path: &Path) -> Result<Connection, StateError> {
    let failed = |error| StateError::of_database(path.to_owned(), error);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let mut connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
    whole(&connection, path)?;
    let found = connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(failed)?;
    if found > LAYOUT {
        return Err(StateError::Newer {
            path: path.to_owned(),
            found,
            known: LAYOUT,
        });
    }
    if found == 0 {
        lay_out(&mut connection, path)?;
    }
    connection
        .pragma_update(None, "journal_mode", "wal")
        .and_then(|()| connection.pragma_update(None, "synchronous", "full"))
        .map_err(failed)?;
    Ok(connection)
}

/// The database is small: looking at all of it costs milliseconds.
fn whole(connection: &Connection, path: &Path) -> Result<(), StateError> {
    let verdict: String = connection
        .pragma_query_value(None, "quick_check", |row| row.get(0))
        .map_err(|error| StateError::of_database(path.to_owned(), error))?;
    if verdict == "ok" {
        return Ok(());
    }
    Err(StateError::Damaged {
        path: path.to_owned(),
        reason: verdict,
    })
}

/// Makes the tables, unless another process just did.
fn lay_out(connection: &mut Connection, path: &Path) -> Result<(), StateError> {
    let failed = |error| StateError::of_database(path.to_owned(), error);
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(failed)?;
    let layout: i64 = transaction
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(failed)?;
    if layout != 0 {
        return Ok(());
    }
    if tables(&transaction).map_err(failed)? > 0 {
        return Err(StateError::Foreign {
            path: path.to_owned(),
        });
    }
    let laid_out = transaction
        .execute_batch(TABLES)
        .and_then(|()| transaction.pragma_update(None, "user_version", LAYOUT))
        .and_then(|()| transaction.commit());
    laid_out.map_err(failed)
}

fn tables(transaction: &Transaction<'_>) -> rusqlite::Result<i64> {
    transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
}
