//! Rate limits: windows of a minute that begin at their first request, one for each token and one for the org.
//!
//! Another client of the same token can be thought in: it uses its share of each window evenly, and then windows follow
//! one another without a gap, since there is always somebody who begins one.
//!
//! Faults refuse too, whatever is left of a window. Until the moment that such an answer named, asking again is as
//! impatient as in a window that is used up; only the one request that may have been under way already is not.

use std::collections::{HashMap, HashSet};

use crate::report::WindowUse;

/// A 429 takes a moment to arrive; requests that crossed it are not held against their sender.
const GRACE_MS: i64 = 250;
/// Who is refused and told nothing, or a moment that nobody can wait for, waits a second at least.
const UNTOLD_MS: i64 = 1000;
const LONGEST_MS: i64 = 3_600_000;
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
    /// The highest limit while it lasted.
    limit: u64,
    /// What the other client uses of it in the end.
    others: u64,
    refused_ms: Option<i64>,
}

impl Window {
    fn as_use(&self) -> WindowUse {
        WindowUse {
            limit: self.limit,
            used: self.used,
            others: self.others,
        }
    }
}

/// A fault's 429.
#[derive(Debug)]
struct Refused {
    at_ms: i64,
    until_ms: i64,
    /// Whether the request came that may have been under way.
    crossed: bool,
}

impl Refused {
    /// Whether a request that comes now should not, and if so, how long after the 429 it comes, and how long it should
    /// have waited.
    fn impatience(&mut self, now: i64) -> Option<(u32, u32)> {
        let crosses = now <= self.at_ms + GRACE_MS && !self.crossed;
        self.crossed |= crosses;
        let impatient = now < self.until_ms && !crosses;
        impatient.then_some((small(now - self.at_ms), small(self.until_ms - self.at_ms)))
    }
}

/// What the headers of an answer say, and whether the request passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) limit: u64,
    pub(crate) remaining: u64,
    /// Seconds since 1970, cut: the window may last up to a second longer.
    pub(crate) reset_s: i64,
    pub(crate) refused: bool,
    /// Another request although an earlier 429 named the time to wait for: how long after that one, and how long it was
    /// to wait, in milliseconds.
    pub(crate) impatient: Option<(u32, u32)>,
}

/// All windows of an org.
#[derive(Debug)]
pub(crate) struct Limits {
    token_limit: u64,
    org_limit: u64,
    window_ms: i64,
    /// The share of the other client, from 0 to 1.
    neighbour: f64,
    /// By token; the org's own has none.
    windows: HashMap<(Bucket, Option<String>), Window>,
    /// Windows of tokens for logs that are over.
    past: Vec<WindowUse>,
    /// Tokens that faults refused.
    refused: HashMap<(Bucket, String), Refused>,
    /// Whether clients took the place of others.
    unaware: bool,
    /// Tokens that came since then.
    met: HashSet<(Bucket, String)>,
}

impl Limits {
    /// How often one token, and all together, may ask for logs in a window.
    pub(crate) fn new(token_limit: u64, org_limit: u64, window_ms: i64) -> Self {
        Self {
            token_limit,
            org_limit,
            neighbour: 0.0,
            past: Vec::new(),
            window_ms: window_ms.max(1),
            windows: HashMap::new(),
            refused: HashMap::new(),
            unaware: false,
            met: HashSet::new(),
        }
    }

    /// Another client of every token uses this share of its limit, from 0 to 1.
    pub(crate) fn with_neighbour(self, share: f64) -> Self {
        Self {
            neighbour: share,
            ..self
        }
    }

    /// From now on one token may ask for logs so often in a window, and all together twice that.
    pub(crate) fn set(&mut self, token_limit: u64) {
        self.token_limit = token_limit;
        self.org_limit = token_limit.saturating_mul(2);
    }

    /// What clients used of each window for logs, one token's after another's, the last ones not over yet.
    pub(crate) fn log_windows(&self) -> Vec<WindowUse> {
        let present = self.windows.iter();
        let present =
            present.filter(|((bucket, token), _)| *bucket == Bucket::Logs && token.is_some());
        let present = present.map(|(_, window)| window.as_use());
        self.past.iter().copied().chain(present).collect()
    }

    /// A fault refuses a request, and names the second until which there is nothing to be had, or none.
    pub(crate) fn refuse(&mut self, bucket: Bucket, token: &str, reset_s: Option<i64>, now: i64) {
        let told_ms = reset_s.map(|second| second.saturating_mul(1000));
        let told_ms = told_ms.filter(|until| *until <= now + LONGEST_MS);
        let until_ms = told_ms.unwrap_or(now + UNTOLD_MS);
        let refused = self.refused.entry((bucket, token.to_owned()));
        refused
            .and_modify(|known| {
                if known.until_ms <= now {
                    (known.at_ms, known.crossed) = (now, false);
                }
                known.until_ms = known.until_ms.max(until_ms);
            })
            .or_insert(Refused {
                at_ms: now,
                until_ms,
                crossed: false,
            });
    }

    /// Nobody who is there was told anything.
    pub(crate) fn forget_clients(&mut self) {
        self.refused.clear();
        self.unaware = true;
        self.met.clear();
        for window in self.windows.values_mut() {
            window.refused_ms = None;
        }
    }

