//! The arithmetic of one budget: which request may go out now, and if none, from when on.
//!
//! Nothing in here waits, and time is an argument: [`super::account`] brings both.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use http::StatusCode;
use tokio::time::Instant;

use super::told::{Told, ToldWindow};
use super::window::{Age, Window};
use super::{Budget, HoldReason, Priority, Share, Throttle};

/// Reserves are kept for a poll at the head if there was one in the last so many windows.
const LIVE_FOR_WINDOWS: u32 = 2;

/// Too many at once: how long the first hold is, at most, and the longest. They double between, each cut by up to half.
const CONCURRENCY_FIRST: Duration = Duration::from_secs(2);
const CONCURRENCY_LONGEST: Duration = Duration::from_secs(15);

/// The unit of what peers tell, and so of what can be known.
const SECOND: Duration = Duration::from_secs(1);

/// A token that lacks no more than this is whole: sums of fractions are not exact.
const NEARLY: f64 = 1e-6;

/// Until when a request has to wait at least, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wait {
    pub(super) until: Instant,
    pub(super) why: HoldReason,
}

/// What is known of one budget, and what is used of it.
#[derive(Debug, Clone)]
pub(super) struct Pacer {
    share: Share,
    /// None while no answer told of one: then nothing is held back.
    window: Option<Window>,
    /// How long windows are: the longest rest of one that was told of lately.
    length: Duration,
    /// The longest rest of a window that was ever told of: how long one counts as lasting that nobody tells of.
    longest: Duration,
    /// Requests that may go out at once. Less than none after polls at the head took some in advance.
    tokens: f64,
    /// When `tokens` was right.
    counted: Instant,
    /// Requests that wait for their answer, in whatever window they will have been counted.
    in_flight: u64,
    /// Requests that got no answer, or one that told nothing, and that may have been counted in the next window already.
    untold: u64,
    /// The same from before the window that is assumed now.
    untold_before: u64,
    /// Whether the newest good answer told nothing.
    silent: bool,
    /// The peer refused a request.
    refused: Option<Wait>,
    /// Refusals in a row because of too many requests at once.
    at_once: u32,
    /// When somebody polled at the head last.
    live_at: Option<Instant>,
}

