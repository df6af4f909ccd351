//! The ledger: which records were delivered (delivery rules 12, 14, 15).
//!
//! One row per settled batch, written in the transaction that moves the checkpoint over it. No index per id: whoever
//! asks reads rows, all of a source's (16 MB per million records) or those of some times, in bounded steps and without
//! holding up commits.
//!
//! **Age.** A row's age is the time at work between it and its source's newest row: the clock's time, but a gap
//! between two commits counts as at most [`GAP_MAX`]. So three weeks of standing still, or a clock that jumps to
//! another year, empty nothing; that is when the ledger is needed most. Rows older than asked leave in the
//! transaction that adds newer ones, and the newest never leaves.
//!
//! **Low-water mark.** A record is settled after it was published. So of everything published after the newest row
//! that left was settled, the ledger knows all that was delivered. Before the first row leaves, the mark is where the
//! source's first read began.
//!
//! **Early records.** The first read brings what was persisted since it began, and some of that was published before. They
//! are few, and remembered for good: who reads more of the past later, by publication, comes to them again.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, Transaction, params};

use super::digest::{self, DIGEST_BYTES, Digest};
use super::{State, StateError};

/// The longest that a gap between two commits of one source counts for the age of what is before it. In nanoseconds.
pub(super) const GAP_MAX: i64 = 3_600_000_000_000;

/// The age of rows that never leave: newer than all others.
const NEVER_OLD: i64 = i64::MAX;

/// Read at a time: a quarter of a million records, little enough for a commit to wait for.
const STEP_BYTES: usize = 4 << 20;

/// What reading a row costs beside its digests, as bytes of digests.
const ROW_BYTES: usize = 256;

/// What one settled batch leaves in the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LedgerRow {
    /// Its records, those included that went to the dead letter.
    pub digests: Vec<Digest>,
    /// The oldest time of any of its records, nanoseconds since 1970; 0 if none has one.
    pub oldest: u64,
    /// The newest.
    pub newest: u64,
    /// Whether these records were published no later than where the first read began. Such rows never leave.
    pub early: bool,
}

/// How much a source's ledger holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LedgerSize {
    /// Records remembered.
    pub ids: u64,
    /// Everything delivered that was published since then is remembered; nanoseconds since 1970. None while nothing
    /// is.
    pub complete_since: Option<u64>,
}

impl LedgerSize {
    /// What its digests take on the disk, in bytes.
    pub fn bytes(&self) -> u64 {
        self.ids * DIGEST_BYTES as u64
    }
}

/// What one commit says of the time.
pub(super) struct Age {
    /// The source's time at work, after this commit.
    pub(super) worked: i64,
    /// Now, nanoseconds since 1970.
    pub(super) now: i64,
    /// How old rows may get.
    pub(super) keep: Duration,
}

/// Adds what settled and removes what is too old. Says how much there is then, if anything was added.
pub(super) fn write(
    transaction: &Transaction<'_>,
    source: &str,
    rows: &[Arc<LedgerRow>],
    age: &Age,
) -> rusqlite::Result<Option<LedgerSize>> {
    let mut added = 0;
    for row in rows.iter().filter(|row| !row.digests.is_empty()) {
        let sql = "INSERT INTO ledger (source, worked, settled, oldest, newest, digests) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let blob = digest::encode(&row.digests);
        let worked = if row.early { NEVER_OLD } else { age.worked };
        let (oldest, newest) = (signed(row.oldest), signed(row.newest));
        let values = params![source, worked, age.now, oldest, newest, blob];
        transaction.prepare_cached(sql)?.execute(values)?;
        added += row.digests.len();
    }
    if added == 0 {
        return Ok(None);
    }
    let (removed, until) = remove_old(transaction, source, age)?;
    let sql = "UPDATE source SET ledger_ids = max(ledger_ids + ?2 - ?3, 0), complete_since = max(complete_since, ?4)
               WHERE name = ?1 RETURNING ledger_ids, complete_since";
    let added = i64::try_from(added).unwrap_or(i64::MAX);
    let size = transaction.prepare_cached(sql)?.query_row(
        params![source, added, removed, until],
        |row| {
            let (ids, since): (i64, Option<i64>) = (row.get(0)?, row.get(1)?);
            Ok(LedgerSize {
                ids: ids.cast_unsigned(),
                complete_since: since.map(i64::cast_unsigned),
            })
        },
    )?;
    Ok(Some(size))
}

