//! What a source or an output is doing, and since when it does not work.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Something that does not work at the moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Why, in a sentence for people.
    pub why: String,
    /// Since when, in nanoseconds since 1970.
    pub since: u64,
}

impl Failure {
    pub(crate) fn now(why: &str) -> Self {
        Self {
            why: why.to_owned(),
            since: now(),
        }
    }
}

/// What a source or output is doing. Times are nanoseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Phase {
    /// It has not done anything yet.
    #[default]
    Starting,
    /// It reads what is past.
    Backfill {
        /// Time of the earliest record that this first read began at; none when it had been up to date and fell behind.
        first: Option<u64>,
        /// Time of the newest record read.
        reached: Option<u64>,
        /// When what is past ends.
        until: Option<u64>,
    },
    /// It works, and is up to date.
    Live,
    /// It waits for somebody else, who may have good reasons.
    Waiting {
        /// Until when, if that is known.
        until: Option<u64>,
        /// For what.
        reason: String,
    },
    /// It does not work, and is tried again.
    Failing(Failure),
    /// It can't go on.
    Stopped {
        /// Why, in a sentence for people.
        why: String,
    },
    /// It has done what it was to do.
    Finished,
}

impl Phase {
    /// How much of the time range of a first read is done, from 0 to 1.
    pub fn share(&self) -> Option<f64> {
        let Self::Backfill {
            first: Some(first),
            reached,
            until: Some(until),
        } = self
        else {
            return None;
        };
        let range = until.checked_sub(*first).filter(|range| *range > 0)?;
        let done = reached.unwrap_or(*first).saturating_sub(*first);
        Some((done as f64 / range as f64).clamp(0.0, 1.0))
    }

    /// It fails from now on; if it did before, since then, whatever the reason is by now.
    pub(crate) fn fail(&mut self, why: &str) {
        match self {
            Self::Failing(failure) => why.clone_into(&mut failure.why),
            other => *other = Self::Failing(Failure::now(why)),
        }
    }
}

/// Nanoseconds since 1970.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_nanos()).unwrap_or(u64::MAX)
}

/// The moment after this long, in nanoseconds since 1970.
pub(crate) fn after(wait: Duration) -> u64 {
    now().saturating_add(u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_a_backfill_is_of_its_time_range() {
        let backfill = |reached| Phase::Backfill {
            first: Some(100),
            reached,
            until: Some(300),
        };
        assert_eq!(backfill(None).share(), Some(0.0));
        assert_eq!(backfill(Some(150)).share(), Some(0.25));
        assert_eq!(backfill(Some(u64::MAX)).share(), Some(1.0));
        assert_eq!(Phase::Live.share(), None);
    }
}
