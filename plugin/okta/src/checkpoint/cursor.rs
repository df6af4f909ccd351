//! One cursor: a place in the order of persistence, and what its reader knows about what it has read.

use serde::{Deserialize, Serialize};

use super::is_zero;
use crate::link::Next;
use crate::time::{SECOND, from_rfc3339, to_rfc3339};

/// How far before what is known reading begins again, and for how long behind it doubt lasts. It covers what Okta's
/// machines may differ in by their clocks.
pub const MARGIN: u64 = 300 * SECOND;

/// A place in the log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cursor {
    /// Path and query of the next page, byte for byte as Okta gave it. Absent before Okta gave one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Where it first began: nothing before is wanted.
    pub since: String,
    /// Where reading began again by time, or will if there is no `next`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub again: Option<String>,
    /// The greatest `published` that was accepted, of those that can be true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub newest: Option<String>,
    /// The time of the last event, for one behind it that says none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<String>,
    /// Digest of the last event's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_id: Option<String>,
    /// `Date` of the last accepted answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
    /// When that was by our own clock, which may be wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ours: Option<String>,
    /// The size of the last full page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub full_page_bytes: Option<usize>,
    /// Whether the last page was full, so that more is waiting.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub backlog: bool,
    /// Digest of the request whose answer named `next`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub named_by: Option<String>,
    /// Up to when persisted events may have been delivered before: pages overlap until one comes that was wholly
    /// published later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub doubt_until: Option<String>,
    /// Whether it came near to where live begins.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub near: bool,
    /// How many pages in a row live had to itself.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub in_a_row: u32,
    /// The next page, if it came and could not be framed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stuck: Option<Stuck>,
}

/// A page with something in it that can't be framed, and how often it came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stuck {
    /// Of its bytes.
    pub digest: String,
    /// How often the same bytes came.
    pub times: u32,
    /// When they came first, by Okta's clock.
    pub since: String,
}

impl Cursor {
    /// One that begins at a time.
    pub fn new(since: String) -> Self {
        Self {
            since,
            ..Self::default()
        }
    }

    /// `Date` of the last accepted answer.
    pub fn date(&self) -> Option<u64> {
        from_rfc3339(self.date.as_ref()?)
    }

    /// The greatest `published` that was accepted, of those that can be true.
    pub fn newest(&self) -> Option<u64> {
        from_rfc3339(self.newest.as_ref()?)
    }

    /// The time of the last event.
    pub fn last(&self) -> Option<u64> {
        from_rfc3339(self.last.as_ref()?)
    }

    /// When that was by our own clock.
    pub fn ours(&self) -> Option<u64> {
        from_rfc3339(self.ours.as_ref()?)
    }

    /// Up to when persisted events may have been delivered before.
    pub fn doubt_until(&self) -> Option<u64> {
        from_rfc3339(self.doubt_until.as_ref()?)
    }

    /// Where reading began by time, or will.
    pub fn beginning(&self) -> &str {
        self.again.as_ref().unwrap_or(&self.since)
    }

    /// Goes on at another page, which the answer to a request for `asked` named.
    pub fn go_on(&mut self, path: String, asked: String) {
        self.next = Some(path);
        self.named_by = Some(asked);
    }

    /// Notes the `Date` of an accepted answer. If it is well before the last one, one of the two is wrong, and what was
    /// read up to the later one may be read again.
    pub fn saw_date(&mut self, date: u64) {
        if let Some(before) = self
            .date()
            .filter(|before| date.saturating_add(MARGIN) < *before)
        {
            self.doubt(before.saturating_add(MARGIN));
        }
        self.date = Some(to_rfc3339(date));
    }

    /// What was persisted up to `time` may have been delivered already, by whomever.
    pub fn doubt(&mut self, time: u64) {
        let until = self.doubt_until().unwrap_or(0).max(time);
        self.doubt_until = Some(to_rfc3339(until));
    }

    /// Begins again by time, since the link is not good any more (delivery rules 9, 10 and 18).
    ///
    /// What it has not read was persisted after what it has read; and an event is persisted no earlier than it is
    /// published. So nothing that is missing was persisted before the greatest `published` it has read. `Date` bounds
    /// that time from above, should an event's be wrong. Returns where it begins.
    pub fn begin_again(&mut self) -> u64 {
        let since = from_rfc3339(&self.since).unwrap_or(0);
        let date = self.date().unwrap_or(u64::MAX);
        let known = self.newest().map(|newest| newest.min(date));
        let again = known.map_or(since, |known| known.saturating_sub(MARGIN).max(since));
        self.next = None;
        self.named_by = None;
        self.again = Some(to_rfc3339(again));
        self.doubt_what_was_read(date);
        again
    }

    /// What was read was persisted by this time.
    pub fn doubt_what_was_read(&mut self, date: u64) {
        if self.last.is_some() {
            self.doubt(date.saturating_add(MARGIN));
        }
    }

    /// What in it can't be true.
    pub(super) fn flaw(&self) -> Option<String> {
        if let Some(Err(error)) = self.next.as_deref().map(Next::parse) {
            return Some(error.to_string());
        }
        let times = [
            &self.again,
            &self.newest,
            &self.last,
            &self.date,
            &self.ours,
        ];
        let times = times.into_iter().chain([&self.doubt_until]).flatten();
        let stuck = self.stuck.iter().map(|stuck| &stuck.since);
        let mut times = times.chain([&self.since]).chain(stuck);
        let is_none = times.any(|text| from_rfc3339(text).is_none());
        is_none.then(|| "a time in it is none".to_owned())
    }
}
