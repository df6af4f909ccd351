//! From an answer 200 to a page: the only place where the position moves.

use std::time::Duration;

use logweir_plugin::log;
use logweir_plugin::types::{Error, Pace, Page, Progress};

use super::meet::{self, Facts, Met};
use super::{Answer, Asked, Now, Reader};
use crate::batch::records;
use crate::checkpoint::{Checkpoint, Cursor, MARGIN, Stuck, Which};
use crate::digest::digest;
use crate::link::{Next, parameter};
use crate::scan::{PageFault, Scan, salvage, scan};
use crate::time::{SECOND, from_rfc3339, to_rfc3339};

/// How often, and for how long, the same bytes have to come before what frames of them is taken.
const STUCK_TIMES: u32 = 5;
const STUCK_FOR: u64 = 600 * SECOND;
/// How long to wait before it is asked for again, at most.
const STUCK_WAIT: Duration = Duration::from_secs(60);

/// What Okta takes for a limit when a link names none.
const LIMIT_OF_OKTA: u16 = 100;

/// As much of a foreign host's name as is kept.
const MAX_SHOWN: usize = 100;

/// What a body is.
enum Framed {
    Found(Scan),
    /// Something that can't be framed is in it, and may yet be another one.
    Stuck(Stuck, PageFault),
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
        let mut scan = match self.framed(asked.which, &body, now)? {
            Framed::Found(scan) => scan,
            Framed::Stuck(stuck, fault) => return self.wait_for_another(asked, stuck, fault),
        };
        let count = scan.events.len() + scan.broken.len();
        let next = self.followed(asked, answer, count)?;
        let cut = self.cut(asked.which, &mut scan, &body);
        let bytes = body.len();
        let records = records(body, &scan, self.time_before(asked.which, now));
        let full = match self.window_ends() {
            true => next.is_some(),
            false => count >= usize::from(limit_of(&asked.path)),
        };
        let mut facts = Facts {
            batch: &records.batch,
            date: self.clock.date(),
            full,
            cut,
            repeated: false,
        };
        let mut place = self.moved(asked, next, &mut facts, full.then_some(bytes))?;
        if let Some(cursor) = place.cursor_mut(asked.which) {
            cursor.last = records.last.map(to_rfc3339).or(cursor.last.take());
            cursor.named_by = cursor.named_by.take().filter(|_| count > 0);
            cursor.stuck = None;
            cursor.ours = Some(to_rfc3339(now.wall));
        }
        self.stuck_at_first = None;
        let met = meet::accepted(&mut place, asked.which, &facts);
        self.saw(asked, &facts, &place);
        let checkpoint = place
            .write()
            .map_err(|error| Error::Permanent(error.to_string()))?;
        let (pace, progress) = (
            self.pace(&place, answer, met),
            self.progress(&place, full, met),
        );
        self.position = Some(place);
        Ok(Box::new(Page {
            batch: records.batch,
            refused: records.refused,
            checkpoint,
            pace,
            overlap: met.overlap,
            progress,
        }))
    }

    fn window_ends(&self) -> bool {
        self.position
            .as_ref()
            .is_some_and(|place| place.window.is_some())
    }

    /// Takes away what live has read, or will.
    fn cut(&self, which: Which, scan: &mut Scan, page: &[u8]) -> bool {
        let place = self.position.as_ref();
        let seam = place.and_then(|place| place.seam.as_ref());
        match (which, seam) {
            (Which::Past, Some(seam)) => meet::cut(scan, page, seam),
            _ => false,
        }
    }

    /// Finds the events, or says why the page is none (delivery rule 3).
    fn framed(&self, which: Which, body: &[u8], now: Now) -> Result<Framed, Error> {
        let fault = match scan(body) {
            Ok(found) => return Ok(Framed::Found(found)),
            Err(fault @ PageFault::Unframeable { .. }) => fault,
            Err(fault) => return Err(no_page(fault)),
        };
        let server = self.clock.server(now);
        let stuck = self.stuck_on(which, body, server);
        let since = from_rfc3339(&stuck.since).unwrap_or(server);
        if stuck.times < STUCK_TIMES || server.saturating_sub(since) < STUCK_FOR {
            return Ok(Framed::Stuck(stuck, fault));
        }
        let found = salvage(body).map_err(no_page)?;
        log::error(format_args!(
            "a page came {} times with the same bytes and {fault}: {} of its events go on, the rest is refused as one",
            stuck.times,
            found.events.len()
        ));
        Ok(Framed::Found(found))
    }

    fn stuck_on(&self, which: Which, body: &[u8], server: u64) -> Stuck {
        let digest = digest(body);
        let known = match &self.position {
            Some(place) => place.cursor(which).and_then(|cursor| cursor.stuck.as_ref()),
            None => self.stuck_at_first.as_ref(),
        };
        let before = known.filter(|stuck| stuck.digest == digest);
        Stuck {
            times: before.map_or(0, |stuck| stuck.times).saturating_add(1),
            since: before.map_or_else(|| to_rfc3339(server), |stuck| stuck.since.clone()),
            digest,
        }
    }

    /// The page is asked for again. How often it came is kept in the checkpoint: no reader may live for so long.
    fn wait_for_another(
        &mut self,
        asked: &Asked,
        stuck: Stuck,
        fault: PageFault,
    ) -> Result<Box<Page>, Error> {
        let date = self.clock.date();
        let Some(place) = &mut self.position else {
            self.stuck_at_first = Some(stuck);
            return Err(no_page(fault));
        };
        if asked.which == Which::Live && place.live.is_none() {
            begin_live(place, date);
        }
        log::error(format_args!(
            "a page can't be taken apart ({fault}), and is asked for again; it came {} times",
            stuck.times
        ));
        let wait = Duration::from_secs(1 << stuck.times.min(6)).min(STUCK_WAIT);
        if let Some(cursor) = place.cursor_mut(asked.which) {
            cursor.stuck = Some(stuck);
        }
        let place = place.clone();
        let checkpoint = place
            .write()
            .map_err(|error| Error::Permanent(error.to_string()))?;
        let mut page = Page::new(Default::default(), checkpoint, Pace::After(wait));
        page.overlap = place.window.is_some();
        page.progress = Progress {
            failing: Some(format!(
                "Okta's answer is no page, and another one is asked for: {fault}"
            )),
            ..self.progress(&place, true, Met::default())
        };
        Ok(Box::new(page))
    }

    /// The time of a first event that says none.
    fn time_before(&self, which: Which, now: Now) -> u64 {
        let place = self.position.as_ref();
        let cursor = place.and_then(|place| place.cursor(which));
        let last = cursor.and_then(Cursor::last);
        last.unwrap_or_else(|| self.clock.server(now))
    }

    /// Where a page leads to. An empty one may lead nowhere, like the last one of a window; one with events has to lead
    /// on, or it would come again.
    fn followed<'a>(
        &self,
        asked: &Asked,
        answer: &'a Answer,
        count: usize,
    ) -> Result<Option<&'a Next>, Error> {
        let next = match &answer.next {
            Some(Ok(next)) => next,
            Some(Err(error)) => return Err(no_page(error)),
            None if count > 0 && !self.window_ends() => {
                return Err(no_page("it has events, and no link to a next page"));
            }
            None => return Ok(None),
        };
        if next.path == asked.path && (count > 0 || self.window_ends()) {
            return Err(no_page("it has events, and names itself as its next page"));
        }
        if count > 0 && self.named(asked.which, next) {
            return Err(no_page("it has events, and leads back to the page before"));
        }
        if self.is_of_another_read(asked, next) {
            return Err(no_page("it is one of another read"));
        }
        Ok(Some(next))
    }

    /// Whether a link leads to the page that named the present one.
    fn named(&self, which: Which, next: &Next) -> bool {
        let place = self.position.as_ref();
        let cursor = place.and_then(|place| place.cursor(which));
        let named_by = cursor.and_then(|cursor| cursor.named_by.as_ref());
        named_by.is_some_and(|page| *page == digest(next.path.as_bytes()))
    }

    /// Whether a link is one of another read: followed, it would lead over all that is between the two. Links say since
    /// when they read. One that says something else than all before it, or what the other cursor's say, is not ours.
    fn is_of_another_read(&self, asked: &Asked, next: &Next) -> bool {
        let since = |path| parameter(path, "since");
        let (named, own) = (since(next.path.as_str()), since(asked.path.as_str()));
        let Some(place) = self
            .position
            .as_ref()
            .filter(|_| named.is_some() && named != own)
        else {
            return false;
        };
        let (this, other) = match asked.which {
            Which::Past => (&place.past, &place.live),
            Which::Live => (&place.live, &place.past),
        };
        let kept = asked.since.is_none() && own == this.as_ref().map(Cursor::beginning);
        let other = other.as_ref().and_then(|other| other.next.as_deref());
        kept || named == other.and_then(since)
    }

    /// The position behind a page, as far as it is a matter of its cursor alone.
    fn moved(
        &self,
        asked: &Asked,
        next: Option<&Next>,
        facts: &mut Facts<'_>,
        full: Option<usize>,
    ) -> Result<Checkpoint, Error> {
        let mut place = self.position.clone().unwrap_or_else(|| self.begun(asked));
        if asked.which == Which::Live && place.live.is_none() {
            begin_live(&mut place, self.clock.date());
        }
        if let Some(window) = &mut place.window {
            window.done = next.is_none();
        }
        if let Some(next) = next {
            self.warn_of_foreign(next, &mut place);
        }
        let Some(cursor) = place.cursor_mut(asked.which) else {
            return Err(Error::Permanent("an answer to no question".to_owned()));
        };
        let last_id = facts.last_id();
        facts.repeated = asked.since.is_none() && last_id.is_some() && last_id == cursor.last_id;
        if facts.repeated {
            log::warn("Okta sent a page again that it had sent before");
        }
        cursor.newest = facts.newest().max(cursor.newest()).map(to_rfc3339);
        cursor.last_id = last_id.or(cursor.last_id.take());
        if let Some(date) = facts.date {
            cursor.saw_date(date);
        }
        cursor.backlog = full.is_some();
        cursor.full_page_bytes = full.or(cursor.full_page_bytes);
        if let Some(next) = next {
            cursor.go_on(next.path.clone(), digest(asked.path.as_bytes()));
        }
        Ok(place)
    }

    /// What a first read begins with.
    fn begun(&self, asked: &Asked) -> Checkpoint {
        let since = asked.since.clone().unwrap_or_default();
        let query = self.config.query_digest();
        let mut begun = Checkpoint::new(since, self.config.limit, query);
        begun.live_since = self.clock.date().map(to_rfc3339);
        begun
    }

    /// The token is never sent to a host that an answer names. But somebody should know that it does.
    fn warn_of_foreign(&self, next: &Next, place: &mut Checkpoint) {
        let ours = self.config.authority();
        let shown = |named: &str| named.chars().take(MAX_SHOWN).collect::<String>();
        let named = next.authority.as_deref().map(shown);
        if next.is_of(ours) || named == place.foreign_host {
            return;
        }
        log::warn(format_args!(
            "the link to the next page names {:?}; requests go on to {ours}",
            named.as_deref().unwrap_or_default()
        ));
        place.foreign_host = named;
    }

    /// Notes how far reading got.
    fn saw(&mut self, asked: &Asked, facts: &Facts<'_>, place: &Checkpoint) {
        let side = self.sides.of(asked.which);
        if asked.since.is_none() || !facts.full {
            side.refused = 0;
        }
        side.reached = side.reached.max(facts.newest());
        if place.past.is_none() {
            let past = self.sides.of(Which::Past).reached;
            let live = self.sides.of(Which::Live);
            live.reached = live.reached.max(past);
        }
    }

    fn pace(&self, place: &Checkpoint, answer: &Answer, met: Met) -> Pace {
        // What was asked for early is there already. And a past that ended says nothing about what is new.
        match answer.asked_early || met.past_ended || self.has_more(place) {
            true => Pace::Now,
            false => Pace::After(self.config.poll),
        }
    }

    fn progress(&self, place: &Checkpoint, full: bool, met: Met) -> Progress {
        if let Some(window) = &place.window {
            return Progress {
                caught_up: window.done,
                first: from_rfc3339(&window.since),
                reached: self.sides.past.reached,
                until: from_rfc3339(&window.until),
                ..Progress::default()
            };
        }
        let (cursor, side) = match &place.past {
            Some(past) => (Some(past), &self.sides.past),
            None => (place.live.as_ref(), &self.sides.live),
        };
        let caught_up = place.past.is_none() && !full && !met.past_ended;
        Progress {
            caught_up,
            first: cursor.and_then(|cursor| from_rfc3339(&cursor.since)),
            reached: side.reached,
            until: self.until,
            ..Progress::default()
        }
    }
}

/// Live begins where the first answer was. What the past has read until now may have been persisted later: up to its
/// last answer, or up to the one of `date`, as the clock that told of the last one may have been slow.
fn begin_live(place: &mut Checkpoint, date: Option<u64>) {
    let since = place.live_since.clone().unwrap_or_default();
    let mut live = Cursor::new(since);
    let last = place.past.as_ref().and_then(Cursor::date).max(date);
    live.doubt(last.unwrap_or(u64::MAX).saturating_add(MARGIN));
    place.live = Some(live);
}

fn limit_of(path: &str) -> u16 {
    let limit = parameter(path, "limit").and_then(|limit| limit.parse().ok());
    limit.unwrap_or(LIMIT_OF_OKTA)
}

/// Nothing of the page is taken, and it is asked for again.
fn no_page(reason: impl std::fmt::Display) -> Error {
    Error::Transient(format!("Okta's answer is no page: {reason}"))
}
