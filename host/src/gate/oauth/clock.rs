//! The peer's clock, by which it judges what we sign.
//!
//! Ours may be wrong, may jump, and may sleep with the machine. So the difference is learnt from the `Date` of every
//! answer, and what is signed is told by the peer's time. Where ours jumps in between, the peer refuses once, and its
//! refusal tells the difference anew.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use http::{HeaderMap, header};

/// By how many milliseconds the peer's clock is ahead of ours.
#[derive(Debug, Default)]
pub(super) struct PeerClock {
    ahead: AtomicI64,
}

impl PeerClock {
    /// Seconds since 1970, as the peer tells them.
    pub(super) fn now(&self) -> i64 {
        ours().saturating_add(self.ahead()).div_euclid(1000)
    }

    /// Takes in the head of an answer.
    pub(super) fn hear(&self, headers: &HeaderMap) {
        if let Some(theirs) = date(headers) {
            // Theirs is cut to seconds and a moment old, and ours is not cut: so what comes of it is never in the peer's
            // future.
            let ahead = theirs.saturating_mul(1000).saturating_sub(ours());
            self.ahead.store(ahead, Ordering::Relaxed);
        }
    }

    /// The difference that counts now. Once it is another one, what was refused for its time may pass.
    pub(super) fn ahead(&self) -> i64 {
        self.ahead.load(Ordering::Relaxed)
    }
}

/// Milliseconds since 1970.
fn ours() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}

pub(super) fn date(headers: &HeaderMap) -> Option<i64> {
    let date = headers.get(header::DATE)?.to_str().ok()?;
    let date = jiff::fmt::rfc2822::parse(date).ok()?;
    Some(date.timestamp().as_second())
}
