//! What a peer still allows, and until when it allows nothing.
//!
//! A reset given as a time is compared with the `Date` of the same answer and with nothing else: our clock may be
//! wrong, the peer's two clocks are one. What comes of it is a length of time, counted on a clock that never jumps.

use std::time::Duration;

use http::{HeaderMap, HeaderName, StatusCode, header};
use tokio::time::Instant;

use super::need::{RateLimit, ResetFormat};

/// A wait longer than this is no budget but nonsense (a reset in the year 2286), and is ignored.
pub(crate) const LONGEST_WINDOW: Duration = Duration::from_secs(3600);

/// What the latest answer under a need said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Requests that a window allows.
    pub limit: u64,
    /// Requests left in this window.
    pub remaining: u64,
    /// How long this window still lasts.
    pub resets_in: Option<Duration>,
}

/// What is known of one need's budget.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct BudgetState {
    limit: u64,
    remaining: u64,
    known: bool,
    resets_at: Option<Instant>,
    hold_until: Option<Instant>,
    /// Resets that made no sense.
    pub(crate) absurd: u64,
}

impl BudgetState {
    /// Takes in the head of an answer.
    pub(crate) fn learn(
        &mut self,
        names: &RateLimit,
        status: StatusCode,
        headers: &HeaderMap,
        now: Instant,
    ) {
        let limit = least(headers, &names.limit);
        let remaining = least(headers, &names.remaining);
        let reset = least(headers, &names.reset);
        if let (Some(limit), Some(remaining)) = (limit, remaining) {
            (self.limit, self.remaining, self.known) = (limit, remaining, true);
        }
        let wait = reset.map(|reset| window_left(reset, names.reset_is, headers));
        if wait == Some(None) {
            self.absurd += 1;
        }
        self.resets_at = wait.flatten().map(|wait| now + wait);
        // A limit of 0 counts requests at once, not in a window: its reset says nothing.
        if status == StatusCode::TOO_MANY_REQUESTS && limit != Some(0) {
            self.hold_until = self.resets_at.or(self.hold_until);
        }
    }

    /// The moment before which nothing may go out, if it is to come.
    pub(crate) fn hold_until(&self, now: Instant) -> Option<Instant> {
        self.hold_until.filter(|until| *until > now)
    }

    /// What people may want to know.
    pub(crate) fn budget(&self, now: Instant) -> Option<Budget> {
        self.known.then(|| Budget {
            limit: self.limit,
            remaining: self.remaining,
            resets_in: self.resets_at.and_then(|at| at.checked_duration_since(now)),
        })
    }
}

/// One second more than the window seems to last, since both ends are cut to whole seconds.
fn window_left(reset: u64, format: ResetFormat, headers: &HeaderMap) -> Option<Duration> {
    let seconds = match format {
        ResetFormat::DeltaSeconds => reset,
        ResetFormat::EpochSeconds => reset.checked_sub(date(headers)?)?,
    };
    let wait = Duration::from_secs(seconds.checked_add(1)?);
    (wait <= LONGEST_WINDOW).then_some(wait)
}

fn date(headers: &HeaderMap) -> Option<u64> {
    let date = headers.get(header::DATE)?.to_str().ok()?;
    let date = jiff::fmt::rfc2822::parse(date).ok()?;
    u64::try_from(date.timestamp().as_second()).ok()
}

/// The least of all values: proxies repeat the header, as lines or with commas.
fn least(headers: &HeaderMap, name: &str) -> Option<u64> {
    let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|number| number.trim().parse().ok())
        .min()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: &str = "Mon, 29 Sep 2025 06:24:57 GMT";
    /// 8 seconds after [`DATE`].
    const RESET: &str = "1759127105";

    fn names(reset_is: ResetFormat) -> RateLimit {
        RateLimit {
            limit: "x-rate-limit-limit".into(),
            remaining: "x-rate-limit-remaining".into(),
            reset: "x-rate-limit-reset".into(),
            reset_is,
        }
    }

    /// How long is held back after a 429 with these headers.
    fn held_after(
        format: ResetFormat,
        headers: &[(&'static str, &str)],
    ) -> (Option<Duration>, BudgetState) {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let now = Instant::now();
        let mut state = BudgetState::default();
        state.learn(&names(format), StatusCode::TOO_MANY_REQUESTS, &map, now);
        (state.hold_until(now).map(|until| until - now), state)
    }

    fn held(headers: &[(&'static str, &str)]) -> Option<Duration> {
        held_after(ResetFormat::EpochSeconds, headers).0
    }

    #[test]
    fn trap_15_a_reset_is_measured_by_the_date_of_its_own_answer() {
        let headers = [("date", DATE), ("x-rate-limit-reset", RESET)];
        assert_eq!(held(&headers), Some(Duration::from_secs(9)));
    }

    #[test]
    fn trap_16_absent_or_absurd_headers_hold_nothing_back() {
        assert_eq!(held(&[]), None);
        assert_eq!(held(&[("x-rate-limit-reset", RESET)]), None);
        assert_eq!(
            held(&[("date", "yesterday"), ("x-rate-limit-reset", RESET)]),
            None
        );
        for reset in ["9999999999", "1", "18446744073709551615"] {
            let headers = [("date", DATE), ("x-rate-limit-reset", reset)];
            let (held, state) = held_after(ResetFormat::EpochSeconds, &headers);
            assert_eq!((held, state.absurd), (None, 1), "{reset}");
        }
        let (held, state) = held_after(
            ResetFormat::DeltaSeconds,
            &[("x-rate-limit-reset", "18446744073709551615")],
        );
        assert_eq!((held, state.absurd), (None, 1));
    }

    #[test]
    fn trap_16_of_doubled_headers_the_least_counts() {
        let lines = [
            ("date", DATE),
            ("x-rate-limit-reset", "1759127109"),
            ("x-rate-limit-reset", RESET),
        ];
        assert_eq!(held(&lines), Some(Duration::from_secs(9)));
        let joined = [
            ("date", DATE),
            ("x-rate-limit-reset", "1759127109, 1759127105"),
        ];
        assert_eq!(held(&joined), Some(Duration::from_secs(9)));
    }

    #[test]
    fn trap_16_a_limit_of_nothing_counts_requests_at_once() {
        let headers = [
            ("date", DATE),
            ("x-rate-limit-limit", "0"),
            ("x-rate-limit-remaining", "0"),
            ("x-rate-limit-reset", RESET),
        ];
        assert_eq!(held(&headers), None);
    }

    #[test]
    fn a_reset_may_be_a_length_of_time() {
        let (held, _) = held_after(ResetFormat::DeltaSeconds, &[("x-rate-limit-reset", "8")]);
        assert_eq!(held, Some(Duration::from_secs(9)));
    }

    #[test]
    fn an_answer_that_is_no_429_tells_the_budget_and_holds_nothing_back() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("date", DATE),
            ("x-rate-limit-limit", "60"),
            ("x-rate-limit-remaining", "0"),
            ("x-rate-limit-reset", RESET),
        ] {
            headers.insert(name, value.parse().unwrap());
        }
        let now = Instant::now();
        let mut state = BudgetState::default();
        state.learn(
            &names(ResetFormat::EpochSeconds),
            StatusCode::OK,
            &headers,
            now,
        );
        assert_eq!(state.hold_until(now), None);
        let budget = Budget {
            limit: 60,
            remaining: 0,
            resets_in: Some(Duration::from_secs(9)),
        };
        assert_eq!(state.budget(now), Some(budget));
    }
}
