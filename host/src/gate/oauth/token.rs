//! Access tokens and when they are renewed.

use std::time::Duration;

use secrecy::SecretString;
use tokio::time::Instant;

/// A token is renewed when four fifths of its life are over, or this long before its end, whichever is later: of an
/// hour the last five minutes, of a short life the last fifth.
const EARLY: Duration = Duration::from_secs(300);

/// What a token lives if the peer does not say.
const LIFETIME_UNTOLD: Duration = Duration::from_secs(300);
/// Longer is no life of a token but nonsense.
const LIFETIME_MAX: Duration = Duration::from_secs(24 * 3600);

/// A token.
#[derive(Debug)]
pub(super) struct AccessToken {
    pub(super) text: SecretString,
    /// Whether it is bound to a key, so that it takes proofs to use it.
    pub(super) is_bound: bool,
    /// Tokens of one client are counted, so that it is known which one was refused.
    pub(super) number: u64,
    due: Instant,
    ends: Instant,
}

impl AccessToken {
    /// A token whose life began at `asked` at the latest, when it was asked for. `lifetime` is in seconds.
    pub(super) fn new(
        text: SecretString,
        is_bound: bool,
        number: u64,
        asked: Instant,
        lifetime: Option<u64>,
    ) -> Self {
        let lifetime = lifetime.map_or(LIFETIME_UNTOLD, Duration::from_secs);
        let lifetime = lifetime.min(LIFETIME_MAX);
        let due = (lifetime * 4 / 5).max(lifetime.saturating_sub(EARLY));
        Self {
            text,
            is_bound,
            number,
            due: asked + due,
            ends: asked + lifetime,
        }
    }

    /// Whether it may still be sent.
    pub(super) fn lives(&self, now: Instant) -> bool {
        now < self.ends
    }

    /// Whether it is time for a new one.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        now >= self.due
    }

    /// How long it may still be sent.
    pub(super) fn left(&self, now: Instant) -> Duration {
        self.ends.saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due_and_end(lifetime: Option<u64>) -> (Duration, Duration) {
        let asked = Instant::now();
        let token = AccessToken::new("t".into(), false, 1, asked, lifetime);
        (token.due - asked, token.ends - asked)
    }

    #[test]
    fn a_token_is_renewed_before_its_end() {
        let seconds = Duration::from_secs;
        assert_eq!(due_and_end(Some(3600)), (seconds(3300), seconds(3600)));
        assert_eq!(
            due_and_end(Some(2)),
            (Duration::from_millis(1600), seconds(2))
        );
        assert_eq!(due_and_end(None), (seconds(240), seconds(300)));
        assert_eq!(due_and_end(Some(u64::MAX)).1, seconds(86_400));
        assert_eq!(due_and_end(Some(0)), (seconds(0), seconds(0)));
    }
}
