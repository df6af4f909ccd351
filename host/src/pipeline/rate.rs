//! How fast a counter grows, over the last seconds.

use std::time::Duration;

use tokio::time::Instant;

/// Shorter than this is noise: pages have a thousand records.
const SHORTEST: Duration = Duration::from_secs(1);
/// What is this long ago weighs a third.
const MEMORY_SECONDS: f64 = 10.0;

/// A moving average.
#[derive(Debug, Default)]
pub(crate) struct Rate {
    seen: Option<(Instant, u64)>,
    per_second: f64,
}

impl Rate {
    /// Looks at the counter.
    pub(crate) fn look(&mut self, count: u64, now: Instant) {
        let (then, before) = *self.seen.get_or_insert((now, count));
        let passed = now.saturating_duration_since(then);
        if passed < SHORTEST {
            return;
        }
        let seconds = passed.as_secs_f64();
        let latest = count.saturating_sub(before) as f64 / seconds;
        let weight = 1.0 - (-seconds / MEMORY_SECONDS).exp();
        self.per_second += (latest - self.per_second) * weight;
        self.seen = Some((now, count));
    }

    /// What comes in a minute at this speed.
    pub(crate) fn per_minute(&self) -> u64 {
        (self.per_second * 60.0).round() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_counter_has_its_speed_and_a_resting_one_none() {
        let mut rate = Rate::default();
        let mut now = Instant::now();
        for second in 0..60 {
            rate.look(second * 100, now);
            now += Duration::from_secs(1);
        }
        assert_eq!(rate.per_minute() / 100, 59);
        for _ in 0..120 {
            rate.look(5_900, now);
            now += Duration::from_secs(1);
        }
        assert_eq!(rate.per_minute(), 0);
    }
}