/// Removes rows that are too old. Says how many records they held, and when the newest of them was settled.
fn remove_old(
    transaction: &Transaction<'_>,
    source: &str,
    age: &Age,
) -> rusqlite::Result<(i64, i64)> {
    let keep = i64::try_from(age.keep.as_nanos()).unwrap_or(i64::MAX);
    let sql =
        "DELETE FROM ledger WHERE source = ?1 AND worked < ?2 RETURNING length(digests), settled";
    let mut statement = transaction.prepare_cached(sql)?;
    let mut gone = statement.query(params![source, age.worked.saturating_sub(keep)])?;
    let (mut records, mut until) = (0, 0);
    while let Some(row) = gone.next()? {
        records += row.get::<_, i64>(0)? / DIGEST_BYTES as i64;
        until = row.get::<_, i64>(1)?.max(until);
    }
    Ok((records, until))
}

/// Which rows a look through a ledger sees, in which order. Both name a row by a number that grows and its sequence.
struct Look {
    sql: &'static str,
    /// The row before the first.
    after: (i64, i64),
    /// Rows whose oldest record is newer are passed over.
    oldest: i64,
}

impl Look {
    fn at_all() -> Self {
        Self {
            sql: "SELECT worked, sequence, digests FROM ledger
                  WHERE source = ?1 AND (worked, sequence) > (?2, ?3) AND oldest <= ?4 ORDER BY worked, sequence",
            after: (i64::MIN, i64::MIN),
            oldest: i64::MAX,
        }
    }

    fn at(times: &RangeInclusive<u64>) -> Self {
        Self {
            sql: "SELECT newest, sequence, digests FROM ledger INDEXED BY ledger_by_time
                  WHERE source = ?1 AND (newest, sequence) > (?2, ?3) AND oldest <= ?4 ORDER BY newest, sequence",
            after: (signed(*times.start()) - 1, i64::MAX),
            oldest: signed(*times.end()),
        }
    }
}

impl State {
    /// Calls `each` with what is remembered of a source, oldest first. Rows that are committed before this begins are
    /// all seen; commits go on meanwhile. Blocks for as long as the disk takes.
    pub fn for_each_delivered(
        &self,
        source: &str,
        each: impl FnMut(Digest),
    ) -> Result<(), StateError> {
        self.look(source, Look::at_all(), each)
    }

    /// Calls `each` with every record of a source that is remembered with a time in this range, and with some others.
    /// What has no time is not among them.
    pub fn for_each_delivered_at(
        &self,
        source: &str,
        times: &RangeInclusive<u64>,
        each: impl FnMut(Digest),
    ) -> Result<(), StateError> {
        self.look(source, Look::at(times), each)
    }

    fn look(
        &self,
        source: &str,
        mut look: Look,
        mut each: impl FnMut(Digest),
    ) -> Result<(), StateError> {
        loop {
            // The lock is let go between two steps, so that commits get their turn.
            let step = read_some(&self.connection(), source, &look, &mut each);
            match step.map_err(|error| self.failed(error))? {
                Step::More(seen) => look.after = seen,
                Step::End => return Ok(()),
                Step::Odd(length) => {
                    return Err(StateError::Damaged {
                        path: self.database.to_path_buf(),
                        reason: format!("the ledger of {source} has a row of {length} bytes"),
                    });
                }
            }
        }
    }

    /// At most how many of the remembered records of a source are of this time or later.
    pub fn delivered_since(&self, source: &str, time: u64) -> Result<u64, StateError> {
        let sql = "SELECT coalesce(sum(length(digests)), 0) FROM ledger WHERE source = ?1 AND newest >= ?2";
        let time = signed(time);
        let connection = self.connection();
        let bytes: Result<i64, _> =
            connection.query_row(sql, params![source, time], |row| row.get(0));
        let bytes = bytes.map_err(|error| self.failed(error))?;
        Ok(bytes.cast_unsigned() / DIGEST_BYTES as u64)
    }
}

/// A time as SQLite has it: the ends of both are far away.
pub(super) fn signed(time: u64) -> i64 {
    i64::try_from(time).unwrap_or(i64::MAX)
}

/// How a step through a ledger ended.
enum Step {
    /// There may be more behind this row.
    More((i64, i64)),
    /// There is no more.
    End,
    /// A row of this many bytes holds no digests.
    Odd(usize),
}

fn read_some(
    connection: &Connection,
    source: &str,
    look: &Look,
    each: &mut impl FnMut(Digest),
) -> rusqlite::Result<Step> {
    let mut query = connection.prepare_cached(look.sql)?;
    let (number, sequence) = look.after;
    let mut rows = query.query(params![source, number, sequence, look.oldest])?;
    let mut bytes = 0;
    while let Some(row) = rows.next()? {
        let blob = row.get_ref(2)?.as_blob()?;
        let Some(digests) = digest::decode(blob) else {
            return Ok(Step::Odd(blob.len()));
        };
        digests.for_each(&mut *each);
        bytes += blob.len() + ROW_BYTES;
        if bytes >= STEP_BYTES {
            return Ok(Step::More((row.get(0)?, row.get(1)?)));
        }
    }
    Ok(Step::End)
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
