//! How far audits are, so that one that is interrupted goes on where it was.
//!
//! An audit is one row, its suspects are rows of their own: records that the source has and the ledger lacks. They
//! keep their text until they are settled or found to be known, since a source may not show them a second time.

use rusqlite::{Row, params};

use super::ledger::signed;
use super::{Digest, State, StateError};

/// How far an audit is. Times are nanoseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuditRow {
    /// The first moment of what is compared.
    pub since: u64,
    /// Its end.
    pub until: u64,
    /// Whether what is missing is delivered.
    pub fix: bool,
    /// Where the reader of the past is.
    pub checkpoint: Option<String>,
    /// Whether it has read everything.
    pub read_all: bool,
    /// Records compared.
    pub read: u64,
    /// Of these, records whose id is known, with other bytes.
    pub differing: u64,
    /// When it ended.
    pub finished: Option<u64>,
}

/// What is known of a suspect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It was not known when it was read; the live reader may deliver it yet.
    Open,
    /// It was never delivered.
    Missing,
    /// It was never delivered before, and is now.
    Fixed,
}

/// A record that the source has and the ledger lacked when it was read.
#[derive(Clone, PartialEq, Eq)]
pub struct Suspect {
    /// Its place among all of its source.
    pub sequence: i64,
    /// What is known of it.
    pub verdict: Verdict,
    /// As the ledger would have it.
    pub digest: Digest,
    /// Its id.
    pub id: String,
    /// What sort of record it is.
    pub kind: String,
    /// Its own time, nanoseconds since 1970.
    pub published: u64,
    /// How much it matters, as a number of the caller's.
    pub severity: u8,
    /// When the source was seen to have it, nanoseconds since 1970.
    pub seen: u64,
    /// Its bytes, while they are needed.
    pub text: Option<Vec<u8>>,
}

impl std::fmt::Debug for Suspect {
    /// Says which record it is, never what is in it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Suspect")
            .field("verdict", &self.verdict)
            .field("id", &self.id)
            .field("published", &self.published)
            .finish_non_exhaustive()
    }
}

impl Verdict {
    fn number(self) -> i64 {
        match self {
            Self::Open => 0,
            Self::Missing => 1,
            Self::Fixed => 2,
        }
    }

    fn of(number: i64) -> Self {
        match number {
            1 => Self::Missing,
            2 => Self::Fixed,
            _ => Self::Open,
        }
    }
}

impl State {
    /// The newest audit of a source, unfinished or not.
    pub fn audit(&self, source: &str) -> Result<Option<AuditRow>, StateError> {
        let sql = "SELECT since, until, fix, checkpoint, read_all, read, differing, finished FROM audit WHERE source = ?1";
        self.first(sql, source, read_audit)
    }

    /// Begins an audit; whatever an earlier one left is gone.
    pub fn begin_audit(&self, source: &str, audit: &AuditRow) -> Result<(), StateError> {
        self.transact(|transaction| {
            transaction.execute("DELETE FROM suspect WHERE source = ?1", params![source])?;
            transaction.execute("DELETE FROM audit WHERE source = ?1", params![source])?;
            let sql = "INSERT INTO audit (source, since, until, fix, read_all, read, differing) VALUES (?1, ?2, ?3, ?4, 0, 0, 0)";
            let (since, until) = (signed(audit.since), signed(audit.until));
            transaction.execute(sql, params![source, since, until, audit.fix])?;
            Ok(())
        })
    }

    /// Stores how far an audit is, together with the suspects of the page that it just read. One that is known to the
    /// audit is not entered twice.
    pub fn continue_audit(
        &self,
        source: &str,
        audit: &AuditRow,
        suspects: &[Suspect],
    ) -> Result<(), StateError> {
        self.transact(|transaction| {
            let sql = "UPDATE audit SET checkpoint = ?2, read_all = ?3, read = ?4, differing = ?5 WHERE source = ?1";
            let (read, differing) = (audit.read.cast_signed(), audit.differing.cast_signed());
            transaction.execute(
                sql,
                params![source, audit.checkpoint, audit.read_all, read, differing],
            )?;
            let sql = "INSERT OR IGNORE INTO suspect (source, verdict, id_digest, bytes_digest, id, kind, published, severity, seen, text)
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
            let mut insert = transaction.prepare_cached(sql)?;
            for suspect in suspects {
                insert.execute(params![
                    source,
                    suspect.verdict.number(),
                    suspect.digest.id.cast_signed(),
                    suspect.digest.bytes.cast_signed(),
                    suspect.id,
                    suspect.kind,
                    signed(suspect.published),
                    suspect.severity,
                    signed(suspect.seen),
                    suspect.text,
                ])?;
            }
            Ok(())
        })
    }

