//! The layout of the database, and the first look at one.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use super::StateError;

/// What makes each layout of the one before it; the first one of nothing. One is added whenever an older version would
/// misread what this one writes, and none is ever changed: databases of all layouts are out there.
const LAYOUTS: [&str; 4] = [LAYOUT_1, LAYOUT_2, LAYOUT_3, LAYOUT_4];

/// The newest layout that we know.
const LAYOUT: i64 = LAYOUTS.len() as i64;

/// Long enough for another process's commit on a slow disk.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// A database of at most this many bytes is looked at as a whole when it is opened, which takes some ten milliseconds.
pub(super) const LOOKED_AT_WHOLE: u64 = 64 << 20;

const LAYOUT_1: &str = "
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

/// The ledger of delivered records, rewinding, and how far audits are.
const LAYOUT_2: &str = "
    -- A time to begin at instead of the checkpoint.
    ALTER TABLE source ADD COLUMN rewind_to INTEGER;
    -- Time at work, see `ledger`.
    ALTER TABLE source ADD COLUMN worked INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE source ADD COLUMN complete_since INTEGER;
    ALTER TABLE source ADD COLUMN ledger_ids INTEGER NOT NULL DEFAULT 0;
    CREATE TABLE ledger (
        sequence INTEGER PRIMARY KEY,
        source TEXT NOT NULL,
        worked INTEGER NOT NULL,
        settled INTEGER NOT NULL,
        newest INTEGER NOT NULL,
        digests BLOB NOT NULL
    ) STRICT;
    CREATE INDEX ledger_by_age ON ledger (source, worked);
    -- One row: what all digests of this database begin with.
    CREATE TABLE seed (seed INTEGER NOT NULL) STRICT;
    INSERT INTO seed VALUES (random());
    CREATE TABLE audit (
        source TEXT PRIMARY KEY,
        since INTEGER NOT NULL,
        until INTEGER NOT NULL,
        fix INTEGER NOT NULL,
        checkpoint TEXT,
        read_all INTEGER NOT NULL,
        read INTEGER NOT NULL,
        differing INTEGER NOT NULL,
        finished INTEGER
    ) STRICT;
    CREATE TABLE suspect (
        sequence INTEGER PRIMARY KEY,
        source TEXT NOT NULL,
        verdict INTEGER NOT NULL,
        id_digest INTEGER NOT NULL,
        bytes_digest INTEGER NOT NULL,
        id TEXT NOT NULL,
        kind TEXT NOT NULL,
        published INTEGER NOT NULL,
        severity INTEGER NOT NULL,
        seen INTEGER NOT NULL,
        text BLOB
    ) STRICT;
    CREATE INDEX suspect_by_verdict ON suspect (source, verdict);
    CREATE UNIQUE INDEX suspect_once ON suspect (source, id_digest, bytes_digest);
";

/// How far back a source was read, reading more of the past, what plugins could reach, and what was learnt of how
/// sources usually behave.
const LAYOUT_3: &str = "
    CREATE TABLE habit (source TEXT PRIMARY KEY, learnt TEXT NOT NULL) STRICT;
    -- Everything published since then was read, apart from what a filter left out. Unknown for sources of layout 2.
    ALTER TABLE source ADD COLUMN read_since INTEGER;
    -- When its row was first written.
    ALTER TABLE source ADD COLUMN first INTEGER;
    -- How far the reading of more of the past is, while it is not done.
    CREATE TABLE backfill (
        source TEXT PRIMARY KEY,
        since INTEGER NOT NULL,
        until INTEGER NOT NULL,
        checkpoint TEXT,
        read INTEGER NOT NULL,
        delivered INTEGER NOT NULL,
        asked INTEGER NOT NULL
    ) STRICT;
    -- What the plugin of each source could reach in the newest run, for people.
    CREATE TABLE granted (source TEXT PRIMARY KEY, grants TEXT NOT NULL) STRICT;
";

/// When the oldest record of each row happened, so that a look-up that knows its times reads few rows; and up to when
/// backfills read.
const LAYOUT_4: &str = "
    -- 0: unknown, or no record has a time.
    ALTER TABLE ledger ADD COLUMN oldest INTEGER NOT NULL DEFAULT 0;
    CREATE INDEX ledger_by_time ON ledger (source, newest, sequence, oldest);
    -- What was published no later may have been brought by the reading of more of the past, before the live reader came
    -- to it.
    ALTER TABLE source ADD COLUMN backfilled_until INTEGER;
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
    if found < LAYOUT {
        lay_out(&mut connection, path)?;
    }
    connection
        .pragma_update(None, "journal_mode", "wal")
        .and_then(|()| connection.pragma_update(None, "synchronous", "full"))
        .map_err(failed)?;
    Ok(connection)
}

/// All but the ledger is small: looking at all of it costs milliseconds. A ledger is looked at as long as that costs
/// little; what is wrong with a larger one is found where it is read, and a file that is too short always.
fn whole(connection: &Connection, path: &Path) -> Result<(), StateError> {
    let failed = |error| StateError::of_database(path.to_owned(), error);
    let bytes = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    let checks = if bytes <= LOOKED_AT_WHOLE {
        vec!["PRAGMA quick_check".to_owned()]
    } else {
        checks_without_ledger(connection).map_err(failed)?
    };
    for check in checks {
        let verdict: String = connection
            .query_row(&check, [], |row| row.get(0))
            .map_err(failed)?;
        if verdict != "ok" {
            return Err(StateError::Damaged {
                path: path.to_owned(),
                reason: verdict,
            });
        }
    }
    Ok(())
}

fn checks_without_ledger(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'ledger'";
    let mut query = connection.prepare(sql)?;
    let check = |name: String| format!("PRAGMA quick_check(\"{}\")", name.replace('"', "\"\""));
    let checks = query.query_map([], |row| row.get(0).map(check))?;
    checks.collect()
}

/// Makes the newest layout of whatever is there, unless another process just did.
fn lay_out(connection: &mut Connection, path: &Path) -> Result<(), StateError> {
    let failed = |error| StateError::of_database(path.to_owned(), error);
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(failed)?;
    let found: i64 = transaction
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(failed)?;
    if found == 0 && tables(&transaction).map_err(failed)? > 0 {
        return Err(StateError::Foreign {
            path: path.to_owned(),
        });
    }
    let mut missing = LAYOUTS.iter().skip(usize::try_from(found).unwrap_or(0));
    let laid_out = missing
        .try_for_each(|layout| transaction.execute_batch(layout))
        .and_then(|()| transaction.pragma_update(None, "user_version", LAYOUT))
        .and_then(|()| transaction.commit());
    laid_out.map_err(failed)
}

fn tables(transaction: &Transaction<'_>) -> rusqlite::Result<i64> {
    transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
}
