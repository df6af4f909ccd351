//! The org's one clock: what it calls now, in its events, its `Date` header and its rate-limit windows alike.
//!
//! What it tells others can jump on demand while its log goes on as before: the machines in front of a real org have
//! clocks of their own, and persistence never goes back.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;

/// Milliseconds of a day.
pub(crate) const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Runs at the pace of the machine's monotonic clock, from a base that may be wrong on purpose.
#[derive(Debug)]
pub(crate) struct Clock {
    started: Instant,
    base_ms: i64,
    /// By how much what it tells is ahead of what the log goes by.
    told_ahead_ms: AtomicI64,
}

impl Clock {
    /// Starts at `now`, or at the machine's time, moved by `skew_s` seconds.
    pub(crate) fn start(now: Option<Timestamp>, skew_s: i64) -> Self {
        let base = now.unwrap_or_else(Timestamp::now).as_millisecond();
        Self {
            started: Instant::now(),
            base_ms: base.saturating_add(skew_s.saturating_mul(1000)),
            told_ahead_ms: AtomicI64::new(0),
        }
    }

    /// What the org calls now, in milliseconds since 1970.
    pub(crate) fn now_ms(&self) -> i64 {
        let passed = i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.base_ms.saturating_add(passed)
    }

    /// From now on it tells a time that is so far ahead.
    pub(crate) fn jump(&self, ahead_ms: i64) {
        self.told_ahead_ms.store(ahead_ms, Ordering::Relaxed);
    }

    /// By how much what it tells is ahead of [`Clock::now_ms`].
    pub(crate) fn told_ahead_ms(&self) -> i64 {
        self.told_ahead_ms.load(Ordering::Relaxed)
    }
}

/// The nearest time that can be written.
pub(crate) fn timestamp(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or(if ms < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    })
}

/// As in an event: `2026-03-01T10:00:01.001Z`.
pub(crate) fn iso(ms: i64) -> String {
    format!("{:.3}", timestamp(ms))
}

/// As in a `Date` header (RFC 9110, 5.6.7).
pub(crate) fn http_date(ms: i64) -> String {
    DateTimePrinter::new()
        .timestamp_to_rfc9110_string(&timestamp(ms))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skew_moves_the_whole_clock() {
        let base: Timestamp = "2026-03-01T10:00:00Z".parse().unwrap();
        let clock = Clock::start(Some(base), -300);
        let now = clock.now_ms();
        assert!(now >= base.as_millisecond() - 300_000);
        assert!(now < base.as_millisecond());
    }

    #[test]
    fn a_jump_is_told_and_moves_nothing_else() {
        let clock = Clock::start(None, 0);
        let before = clock.now_ms();
        clock.jump(-7_200_000);
        assert_eq!(clock.told_ahead_ms(), -7_200_000);
        assert!(clock.now_ms() >= before);
    }

    #[test]
    fn times_are_written_as_okta_writes_them() {
        assert_eq!(iso(1_772_359_201_001), "2026-03-01T10:00:01.001Z");
        assert_eq!(
            http_date(1_772_359_201_999),
            "Sun, 01 Mar 2026 10:00:01 GMT"
        );
    }
}
