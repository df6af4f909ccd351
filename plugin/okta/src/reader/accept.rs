//! From an answer 200 to a page: the only place where the position moves.

use std::time::Duration;

use logweir_plugin::log;
use logweir_plugin::types::{Error, Pace, Page, Progress};

use super::{Answer, Asked, Now, Reader};
use crate::batch::{Records, records};
use crate::checkpoint::Checkpoint;
use crate::digest::digest;
use crate::link::{Next, parameter};
use crate::scan::{PageFault, Scan, salvage, scan};
use crate::time::{SECOND, from_rfc3339, to_rfc3339};

/// How often, and for how long, the same bytes have to come before what frames of them is taken.
const STUCK_TIMES: u32 = 5;
const STUCK_FOR: Duration = Duration::from_secs(600);

/// What Okta takes for a limit when a link names none.
const LIMIT_OF_OKTA: u16 = 100;

/// A page with something in it that can't be framed, and how often it came.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stuck {
    digest: String,
    times: u32,
    since: Duration,
}

impl Reader {
    pub(super) fn page(
        &mut self,
        asked: &Asked,
        answer: &Answer,
        body: Vec<u8>,
        now: Now,
    ) -> Result<Box<Page>, Error> {
        self.throttled = 0;
        if answer.head.is_html() {
            return Err(no_page("it is HTML"));
        }
        let scan = self.framed(&body, now)?;
        let count = scan.events.len() + scan.broken.len();
        let next = followed(asked, answer, count)?;
        let bytes = body.len();
        let records = records(body, &scan, self.time_before(now));
        let limit = parameter(&asked.path, "limit").and_then(|limit| limit.parse().ok());
        let full = count >= usize::from(limit.unwrap_or(LIMIT_OF_OKTA));
        let position = self.moved(asked, next, &records, full.then_some(bytes));
        self.reached = self.reached.max(self.believable(&records));
        let checkpoint = position
            .write()
            .map_err(|error| Error::Permanent(error.to_string()))?;
        let progress = self.progress(&position, full);
        self.position = Some(position);
        Ok(Box::new(Page {
            batch: records.batch,
            refused: records.refused,
            checkpoint,
            // What was asked for early is there already.
            pace: match full || answer.asked_early {
                true => Pace::Now,
                false => Pace::After(self.config.poll),
            },
            overlap: false,
            progress,
        }))
    }

    /// Finds the events, or says why the page is none (delivery rule 3).
    fn framed(&mut self, body: &[u8], now: Now) -> Result<Scan, Error> {
        let fault = match scan(body) {
            Ok(found) => {
                self.stuck = None;
                return Ok(found);
            }
            Err(fault) => fault,
        };
        if !matches!(fault, PageFault::Unframeable { .. }) {
            self.stuck = None;
            return Err(no_page(fault));
        }
        let stuck = self.stuck_on(body, now);
        if stuck.times < STUCK_TIMES || now.steady.saturating_sub(stuck.since) < STUCK_FOR {
            return Err(no_page(fault));
        }
        self.stuck = None;
        let found = salvage(body).map_err(no_page)?;
        log::error(format_args!(
            "a page came {STUCK_TIMES} times with the same bytes and {fault}: {} of its events go on, the rest is \
             refused as one",
            found.events.len()
        ));
        Ok(found)
    }

    fn stuck_on(&mut self, body: &[u8], now: Now) -> &Stuck {
        let digest = digest(body);
        let before = self.stuck.take().filter(|stuck| stuck.digest == digest);
        let before = before.unwrap_or(Stuck {
            digest,
            times: 0,
            since: now.steady,
        });
        self.stuck.insert(Stuck {
            times: before.times.saturating_add(1),
            ..before
        })
    }

    /// The time of a first event that says none.
    fn time_before(&self, now: Now) -> u64 {
        let last = self
            .position
            .as_ref()
            .and_then(|position| position.last.as_ref());
        Checkpoint::time(last).unwrap_or_else(|| self.clock.server(now.wall))
    }

    /// The position behind a page.
    fn moved(
        &self,
        asked: &Asked,
        next: Option<&Next>,
        records: &Records,
        full: Option<usize>,
    ) -> Checkpoint {
        let begun = || {
            let since = asked.since.clone().unwrap_or_default();
            Checkpoint::new(since, self.config.limit, self.config.query_digest())
        };
        let mut position = self.position.clone().unwrap_or_else(begun);
        let time = |new: Option<u64>, old: Option<String>| new.map(to_rfc3339).or(old);
        let newest = records
            .newest
            .max(Checkpoint::time(position.newest.as_ref()));
        position.newest = time(newest, position.newest);
        position.last = time(records.last, position.last);
        position.date = time(self.clock.date(), position.date);
        position.backlog = full.is_some();
        position.full_page_bytes = full.or(position.full_page_bytes);
        if let Some(next) = next {
            if asked.since.is_some() {
                position.query = self.config.query_digest();
                position.limit = self.config.limit;
            }
            self.warn_of_foreign(next, &mut position);
            position.go_on(next.path.clone());
        }
        position
    }

    /// The token is never sent to a host that an answer names. But somebody should know that it does.
    fn warn_of_foreign(&self, next: &Next, position: &mut Checkpoint) {
        let ours = self.config.authority();
        if next.is_of(ours) || next.authority == position.foreign_host {
            return;
        }
        let named = next.authority.clone().unwrap_or_default();
        log::warn(format_args!(
            "the link to the next page names {named:?}; requests go on to {ours}"
        ));
        position.foreign_host = Some(named);
    }

    /// The newest time in a page that can be true: nothing happens after the answer that tells of it. Events dated in
    /// the year 4000 exist, and one of them must not end a run that reads up to now.
    fn believable(&self, records: &Records) -> Option<u64> {
        let latest = self.clock.date().map_or(u64::MAX, |date| date + SECOND);
        let times = records.batch.entries.iter().map(|entry| entry.time);
        times.filter(|time| *time <= latest).max()
    }

    fn progress(&self, position: &Checkpoint, full: bool) -> Progress {
        Progress {
            caught_up: !full,
            first: from_rfc3339(&position.since),
            reached: self.reached,
            until: self.until,
            waiting_for: (!full).then(|| "new events".to_owned()),
        }
    }
}

/// Where a page leads to. An empty one may lead nowhere; one with events has to lead on, or it would come again.
fn followed<'a>(
    asked: &Asked,
    answer: &'a Answer,
    count: usize,
) -> Result<Option<&'a Next>, Error> {
    match &answer.next {
        Some(Ok(next)) if count > 0 && next.path == asked.path => {
            Err(no_page("it has events, and names itself as its next page"))
        }
        Some(Ok(next)) => Ok(Some(next)),
        Some(Err(error)) => Err(no_page(error)),
        None if count > 0 => Err(no_page("it has events, and no link to a next page")),
        None => Ok(None),
    }
}

/// Nothing of the page is taken, and it is asked for again.
fn no_page(reason: impl std::fmt::Display) -> Error {
    Error::Transient(format!("Okta's answer is no page: {reason}"))
}
