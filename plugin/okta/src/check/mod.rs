//! "Test API": proves address, credential and permission step by step, and consumes nothing.
//!
//! Without I/O of its own, like [`crate::reader`]: [`Check::request`] says what to ask, [`Check::on_answer`] hears what
//! came. Five requests at most, two of them of the log's budget:
//!
//! 1. `GET /.well-known/okta-organization`, without a credential. Only if an org answers does the token follow.
//! 2. `GET /api/v1/logs`, the newest event of the last seven days, with the configured `filter` and `q`: a closed
//!    stretch, since only that may be read backwards.
//! 3. `GET /api/v1/logs`, the first event of the last 90 days: how far back events reach.
//! 4. `GET /api/v1/users/me`: whose token this is. When that person leaves, the token dies.
//! 5. `GET /api/v1/iam/assignees/users`: may this token list the administrators? Of Okta's standard roles only Super
//!    Administrator may ("Add, remove, and view administrators" in Okta's help page "Standard administrator roles and
//!    permissions"), and of tokens with custom roles those with `okta.roles.read`. So when Okta does *not* refuse, the
//!    token can do far more than reading logs needs. The list of API tokens would prove less: Read-only Administrators
//!    see that page too. One entry is asked for, and not looked at.

mod findings;

use std::time::Duration;

use logweir_plugin::http::{HttpError, Request};
use logweir_plugin::types::{CheckReport, CheckStatus, Finding};

use crate::answer::{Head, OktaError};
use crate::config::Config;
use crate::query;
use crate::reader::Now;
use crate::throttle::{self, Jitter};
use crate::time::{DAY, SECOND, from_http};
use findings::{Subject, span_of};

/// Tells who an org is.
pub const ORGANIZATION: &str = "/.well-known/okta-organization";
/// Tells whose token it is.
pub const TOKEN_OWNER: &str = "/api/v1/users/me";
/// Lists administrators.
pub const ADMINISTRATORS: &str = "/api/v1/iam/assignees/users";

/// How much of an answer is read.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;

const CONNECT: Duration = Duration::from_secs(5);
const FIRST_BYTE: Duration = Duration::from_secs(20);
/// Okta gives a query of the log up after 30 s, and what it says then is worth hearing.
const FIRST_BYTE_OF_LOG: Duration = Duration::from_secs(35);

/// A clock that is off by more makes people look for events in the wrong place.
const MAX_SKEW: u64 = 300 * SECOND;

/// Where the newest event is looked for.
const RECENT_DAYS: u64 = 7;
const RETENTION_DAYS: u64 = 90;

/// A whole answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// Status and headers.
    pub head: Head,
    /// The body, or as much of it as was read.
    pub body: Vec<u8>,
}

/// A check on its way.
#[derive(Debug)]
pub struct Check<'c> {
    config: &'c Config,
    next: Option<Step>,
    /// Okta's time, once it is known.
    time: u64,
    found: Vec<(Subject, Finding)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Organization,
    Newest,
    Oldest,
    Owner,
    Administrators,
}

impl<'c> Check<'c> {
    /// Begins a check.
    pub fn new(config: &'c Config, now: Now) -> Self {
        Self {
            config,
            next: Some(Step::Organization),
            time: now.wall,
            found: Vec::new(),
        }
    }

    /// What to ask now, until there is nothing more to ask.
    pub fn request(&self) -> Option<Request> {
        let back = |days: u64| self.time.saturating_sub(days * DAY);
        let path = match self.next? {
            Step::Organization => ORGANIZATION.to_owned(),
            Step::Newest => query::newest(self.config, back(RECENT_DAYS), self.time),
            Step::Oldest => query::oldest(self.config, back(RETENTION_DAYS)),
            Step::Owner => TOKEN_OWNER.to_owned(),
            Step::Administrators => format!("{ADMINISTRATORS}?limit=1"),
        };
        let first_byte = match self.next? {
            Step::Newest | Step::Oldest => FIRST_BYTE_OF_LOG,
            _ => FIRST_BYTE,
        };
        let request = query::get(self.config, &path);
        Some(
            request
                .connect_timeout(CONNECT)
                .first_byte_timeout(first_byte),
        )
    }

