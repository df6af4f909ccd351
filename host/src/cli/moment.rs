//! Moments, as people type and read them.

use std::str::FromStr;

use jiff::Timestamp;
use logweir::units::Period;

use super::Usage;

/// A moment: a time, or how long ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// A time, as RFC 3339 writes it.
    At(Timestamp),
    /// So long before now.
    Ago(Period),
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(time) = text.parse() {
            return Ok(Self::At(time));
        }
        let ago = text.parse().map(Self::Ago);
        ago.map_err(|_| {
            "a time is written like 2026-11-27T08:00:00Z, or as how long ago, like 7d".to_owned()
        })
    }
}

impl Moment {
    /// Nanoseconds since 1970. What is to come is no place to look at what was.
    pub(crate) fn before(self, now: Timestamp) -> Result<u64, Usage> {
        let time = match self {
            Self::At(time) => Some(time),
            Self::Ago(period) => now.checked_sub(period.0).ok(),
        };
        let nanoseconds = time
            .filter(|time| *time <= now)
            .and_then(|time| u64::try_from(time.as_nanosecond()).ok());
        nanoseconds.ok_or_else(|| {
            Usage("the time must be in the past, and no earlier than 1970".to_owned())
        })
    }
}

/// A time for people, from nanoseconds since 1970.
pub(crate) fn shown(nanoseconds: u64) -> String {
    let time = Timestamp::from_nanosecond(nanoseconds.into());
    time.map_or_else(|_| "?".to_owned(), |time| format!("{time:.0}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_time_or_how_long_ago() {
        let now: Timestamp = "2026-11-28T00:00:00Z".parse().unwrap();
        let before = |text: &str| text.parse::<Moment>().unwrap().before(now);
        assert_eq!(before("1970-01-01T00:00:01Z").ok(), Some(1_000_000_000));
        let week = u64::try_from(now.as_nanosecond()).unwrap() - 7 * 86_400 * 1_000_000_000;
        assert_eq!(before("7d").ok(), Some(week));
        assert_eq!(shown(week), "2026-11-21T00:00:00Z");
        assert!(before("2026-11-28T00:00:01Z").is_err());
        assert!(before("99999d").is_err());
        assert!("yesterday".parse::<Moment>().is_err());
    }
}
