//! Reads page after page, without doing any I/O itself.
//!
//! Whoever drives a [`Reader`] sends what [`Reader::request`] says, tells it the answer's head, shows it the body while
//! it grows, and hands it the whole body: what comes back is a page or an error. Driven by recorded answers it does the
//! same as over a network.
//!
//! # Requests
//!
//! A cursor's first request polls from a time on; every other one is the `next` link of its last accepted page, byte for
//! byte: path and query, sent to the configured origin, whatever host the link names. A cursor moves only in
//! [`Reader::on_end`], after the page was understood as a whole, and what it moved to leaves with the page in its
//! checkpoint.
//!
//! A page is full when it has as many events as its link allows, else it is short, and a short page means caught up:
//! it is not chased by another request, since at a busy head pages are short and never empty.
//!
//! # Asking early
//!
//! The next page is asked for while the body of this one still comes in, when all of this holds: the cursor's page
//! before was full, so that there is a backlog; this answer is 200, no HTML, begins as an array, and names a next page
//! other than itself; more bytes are here than half of the last full page; and nothing that was asked early is still to
//! be used, so that no more than two requests are under way. The answer, or its error, is used when it is this cursor's
//! turn again, and only when this page was accepted; when this page turns out to be none, it is dropped.
//!
//! What this costs: an idle poll is one request, because nothing is asked early without a backlog. `N` events are
//! `⌈N/limit⌉` requests if the last page is short and small, and one more if it is short and large (it was followed
//! early, and is followed at once by what that brought) or if the last full page was the last of all. So never more
//! than `⌈N/limit⌉ + 1`. A first read that takes longer than two seconds adds one request for each `poll` that it
//! takes, since live is followed beside it; and at its end one for live's last news, and the past's page at the seam.
//!
//! # Two cursors
//!
//! A first read has two: the past is read beside what is live. How they share the log so that each event is read once
//! is argued in `meet.rs`; whose turn it is, is told in `turn.rs`, and what becomes of refused cursors in `recover.rs`.
//!
//! # Clocks
//!
//! Only the first `since` needs the time of day, and Okta's counts. While no answer told it, ours stands in for it; if
//! the first answer shows that ours is wrong by more than ten seconds, the answer is dropped and asked for again. All
//! else goes by `Date`: a laptop may sleep, and its clock may jump, and nothing changes.

mod accept;
mod clock;
mod meet;
mod recover;
mod turn;

use std::time::Duration;

use logweir_plugin::http::{Headers, HttpError, Request};
use logweir_plugin::log;
use logweir_plugin::types::{Error, Pace, Page, Progress, Start};

use crate::answer::{Head, failure, refusal};
use crate::checkpoint::{Checkpoint, Cursor, Stuck, Which};
use crate::config::{Config, RETENTION};
use crate::link::{self, LinkError, Next};
use crate::query;
use crate::throttle::{self, Jitter};
use crate::time::{SECOND, from_rfc3339, to_rfc3339};
use clock::Clock;

/// The longest page that is taken. A thousand events of 64 KiB would be as long; usual pages have 2 MB.
pub const MAX_PAGE_BYTES: usize = 64 * 1024 * 1024;

/// The longest body that is read of an answer that is no page.
const MAX_ERROR_BYTES: usize = 64 * 1024;

/// The way out of a position that can't be gone on from.
const WAY_OUT: &str = "`logweir state forget` with the name of this source begins anew at `backfill`; what was delivered \
     since then comes again";

/// What time it is, on the clocks that a plugin has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// Nanoseconds since 1970, as our own clock says. It may be wrong.
    pub wall: u64,
    /// Since any moment, never going back.
    pub steady: Duration,
}

/// What an answer led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A page for the host.
    Page(Box<Page>),
    /// The answer showed that the question was wrong: ask [`Reader::request`] again, at once.
    AskAgain,
}

/// Reads the System Log of one org from one position on.
#[derive(Debug)]
pub struct Reader {
    config: Config,
    /// Where a first read begins, if not at `backfill`.
    at: Option<u64>,
    /// Since when the first page was asked for, until one was accepted.
    begins: Option<String>,
    /// Where the accepted pages led to. Absent before the first one of a first read.
    position: Option<Checkpoint>,
    clock: Clock,
    asked: Option<Asked>,
    answer: Option<Answer>,
    /// `Date` of the first answer: what is later is news.
    until: Option<u64>,
    sides: Sides,
    /// Whose request failed last, if the last one did.
    failed: Option<Which>,
    /// A first page that could not be framed: nothing can be stored before one was accepted.
    stuck_at_first: Option<Stuck>,
    /// How many answers in a row were 429.
    throttled: u32,
    jitter: Jitter,
}

