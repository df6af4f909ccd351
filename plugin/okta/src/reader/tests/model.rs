//! A model of an org's log and of a host, small enough to be believed: what the org persisted, in which order its
//! cursors see it, and what a host takes that knows the ids it has.

use std::collections::{HashMap, HashSet};

use super::*;
use crate::time::from_rfc3339;

/// When the model begins: 1 February 2026, in milliseconds.
pub(super) const BEGIN: u64 = FEBRUARY / MILLI;
pub(super) const MILLI: u64 = 1_000_000;
const HOUR: u64 = 3_600_000;

/// An event. Times in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Event {
    pub(super) id: u32,
    pub(super) persisted: u64,
    pub(super) published: u64,
}

/// What the org does with the next request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It fails.
    Failure,
    /// It answers with an empty page, whatever there is.
    Empty,
    /// It answers with the page before and its link.
    Again,
}

/// An org. Events of equal persistence come in an order that differs between queries.
#[derive(Debug)]
pub(super) struct Org {
    pub(super) now: u64,
    pub(super) events: Vec<Event>,
    pub(super) fault: Option<Fault>,
    /// Cursors of queries with a lower number are not known any more.
    valid_from: usize,
    /// `since` of each query.
    queries: Vec<u64>,
    pub(super) requests: usize,
    last: Option<Answered>,
}

/// An answer on its way.
#[derive(Debug, Clone)]
pub(super) struct Answered {
    status: u16,
    headers: Headers,
    body: String,
}

impl Org {
    pub(super) fn new() -> Self {
        Self {
            now: BEGIN,
            events: Vec::new(),
            fault: None,
            valid_from: 0,
            queries: Vec::new(),
            requests: 0,
            last: None,
        }
    }

    /// Persists so many at the same moment, a moment after all others.
    pub(super) fn persist(&mut self, count: usize, late: u64) {
        self.now += 1;
        for _ in 0..count {
            // Some are dated in the future.
            let id = self.events.len() as u32;
            let published = match mixed(u64::from(id), 77) % 40 {
                0 => BEGIN * 2,
                _ => self.now - late,
            };
            self.events.push(Event {
                id,
                persisted: self.now,
                published,
            });
        }
    }

    /// No cursor given so far is known any more.
    pub(super) fn forget_cursors(&mut self) {
        self.valid_from = self.queries.len();
    }

    pub(super) fn answer(&mut self, request: &Request) -> Answered {
        self.requests += 1;
        self.now += 1;
        let fault = self.fault.take();
        let path = path(request);
        let limit: usize = parameter(path, "limit").unwrap().parse().unwrap();
        let answered = match fault {
            Some(Fault::Failure) => self.error(500, "E0000009"),
            Some(Fault::Again) if self.has_again(path) => self.last.clone().unwrap(),
            _ => match self.place(path) {
                Some((query, at)) => self.page(query, at, limit, fault == Some(Fault::Empty)),
                None => self.error(400, "E0000031"),
            },
        };
        if answered.status == 200 {
            self.last = Some(answered.clone());
        }
        answered
    }

    /// Whether the last page can be told from the one that is asked for: it led here, or is of a read that began
    /// elsewhere. Nobody can tell any other page from the right one.
    fn has_again(&self, path: &str) -> bool {
        let after = |path: &str| {
            let (query, at) = parameter(path, "after")?.split_once('.')?;
            Some((query.parse::<usize>().ok()?, at.to_owned()))
        };
        let next = self.last.as_ref().and_then(|last| {
            let next = link::next(last.headers.get_all("link"))?;
            after(Next::parse(next).ok()?.path.as_str())
        });
        let (Some(next), Some(asked)) = (next, after(path)) else {
            return false;
        };
        next == asked || self.queries[next.0] != self.queries[asked.0]
    }

