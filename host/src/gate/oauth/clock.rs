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
        self.at(ours())
    }

    /// Takes in the head of an answer.
    pub(super) fn hear(&self, headers: &HeaderMap) {
        self.hear_at(headers, ours());
    }

    fn at(&self, ours: i64) -> i64 {
        ours.saturating_add(self.ahead()).div_euclid(1000)
    }

    fn hear_at(&self, headers: &HeaderMap, ours: i64) {
        if let Some(theirs) = date(headers) {
            // Theirs is cut to seconds and a moment old, and ours is not cut: so what comes of it is never in the peer's
            // future.
            let ahead = theirs.saturating_mul(1000).saturating_sub(ours);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// 2025-09-29T06:24:57Z in milliseconds.
    const OURS: i64 = 1_759_127_097_000;

    /// What a peer says at this time of its own.
    fn dated(theirs: i64) -> HeaderMap {
        let time = jiff::Timestamp::from_millisecond(theirs).unwrap();
        let date = time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        HeaderMap::from_iter([(header::DATE, date.parse().unwrap())])
    }

    #[test]
    fn what_is_signed_is_never_of_the_peers_future_and_at_most_a_second_old() {
        for ahead in [0, 1, 499, 999, 7_200_250, -1, -700, -7_199_001] {
            for heard_at in (OURS..OURS + 1000).step_by(37) {
                let clock = PeerClock::default();
                clock.hear_at(&dated(heard_at + ahead), heard_at);
                for ours in (heard_at..heard_at + 3000).step_by(83) {
                    let theirs = (ours + ahead).div_euclid(1000);
                    let behind = theirs - clock.at(ours);
                    assert!(
                        (0..=1).contains(&behind),
                        "{behind} s behind a clock that is {ahead} ms ahead, {} ms after {heard_at}",
                        ours - heard_at
                    );
                }
            }
        }
    }

    #[test]
    fn the_difference_is_counted_in_milliseconds() {
        let clock = PeerClock::default();
        clock.hear_at(&dated(OURS + 5_000), OURS + 250);
        assert_eq!(clock.ahead(), 4_750);
        assert_eq!(clock.at(OURS + 1_249), OURS / 1000 + 5);
        assert_eq!(clock.at(OURS + 1_250), OURS / 1000 + 6);
        clock.hear_at(&HeaderMap::new(), OURS);
        assert_eq!(clock.ahead(), 4_750, "who says nothing changes nothing");
    }
}
