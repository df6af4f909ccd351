//! Requests for logs under way: two at a time with one token, and no more.
//!
//! What became of each of those that were too many is noted too, so that it can be told why.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use crate::org::Org;

/// More requests for logs than this under way with one token are too many.
const AT_A_TIME: usize = 2;

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

    /// It is one for this page of the logs, with this token.
    pub(crate) fn asks_for_logs(&mut self, token: &str, page: &str) {
        self.logs = Some(self.org.recorder().begin_logs(token, page));
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
    crowds: Vec<Crowd>,
}

#[derive(Debug)]
struct Request {
    token: String,
    asked: String,
    since: Instant,
}

/// Too many at a time.
#[derive(Debug)]
struct Crowd {
    since: Instant,
    among: Vec<Member>,
}

/// A request among too many.
#[derive(Debug)]
struct Member {
    id: u64,
    asked: String,
    /// How long before the last of them.
    begun: Duration,
    /// How long after that, and whether it was given up.
    ended: Option<(Duration, bool)>,
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (asked, begun) = (&self.asked, self.begun.as_millis());
        write!(f, "{asked} begun {begun} ms before")?;
        match self.ended {
            Some((later, true)) => write!(f, " and given up {} ms after", later.as_millis()),
            Some((later, false)) => write!(f, " and answered {} ms after", later.as_millis()),
            None => Ok(()),
        }
    }
}

impl LogsUnderWay {
    /// A request with this token begins, for this page.
    pub(crate) fn begin(&mut self, token: &str, asked: &str, now: Instant) -> u64 {
        self.last += 1;
        let request = Request {
            token: token.to_owned(),
            asked: asked.to_owned(),
            since: now,
        };
        self.requests.insert(self.last, request);
        let of_token = self
            .requests
            .iter()
            .filter(|(_, request)| request.token == token);
        let among: Vec<_> = of_token
            .map(|(id, request)| Member {
                id: *id,
                asked: request.asked.clone(),
                begun: now.saturating_duration_since(request.since),
                ended: None,
            })
            .collect();
        if among.len() > AT_A_TIME {
            self.crowds.push(Crowd { since: now, among });
        }
        self.last
    }

    /// A request ended, by its answer or because its client gave it up.
    pub(crate) fn end(&mut self, id: u64, given_up: bool, now: Instant) {
        self.requests.remove(&id);
        for crowd in &mut self.crowds {
            let later = now.saturating_duration_since(crowd.since);
            let mut among = crowd.among.iter_mut();
            if let Some(member) = among.find(|member| member.id == id) {
                member.ended = Some((later, given_up));
            }
        }
    }

    /// What is under way is nobody's any more.
    pub(crate) fn forget(&mut self) {
        self.requests.clear();
    }

    /// Each time that there were too many, in words.
    pub(crate) fn too_many(&self) -> impl Iterator<Item = String> {
        self.crowds.iter().map(|crowd| {
            let among: Vec<_> = crowd.among.iter().map(Member::to_string).collect();
            format!("{} at a time: {}", among.len(), among.join("; "))
        })
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
            under_way.begin(token, "page", now);
        }
        assert_eq!(count(&under_way), 0);
        under_way.begin("a", "new", now + Duration::from_millis(7));
        under_way.end(2, false, now + Duration::from_millis(9));
        let cases: Vec<_> = under_way.too_many().collect();
        assert_eq!(
            cases,
            [
                "3 at a time: page begun 7 ms before; page begun 7 ms before and answered 2 ms after; new begun 0 ms before"
            ]
        );
    }

    #[test]
    fn an_answer_in_time_makes_room() {
        let (mut under_way, now) = (LogsUnderWay::default(), Instant::now());
        let first = under_way.begin("a", "page", now);
        under_way.begin("a", "page", now);
        under_way.end(first, false, now);
        under_way.begin("a", "page", now);
        assert_eq!(count(&under_way), 0);
    }

    #[test]
    fn what_is_given_up_makes_room_and_is_told() {
        let (mut under_way, now) = (LogsUnderWay::default(), Instant::now());
        let first = under_way.begin("a", "page", now);
        under_way.begin("a", "page", now);
        under_way.begin("a", "page", now);
        under_way.end(first, true, now + Duration::from_millis(4));
        under_way.begin("a", "page", now);
        assert_eq!(count(&under_way), 2, "three, and three again");
        let told = under_way.too_many().next().unwrap();
        assert!(
            told.contains("begun 0 ms before and given up 4 ms after"),
            "{told}"
        );
    }
}