    fn place(&mut self, path: &str) -> Option<(usize, usize)> {
        let Some(after) = parameter(path, "after") else {
            let since = from_rfc3339(parameter(path, "since").unwrap()).unwrap();
            self.queries.push(since / MILLI);
            return Some((self.queries.len() - 1, 0));
        };
        let (query, at) = after.split_once('.').unwrap();
        let query = query.parse().unwrap();
        (query >= self.valid_from).then(|| (query, at.parse().unwrap()))
    }

    fn page(&self, query: usize, at: usize, limit: usize, empty: bool) -> Answered {
        let since = self.queries[query];
        let from = self.events.partition_point(|event| event.persisted < since);
        let mut found = self.events[from..].to_vec();
        found.sort_by_key(|event| (event.persisted, mixed(u64::from(event.id), query as u64)));
        let (wanted, limit) = (limit, if empty { 0 } else { limit });
        let page: Vec<_> = found.iter().skip(at).take(limit).collect();
        let bodies: Vec<_> = page.iter().map(|event| text(event)).collect();
        let to = at + page.len();
        // As it was asked for, like Okta's.
        let since = crate::time::to_rfc3339(since * MILLI);
        Answered {
            status: 200,
            headers: self.headers(&format!("since={since}&limit={wanted}&after={query}.{to}")),
            body: format!("[{}]", bodies.join(",")),
        }
    }

    fn error(&self, status: u16, code: &str) -> Answered {
        Answered {
            status,
            headers: self.headers("after=none"),
            body: format!(r#"{{"errorCode":"{code}","errorSummary":"no"}}"#),
        }
    }

    fn headers(&self, next: &str) -> Headers {
        let date = jiff::Timestamp::from_second((self.now / 1000) as i64).unwrap();
        let date = date.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        [("link", link(next)), ("date", date)].into_iter().collect()
    }
}

fn text(event: &Event) -> String {
    let published = crate::time::to_rfc3339(event.published * MILLI);
    format!(r#"{{"uuid":"{}","published":"{published}"}}"#, event.id)
}

/// Any order, the same for the same seed.
pub(super) fn mixed(value: u64, seed: u64) -> u64 {
    let mixed = (value + seed * 1_000_003 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 20
}

/// A host with one reader, driven as `component` drives it.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) org: Org,
    pub(super) config: String,
    reader: Option<Reader>,
    early: Vec<(Request, Answered)>,
    newest: Start,
    /// What was taken.
    pub(super) taken: HashSet<u32>,
    /// How many records of overlapping pages were dropped, by the cursor that read them second.
    pub(super) dropped: HashMap<&'static str, usize>,
    pub(super) served: usize,
    /// Where the first page began.
    pub(super) since: Option<u64>,
    /// What is wrong with our clock of the day, in milliseconds.
    pub(super) skew: i64,
    pub(super) refusals: usize,
    /// How many readers were dropped, and how many waits there were.
    pub(super) restarts: usize,
    pub(super) waits: usize,
    /// When reading began.
    pub(super) begun: u64,
    /// Whether a cursor brought what was persisted before what it had brought.
    pub(super) disordered: bool,
    persisted: HashMap<usize, u64>,
}

/// How one read ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Read {
    Page { caught_up: bool, pace: Pace },
    Failed(Error),
}

impl Host {
    pub(super) fn new(config: String) -> Self {
        Self {
            org: Org::new(),
            config,
            reader: None,
            early: Vec::new(),
            newest: Start::First,
            taken: HashSet::new(),
            dropped: HashMap::new(),
            served: 0,
            since: None,
            skew: 0,
            refusals: 0,
            restarts: 0,
            waits: 0,
            begun: 0,
            disordered: false,
            persisted: HashMap::new(),
        }
    }

    /// Drops the reader; the next one begins at the newest page that was taken.
    pub(super) fn restart(&mut self) {
        self.reader = None;
        self.restarts += 1;
        self.early.clear();
    }

    fn clocks(&self) -> Now {
        let wall = self.org.now as i64 + self.skew * HOUR as i64;
        Now {
            wall: u64::try_from(wall).unwrap_or(0) * MILLI,
            steady: Duration::from_millis(self.org.now - BEGIN / 2),
        }
    }

