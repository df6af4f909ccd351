//! How long to wait after 429.
//!
//! Okta says when the window ends, in its own time. So the wait is counted from the answer's own `Date`, never from
//! our clock; it is neither negative nor longer than an hour. Too many requests at the same time are told apart by a
//! limit of 0: the end of that window means nothing.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use logweir_plugin::http::Headers;

use crate::time::{SECOND, from_http};

/// The response headers that tell the budget.
pub const LIMIT: &str = "x-rate-limit-limit";
/// See [`LIMIT`].
pub const REMAINING: &str = "x-rate-limit-remaining";
/// See [`LIMIT`].
pub const RESET: &str = "x-rate-limit-reset";

const LONGEST: u64 = 3600;

/// How long to wait after an answer 429, the `again`th in a row (0 is the first).
pub fn wait(headers: &Headers, again: u32, jitter: &mut Jitter) -> Duration {
    let date = headers
        .get("date")
        .and_then(from_http)
        .map(|date| date / SECOND);
    if let Some(seconds) = retry_after(headers, date) {
        return Duration::from_secs(seconds.clamp(1, LONGEST));
    }
    if lowest(headers, LIMIT) == Some(0) && lowest(headers, REMAINING) == Some(0) {
        return jitter.back_off(again, Duration::from_secs(1), Duration::from_secs(15));
    }
    let until_reset = date
        .zip(lowest(headers, RESET))
        .and_then(|(date, reset)| reset.checked_sub(date));
    match until_reset {
        Some(seconds) if seconds < LONGEST => Duration::from_secs(seconds + 1),
        // Absent, past, or in the year 2286.
        _ => jitter.back_off(again, Duration::from_secs(2), Duration::from_secs(120)),
    }
}

/// The number that a header gives, the lowest if it comes more than once.
pub fn lowest(headers: &Headers, name: &str) -> Option<u64> {
    let values = headers.get_all(name).flat_map(|value| value.split(','));
    values.filter_map(|value| value.trim().parse().ok()).min()
}

fn retry_after(headers: &Headers, date: Option<u64>) -> Option<u64> {
    let text = headers.get("retry-after")?.trim();
    let until = || Some((from_http(text)? / SECOND).saturating_sub(date?));
    text.parse().ok().or_else(until)
}

/// Randomness for waits, so that many readers don't come back at the same moment.
#[derive(Debug)]
pub struct Jitter(u64);

impl Default for Jitter {
    fn default() -> Self {
        Self(RandomState::new().hash_one(0))
    }
}

impl Jitter {
    /// Between half and all of a time that doubles with each attempt, up to `longest`.
    fn back_off(&mut self, again: u32, shortest: Duration, longest: Duration) -> Duration {
        let full = shortest
            .saturating_mul(2_u32.saturating_pow(again))
            .min(longest);
        full / 2 + full.mul_f64(self.fraction() / 2.0)
    }

    /// A number from 0 up to 1, by SplitMix64.
    fn fraction(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        f64::from((mixed >> 32) as u32) / 4_294_967_296.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DATE: (&str, &str) = ("date", "Mon, 29 Sep 2025 06:24:57 GMT");

    fn after(headers: &[(&str, &str)], again: u32) -> Duration {
        let headers = headers.iter().copied().collect();
        wait(&headers, again, &mut Jitter(1))
    }

    fn seconds(headers: &[(&str, &str)]) -> u64 {
        after(headers, 0).as_secs()
    }

    #[test]
    fn trap_14_the_reset_is_waited_for() {
        // As recorded from a real org.
        let recorded = [DATE, (LIMIT, "50"), (REMAINING, "0"), (RESET, "1759127105")];
        assert_eq!(seconds(&recorded), 9);
        assert_eq!(
            seconds(&[DATE, (LIMIT, "50"), (REMAINING, "0"), (RESET, "1759127097")]),
            1
        );
    }

    #[test]
    fn trap_15_our_own_clock_does_not_matter() {
        let in_2031 = ("date", "Mon, 29 Sep 2031 06:24:57 GMT");
        assert_eq!(
            seconds(&[
                in_2031,
                (LIMIT, "50"),
                (REMAINING, "0"),
                (RESET, "1948429507")
            ]),
            11
        );
    }

    #[test]
    fn trap_16_headers_absent_doubled_or_zero() {
        let both = [
            DATE,
            (LIMIT, "50"),
            (REMAINING, "0"),
            (RESET, "1759127157"),
            (RESET, "1759127105"),
        ];
        assert_eq!(seconds(&both), 9);
        assert_eq!(seconds(&[DATE, (RESET, "1759127157, 1759127105")]), 9);
        let busy = [DATE, (LIMIT, "0"), (REMAINING, "0"), (RESET, "1759127157")];
        assert!(after(&busy, 0) <= Duration::from_secs(1));
        assert!(after(&busy, 99) <= Duration::from_secs(15));
        for absurd in [
            &[][..],
            &[DATE],
            &[(RESET, "1759127105")],
            &[DATE, (RESET, "9999999999")],
            &[DATE, (RESET, "0")],
            &[DATE, (RESET, "soon")],
        ] {
            assert!(after(absurd, 0) <= Duration::from_secs(2), "{absurd:?}");
            assert!(after(absurd, 40) >= Duration::from_secs(60), "{absurd:?}");
        }
    }

    #[test]
    fn retry_after_is_honoured() {
        assert_eq!(
            seconds(&[DATE, ("retry-after", "7"), (RESET, "1759127105")]),
            7
        );
        assert_eq!(
            seconds(&[DATE, ("retry-after", "Mon, 29 Sep 2025 06:25:57 GMT")]),
            60
        );
        assert_eq!(seconds(&[("retry-after", "86400")]), 3600);
        assert_eq!(seconds(&[("retry-after", "0")]), 1);
    }

    proptest! {
        #[test]
        fn delivery_08_no_wait_is_longer_than_an_hour(
            date in any::<u32>(), limit in ".{0,8}", remaining in "[0-9]{0,3}", reset in any::<u64>(), again: u32, seed: u64,
        ) {
            let date = jiff::Timestamp::from_second(i64::from(date)).unwrap();
            let date = date.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
            let headers = [("date", date), (LIMIT, limit), (REMAINING, remaining), (RESET, reset.to_string())];
            let wait = wait(&headers.into_iter().collect(), again, &mut Jitter(seed));
            prop_assert!(wait > Duration::ZERO && wait <= Duration::from_secs(3600));
        }
    }
}
