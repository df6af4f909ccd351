//! The one retry policy: what to do after a stage failed.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use tokio::time::Instant;

use super::Options;
use crate::stage::StageError;

/// For how long altogether a stage may ask a run that is to end to wait.
const LONGEST_ASKED_WHEN_ONCE: Duration = Duration::from_secs(2 * 3600);

type Delays = <ExponentialBuilder as BackoffBuilder>::Backoff;

/// What to do after a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Try again after this long.
    After(Duration),
    /// Try again when the credential changed, or after this long.
    WhenAuthorized(Duration),
    /// Never try again.
    Never,
}

/// Counts the failures of one stage since it last did its work.
pub(crate) struct Retry {
    options: Arc<Options>,
    streak: Option<Streak>,
}

struct Streak {
    since: Instant,
    /// Time that the stage asked us to wait, which is not held against it.
    asked: Duration,
    delays: Delays,
}

impl Retry {
    pub(crate) fn new(options: Arc<Options>) -> Self {
        Self {
            options,
            streak: None,
        }
    }

    /// The stage did its work; says whether it had failed before.
    pub(crate) fn succeeded(&mut self) -> bool {
        self.streak.take().is_some()
    }

    /// Decides what to do after a failure.
    pub(crate) fn judge(&mut self, error: &StageError) -> Verdict {
        let timing = &self.options.timing;
        match error {
            StageError::Config(_) | StageError::Permanent(_) => Verdict::Never,
            StageError::Unauthorized(_) if self.options.once => Verdict::Never,
            StageError::Unauthorized(_) => Verdict::WhenAuthorized(timing.unauthorized),
            StageError::Throttled(asked) => {
                let wait = (*asked).min(timing.longest_wait);
                self.asked_to_wait(wait)
            }
            StageError::Transient(_) | StageError::Crashed(_) => self.back_off(),
        }
    }

    /// The wait that was asked for, and from the second one in a row at least what the policy says: who asks is dropped
    /// meanwhile and does not know how often it asked.
    fn asked_to_wait(&mut self, asked: Duration) -> Verdict {
        let once = self.options.once;
        let again = self.streak.is_some();
        let streak = self.streak();
        let least = streak.delays.next().filter(|_| again);
        let wait = asked.max(least.unwrap_or_default());
        streak.asked = streak.asked.saturating_add(wait);
        if once && streak.asked > LONGEST_ASKED_WHEN_ONCE {
            return Verdict::Never;
        }
        Verdict::After(wait)
    }

    fn back_off(&mut self) -> Verdict {
        let patience = self.options.once.then_some(self.options.timing.patience);
        let longest = self.options.timing.retry_longest;
        let first = self.streak.is_none();
        let streak = self.streak();
        let lasted = streak.since.elapsed().saturating_sub(streak.asked);
        if !first && patience.is_some_and(|patience| lasted > patience) {
            return Verdict::Never;
        }
        Verdict::After(streak.delays.next().unwrap_or(longest))
    }

    fn streak(&mut self) -> &mut Streak {
        let timing = &self.options.timing;
        self.streak.get_or_insert_with(|| Streak {
            since: Instant::now(),
            asked: Duration::ZERO,
            delays: delays(timing.retry_first, timing.retry_longest),
        })
    }
}

/// Doubling delays. Jitter adds up to as much again, hence the halved limit.
fn delays(first: Duration, longest: Duration) -> Delays {
    ExponentialBuilder::new()
        .with_min_delay(first)
        .with_max_delay(longest / 2)
        .without_max_times()
        .with_jitter()
        .with_jitter_seed(RandomState::new().hash_one(0))
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retry(once: bool, patience: Duration) -> Retry {
        let mut options = Options {
            once,
            ..Options::default()
        };
        options.timing.patience = patience;
        Retry::new(Arc::new(options))
    }

    fn wait(verdict: Verdict) -> Duration {
        match verdict {
            Verdict::After(wait) => wait,
            other => panic!("{other:?}"),
        }
    }

    fn transient() -> StageError {
        StageError::Transient("connection reset".to_owned())
    }

    #[tokio::test]
    async fn transient_failures_are_retried_for_ever_with_growing_pauses() {
        let mut retry = retry(false, Duration::ZERO);
        let waits: Vec<_> = (0..100).map(|_| wait(retry.judge(&transient()))).collect();
        assert!(waits[0] >= Duration::from_secs(1) && waits[0] <= Duration::from_secs(2));
        assert!(waits[99] >= Duration::from_secs(30) && waits[99] <= Duration::from_secs(60));
        assert!(retry.succeeded());
        assert!(wait(retry.judge(&transient())) <= Duration::from_secs(2));
    }

    #[tokio::test]
    async fn delivery_08_a_wait_is_capped_at_an_hour() {
        let mut retry = retry(false, Duration::ZERO);
        let asked = StageError::Throttled(Duration::from_secs(1 << 40));
        assert_eq!(wait(retry.judge(&asked)), Duration::from_secs(3600));
    }

    #[tokio::test]
    async fn trap_14_who_is_asked_to_wait_again_and_again_waits_longer_each_time() {
        let mut retry = retry(false, Duration::ZERO);
        let asked = StageError::Throttled(Duration::from_secs(2));
        assert_eq!(wait(retry.judge(&asked)), Duration::from_secs(2));
        let waits: Vec<_> = (0..20).map(|_| wait(retry.judge(&asked))).collect();
        assert!(waits[0] <= Duration::from_secs(4));
        assert!(waits[19] >= Duration::from_secs(30), "{waits:?}");
        let long = StageError::Throttled(Duration::from_secs(600));
        assert_eq!(wait(retry.judge(&long)), Duration::from_secs(600));
        assert!(retry.succeeded());
        assert_eq!(wait(retry.judge(&asked)), Duration::from_secs(2));
    }

    #[tokio::test]
    async fn a_run_that_is_to_end_gives_up() {
        let mut retry = retry(true, Duration::ZERO);
        let refused = StageError::Unauthorized("invalid token".to_owned());
        assert_eq!(retry.judge(&refused), Verdict::Never);
        assert!(matches!(retry.judge(&transient()), Verdict::After(_)));
        std::thread::sleep(Duration::from_millis(2));
        assert_eq!(retry.judge(&transient()), Verdict::Never);
        assert!(retry.succeeded());
        let asked = StageError::Throttled(Duration::from_secs(3600));
        wait(retry.judge(&asked));
        wait(retry.judge(&asked));
        assert_eq!(retry.judge(&asked), Verdict::Never);
    }
}
