//! Okta's clock, as its answers tell it.

use logweir_plugin::http::Headers;

use crate::time::{SECOND, from_http};

/// How far our clock may be off before what was asked by it is asked again. `Date` counts whole seconds.
const TOLERANCE: u64 = 10 * SECOND;

/// What is known of Okta's clock.
#[derive(Debug, Default)]
pub(super) struct Clock {
    /// `Date` of the last answer, and what our own clock said then.
    known: Option<(u64, u64)>,
}

impl Clock {
    /// The time at Okta when ours is `wall`.
    pub(super) fn server(&self, wall: u64) -> u64 {
        match self.known {
            None => wall,
            Some((date, then)) if wall >= then => date.saturating_add(wall - then),
            Some((date, then)) => date.saturating_sub(then - wall),
        }
    }

    /// `Date` of the last answer.
    pub(super) fn date(&self) -> Option<u64> {
        self.known.map(|(date, _)| date)
    }

    /// Learns from an answer to a question that was asked at `asked` and answered at `now`. True if the question was
    /// asked by a clock that turns out to be wrong.
    pub(super) fn learn(&mut self, headers: &Headers, asked: u64, now: u64) -> bool {
        let Some(date) = headers.get("date").and_then(from_http) else {
            return false;
        };
        let guessed = self.known.is_none();
        self.known = Some((date, now));
        let early = date < asked.saturating_sub(TOLERANCE);
        let late = date > now.saturating_add(TOLERANCE);
        guessed && (early || late)
    }
}