    /// Hears what came of the request, and goes on to the next one.
    pub fn on_answer(&mut self, answer: Result<Answer, HttpError>, now: Now) {
        let Some(step) = self.next.take() else { return };
        self.next = match (step, answer) {
            (Step::Organization, Ok(answer)) => self.organization(&answer, now),
            (Step::Organization, Err(error)) => self.unreachable(&error),
            (Step::Newest, Ok(answer)) => self.newest(&answer),
            (Step::Newest, Err(HttpError::Unauthorized(told))) => self.no_token(&told),
            (Step::Newest, Err(error)) => self.no_log(&error.to_string(), no_answer_advice(&error)),
            (Step::Oldest, answer) => self.oldest(&answer.unwrap_or_default()),
            (Step::Owner, answer) => self.owner(&answer.unwrap_or_default()),
            (Step::Administrators, answer) => self.administrators(&answer.unwrap_or_default()),
        };
    }

    /// What was found, from the address inwards.
    pub fn report(mut self) -> CheckReport {
        self.found.sort_by_key(|(subject, _)| *subject);
        CheckReport {
            findings: self.found.into_iter().map(|(_, finding)| finding).collect(),
        }
    }

    fn ok(&mut self, subject: Subject, detail: impl Into<String>) {
        let finding = Finding::new(subject.name(), CheckStatus::Ok, detail);
        self.found.push((subject, finding));
    }

    fn warn(&mut self, subject: Subject, detail: impl Into<String>, advice: impl Into<String>) {
        let finding = Finding::new(subject.name(), CheckStatus::Warning, detail);
        self.found.push((subject, finding.advice(advice)));
    }

    fn fail(&mut self, subject: Subject, detail: impl Into<String>, advice: impl Into<String>) {
        let finding = Finding::new(subject.name(), CheckStatus::Failed, detail);
        self.found.push((subject, finding.advice(advice)));
    }

    fn unreachable(&mut self, error: &HttpError) -> Option<Step> {
        let detail = format!("{}: {error}", self.config.authority());
        self.fail(Subject::Address, detail, findings::address_advice(error));
        None
    }

    fn organization(&mut self, answer: &Answer, now: Now) -> Option<Step> {
        self.ok(
            Subject::Address,
            format!("{} answers", self.config.authority()),
        );
        match findings::organization(answer) {
            Ok(org) => self.ok(Subject::Organization, org),
            Err((detail, advice)) => {
                self.fail(Subject::Organization, detail, advice);
                return None;
            }
        }
        self.clock(answer, now);
        Some(Step::Newest)
    }

    fn clock(&mut self, answer: &Answer, now: Now) {
        let Some(date) = answer.head.headers.get("date").and_then(from_http) else {
            return;
        };
        self.time = date;
        let skew = date.abs_diff(now.wall);
        let where_to = if now.wall > date {
            "ahead of"
        } else {
            "behind"
        };
        if skew > MAX_SKEW {
            let detail = format!(
                "this machine's clock is {} {where_to} Okta's",
                span_of(skew)
            );
            let advice = "set the clock (NTP); reading goes by Okta's clock, but logs and certificates go by this one";
            self.warn(Subject::Clock, detail, advice);
        } else {
            self.ok(Subject::Clock, "agrees with Okta's");
        }
    }

    /// The host got no token to sign with; its words say what to do.
    fn no_token(&mut self, told: &str) -> Option<Step> {
        let (detail, advice) = told.split_once("; ").unwrap_or((told, "correct `oauth`"));
        self.fail(Subject::Credential, detail, advice);
        None
    }

    fn no_log(&mut self, detail: &str, advice: &str) -> Option<Step> {
        self.fail(Subject::Permission, detail, advice);
        Some(Step::Owner)
    }

    fn newest(&mut self, answer: &Answer) -> Option<Step> {
        let head = &answer.head;
        let error = OktaError::parse(&answer.body);
        let told = head.told(&error);
        match head.status {
            200 => {
                self.ok(Subject::Credential, "Okta takes the token");
                return self.log(answer);
            }
            // Whoever is in between knows nothing of tokens and filters.
            _ if !error.is_okta() && head.status != 429 => return self.no_log(&told, IN_BETWEEN),
            400 => {
                self.ok(Subject::Credential, "Okta takes the token");
                self.fail(Subject::Query, told, self.query_advice());
            }
            403 => {
                self.ok(Subject::Credential, "Okta takes the token");
                self.fail(Subject::Permission, told, head.lacking());
            }
            429 => self.spent(head),
            401 => {
                self.fail(Subject::Credential, told, head.credential_advice());
                return None;
            }
            // Okta answers a wrong method where it means a wrong token.
            405 if error.code == "E0000022" => {
                self.fail(Subject::Credential, told, head.credential_advice());
                return None;
            }
            _ => return self.no_log(&told, AGAIN),
        }
        Some(Step::Owner)
    }

