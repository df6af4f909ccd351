//! Whose turn it is: the past's or live's, and whether to ask at once.
//!
//! Live comes first: it is asked when it is due, and when its last page was full; else the past goes on. What is due is
//! told by Okta's clock alone, as `Date` says it: `poll` after live's last answer. A reader that was opened a moment ago
//! knows the dates in its checkpoint; it asks as the one before it would have, so that nothing costs more when readers
//! are dropped after each page. Our own clocks are not asked, so none of them can starve anybody. `Date` counts whole
//! seconds: beside a past that goes on, live is not asked more often than once a second.
//!
//! While the past's next page fails, no answer may tell how late it is, or only to readers that are dropped with it. Then
//! it is as much later as we have waited; and a reader that has no answer yet may also compare our time of day with
//! itself: `poll` after live was last accepted by it. Be that clock wrong: it is as wrong at both times.
//!
//! An org that is busier than its limit allows would never give the past a turn; so it gets each fourth page.

use super::{Now, Reader};
use crate::checkpoint::{Checkpoint, Cursor, Which};
use crate::time::SECOND;

/// How long a first read is alone: one that ends sooner has no need for two cursors.
const LIVE_AFTER: u64 = 2 * SECOND;
/// How many pages live may have in a row beside a past that goes on.
const LIVE_IN_A_ROW: u32 = 3;
/// What the `Date`s of Okta's machines may differ in.
const DATES_DIFFER: u64 = 10 * SECOND;

impl Reader {
    /// Whose next page to ask for.
    pub(super) fn turn(&self, now: Now) -> Which {
        let Some(place) = &self.position else {
            return Which::Past;
        };
        let Some(past) = &place.past else {
            return Which::Live;
        };
        let live = place.live.as_ref();
        let catches_up = live.is_some_and(|live| live.backlog && has_its_run(place, live));
        // Whoever fails does not stop the other one.
        let failed = self.failed == Some(Which::Live) && past.backlog;
        let is_due =
            || self.live_is_due(place, self.late(place, now)) || self.is_due_by_ours(place, now);
        match !failed && (catches_up || is_due()) {
            true => Which::Live,
            false => Which::Past,
        }
    }

    /// Whether there is something to ask for without a wait.
    pub(super) fn has_more(&self, place: &Checkpoint) -> bool {
        if let Some(window) = &place.window {
            return !window.done;
        }
        let backlog = |cursor: &Option<Cursor>| cursor.as_ref().is_some_and(|at| at.backlog);
        let date = self.clock.date().or(place.date());
        backlog(&place.past) || backlog(&place.live) || self.live_is_due(place, date)
    }

    /// How late it is, as far as that matters for whose turn it is.
    fn late(&self, place: &Checkpoint, now: Now) -> Option<u64> {
        match self.clock.date() {
            Some(_) if self.failed == Some(Which::Past) => Some(self.clock.server(now)),
            Some(date) => Some(date),
            None => place.date(),
        }
    }

    /// Whether live should be asked by a reader that has no answer yet.
    fn is_due_by_ours(&self, place: &Checkpoint, now: Now) -> bool {
        let (Some(past), None, None) = (&place.past, &place.window, self.clock.date()) else {
            return false;
        };
        let poll = self.poll();
        let (last, wait) = match &place.live {
            Some(live) => (live.ours(), poll),
            None if past.backlog => (past.ours(), LIVE_AFTER.min(poll)),
            None => return false,
        };
        // Whichever way it jumped, live is asked, and from then on it is compared with where it is now.
        last.is_some_and(|last| now.wall.abs_diff(last) >= wait)
    }

    /// Whether live should be asked, beside a past, when it is that late.
    fn live_is_due(&self, place: &Checkpoint, now: Option<u64>) -> bool {
        let (Some(past), None) = (&place.past, &place.window) else {
            return false;
        };
        let poll = self.poll();
        match (&place.live, now) {
            (_, None) => false,
            (None, Some(now)) => {
                let since = place.live_since();
                past.backlog
                    && since.is_some_and(|since| now > since.saturating_add(LIVE_AFTER.min(poll)))
            }
            (Some(live), Some(now)) => live.date().is_none_or(|last| {
                let went_back = now.saturating_add(DATES_DIFFER).saturating_add(poll) <= last;
                now >= last.saturating_add(poll) || went_back
            }),
        }
    }
}

impl Reader {
    fn poll(&self) -> u64 {
        u64::try_from(self.config.poll.as_nanos()).unwrap_or(u64::MAX)
    }
}

/// While live has not caught up with where the past was, the past has to wait. Else it gets its share.
fn has_its_run(place: &Checkpoint, live: &Cursor) -> bool {
    let behind = place
        .seam
        .as_ref()
        .is_some_and(|seam| seam.behind.is_some());
    behind || live.in_a_row < LIVE_IN_A_ROW
}
