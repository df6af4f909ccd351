//! What the head of one answer tells about a budget, and what of that can be believed.

use std::time::Duration;

use http::{HeaderMap, HeaderName, header};
use tokio::time::Instant;

use crate::gate::need::{RateLimit, ResetFormat};

/// A wait longer than this is no budget but nonsense (a reset in the year 2286), and is ignored.
pub(super) const LONGEST_WINDOW: Duration = Duration::from_secs(3600);

/// What one answer told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Told {
    /// Requests that a window allows; 0 in a 429 that counts requests at once.
    pub(super) limit: Option<u64>,
    /// Requests left in this window.
    pub(super) remaining: Option<u64>,
    /// The window it belongs to.
    pub(super) window: Option<ToldWindow>,
    /// How long to wait, in words of its own (RFC 9110, section 10.2.3).
    pub(super) retry_after: Option<Duration>,
    /// Values that made no sense and are left out.
    pub(super) absurd: u64,
    /// Whether there was none of the headers.
    pub(super) silent: bool,
}

/// The end of a window, as one answer told it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ToldWindow {
    /// The second in which it ends, on the peer's clock: answers of one window name the same.
    pub(super) end: u64,
    /// How far away that is. Both times are cut to seconds, so it may be a second more or less.
    pub(super) left: Duration,
}

impl Told {
    /// Reads the headers of these names. `now` and `born` count seconds where the peer tells no time of its own.
    pub(super) fn read(
        names: &RateLimit,
        headers: &HeaderMap,
        now: Instant,
        born: Instant,
    ) -> Self {
        let mut absurd = 0;
        let mut number = |name: &str| match least(headers, name) {
            Some(Some(number)) => Some(number),
            Some(None) => {
                absurd += 1;
                None
            }
            None => None,
        };
        let limit = number(&names.limit);
        let remaining = number(&names.remaining);
        let reset = number(&names.reset);
        let window = reset.and_then(|reset| {
            let ours = now.saturating_duration_since(born).as_secs();
            let window = window(reset, names.reset_is, date(headers), ours);
            absurd += u64::from(window.is_none());
            window
        });
        let impossible = limit
            .zip(remaining)
            .is_some_and(|(limit, left)| left > limit);
        Self {
            limit,
            remaining: if impossible { limit } else { remaining },
            window,
            retry_after: retry_after(headers),
            absurd: absurd + u64::from(impossible),
            silent: absurd == 0 && limit.is_none() && remaining.is_none() && reset.is_none(),
        }
    }
}

fn window(reset: u64, format: ResetFormat, date: Option<u64>, ours: u64) -> Option<ToldWindow> {
    let (end, seconds) = match format {
        ResetFormat::DeltaSeconds => (date.unwrap_or(ours).checked_add(reset)?, reset),
        ResetFormat::EpochSeconds => (reset, reset.checked_sub(date?)?),
    };
    let left = Duration::from_secs(seconds);
    (left < LONGEST_WINDOW).then_some(ToldWindow { end, left })
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    let wait = Duration::from_secs(seconds.trim().parse().ok()?);
    (wait < LONGEST_WINDOW).then_some(wait)
}

fn date(headers: &HeaderMap) -> Option<u64> {
    let date = headers.get(header::DATE)?.to_str().ok()?;
    let date = jiff::fmt::rfc2822::parse(date).ok()?;
    u64::try_from(date.timestamp().as_second()).ok()
}