impl Pacer {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            share: Share::default(),
            window: None,
            length: Duration::ZERO,
            longest: Duration::ZERO,
            tokens: 0.0,
            counted: now,
            in_flight: 0,
            untold: 0,
            untold_before: 0,
            silent: false,
            refused: None,
            at_once: 0,
            live_at: None,
        }
    }

    pub(super) fn set_share(&mut self, share: Share) {
        self.share = share;
    }

    /// Lets a request out, or says what it has to wait for.
    /// One that insists takes what is kept for polls at the head too.
    pub(super) fn ask(
        &mut self,
        priority: Priority,
        insists: bool,
        now: Instant,
    ) -> Result<(), Wait> {
        self.advance(now);
        if priority == Priority::Live {
            self.live_at = Some(now);
        }
        if let Some(refused) = self.refused.filter(|refused| refused.until > now) {
            return Err(refused);
        }
        if let Some(window) = &self.window {
            self.ready(window, priority, insists, now)?;
        }
        self.let_out(now);
        Ok(())
    }

    /// Counts a request that goes out whatever is known.
    pub(super) fn let_out(&mut self, now: Instant) {
        self.advance(now);
        self.in_flight += 1;
        if let Some(window) = &mut self.window {
            self.tokens -= 1.0;
            window.ask(self.longest, now);
        }
    }

    /// A request ended without an answer. It may have arrived.
    pub(super) fn unanswered(&mut self, now: Instant) {
        self.advance(now);
        self.in_flight = self.in_flight.saturating_sub(1);
        match &mut self.window {
            Some(window) if window.told && window.lasts >= Some(now) => window.used += 1,
            Some(_) => self.untold += 1,
            None => {}
        }
    }

    /// Learns from the answer to one of the requests that went out, at `sent`. Says whose doing a 429 is.
    pub(super) fn answered(
        &mut self,
        told: &Told,
        status: StatusCode,
        sent: Instant,
        now: Instant,
    ) -> Option<Throttle> {
        self.advance(now);
        match (told.limit, told.window) {
            (Some(limit @ 1..), Some(window)) => {
                self.in_flight = self.in_flight.saturating_sub(1);
                let remaining = told.remaining.unwrap_or(limit);
                self.learn(window, Window::told(window, limit, remaining, sent, now));
                self.silent = false;
            }
            _ => {
                self.unanswered(now);
                self.silent |= told.silent && status.is_success();
            }
        }
        if status != StatusCode::TOO_MANY_REQUESTS {
            self.at_once = 0;
            return None;
        }
        Some(self.refuse(told, now))
    }

    /// What people may want to know.
    pub(super) fn budget(&self, now: Instant) -> Option<Budget> {
        let mut then = self.clone();
        then.advance(now);
        let window = then.window?;
        Some(Budget {
            limit: window.limit,
            share: then.share.of(window.limit),
            share_left: then.left(&window),
            remaining: window.remaining,
            resets_in: window
                .over
                .and_then(|over| over.checked_duration_since(now)),
        })
    }

    /// What a request would have to wait for now; it is not sent.
    pub(super) fn hold(&self, priority: Priority, now: Instant) -> Option<Wait> {
        self.clone().ask(priority, false, now).err()
    }

    /// Until when the peer refuses requests by its own word.
    pub(super) fn refused(&self, now: Instant) -> Option<Wait> {
        self.refused.filter(|refused| refused.until > now)
    }

    fn ready(
        &self,
        window: &Window,
        priority: Priority,
        insists: bool,
        now: Instant,
    ) -> Result<(), Wait> {
        let over = window.over.unwrap_or(now + self.length.max(SECOND));
        let reserve = self.reserve(window, now);
        let (kept, advance) = match priority {
            Priority::Live => (0, reserve as f64),
            Priority::Backlog | Priority::Window if insists => (0, 0.0),
            Priority::Backlog | Priority::Window => (reserve, 0.0),
        };
        let left = self.left(window);
        if left <= kept {
            let why = match left {
                0 => HoldReason::UsedUp,
                _ => HoldReason::Reserved,
            };
            return Err(Wait { until: over, why });
        }
        let lacking = 1.0 - advance - self.tokens;
        if lacking <= NEARLY {
            return Ok(());
        }
        let seconds = lacking / self.pace(window);
        let token = Duration::try_from_secs_f64(seconds).ok();
        let token = token.and_then(|wait| now.checked_add(wait));
        Err(Wait {
            // A new window begins with a token.
            until: token.map_or(over, |token| token.min(over)),
            why: HoldReason::Pace,
        })
    }

    /// Requests that are kept for polls at the head while there are any: a tenth of the share, two at least, but never
    /// more than half of it.
    fn reserve(&self, window: &Window, now: Instant) -> u64 {
        let share = self.share.of(window.limit);
        match self.live_at {
            Some(at) if now < at + self.length * LIVE_FOR_WINDOWS => {
                (share / 10).max(2).min(share / 2)
            }
            _ => 0,
        }
    }

    /// Requests of ours that this window has room for.
    fn left(&self, window: &Window) -> u64 {
        let under_way = self.in_flight + self.untold + self.untold_before;
        let ours = self.share.of(window.limit).saturating_sub(window.used);
        // Where others take the last ones too, the very last is theirs: it would often be a 429.
        let theirs = window.remaining.saturating_sub(u64::from(window.shared));
        ours.min(theirs).saturating_sub(under_way)
    }

    /// Tokens a second: the share over a whole window, or what is left of it over what is left of the window if that
    /// is less.
    fn pace(&self, window: &Window) -> f64 {
        let even = self.share.of(window.limit) as f64 / self.length.max(SECOND).as_secs_f64();
        let rest = window
            .lasts
            .and_then(|lasts| lasts.checked_duration_since(self.counted))
            .filter(|rest| !rest.is_zero());
        rest.map_or(even, |rest| {
            let wanted = (self.left(window) as f64 - self.tokens).max(0.0);
            even.min(wanted / rest.as_secs_f64())
        })
    }

    /// Tokens that may be there at once, so that a short read is not slowed: a tenth of the limit, two at least.
    fn burst(&self, window: &Window) -> f64 {
        let share = self.share.of(window.limit);
        (window.limit / 10).max(2).min(share) as f64
    }

    /// Counts tokens up to `now`, and begins a new window where one is over.
    fn advance(&mut self, now: Instant) {
        let Some(window) = self.window else {
            self.counted = now;
            return;
        };
        let Some(over) = window.over.filter(|over| *over <= now) else {
            return self.fill(&window, now);
        };
        self.fill(&window, over);
        if !window.told && self.silent {
            // A whole window long good answers told nothing: the peer has no limit any more.
            self.window = None;
            (self.untold, self.untold_before) = (0, 0);
            return;
        }
        self.tokens = self.tokens.max(1.0);
        self.untold_before = std::mem::take(&mut self.untold);
        let mut next = window.next();
        if self.untold_before > 0 {
            // They may have begun it: else nobody would, as long as all of the share is thought to be under way.
            next.ask(self.longest, over);
        }
        self.window = Some(next);
        // That one may be over by now as well; the one after it begins with a request.
        self.advance(now);
    }

    fn fill(&mut self, window: &Window, now: Instant) {
        if let Some(passed) = now.checked_duration_since(self.counted) {
            let more = passed.as_secs_f64() * self.pace(window);
            self.tokens = (self.tokens + more).min(self.burst(window));
            self.counted = now;
        }
    }

    fn learn(&mut self, told: ToldWindow, mut new: Window) {
        let (limit, remaining) = (new.limit, new.remaining);
        let age = self
            .window
            .map(|known| known.age_of(told, remaining, self.length));
        match (self.window, age) {
            (Some(_), Some(Age::Older)) => return,
            (Some(known), Some(Age::Same)) => {
                let told_now = new;
                new = known;
                new.learn(&told_now);
                new.used += 1;
                self.length = self.length.max(told.left);
            }
            (Some(_), _) => {
                new.used = 1 + std::mem::take(&mut self.untold) + self.untold_before;
                self.untold_before = 0;
                // The longest counts, since the first answer of a window may come late; but not for ever.
                self.length = told.left.max(self.length - self.length / 8);
            }
            (None, _) => {
                new.used = 1;
                self.length = told.left;
                // Who was here before us may have been another life of ours, and had its burst: then we have a start, as
                // in any new window, and no burst.
                let (burst, under_way) = (self.burst(&new), (self.in_flight + 1) as f64);
                let used = limit.saturating_sub(remaining) as f64;
                self.tokens = match used > under_way {
                    true => (burst - used).max(1.0).min(burst),
                    false => (burst - under_way).max(0.0),
                };
            }
        }
        self.longest = self.longest.max(told.left);
        let used_by_all = limit.saturating_sub(remaining);
        new.shared |= used_by_all > new.used + self.in_flight + self.untold;
        self.tokens = self.tokens.min(self.burst(&new));
        self.window = Some(new);
    }

    fn refuse(&mut self, told: &Told, now: Instant) -> Throttle {
        if told.limit == Some(0) {
            let asked = told.retry_after.unwrap_or_default();
            let until = now + self.concurrency_hold().max(asked);
            let why = HoldReason::Concurrency;
            self.wait_for(Wait { until, why });
            return Throttle::Concurrency;
        }
        self.at_once = 0;
        let window = told.window.map(|window| window.left + SECOND);
        if let Some(wait) = window.max(told.retry_after) {
            let until = now + wait;
            let why = HoldReason::Refused;
            self.wait_for(Wait { until, why });
        }
        let over = |window: &Window| window.used + self.in_flight > self.share.of(window.limit);
        match self.window.as_ref().is_some_and(over) {
            true => Throttle::Ours,
            false => Throttle::Others,
        }
    }

    /// One of several refusals at once takes back nothing of what another one asked for.
    fn wait_for(&mut self, wait: Wait) {
        if self.refused.is_none_or(|known| known.until < wait.until) {
            self.refused = Some(wait);
        }
    }

    /// Between half and all of a time that doubles, so that those who came together do not come together again.
    fn concurrency_hold(&mut self) -> Duration {
        let doubled = CONCURRENCY_FIRST.saturating_mul(2_u32.saturating_pow(self.at_once));
        self.at_once = self.at_once.saturating_add(1);
        let longest = doubled.min(CONCURRENCY_LONGEST);
        let by_chance = RandomState::new().hash_one(self.at_once) as u32;
        longest / 2 + (longest / 2).mul_f64(f64::from(by_chance) / f64::from(u32::MAX))
    }
}
