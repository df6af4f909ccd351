//! One of the peer's windows, and what of it is used.

use std::time::Duration;

use tokio::time::Instant;

use super::told::ToldWindow;

/// Times are cut to whole seconds on both ends.
const SECOND: Duration = Duration::from_secs(1);

/// The ends of windows that are longer than this are two seconds apart at least.
const SHORT: Duration = Duration::from_secs(3);

/// A window of the peer, as far as answers told of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    /// The second in which it ends, on the peer's clock: of the newest window that an answer told of.
    end: u64,
    /// Whether an answer told of this one. It must have begun if the one before is over.
    pub(super) told: bool,
    /// Requests that it allows.
    pub(super) limit: u64,
    /// Requests that it still allowed by the newest answer.
    pub(super) remaining: u64,
    /// Requests of ours that were counted in it.
    pub(super) used: u64,
    /// Whether others use it too.
    pub(super) shared: bool,
    /// It surely lasts until then.
    pub(super) lasts: Option<Instant>,
    /// It is surely over then. None while nothing was asked in a window that no answer told of.
    pub(super) over: Option<Instant>,
}

/// How an answer's window stands to the one that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Age {
    Older,
    Same,
    Newer,
}

impl Window {
    /// What an answer told, that came at `now` to a request sent at `sent`: the peer wrote it between.
    pub(super) fn told(
        told: ToldWindow,
        limit: u64,
        remaining: u64,
        sent: Instant,
        now: Instant,
    ) -> Self {
        Self {
            end: told.end,
            told: true,
            limit,
            remaining,
            used: 0,
            shared: false,
            lasts: Some(sent + told.left.saturating_sub(SECOND)),
            over: Some(now + told.left + SECOND),
        }
    }

    /// The window that follows this one. Nobody told of it yet.
    pub(super) fn next(&self) -> Self {
        Self {
            told: false,
            remaining: self.limit,
            used: 0,
            shared: false,
            lasts: None,
            over: None,
            ..*self
        }
    }

    /// A request goes out at `now`. A window that nobody told of began with it, or earlier.
    pub(super) fn ask(&mut self, length: Duration, now: Instant) {
        if self.over.is_none() {
            self.lasts = Some(now + length.saturating_sub(SECOND));
            self.over = Some(now + length + SECOND);
        }
    }

    /// How an answer's window stands to this one, both being `length` long. Peers that compute the end anew each time
    /// may be off by a second, so the next second alone is another window only if there is more left than before; unless
    /// windows are so short that they can follow each other within a second or two.
    pub(super) fn age_of(&self, other: ToldWindow, remaining: u64, length: Duration) -> Age {
        let slack = u64::from(length >= SHORT);
        let later = other.end.saturating_sub(self.end);
        let is_next = later > slack || (later == slack && later > 0 && remaining > self.remaining);
        match self.told {
            false if later > 0 => Age::Newer,
            false => Age::Older,
            true if is_next => Age::Newer,
            true if other.end + slack < self.end => Age::Older,
            true => Age::Same,
        }
    }

    /// Another answer of this window.
    pub(super) fn learn(&mut self, other: &Self) {
        // Within a window nothing comes back, whatever the order of answers is, unless the limit itself changes.
        self.remaining = match self.limit == other.limit {
            true => self.remaining.min(other.remaining),
            false => other.remaining,
        };
        self.limit = other.limit;
        self.lasts = self.lasts.max(other.lasts);
        self.over = earlier(self.over, other.over);
    }
}

fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