/// The least of all values: proxies repeat the header, as lines or with commas. Nothing if the header is not there, and
/// no number if it holds none.
fn least(headers: &HeaderMap, name: &str) -> Option<Option<u64>> {
    let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
    headers.get(&name)?;
    let values = headers.get_all(name).iter();
    let texts = values.filter_map(|value| value.to_str().ok());
    let numbers = texts.flat_map(|value| value.split(','));
    Some(
        numbers
            .filter_map(|number| number.trim().parse().ok())
            .min(),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DATE: (&str, &str) = ("date", "Mon, 29 Sep 2025 06:24:57 GMT");
    /// 8 seconds later.
    const RESET: (&str, &str) = ("x-rate-limit-reset", "1759127105");

    fn told(reset_is: ResetFormat, headers: &[(&'static str, &str)]) -> Told {
        let names = RateLimit {
            limit: "x-rate-limit-limit".into(),
            remaining: "x-rate-limit-remaining".into(),
            reset: "x-rate-limit-reset".into(),
            reset_is,
        };
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let now = Instant::now();
        Told::read(&names, &map, now, now)
    }

    fn seconds_left(headers: &[(&'static str, &str)]) -> Option<u64> {
        let told = told(ResetFormat::EpochSeconds, headers);
        told.window.map(|window| window.left.as_secs())
    }

    #[test]
    fn trap_15_a_reset_is_measured_by_the_date_of_its_own_answer() {
        assert_eq!(seconds_left(&[DATE, RESET]), Some(8));
        let in_2031 = ("date", "Mon, 29 Sep 2031 06:24:57 GMT");
        assert_eq!(
            seconds_left(&[in_2031, ("x-rate-limit-reset", "1948429507")]),
            Some(10)
        );
    }

    #[test]
    fn trap_16_absent_or_absurd_headers_tell_nothing_and_are_counted() {
        let silent = told(ResetFormat::EpochSeconds, &[DATE]);
        assert_eq!(
            silent,
            Told {
                silent: true,
                ..Told::default()
            }
        );
        for reset in ["9999999999", "1", "18446744073709551615", "soon", "-3", ""] {
            let told = told(
                ResetFormat::EpochSeconds,
                &[DATE, ("x-rate-limit-reset", reset)],
            );
            assert_eq!(
                (told.window, told.absurd, told.silent),
                (None, 1, false),
                "{reset}"
            );
        }
        for date in [("date", "yesterday"), ("x-date", "")] {
            assert_eq!(
                told(ResetFormat::EpochSeconds, &[date, RESET]).absurd,
                1,
                "{date:?}"
            );
        }
        let delta = [("x-rate-limit-reset", "18446744073709551615")];
        assert_eq!(told(ResetFormat::DeltaSeconds, &delta).absurd, 1);
    }

    #[test]
    fn trap_16_no_more_can_be_left_than_there_is() {
        let headers = [
            ("x-rate-limit-limit", "50"),
            ("x-rate-limit-remaining", "51"),
        ];
        let told = told(ResetFormat::EpochSeconds, &headers);
        assert_eq!((told.remaining, told.absurd), (Some(50), 1));
    }

    #[test]
    fn trap_16_of_doubled_headers_the_least_counts() {
        let later = ("x-rate-limit-reset", "1759127109");
        assert_eq!(seconds_left(&[DATE, later, RESET]), Some(8));
        let joined = ("x-rate-limit-reset", "1759127109, 1759127105");
        assert_eq!(seconds_left(&[DATE, joined]), Some(8));
    }

    proptest! {
        #[test]
        fn trap_16_whatever_headers_say_is_possible_or_left_out(
            values in prop::collection::vec(("limit|remaining|reset", "[0-9]{0,21}|[ -~]{0,12}|[0-9]{1,4}(, ?[0-9]{0,4}){1,3}"), 0..8),
            date in "Mon, 29 Sep [0-9]{4} 0[0-9]:[0-9]{2}:57 GMT|[ -~]{0,30}",
            in_seconds: bool,
        ) {
            let mut headers: Vec<_> = values.iter().map(|(name, value)| {
                let name = ["x-rate-limit-limit", "x-rate-limit-remaining", "x-rate-limit-reset"]
                    .into_iter()
                    .find(|known| known.ends_with(&format!("-{name}")));
                (name.unwrap(), value.as_str())
            }).collect();
            headers.push(("date", &date));
            let format = if in_seconds { ResetFormat::DeltaSeconds } else { ResetFormat::EpochSeconds };
            let told = told(format, &headers);
            prop_assert!(told.limit.zip(told.remaining).is_none_or(|(limit, left)| left <= limit));
            prop_assert!(told.window.is_none_or(|window| window.left < LONGEST_WINDOW));
            prop_assert_eq!(told.silent, values.is_empty());
        }
    }

    #[test]
    fn a_reset_in_seconds_needs_no_date() {
        let told = told(ResetFormat::DeltaSeconds, &[("x-rate-limit-reset", "30")]);
        let window = told.window.unwrap();
        assert_eq!((window.end, window.left.as_secs()), (30, 30));
    }
}
