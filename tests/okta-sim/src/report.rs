//! What clients did, and which of Okta's rules they broke.

use std::collections::BTreeMap;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::under_way::LogsUnderWay;

/// What an org saw so far. Requests to `/sim/` count nowhere.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Events that are persisted, and so visible.
    pub events: usize,
    /// Requests that arrived.
    pub requests: u64,
    /// Requests by path.
    pub by_path: BTreeMap<String, u64>,
    /// Answers by status; without those that ended in no answer.
    pub by_status: BTreeMap<String, u64>,
    /// Requests for logs that poll.
    pub polling: u64,
    /// Requests for logs with an end.
    pub bounded: u64,
    /// Events in answers that were sent whole.
    pub events_served: u64,
    /// Different uuids among them.
    pub distinct_served: usize,
    /// Requests for logs by their `limit`.
    pub by_limit: BTreeMap<String, u64>,
    /// The most requests under way at one time.
    pub peak_concurrency: usize,
    /// Requests with a token that is accepted.
    pub with_token: u64,
    /// Requests with another `Authorization`.
    pub with_wrong_token: u64,
    /// Refused for the rate limit; without faults.
    pub throttled: u64,
    /// Refused likewise, and first of a client that took the place of another one and could not know what that had used.
    pub throttled_unaware: u64,
    /// What was used of each rate-limit window for logs, by token; the windows that are not over yet come last.
    pub windows: Vec<WindowUse>,
    /// How often each fault took place.
    pub faults: BTreeMap<String, u64>,
    /// Rules that clients broke, each with its first case.
    pub violations: Vec<Violation>,
}

/// What was used of one rate-limit window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowUse {
    /// The highest limit while it lasted.
    pub limit: u64,
    /// Requests of clients that passed.
    pub used: u64,
    /// Requests of the client that is thought in, by the time of the last request.
    pub others: u64,
}

/// A broken rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// Which one.
    pub rule: Rule,
    /// How often.
    pub count: u64,
    /// What the first case was.
    pub first: String,
}

/// What a client of Okta's API must not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// `after` put together by hand: with another `since` than its link's, or never given out.
    HandMadeCursor,
    /// A `next` link was followed with parameters left out, in another order or in another encoding.
    AlteredNext,
    /// More than 1,000 events a page.
    LimitTooHigh,
    /// A request although a 429 had named the time to wait for.
    Impatient,
    /// `DESCENDING` without `until`.
    EndlessDescending,
    /// Credentials for the one path that needs none.
    TokenToWellKnown,
    /// A method the path does not know.
    WrongMethod,
    /// More than two requests for logs under way with one token.
    TooManyInFlight,
    /// No `Accept` or no `User-Agent`.
    MissingHeader,
    /// A request for a token that no server understands.
    TokenRequestWrong,
    /// A client's statement about itself with a claim that no clock makes wrong.
    AssertionWrong,
    /// A client's statement that came before.
    AssertionReused,
    /// A proof of possession that proves nothing, or none where there must be one.
    ProofWrong,
    /// A proof of possession that came before.
    ProofReused,
}

impl Report {
    /// How often a rule was broken.
    pub fn broken(&self, rule: Rule) -> u64 {
        let found = self
            .violations
            .iter()
            .find(|violation| violation.rule == rule);
        found.map_or(0, |violation| violation.count)
    }
}

/// Takes notes.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    report: Report,
    in_flight: usize,
    logs_under_way: LogsUnderWay,
    /// By an event's identity in the store.
    served: Vec<bool>,
    /// The greatest such identity, and one.
    seen: usize,
}

impl Recorder {
    /// The report, for an org with so many visible events.
    pub(crate) fn report(&self, events: usize) -> Report {
        let mut report = Report {
            events,
            ..self.report.clone()
        };
        for case in self.logs_under_way.too_many() {
            note(&mut report.violations, Rule::TooManyInFlight, case);
        }
        report
    }

