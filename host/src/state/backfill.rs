//! How far the reading of more of the past is, so that one that is interrupted goes on where it was.

use rusqlite::{Row, params};

use super::ledger::signed;
use super::{State, StateError};

/// The reading of a stretch of the past that was not wanted at first. Times are nanoseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BackfillRow {
    /// Its first moment.
    pub since: u64,
    /// Its end: since then everything was read before.
    pub until: u64,
    /// When it was asked for first.
    pub asked: u64,
    /// Where its reader is.
    pub checkpoint: Option<String>,
    /// Records read.
    pub read: u64,
    /// Of these, records that were delivered: the others had been before.
    pub delivered: u64,
}

impl State {
    /// What is not done yet of a source.
    pub fn backfill(&self, source: &str) -> Result<Option<BackfillRow>, StateError> {
        let sql = "SELECT since, until, checkpoint, read, delivered, asked FROM backfill WHERE source = ?1";
        self.first(sql, source, read)
    }

    /// It is about to read up to a time, in nanoseconds since 1970: who comes to something that was published before must
    /// ask the ledger from now on, for good.
    pub fn begin_backfill(&self, source: &str, until: u64) -> Result<(), StateError> {
        let sql = "UPDATE source SET backfilled_until = max(coalesce(backfilled_until, 0), ?2) WHERE name = ?1";
        self.execute(sql, params![source, signed(until)]).map(drop)
    }

    /// Stores how far it is; what is read up to there is in the ledger.
    pub fn continue_backfill(&self, source: &str, row: &BackfillRow) -> Result<(), StateError> {
        let sql = "INSERT INTO backfill (source, since, until, checkpoint, read, delivered, asked) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                   ON CONFLICT (source) DO UPDATE SET since = excluded.since, until = excluded.until,
                       checkpoint = excluded.checkpoint, read = excluded.read, delivered = excluded.delivered,
                       asked = excluded.asked";
        let values = params![
            source,
            signed(row.since),
            signed(row.until),
            row.checkpoint,
            row.read.cast_signed(),
            row.delivered.cast_signed(),
            signed(row.asked),
        ];
        self.execute(sql, values).map(drop)
    }

    /// It is done: everything since then was read. If the ledger has forgotten nothing yet, it knows all of it.
    pub fn finish_backfill(&self, source: &str, since: u64) -> Result<(), StateError> {
        self.transact(|transaction| {
            let sql = "UPDATE source SET read_since = min(read_since, ?2),
                           complete_since = CASE complete_since WHEN read_since THEN min(read_since, ?2) ELSE complete_since END
                       WHERE name = ?1";
            transaction.execute(sql, params![source, signed(since)])?;
            transaction.execute("DELETE FROM backfill WHERE source = ?1", params![source])?;
            Ok(())
        })
    }

    /// What the plugin of each source could reach in the newest run, for people.
    pub fn granted(&self) -> Result<Vec<(String, String)>, StateError> {
        let sql = "SELECT source, grants FROM granted";
        self.all(sql, |row| Ok((row.get(0)?, row.get(1)?)))
    }

    /// Remembers what plugins can reach.
    pub fn remember_granted(&self, grants: &[(&str, &str)]) -> Result<(), StateError> {
        self.transact(|transaction| {
            let sql = "INSERT INTO granted (source, grants) VALUES (?1, ?2)
                       ON CONFLICT (source) DO UPDATE SET grants = excluded.grants";
            let mut remember = transaction.prepare_cached(sql)?;
            for (source, grants) in grants {
                remember.execute(params![source, grants])?;
            }
            Ok(())
        })
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<BackfillRow> {
    let number = |index| Ok::<_, rusqlite::Error>(row.get::<_, i64>(index)?.cast_unsigned());
    Ok(BackfillRow {
        since: number(0)?,
        until: number(1)?,
        checkpoint: row.get(2)?,
        read: number(3)?,
        delivered: number(4)?,
        asked: number(5)?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::SourceCommit;
    use super::super::tests::{commit, folder, moved};
    use super::*;

    #[test]
    fn delivery_15_how_far_back_a_source_was_read_is_known() {
        let (_parent, folder) = folder();
        let state = State::open(&folder).unwrap();
        let since = || state.source("acme").unwrap().unwrap().read_since;
        let settle = |began| {
            let source = SourceCommit {
                began,
                ..moved("acme", "1", 1)
            };
            state.commit(&commit(vec![source], &[])).unwrap();
        };
        settle(Some(1_000));
        settle(None);
        assert_eq!(since(), Some(1_000));
        let row = BackfillRow {
            since: 500,
            until: 1_000,
            checkpoint: Some("p".to_owned()),
            read: 7,
            delivered: 6,
            asked: 2_000,
        };
        let until = || state.source("acme").unwrap().unwrap().backfilled_until;
        assert_eq!(until(), None);
        for (begins, expected) in [(1_000, 1_000), (500, 1_000)] {
            state.begin_backfill("acme", begins).unwrap();
            assert_eq!(until(), Some(expected));
        }
        state.continue_backfill("acme", &row).unwrap();
        assert_eq!(state.backfill("acme").unwrap(), Some(row));
        state.finish_backfill("acme", 500).unwrap();
        assert_eq!(
            (state.backfill("acme").unwrap(), since()),
            (None, Some(500))
        );
        state.rewind("acme", 700).unwrap();
        settle(None);
        assert_eq!(since(), Some(500), "more was read already");
        state.rewind("acme", 300).unwrap();
        settle(None);
        assert_eq!(since(), Some(300));
    }

    #[test]
    fn what_was_granted_is_remembered_and_forgotten_with_its_source() {
        let (_parent, folder) = folder();
        let state = State::open(&folder).unwrap();
        state
            .commit(&commit(vec![moved("acme", "1", 1)], &[]))
            .unwrap();
        for grants in ["a", "b"] {
            state.remember_granted(&[("acme", grants)]).unwrap();
            let known = vec![("acme".to_owned(), grants.to_owned())];
            assert_eq!(state.granted().unwrap(), known);
        }
        state.forget("acme").unwrap();
        assert_eq!(state.granted().unwrap(), []);
    }
}