/// What is known of a cursor in this reader alone.
#[derive(Debug, Default)]
struct Side {
    /// The newest time that it has read and that can be true.
    reached: Option<u64>,
    /// How many times in a row its link was refused before a page came through one, or all that there was. A new
    /// reader, as after a person looked, tries anew.
    refused: u32,
}

#[derive(Debug, Default)]
struct Sides {
    past: Side,
    live: Side,
}

impl Sides {
    fn of(&mut self, which: Which) -> &mut Side {
        match which {
            Which::Past => &mut self.past,
            Which::Live => &mut self.live,
        }
    }
}

/// What was asked for.
#[derive(Debug, Clone)]
struct Asked {
    which: Which,
    path: String,
    /// Where reading begins by time, if it does not follow a link.
    since: Option<String>,
    at: Now,
}

/// An answer whose body is coming in.
#[derive(Debug)]
struct Answer {
    head: Head,
    next: Option<Result<Next, LinkError>>,
    /// Whether the next page was asked for early.
    asked_early: bool,
}

impl Reader {
    /// Makes a reader. All that is wrong with the configuration is told at once.
    pub fn open(config: &str, start: Start) -> Result<Self, Error> {
        let config = Config::parse(config)?;
        let (mut at, mut position) = (None, None);
        match start {
            Start::First => {}
            Start::At(time) => at = Some(time),
            Start::Checkpoint(text) => position = Some(recover::restored(&text, &config)?),
            Start::Window(window) => position = Some(recover::restored_window(&window, &config)?),
        }
        Ok(Self {
            config,
            at,
            position,
            clock: Clock::default(),
            begins: None,
            asked: None,
            answer: None,
            until: None,
            sides: Sides::default(),
            failed: None,
            stuck_at_first: None,
            throttled: 0,
            jitter: Jitter::default(),
        })
    }

    /// What it was configured with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What a window that was read to its end has to say, without asking anybody.
    pub fn ended(&self) -> Option<Page> {
        let place = self.position.as_ref()?;
        let window = place.window.as_ref().filter(|window| window.done)?;
        let pace = Pace::After(self.config.poll);
        let mut page = Page::new(Default::default(), place.write().ok()?, pace);
        page.overlap = true;
        page.progress = Progress {
            caught_up: true,
            first: from_rfc3339(&window.since),
            until: from_rfc3339(&window.until),
            ..Progress::default()
        };
        Some(page)
    }

    /// What to ask for now. If exactly this was asked for early, that answer is the one to go on with.
    pub fn request(&mut self, now: Now) -> Request {
        let which = self.turn(now);
        let place = self.position.as_ref();
        let cursor = place.and_then(|place| place.cursor(which));
        let next = cursor.and_then(|cursor| cursor.next.clone());
        let (path, since) = match next {
            Some(path) => (path, None),
            None => {
                let since = self.since(cursor, now);
                // However often a first page is asked for: what came since the first time belongs to it.
                let begins = self.begins.clone().filter(|_| self.position.is_none());
                let since = begins.unwrap_or(since);
                self.begins = Some(since.clone());
                (self.by_time(&since), Some(since))
            }
        };
        let request = query::get(&self.config, &path);
        self.asked = Some(Asked {
            which,
            path,
            since,
            at: now,
        });
        request
    }

    /// Whether an answer to this, which was asked for early, will be wanted.
    pub fn follows(&self, request: &Request) -> bool {
        let place = self.position.as_ref();
        let cursors = place
            .into_iter()
            .flat_map(|place| [&place.past, &place.live]);
        let mut links = cursors.flatten().filter_map(|cursor| cursor.next.as_ref());
        links.any(|path| query::get(&self.config, path) == *request)
    }

    /// A request that is made by hand.
    fn by_time(&self, since: &str) -> String {
        let place = self.position.as_ref();
        match place.and_then(|place| place.window.as_ref()) {
            Some(window) => query::window(&self.config, since, &window.until),
            None => query::polling(&self.config, since),
        }
    }

    /// Where to begin by time: where a cursor was, where live begins, or where a first read does.
    ///
    /// Okta has nothing that is older than its retention, and refuses to be asked for what is much older.
    fn since(&self, cursor: Option<&Cursor>, now: Now) -> String {
        let server = self.clock.server(now);
        let oldest = server.saturating_sub(nanoseconds(RETENTION));
        let Some(place) = &self.position else {
            let backfill = server.saturating_sub(nanoseconds(self.config.backfill));
            return to_rfc3339(self.at.unwrap_or(backfill).max(oldest));
        };
        let live = place.live_since.as_deref().unwrap_or_default();
        let known = cursor.map_or(live, Cursor::beginning);
        match from_rfc3339(known) {
            Some(time)
                if time < oldest && self.clock.date().is_some() && place.window.is_none() =>
            {
                to_rfc3339(oldest)
            }
            _ => known.to_owned(),
        }
    }