    /// Reads once. A page that is not `accepted` is lost on its way, and its reader with it.
    pub(super) fn read(&mut self, accepted: bool) -> Read {
        if self.reader.is_none() {
            self.reader = Some(Reader::open(&self.config, self.newest.clone()).unwrap());
        }
        let (page, which, since) = loop {
            let mut reader = self.reader.take().unwrap();
            let outcome = self.exchange(&mut reader);
            self.early.retain(|(request, _)| reader.follows(request));
            self.reader = Some(reader);
            match outcome {
                Ok((Outcome::Page(page), which, since)) => break (*page, which, since),
                Ok((Outcome::AskAgain, ..)) => self.refusals += 1,
                Err(error) => return Read::Failed(error),
            }
        };
        assert!(page.checkpoint.len() <= Page::MAX_CHECKPOINT_BYTES);
        if !accepted {
            self.restart();
            return Read::Failed(Error::Transient("the page was lost".to_owned()));
        }
        if self.since.is_none() {
            self.since = since;
        }
        self.take(&page, which);
        self.newest = Start::Checkpoint(page.checkpoint);
        Read::Page {
            caught_up: page.progress.caught_up,
            pace: page.pace,
        }
    }

    fn exchange(&mut self, reader: &mut Reader) -> Result<(Outcome, Which, Option<u64>), Error> {
        let request = reader.request(self.clocks());
        let which = reader.asked.as_ref().unwrap().which;
        let since = reader.asked.as_ref().unwrap().since.as_ref();
        let since = since
            .and_then(|since| from_rfc3339(since))
            .map(|time| time / MILLI);
        let early = self.early.iter().position(|(early, _)| *early == request);
        let answered = match early {
            Some(at) => self.early.swap_remove(at).1,
            None => self.org.answer(&request),
        };
        reader.on_head(answered.status, answered.headers.clone());
        let body = answered.body.into_bytes();
        if let Some(next) = reader.on_bytes(&body) {
            let answered = self.org.answer(&next);
            self.early.push((next, answered));
        }
        let outcome = reader.on_end(body, self.clocks())?;
        Ok((outcome, which, since))
    }

    /// Takes what is new. Only a page that says so may hold what is not.
    fn take(&mut self, page: &Page, which: Which) {
        self.watch_order(page, which);
        let mut of_page = HashSet::new();
        self.served += page.batch.entries.len();
        for entry in &page.batch.entries {
            let id: u32 = page.batch.text(entry.id).unwrap().parse().unwrap();
            assert!(of_page.insert(id), "{id} is twice in a page");
            if self.taken.insert(id) {
                continue;
            }
            assert!(
                page.overlap,
                "{id} came twice, at last by {which:?}; {}",
                page.checkpoint
            );
            let name = match which {
                Which::Past => "past",
                Which::Live => "live",
            };
            *self.dropped.entry(name).or_default() += 1;
        }
    }

    fn watch_order(&mut self, page: &Page, which: Which) {
        let before = self.persisted.entry(which as usize).or_default();
        for entry in &page.batch.entries {
            let id: usize = page.batch.text(entry.id).unwrap().parse().unwrap();
            let persisted = self.org.events[id].persisted;
            self.disordered |= persisted < *before;
            *before = persisted;
        }
    }

    /// What should have come and did not.
    pub(super) fn missing(&self) -> Vec<Event> {
        let since = self.since.unwrap_or(0);
        let events = self.org.events.iter();
        let wanted = events.filter(|event| event.persisted >= since);
        wanted
            .filter(|event| !self.taken.contains(&event.id))
            .copied()
            .collect()
    }

    /// The newest stored position.
    pub(super) fn stored(&self) -> Option<Checkpoint> {
        match &self.newest {
            Start::Checkpoint(text) => Some(Checkpoint::read(text).unwrap()),
            _ => None,
        }
    }
}
