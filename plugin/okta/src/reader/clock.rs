//! Okta's clock, as its answers tell it.

use logweir_plugin::http::Headers;

use super::Now;
use crate::time::{SECOND, from_http};

/// How far our clock may be off before what was asked by it is asked again. `Date` counts whole seconds.
const TOLERANCE: u64 = 10 * SECOND;

/// What is known of Okta's clock.
#[derive(Debug, Default)]
pub(super) struct Clock {
    /// `Date` of the last answer, and when that came.
    known: Option<(u64, Now)>,
}

impl Clock {
    /// The time at Okta. Our own time of day stands in for it while no answer told it, and never again.
    pub(super) fn server(&self, now: Now) -> u64 {
        match self.known {
            None => now.wall,
            Some((date, then)) => {
                let since = now.steady.saturating_sub(then.steady).as_nanos();
                date.saturating_add(u64::try_from(since).unwrap_or(u64::MAX))
            }
        }
    }

    /// `Date` of the last answer.
    pub(super) fn date(&self) -> Option<u64> {
        self.known.map(|(date, _)| date)
    }

    /// Learns from an answer to a question that was asked at `asked` and answered at `now`. True if the question was
    /// asked by a clock that turns out to be wrong.
    pub(super) fn learn(&mut self, headers: &Headers, asked: Now, now: Now) -> bool {
        let Some(date) = headers.get("date").and_then(from_http) else {
            return false;
        };
        let guessed = self.known.is_none();
        self.known = Some((date, now));
        let early = date < asked.wall.saturating_sub(TOLERANCE);
        let late = date > now.wall.saturating_add(TOLERANCE);
        guessed && (early || late)
    }
}
