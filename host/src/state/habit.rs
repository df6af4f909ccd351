//! What was learnt of how each source usually behaves, as text that only who learnt it reads. To lose it costs a day of
//! learning, so it is written now and then, and by itself.

use rusqlite::params;

use super::{State, StateError};

impl State {
    /// What was learnt, by source.
    pub fn habits(&self) -> Result<Vec<(String, String)>, StateError> {
        let sql = "SELECT source, learnt FROM habit ORDER BY source";
        self.all(sql, |row| Ok((row.get(0)?, row.get(1)?)))
    }

    /// Keeps what was learnt of some sources, in place of what was known of them.
    pub fn keep_habits(&self, habits: &[(impl AsRef<str>, String)]) -> Result<(), StateError> {
        self.transact(|transaction| {
            let sql = "INSERT INTO habit (source, learnt) VALUES (?1, ?2)
                       ON CONFLICT (source) DO UPDATE SET learnt = excluded.learnt";
            let mut statement = transaction.prepare_cached(sql)?;
            for (source, learnt) in habits {
                statement.execute(params![source.as_ref(), learnt])?;
            }
            Ok(())
        })
    }
}