    /// The head of the answer.
    pub fn on_head(&mut self, status: u16, headers: Headers) {
        let next = link::next(headers.get_all("link")).map(Next::parse);
        self.answer = Some(Answer {
            head: Head { status, headers },
            next,
            asked_early: false,
        });
    }

    /// How much of the answer's body to read at most.
    pub fn max_body_bytes(&self) -> usize {
        match self
            .answer
            .as_ref()
            .is_some_and(|answer| answer.head.status == 200)
        {
            true => MAX_PAGE_BYTES,
            false => MAX_ERROR_BYTES,
        }
    }

    /// How long the next body will probably be: in a backlog one page is like another.
    pub fn expected_bytes(&self) -> usize {
        let backlog = self.asked_cursor().filter(|cursor| cursor.backlog);
        let last = backlog.and_then(|cursor| cursor.full_page_bytes);
        last.map_or(0, |last| last.saturating_add(last / 8).min(MAX_PAGE_BYTES))
    }

    /// What is here of the answer's body. Returns the next page's request when it is time to send it, once.
    pub fn on_bytes(&mut self, body: &[u8]) -> Option<Request> {
        if cfg!(feature = "one-by-one") {
            return None;
        }
        let cursor = self.asked_cursor().filter(|cursor| cursor.backlog)?;
        let half = cursor.full_page_bytes? / 2;
        let asked = self.asked.as_ref()?;
        let answer = self.answer.as_mut().filter(|answer| !answer.asked_early)?;
        let next = answer.next.as_ref()?.as_ref().ok()?;
        let half_here = body.len() > half;
        let is_page = answer.head.status == 200 && !answer.head.is_html() && begins_an_array(body);
        if !half_here || !is_page || next.path == asked.path {
            return None;
        }
        answer.asked_early = true;
        Some(query::get(&self.config, &next.path))
    }

    /// The cursor that was asked for.
    fn asked_cursor(&self) -> Option<&Cursor> {
        let which = self.asked.as_ref()?.which;
        self.position.as_ref()?.cursor(which)
    }

    /// The whole body of the answer is here.
    pub fn on_end(&mut self, body: Vec<u8>, now: Now) -> Result<Outcome, Error> {
        let which = self.asked.as_ref().map(|asked| asked.which);
        let outcome = self.judge(body, now);
        let failed = match &outcome {
            Ok(Outcome::Page(page)) => page.progress.failing.is_some(),
            Ok(Outcome::AskAgain) => false,
            Err(error) => matches!(error, Error::Transient(_)),
        };
        self.failed = which.filter(|_| failed);
        outcome
    }

    fn judge(&mut self, body: Vec<u8>, now: Now) -> Result<Outcome, Error> {
        let (Some(asked), Some(answer)) = (self.asked.take(), self.answer.take()) else {
            return Err(Error::Permanent("an answer to no question".to_owned()));
        };
        let was_wrong = self.clock.learn(&answer.head.headers, asked.at, now);
        self.begins = self.begins.take().filter(|_| !was_wrong);
        // A Date is cut to its second, and what is later than this is later than the answer.
        let date = self.clock.date();
        self.until = self.until.or(date.map(|date| date.saturating_add(SECOND)));
        if was_wrong && self.position.is_none() && matches!(answer.head.status, 200 | 400) {
            log::warn("this machine's clock differs from Okta's; reading begins by Okta's");
            return Ok(Outcome::AskAgain);
        }
        match answer.head.status {
            200 => self.page(&asked, &answer, body, now).map(Outcome::Page),
            400 => self.bad_request(&asked, &answer.head, &body),
            429 => Err(self.throttle(&answer.head)),
            _ => Err(refusal(&answer.head, &body)),
        }
    }

    /// There was no answer, or its body broke off behind `body`.
    pub fn on_failure(&mut self, error: &HttpError, body: Vec<u8>, now: Now) -> Error {
        let status = self.answer.as_ref().map(|answer| answer.head.status);
        if let Some(status) = status.filter(|status| *status != 200) {
            // What the head says counts, however long its body stalls.
            return match self.on_end(body, now) {
                Err(error) => error,
                Ok(_) => Error::Transient(format!("Okta answered {status}: {error}")),
            };
        }
        self.failed = self.asked.take().map(|asked| asked.which);
        self.answer = None;
        failure(error, self.config.authority())
    }

    fn throttle(&mut self, head: &Head) -> Error {
        let wait = throttle::wait(&head.headers, self.throttled, &mut self.jitter);
        self.throttled = self.throttled.saturating_add(1);
        Error::Throttled(wait)
    }
}

fn begins_an_array(body: &[u8]) -> bool {
    body.trim_ascii_start().first() == Some(&b'[')
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
