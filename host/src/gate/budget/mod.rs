//! What a peer still allows, and which request may use it when.
//!
//! A peer that limits requests counts them in **windows**: so many for each credential, and then none until the window
//! is over. With every answer it tells how large the window is, what is left of it, and when it ends (the names of
//! these headers are in the plugin's description). The gate keeps one budget for each origin, credential and set of
//! paths, in the whole process ([`Budgets`]): sources that share a limit share its budget.
//!
//! # What is ours
//!
//! A peer has other users, so a budget uses a **share** of each window ([`Share`], half of what the headers say), and
//! never more: own requests are counted window by window, those that wait for their answer and those that never got one
//! included. Where the peer says that less is left than we counted, somebody else uses it too, and the peer is believed.
//!
//! The share is spread evenly over the window: a bucket of tokens fills at its pace and holds a few, so that a short
//! read is not slowed. What is left of a window's share is spread over what is left of the window.
//!
//! # Windows, by the peer's clock
//!
//! A reset given as a time is compared with the `Date` of the same answer and with nothing else: our clock may be
//! wrong, the peer's two clocks are one. What comes of it is a length of time, counted on a clock that never jumps.
//! Both times are cut to whole seconds, so a window is surely over `Reset − Date + 1 s` after its answer, and until then
//! it counts as lasting: this second is what certainty costs in each window. The length of a window is learnt, not
//! assumed.
//!
//! # Who goes first
//!
//! Requests wait in a line, the first come first served within a [`Priority`]. While somebody polls at the head, some of
//! the share is kept for that: backlogs and windows of the past leave it alone, and a poll need not wait for a token.
//! But beside a backlog that waits, polls have every second turn at most, or a limit that is smaller than what they ask
//! for would leave it none.
//! Nobody waits for ever: who waited for half of the longest hold goes before all others, and after all of it goes out
//! whatever is known.
//!
//! # What is believed
//!
//! Without headers nothing is held back. Of doubled ones the least counts. What makes no sense is ignored and counted.
//! A limit of 0 in a 429 means too many requests at once: it is waited out for seconds, whatever reset it names.

mod account;
mod line;
mod pacer;
mod registry;
mod told;
mod window;

#[cfg(test)]
mod account_tests;
#[cfg(test)]
mod fairness_tests;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use account::Account;
pub(crate) use account::{Lease, Lesson, Turn};
pub use registry::Budgets;

/// How urgent a request is. The gate can't know; whoever calls the plugin does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Priority {
    /// Polls at the head: records that have just come into being.
    Live,
    /// Catches up.
    #[default]
    Backlog,
    /// Reads a window of the past again.
    Window,
}

/// The share of a peer's limit that may be used, in percent: from 1 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(u8);

/// Why a text is no [`Share`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a share is written like `50%`, from `1%` to `100%`")]
pub struct ShareError;

impl Share {
    /// So many percent, if that is a share.
    pub fn percent(percent: u8) -> Option<Self> {
        (1..=100).contains(&percent).then_some(Self(percent))
    }

    /// How many requests of a window that allows `limit` may be used: all of them cut down, and one at least, since
    /// otherwise nothing would ever be read.
    pub(crate) fn of(self, limit: u64) -> u64 {
        let share = u128::from(limit) * u128::from(self.0) / 100;
        u64::try_from(share).unwrap_or(limit).max(1)
    }
}

impl Default for Share {
    /// Half: the rest is for the peer's other users.
    fn default() -> Self {
        Self(50)
    }
}

impl FromStr for Share {
    type Err = ShareError;

    fn from_str(text: &str) -> Result<Self, ShareError> {
        let number = text.strip_suffix('%').ok_or(ShareError)?;
        let plain = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        let percent = number.parse().ok().filter(|_| plain).ok_or(ShareError)?;
        Self::percent(percent).ok_or(ShareError)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

/// What is known of one budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Requests that a window allows, to all who share the limit.
    pub limit: u64,
    /// Requests of them that are ours.
    pub share: u64,
    /// Requests in this window that are ours and are not used yet, or that others left us.
    pub share_left: u64,
    /// Requests left in this window, to all who share the limit.
    pub remaining: u64,
    /// How long this window still lasts.
    pub resets_in: Option<Duration>,
}

/// Why a request is held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldReason {
    /// The share is spread evenly over the window.
    Pace,
    /// Our share of this window is used up, or others used up the window.
    UsedUp,
    /// What is left of the share is kept for polls at the head.
    Reserved,
    /// The peer refused a request, and said until when it will.
    Refused,
    /// The peer refused a request because too many were under way at once.
    Concurrency,
}

impl HoldReason {
    /// A word for logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pace => "pace",
            Self::UsedUp => "used_up",
            Self::Reserved => "reserved",
            Self::Refused => "refused",
            Self::Concurrency => "concurrency",
        }
    }
}

/// That requests are held back, until when and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hold {
    /// From now on.
    pub lasts: Duration,
    /// What for.
    pub why: HoldReason,
}

/// Whose doing a 429 is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Throttle {
    /// We sent more than our share allows.
    Ours,
    /// We kept to our share: others used up the window.
    Others,
    /// Too many requests were under way at once.
    Concurrency,
}
