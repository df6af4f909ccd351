//! Requests for logs under way: two at a time with one token, and no more.
//!
//! What counts is what a client waits for. That it gave a request up is heard on another connection than its next request,
//! and by another task; so one too many is in doubt for a moment, and clears itself when one of those that were under
//! way proves to be given up.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::org::Org;

/// More requests for logs than this under way with one token are too many.
const AT_A_TIME: usize = 2;

/// How long it may take until a given-up request is known to be.
const HEARD_WITHIN: Duration = Duration::from_millis(250);

/// A request, until it is answered or given up: what is dropped before it is [done](Self::done) was given up.
pub(crate) struct UnderWay {
    org: Org,
    logs: Option<u64>,
    given_up: bool,
}

impl UnderWay {
    pub(crate) fn new(org: &Org) -> Self {
        Self {
            org: org.clone(),
            logs: None,
            given_up: true,
        }
    }

    /// It is one for logs, with this token.
    pub(crate) fn asks_for_logs(&mut self, token: &str) {
        self.logs = Some(self.org.recorder().begin_logs(token));
    }

    /// The client has its answer, or an end that the org made.
    pub(crate) fn done(mut self) {
        self.given_up = false;
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.org.recorder().end(self.logs, self.given_up);
    }
}

/// Those for logs, of all clients.
#[derive(Debug, Default)]
pub(crate) struct LogsUnderWay {
    /// By their numbers, the older ones first.
    requests: BTreeMap<u64, Request>,
    last: u64,
    doubts: Vec<Doubt>,
}

#[derive(Debug)]
struct Request {
    token: String,
    since: Instant,
}

/// Too many at a time, unless some of them were given up.
#[derive(Debug)]
struct Doubt {
    since: Instant,
    requests: Vec<u64>,
    case: String,
}

impl LogsUnderWay {
    /// A request with this token begins.
    pub(crate) fn begin(&mut self, token: &str, now: Instant) -> u64 {
        self.last += 1;
        let request = Request {
            token: token.to_owned(),
            since: now,
        };
        self.requests.insert(self.last, request);
        let of_token = |(_, request): &(&u64, &Request)| request.token == token;
        let requests: Vec<u64> = self
            .requests
            .iter()
            .filter(of_token)
            .map(|(id, _)| *id)
            .collect();
        if requests.len() > AT_A_TIME {
            let ages = requests.iter().filter_map(|id| self.requests.get(id));
            let ages = ages.map(|request| now.saturating_duration_since(request.since).as_millis());
            let ages: Vec<String> = ages.map(|ms| ms.to_string()).collect();
            let case = format!(
                "{} at a time, begun {} ms before",
                ages.len(),
                ages.join(", ")
            );
            self.doubts.push(Doubt {
                since: now,
                requests,
                case,
            });
        }
        self.last
    }

    /// A request ended, by its answer or because its client gave it up.
    pub(crate) fn end(&mut self, id: u64, given_up: bool, now: Instant) {
        self.requests.remove(&id);
        if !given_up {
            return;
        }
        self.doubts.retain_mut(|doubt| {
            if now.saturating_duration_since(doubt.since) < HEARD_WITHIN {
                doubt.requests.retain(|other| *other != id);
            }
            doubt.requests.len() > AT_A_TIME
        });
    }

    /// What is under way is nobody's any more.
    pub(crate) fn forget(&mut self) {
        self.requests.clear();
    }

    /// Each time that there were too many.
    pub(crate) fn too_many(&self) -> impl Iterator<Item = &str> {
        self.doubts.iter().map(|doubt| doubt.case.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(under_way: &LogsUnderWay) -> usize {
        under_way.too_many().count()
    }

    #[test]
    fn two_are_allowed_to_each_token_and_three_are_not() {
        let (mut under_way, now) = (LogsUnderWay::default(), Instant::now());
        for token in ["a", "a", "b", "b"] {
            under_way.begin(token, now);
        }
        assert_eq!(count(&under_way), 0);
        under_way.begin("a", now + Duration::from_millis(7));
        let cases: Vec<&str> = under_way.too_many().collect();
        assert_eq!(cases, ["3 at a time, begun 7, 7, 0 ms before"]);
    }

    #[test]
    fn an_answer_in_time_makes_room() {
        let (mut under_way, now) = (LogsUnderWay::default(), Instant::now());
        let first = under_way.begin("a", now);
        under_way.begin("a", now);
        under_way.end(first, false, now);
        under_way.begin("a", now);
        assert_eq!(count(&under_way), 0);
    }

    #[test]
    fn what_was_given_up_and_is_heard_of_a_little_later_does_not_count() {
        for (given_up, later, too_many) in [(true, 249, 0), (true, 250, 1), (false, 0, 1)] {
            let (mut under_way, now) = (LogsUnderWay::default(), Instant::now());
            let first = under_way.begin("a", now);
            under_way.begin("a", now);
            under_way.begin("a", now);
            under_way.end(first, given_up, now + Duration::from_millis(later));
            assert_eq!(count(&under_way), too_many, "{given_up} after {later} ms");
        }
    }

    #[test]
    fn one_given_up_of_four_leaves_one_too_many() {
        let (mut under_way, now) = (LogsUnderWay::default(), Instant::now());
        let first = under_way.begin("a", now);
        for _ in 0..3 {
            under_way.begin("a", now);
        }
        assert_eq!(count(&under_way), 2);
        under_way.end(first, true, now);
        assert_eq!(count(&under_way), 1);
    }
}