    /// Whether whoever asks took the place of somebody else, and had no answer yet.
    pub(crate) fn is_unaware(&mut self, bucket: Bucket, token: &str) -> bool {
        self.unaware && self.met.insert((bucket, token.to_owned()))
    }

    /// Counts a request.
    pub(crate) fn take(&mut self, bucket: Bucket, token: &str, now: i64) -> Verdict {
        let of_token = self.window(bucket, Some(token.to_owned()), now);
        let (token_used, refused_ms) = (of_token.used, of_token.refused_ms);
        let started_ms = of_token.started_ms;
        let refused = self.refused.get_mut(&(bucket, token.to_owned()));
        let by_fault = refused.and_then(|refused| refused.impatience(now));
        let others = self.others(bucket, started_ms, now);
        let token_used = token_used + others;
        let of_org = self.window(bucket, None, now);
        let (org_used, org_started_ms) = (of_org.used + others, of_org.started_ms);
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
            window.limit = window.limit.max(token_limit);
            window.others = others;
            if refused && of_token {
                window.refused_ms.get_or_insert(now);
            }
        }
        Verdict {
            limit: token_limit,
            remaining: token_left.min(org_left).saturating_sub(1),
            reset_s: (started_ms + self.window_ms).div_euclid(1000),
            refused,
            impatient: by_fault.or_else(|| {
                let at = refused_ms.filter(|at| now > at + GRACE_MS)?;
                Some((small(now - at), small(started_ms + self.window_ms - at)))
            }),
        }
    }

    /// What the other client has used by now of a window.
    fn others(&self, bucket: Bucket, started_ms: i64, now: i64) -> u64 {
        let passed = (now - started_ms) as f64 / self.window_ms as f64;
        let (limit, _) = self.limits(bucket);
        (limit as f64 * self.neighbour * passed.min(1.0)) as u64
    }

    fn limits(&self, bucket: Bucket) -> (u64, u64) {
        match bucket {
            Bucket::Logs => (self.token_limit, self.org_limit),
            Bucket::Other => (OTHER_LIMIT, 2 * OTHER_LIMIT),
        }
    }

    fn window(&mut self, bucket: Bucket, token: Option<String>, now: i64) -> &mut Window {
        let new = |started_ms| Window {
            started_ms,
            used: 0,
            limit: 0,
            others: 0,
            refused_ms: None,
        };
        let is_for_logs = bucket == Bucket::Logs && token.is_some();
        let window = self
            .windows
            .entry((bucket, token))
            .or_insert_with(|| new(now));
        let passed = (now - window.started_ms).div_euclid(self.window_ms);
        if passed > 0 {
            if is_for_logs {
                self.past.push(window.as_use());
            }
            *window = new(match self.neighbour > 0.0 {
                true => window.started_ms + passed * self.window_ms,
                false => now,
            });
        }
        window
    }
}

/// Milliseconds, none of which is longer than an hour.
fn small(ms: i64) -> u32 {
    u32::try_from(ms).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(limits: &mut Limits, token: &str, now: i64) -> (u64, bool, bool) {
        let verdict = limits.take(Bucket::Logs, token, now);
        (
            verdict.remaining,
            verdict.refused,
            verdict.impatient.is_some(),
        )
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
    fn trap_14_who_a_fault_refused_is_impatient_until_the_moment_it_named() {
        let mut limits = Limits::new(100, 200, 60_000);
        let mut impatient = |now, token| limits.take(Bucket::Logs, token, now).impatient.is_some();
        assert!(!impatient(500, "t"));
        limits.refuse(Bucket::Logs, "t", Some(9), 1000);
        let mut impatient = |now, token| limits.take(Bucket::Logs, token, now).impatient.is_some();
        assert!(!impatient(1100, "t"), "it was under way");
        assert!(impatient(1200, "t"), "one at most was");
        assert!(impatient(1300, "t"));
        assert!(!impatient(1300, "another"));
        assert!(impatient(8_999, "t"));
        assert!(!impatient(9_000, "t"));
        limits.refuse(Bucket::Logs, "t", Some(8_200_000_000), 10_000);
        let mut impatient = |now, token| limits.take(Bucket::Logs, token, now).impatient.is_some();
        assert!(!impatient(10_200, "t"));
        assert!(impatient(10_999, "t"));
        assert!(!impatient(11_000, "t"));
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
    fn another_client_uses_its_share_evenly_and_begins_windows() {
        let mut limits = Limits::new(10, 20, 1000).with_neighbour(0.5);
        assert_eq!(take(&mut limits, "t", 0).0, 9);
        assert_eq!(take(&mut limits, "t", 500).0, 6);
        for _ in 0..4 {
            assert!(!take(&mut limits, "t", 999).1);
        }
        assert!(take(&mut limits, "t", 999).1, "6 are ours and 4 are theirs");
        assert_eq!(limits.take(Bucket::Logs, "t", 2999).reset_s, 3);
        let used = limits.log_windows();
        assert_eq!((used[0].used, used[0].others, used[0].limit), (6, 4, 10));
        assert_eq!((used[1].used, used[1].others), (1, 4));
    }

    #[test]
    fn a_limit_that_changes_counts_from_the_next_request_on() {
        let mut limits = Limits::new(3, 6, 1000);
        take(&mut limits, "t", 0);
        limits.set(2);
        assert_eq!(take(&mut limits, "t", 1), (0, false, false));
        assert!(take(&mut limits, "t", 2).1);
        assert_eq!(limits.log_windows()[0].limit, 3);
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