    /// Suspects of this verdict, in the order in which they were read, behind a place and at most so many.
    pub fn suspects(
        &self,
        source: &str,
        verdict: Verdict,
        behind: i64,
        limit: u32,
    ) -> Result<Vec<Suspect>, StateError> {
        let sql = "SELECT sequence, verdict, id_digest, bytes_digest, id, kind, published, severity, seen, text
                   FROM suspect WHERE source = ?1 AND verdict = ?2 AND sequence > ?3 ORDER BY sequence LIMIT ?4";
        let connection = self.connection();
        let rows = connection.prepare_cached(sql).and_then(|mut query| {
            let values = params![source, verdict.number(), behind, limit];
            query.query_map(values, read_suspect)?.collect()
        });
        rows.map_err(|error| self.failed(error))
    }

    /// Places and digests of all suspects of this verdict, in the order in which they were read.
    pub fn suspect_digests(
        &self,
        source: &str,
        verdict: Verdict,
    ) -> Result<Vec<(i64, Digest)>, StateError> {
        let sql = "SELECT sequence, id_digest, bytes_digest FROM suspect WHERE source = ?1 AND verdict = ?2 ORDER BY sequence";
        let connection = self.connection();
        let rows = connection.prepare_cached(sql).and_then(|mut query| {
            let read = |row: &Row<'_>| {
                let (id, bytes): (i64, i64) = (row.get(1)?, row.get(2)?);
                let digest = Digest {
                    id: id.cast_unsigned(),
                    bytes: bytes.cast_unsigned(),
                };
                Ok((row.get(0)?, digest))
            };
            query
                .query_map(params![source, verdict.number()], read)?
                .collect()
        });
        rows.map_err(|error| self.failed(error))
    }

    /// How many suspects have this verdict, and how many bytes their texts take.
    pub fn count_suspects(&self, source: &str, verdict: Verdict) -> Result<(u64, u64), StateError> {
        let sql = "SELECT count(*), coalesce(sum(length(text)), 0) FROM suspect WHERE source = ?1 AND verdict = ?2";
        let connection = self.connection();
        let counts = connection.query_row(sql, params![source, verdict.number()], |row| {
            let (count, bytes): (i64, i64) = (row.get(0)?, row.get(1)?);
            Ok((count.cast_unsigned(), bytes.cast_unsigned()))
        });
        counts.map_err(|error| self.failed(error))
    }

    /// Removes suspects that turned out to be known, and gives the others their verdict. Texts stay only while
    /// `keep_texts`.
    pub fn judge_suspects(
        &self,
        known: &[i64],
        judged: &[i64],
        verdict: Verdict,
        keep_texts: bool,
    ) -> Result<(), StateError> {
        self.transact(|transaction| {
            let mut delete = transaction.prepare_cached("DELETE FROM suspect WHERE sequence = ?1")?;
            for sequence in known {
                delete.execute(params![sequence])?;
            }
            let sql = "UPDATE suspect SET verdict = ?2, text = CASE WHEN ?3 THEN text END WHERE sequence = ?1";
            let mut update = transaction.prepare_cached(sql)?;
            for sequence in judged {
                update.execute(params![sequence, verdict.number(), keep_texts])?;
            }
            Ok(())
        })
    }

    /// Ends an audit. What it found stays until the next one begins, without texts.
    pub fn finish_audit(&self, source: &str, at: u64) -> Result<(), StateError> {
        self.transact(|transaction| {
            let sql = "UPDATE suspect SET text = NULL WHERE source = ?1 AND text IS NOT NULL";
            transaction.execute(sql, params![source])?;
            let sql = "UPDATE audit SET finished = ?2 WHERE source = ?1";
            transaction.execute(sql, params![source, signed(at)])?;
            Ok(())
        })
    }

    /// When the newest audit of each source ended, nanoseconds since 1970; without those that have not.
    pub fn audited(&self) -> Result<Vec<(String, u64)>, StateError> {
        let sql = "SELECT source, finished FROM audit WHERE finished IS NOT NULL";
        self.all(sql, |row| {
            let finished: i64 = row.get(1)?;
            Ok((row.get(0)?, finished.cast_unsigned()))
        })
    }
}

fn read_audit(row: &Row<'_>) -> rusqlite::Result<AuditRow> {
    let number = |index| Ok::<_, rusqlite::Error>(row.get::<_, i64>(index)?.cast_unsigned());
    let finished: Option<i64> = row.get(7)?;
    Ok(AuditRow {
        since: number(0)?,
        until: number(1)?,
        fix: row.get(2)?,
        checkpoint: row.get(3)?,
        read_all: row.get(4)?,
        read: number(5)?,
        differing: number(6)?,
        finished: finished.map(i64::cast_unsigned),
    })
}

fn read_suspect(row: &Row<'_>) -> rusqlite::Result<Suspect> {
    let number = |index| Ok::<_, rusqlite::Error>(row.get::<_, i64>(index)?.cast_unsigned());
    Ok(Suspect {
        sequence: row.get(0)?,
        verdict: Verdict::of(row.get(1)?),
        digest: Digest {
            id: number(2)?,
            bytes: number(3)?,
        },
        id: row.get(4)?,
        kind: row.get(5)?,
        published: number(6)?,
        severity: row.get(7)?,
        seen: number(8)?,
        text: row.get(9)?,
    })
}