    /// Names the settings that Okta may mean; it names none.
    fn query_advice(&self) -> &'static str {
        match (&self.config.filter, &self.config.q) {
            (Some(_), Some(_)) => "correct `filter` or `q`",
            (Some(_), None) => "correct `filter`",
            (None, Some(_)) => "correct `q`",
            (None, None) => AGAIN,
        }
    }

    fn spent(&mut self, head: &Head) {
        let wait = throttle::wait(&head.headers, 0, &mut Jitter::default());
        let detail = format!("used up; Okta answers again in {} s", wait.as_secs().max(1));
        let advice = "other tools share the org's budget for logs; look for the busy one in Okta's rate limit dashboard, \
                      and run the check again";
        self.fail(Subject::Budget, detail, advice);
    }

    fn log(&mut self, answer: &Answer) -> Option<Step> {
        let time = match findings::first_published(answer) {
            Ok(time) => time,
            Err(fault) => {
                return self.no_log(&format!("the answer is no page: {fault}"), IN_BETWEEN);
            }
        };
        self.ok(Subject::Permission, "the token may read the System Log");
        self.budget(&answer.head);
        let quiet = "fine in a quiet org or behind a narrow `filter`";
        match time.map(|time| self.time.saturating_sub(time)) {
            Some(age) if age <= DAY => self.ok(Subject::Newest, format!("{} old", span_of(age))),
            Some(age) => self.warn(Subject::Newest, format!("{} old", span_of(age)), quiet),
            None => self.warn(
                Subject::Newest,
                format!("there is none in the last {RECENT_DAYS} days"),
                quiet,
            ),
        }
        Some(Step::Oldest)
    }

    fn budget(&mut self, head: &Head) {
        let limit = throttle::lowest(&head.headers, throttle::LIMIT);
        let left = throttle::lowest(&head.headers, throttle::REMAINING);
        match (limit, left) {
            (Some(limit), Some(0)) => self.warn(
                Subject::Budget,
                format!("none of {limit} requests a minute is left"),
                "other tools share the org's budget for logs; reading waits for its turn",
            ),
            (Some(limit), Some(left)) => {
                self.ok(
                    Subject::Budget,
                    format!("{left} of {limit} requests a minute are left"),
                );
            }
            _ => self.ok(
                Subject::Budget,
                "Okta does not tell it; reading goes by its refusals",
            ),
        }
    }

    fn oldest(&mut self, answer: &Answer) -> Option<Step> {
        if answer.head.status == 200 {
            match findings::first_published(answer) {
                Ok(Some(time)) => {
                    let age = self.time.saturating_sub(time);
                    self.ok(
                        Subject::History,
                        format!("events reach back {}", span_of(age)),
                    );
                }
                _ => self.ok(
                    Subject::History,
                    format!("there is no event in the last {RETENTION_DAYS} days"),
                ),
            }
        } else {
            self.ok(Subject::History, "Okta did not tell in time");
        }
        Some(Step::Owner)
    }

    fn owner(&mut self, answer: &Answer) -> Option<Step> {
        match findings::owner(answer) {
            None => self.ok(
                Subject::Owner,
                "Okta does not tell this token whose it is; an app's belongs to nobody",
            ),
            Some((name, status)) if status == "ACTIVE" => {
                self.ok(Subject::Owner, format!("{name}, {status}; the token dies with that account"));
            }
            Some((name, status)) => self.warn(
                Subject::Owner,
                format!("{name}, {status}"),
                "the token dies with its owner's account: create one that belongs to a service account",
            ),
        }
        Some(Step::Administrators)
    }

    fn administrators(&mut self, answer: &Answer) -> Option<Step> {
        match answer.head.status {
            200 => self.warn(
                Subject::Privilege,
                "the token may list administrators: its owner is a Super Administrator, or nearly one",
                "create the token as a service account whose only role is Read-only Administrator (Report \
                 Administrator reads the System Log too)",
            ),
            403 => self.ok(Subject::Privilege, "the token is not a Super Administrator's"),
            _ => self.ok(Subject::Privilege, "can't be told from here"),
        }
        None
    }
}

/// What to do about what should not be.
const AGAIN: &str = "try again; if it stays so, ask Okta's support";
/// What to do when something else than Okta answered.
const IN_BETWEEN: &str = "something between this machine and Okta answered: look at its proxies and firewalls \
     (`network` in the configuration)";

fn no_answer_advice(error: &HttpError) -> &'static str {
    match error {
        HttpError::Timeout(_) => {
            "Okta takes up to 30 s for a query of the log, longer than that is a failure; a narrow `filter` or `q` takes \
             longest: try again, or a wider one"
        }
        _ => AGAIN,
    }
}

#[cfg(test)]
mod tests;
