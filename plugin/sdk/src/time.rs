//! The clocks that a plugin has.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The wall clock: nanoseconds since 1970-01-01T00:00:00Z, as in [`crate::types::Entry::time`]. 0 before, and the end
/// of what it can say after the year 2554.
pub fn now() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// The clock that never goes back, for measuring how long something took.
pub fn monotonic() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wall_clock_counts_nanoseconds() {
        let year_2020 = 1_577_836_800_000_000_000;
        let year_2200 = 7_258_118_400_000_000_000;
        assert!((year_2020..year_2200).contains(&now()));
    }
}
