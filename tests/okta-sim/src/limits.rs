//! Rate limits: windows of a minute that begin at their first request, one for each token and one for the org.

use std::collections::HashMap;

/// A 429 takes a moment to arrive; requests that crossed it are not held against their sender.
const GRACE_MS: i64 = 250;
/// What other endpoints than the log allow in a window.
const OTHER_LIMIT: u64 = 600;

/// Endpoints that share a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Bucket {
    Logs,
    Other,
}

#[derive(Debug)]
struct Window {
    started_ms: i64,
    used: u64,
    refused_ms: Option<i64>,
}

/// What the headers of an answer say, and whether the request passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) limit: u64,
    pub(crate) remaining: u64,
    /// Seconds since 1970, cut: the window may last up to a second longer.
    pub(crate) reset_s: i64,
    pub(crate) refused: bool,
    /// Another request although an earlier 429 named the time to wait for.
    pub(crate) impatient: bool,
}

/// All windows of an org.
#[derive(Debug)]
pub(crate) struct Limits {
    token_limit: u64,
    org_limit: u64,
    window_ms: i64,
    /// By token; the org's own has none.
    windows: HashMap<(Bucket, Option<String>), Window>,
}

impl Limits {
    /// How often one token, and all together, may ask for logs in a window.
    pub(crate) fn new(token_limit: u64, org_limit: u64, window_ms: i64) -> Self {
        Self {
            token_limit,
            org_limit,
            window_ms: window_ms.max(1),
            windows: HashMap::new(),
        }
    }

    /// Counts a request.
    pub(crate) fn take(&mut self, bucket: Bucket, token: &str, now: i64) -> Verdict {
        let of_token = self.window(bucket, Some(token.to_owned()), now);
        let (token_used, refused_ms) = (of_token.used, of_token.refused_ms);
        let started_ms = of_token.started_ms;
        let of_org = self.window(bucket, None, now);
        let (org_used, org_started_ms) = (of_org.used, of_org.started_ms);
        let (token_limit, org_limit) = self.limits(bucket);
        let (token_left, org_left) = (
            token_limit.saturating_sub(token_used),
            org_limit.saturating_sub(org_used),
        );
        let refused = token_left.min(org_left) == 0;
        // Who waits for the token's window alone would come too early when it is the org's that is used up.
        let started_ms = if org_left < token_left {
            org_started_ms
        } else {
            started_ms
        };
        for token in [Some(token.to_owned()), None] {
            let of_token = token.is_some();
            let window = self.window(bucket, token, now);
            window.used += u64::from(!refused);
            if refused && of_token {
                window.refused_ms.get_or_insert(now);
            }
        }
        Verdict {
            limit: token_limit,
            remaining: token_left.min(org_left).saturating_sub(1),
            reset_s: (started_ms + self.window_ms).div_euclid(1000),
            refused,
            impatient: refused_ms.is_some_and(|at| now > at + GRACE_MS),
        }
    }

    fn limits(&self, bucket: Bucket) -> (u64, u64) {
        match bucket {
            Bucket::Logs => (self.token_limit, self.org_limit),
            Bucket::Other => (OTHER_LIMIT, 2 * OTHER_LIMIT),
        }
    }

    fn window(&mut self, bucket: Bucket, token: Option<String>, now: i64) -> &mut Window {
        let new = || Window {
            started_ms: now,
            used: 0,
            refused_ms: None,
        };
        let window = self.windows.entry((bucket, token)).or_insert_with(new);
        if now >= window.started_ms + self.window_ms {
            *window = new();
        }
        window
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(limits: &mut Limits, token: &str, now: i64) -> (u64, bool, bool) {
        let verdict = limits.take(Bucket::Logs, token, now);
        (verdict.remaining, verdict.refused, verdict.impatient)
    }

    #[test]
    fn window_begins_at_first_use() {
        let mut limits = Limits::new(2, 4, 60_000);
        let first = limits.take(Bucket::Logs, "t", 1_000_700);
        assert_eq!((first.limit, first.remaining, first.reset_s), (2, 1, 1060));
        assert_eq!(take(&mut limits, "t", 1_000_800), (0, false, false));
        assert_eq!(take(&mut limits, "t", 1_060_699), (0, true, false));
        assert_eq!(take(&mut limits, "t", 1_060_700), (1, false, false));
    }

    #[test]
    fn trap_14_second_request_in_a_refused_window_is_impatient() {
        let mut limits = Limits::new(1, 2, 60_000);
        take(&mut limits, "t", 1000);
        assert_eq!(take(&mut limits, "t", 2000), (0, true, false));
        assert_eq!(
            take(&mut limits, "t", 2100),
            (0, true, false),
            "it was under way"
        );
        assert_eq!(take(&mut limits, "t", 3000), (0, true, true));
        assert_eq!(take(&mut limits, "t", 61_000), (0, false, false));
    }

    #[test]
    fn tokens_share_the_org_window() {
        let mut limits = Limits::new(3, 4, 60_000);
        for _ in 0..3 {
            assert!(!limits.take(Bucket::Logs, "a", 1000).refused);
        }
        assert_eq!(take(&mut limits, "b", 1000), (0, false, false));
        assert!(limits.take(Bucket::Logs, "b", 1000).refused);
    }

    #[test]
    fn other_endpoints_have_a_window_of_their_own() {
        let mut limits = Limits::new(1, 1, 60_000);
        take(&mut limits, "t", 1000);
        assert!(!limits.take(Bucket::Other, "t", 1000).refused);
    }

    #[test]
    fn waiting_as_documented_is_always_enough() {
        // Okta's SDKs wait `Reset - Date + 1` seconds, both being whole seconds.
        for started in (0..1000).step_by(7) {
            for later in (0..60_000).step_by(1234) {
                let mut limits = Limits::new(1, 1, 60_000);
                take(&mut limits, "t", started);
                let now = started + later;
                let refused = limits.take(Bucket::Logs, "t", now);
                let wait_s = refused.reset_s - now.div_euclid(1000) + 1;
                assert!(!limits.take(Bucket::Logs, "t", now + wait_s * 1000).refused);
            }
        }
    }
}
