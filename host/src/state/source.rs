//! Rows of sources: how far each is.

use std::sync::Arc;

use rusqlite::{Row, Transaction, params};

use super::ledger::{self, Age, GAP_MAX, LedgerRow, LedgerSize, signed};
use super::{Commit, Owner, State, StateError};

/// What is stored of one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSource {
    /// Who it belongs to.
    pub owner: Owner,
    /// Where to go on.
    pub checkpoint: Arc<str>,
    /// Where to begin instead, nanoseconds since 1970, until a page from there was settled.
    pub rewind_to: Option<u64>,
    /// Records settled since the source was first seen.
    pub settled: u64,
    /// Of these, records that went to the dead letter.
    pub dead: u64,
    /// When this row was last written, nanoseconds since 1970.
    pub updated: u64,
    /// Everything published since then was read; nanoseconds since 1970. Unknown where an older version began.
    pub read_since: Option<u64>,
    /// What was published no later may have been brought by the reading of more of the past; nanoseconds since 1970.
    pub backfilled_until: Option<u64>,
    /// When this row was first written, nanoseconds since 1970; unknown where an older version did.
    pub first: Option<u64>,
    /// What is remembered of what was delivered.
    pub ledger: LedgerSize,
}

/// A source of which something settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceCommit {
    /// Name of the source.
    pub name: Arc<str>,
    /// Who it belongs to.
    pub owner: Owner,
    /// Where to go on; none if that stays as it is, which a source that is new can't ask for.
    pub checkpoint: Option<Arc<str>>,
    /// Where the first read of all began, nanoseconds since 1970, if this is a part of it.
    pub began: Option<u64>,
    /// Records settled since the last commit.
    pub settled: u64,
    /// Of these, records that went to the dead letter.
    pub dead: u64,
    /// The same records for the ledger, a row for each batch.
    pub rows: Vec<Arc<LedgerRow>>,
}

const COLUMNS: &str = "SELECT name, plugin, origin, checkpoint, rewind_to, settled, dead, updated, ledger_ids, \
                       complete_since, read_since, first, backfilled_until FROM source";

impl State {
    /// What is stored of one source.
    pub fn source(&self, name: &str) -> Result<Option<StoredSource>, StateError> {
        let sql = format!("{COLUMNS} WHERE name = ?1");
        let found = self.first(&sql, name, read)?;
        Ok(found.map(|(_, stored)| stored))
    }

    /// All sources, by name.
    pub fn sources(&self) -> Result<Vec<(String, StoredSource)>, StateError> {
        self.all(&format!("{COLUMNS} ORDER BY name"), read)
    }

    /// Has a source begin at a time, in nanoseconds since 1970, when it is read the next time; says whether there is
    /// such a source. The checkpoint stays until a page from there was settled. What backfills brought comes again too.
    pub fn rewind(&self, source: &str, to: u64) -> Result<bool, StateError> {
        let sql = "UPDATE source SET rewind_to = ?2, backfilled_until = NULL WHERE name = ?1";
        Ok(self.execute(sql, params![source, signed(to)])? > 0)
    }

    /// Has everything that is stored of a source belong to an origin from now on; says whether there is such a source.
    /// Whoever asks knows that the same records are there.
    pub fn adopt(&self, source: &str, origin: &str) -> Result<bool, StateError> {
        let sql = "UPDATE source SET origin = ?2 WHERE name = ?1";
        Ok(self.execute(sql, params![source, origin])? > 0)
    }

    /// Forgets a source and everything about it; says whether there was one.
    pub fn forget(&self, source: &str) -> Result<bool, StateError> {
        self.transact(|transaction| {
            for table in ["ledger", "audit", "suspect", "habit", "backfill", "granted"] {
                let sql = format!("DELETE FROM {table} WHERE source = ?1");
                transaction.execute(&sql, params![source])?;
            }
            let sql = "DELETE FROM source WHERE name = ?1";
            Ok(transaction.execute(sql, params![source])? > 0)
        })
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<(String, StoredSource)> {
    let count = |index| Ok::<_, rusqlite::Error>(row.get::<_, i64>(index)?.cast_unsigned());
    let time = |index| {
        let time: Option<i64> = row.get(index)?;
        Ok::<_, rusqlite::Error>(time.map(i64::cast_unsigned))
    };
    let stored = StoredSource {
        owner: Owner {
            plugin: row.get(1)?,
            origin: row.get(2)?,
        },
        checkpoint: row.get(3)?,
        rewind_to: time(4)?,
        settled: count(5)?,
        dead: count(6)?,
        updated: count(7)?,
        read_since: time(10)?,
        first: time(11)?,
        backfilled_until: time(12)?,
        ledger: LedgerSize {
            ids: count(8)?,
            complete_since: time(9)?,
        },
    };
    Ok((row.get(0)?, stored))
}

/// Writes how far a source is, and what settled into its ledger. Says how large that is, if it grew.
pub(super) fn write(
    transaction: &Transaction<'_>,
    source: &SourceCommit,
    commit: &Commit,
) -> rusqlite::Result<Option<LedgerSize>> {
    // A ledger that begins with the source knows everything since the first read began. One that begins later, in a
    // database of a version without ledgers, knows everything from now on. Who is rewound reads everything since then.
    let sql = "INSERT INTO source (name, plugin, origin, checkpoint, settled, dead, updated, complete_since, read_since, first)
               VALUES (?1, ?2, ?3, coalesce(?4, (SELECT checkpoint FROM source WHERE name = ?1)), ?5, ?6, ?7, coalesce(?8, ?7), ?8, ?7)
               ON CONFLICT (name) DO UPDATE SET plugin = excluded.plugin, origin = excluded.origin,
                   checkpoint = excluded.checkpoint, settled = settled + excluded.settled, dead = dead + excluded.dead,
                   read_since = CASE WHEN ?4 IS NULL THEN read_since ELSE min(coalesce(read_since, rewind_to), coalesce(rewind_to, read_since)) END,
                   rewind_to = CASE WHEN ?4 IS NULL THEN rewind_to END,
                   worked = worked + min(max(excluded.updated - updated, 0), ?9), updated = excluded.updated,
                   complete_since = coalesce(complete_since, excluded.updated)
               RETURNING worked";
    let now = signed(commit.at);
    let values = params![
        source.name,
        source.owner.plugin,
        source.owner.origin,
        source.checkpoint,
        source.settled.cast_signed(),
        source.dead.cast_signed(),
        now,
        source.began.map(signed),
        GAP_MAX,
    ];
    let worked = transaction
        .prepare_cached(sql)?
        .query_row(values, |row| row.get(0))?;
    let age = Age {
        worked,
        now,
        keep: commit.keep,
    };
    ledger::write(transaction, &source.name, &source.rows, &age)
}