    pub(crate) fn begin(&mut self, path: &str) {
        self.report.requests += 1;
        *self.report.by_path.entry(path.to_owned()).or_default() += 1;
        self.in_flight += 1;
        self.report.peak_concurrency = self.report.peak_concurrency.max(self.in_flight);
    }

    /// A request for a page of the logs with this token begins.
    pub(crate) fn begin_logs(&mut self, token: &str, page: &str) -> u64 {
        self.logs_under_way.begin(token, page, Instant::now())
    }

    /// A request ended, by an answer or because its client gave it up.
    pub(crate) fn end(&mut self, logs: Option<u64>, given_up: bool) {
        self.in_flight = self.in_flight.saturating_sub(1);
        if let Some(id) = logs {
            self.logs_under_way.end(id, given_up, Instant::now());
        }
    }

    /// What is under way is nobody's any more.
    pub(crate) fn forget_under_way(&mut self) {
        self.logs_under_way.forget();
    }

    pub(crate) fn status(&mut self, status: u16) {
        *self.report.by_status.entry(status.to_string()).or_default() += 1;
    }

    pub(crate) fn token(&mut self, accepted: bool) {
        match accepted {
            true => self.report.with_token += 1,
            false => self.report.with_wrong_token += 1,
        }
    }

    pub(crate) fn query(&mut self, polling: bool, limit: Option<&str>) {
        match polling {
            true => self.report.polling += 1,
            false => self.report.bounded += 1,
        }
        let limit = limit.unwrap_or("none").to_owned();
        *self.report.by_limit.entry(limit).or_default() += 1;
    }

    pub(crate) fn throttled(&mut self, unaware: bool) {
        match unaware {
            true => self.report.throttled_unaware += 1,
            false => self.report.throttled += 1,
        }
    }

    pub(crate) fn fault(&mut self, kind: &str) {
        *self.report.faults.entry(kind.to_owned()).or_default() += 1;
    }

    pub(crate) fn served(&mut self, identities: impl IntoIterator<Item = usize>) {
        for identity in identities {
            self.report.events_served += 1;
            self.seen = self.seen.max(identity + 1);
            if self.served.len() <= identity {
                self.served.resize(identity + 1024, false);
            }
            if let Some(seen @ false) = self.served.get_mut(identity) {
                *seen = true;
                self.report.distinct_served += 1;
            }
        }
    }

    /// How many events there were when the newest one was persisted that anybody was served.
    pub(crate) fn seen(&self) -> usize {
        self.seen
    }

    pub(crate) fn violation(&mut self, rule: Rule, case: impl Into<String>) {
        note(&mut self.report.violations, rule, case);
    }
}

fn note(violations: &mut Vec<Violation>, rule: Rule, case: impl Into<String>) {
    match violations
        .iter_mut()
        .find(|violation| violation.rule == rule)
    {
        Some(violation) => violation.count += 1,
        None => violations.push(Violation {
            rule,
            count: 1,
            first: case.into(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_counted_once_and_in_all() {
        let mut recorder = Recorder::default();
        recorder.served([0, 1, 0, 5000]);
        recorder.served([1]);
        let report = recorder.report(9);
        assert_eq!(
            (report.events_served, report.distinct_served, report.events),
            (5, 3, 9)
        );
    }

    #[test]
    fn violations_keep_their_first_case() {
        let mut recorder = Recorder::default();
        recorder.violation(Rule::LimitTooHigh, "limit=5000");
        recorder.violation(Rule::LimitTooHigh, "limit=1001");
        let report = recorder.report(0);
        assert_eq!(report.broken(Rule::LimitTooHigh), 2);
        assert_eq!(report.violations[0].first, "limit=5000");
    }

    #[test]
    fn report_is_readable_by_other_processes() {
        let mut recorder = Recorder::default();
        recorder.begin("/api/v1/logs");
        recorder.violation(Rule::Impatient, "x");
        let report = recorder.report(0);
        let text = serde_json::to_string(&report).unwrap();
        assert!(text.contains("\"impatient\""));
        assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report);
    }
}
