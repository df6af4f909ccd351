//! Reads page after page, without doing any I/O itself.
//!
//! Whoever drives a [`Reader`] sends what [`Reader::request`] says, tells it the answer's head, shows it the body while
//! it grows, and hands it the whole body: what comes back is a page or an error. Driven by recorded answers it does the
//! same as over a network.
//!
//! # Requests
//!
//! The first request polls from `since` on; every other one is the `next` link of the last accepted page, byte for
//! byte: path and query, sent to the configured origin, whatever host the link names. The cursor moves only in
//! [`Reader::on_end`], after the page was understood as a whole, and what it moved to leaves with the page as its
//! checkpoint.
//!
//! A page is full when it has as many events as its link allows, else it is short, and a short page means caught up:
//! it is not chased by another request, since at a busy head pages are short and never empty.
//!
//! # Asking early
//!
//! The next page is asked for while the body of this one still comes in, when all of this holds: the page before was
//! full, so that there is a backlog; this answer is 200, no HTML, begins as an array, and names a next page other than
//! itself; and more bytes are here than half of the last full page. The answer, or its error, is used by the next
//! `read`, which is only called when this page was accepted; when this page turns out to be none, it is dropped.
//!
//! What this costs: an idle poll is one request, because nothing is asked early without a backlog. `N` events are
//! `⌈N/limit⌉` requests if the last page is short and small, and one more if it is short and large (it was followed
//! early, and is followed at once by what that brought) or if the last full page was the last of all. So never more
//! than `⌈N/limit⌉ + 1`.
//!
//! # Clocks
//!
//! Only the first `since` needs the time of day, and Okta's counts. While no answer told it, ours stands in for it; if
//! the first answer shows that ours is wrong by more than ten seconds, the answer is dropped and asked for again.

mod accept;
mod clock;

use std::time::Duration;

use logweir_plugin::http::{Headers, HttpError, Request};
use logweir_plugin::log;
use logweir_plugin::types::{Error, Page, Start};

use crate::answer::{Head, OktaError, failure, refusal};
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::config::{Config, RETENTION};
use crate::digest::digest;
use crate::link::{self, LinkError, Next};
use crate::query;
use crate::throttle::{self, Jitter};
use crate::time::{SECOND, to_rfc3339};
use accept::Stuck;
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
    /// Where the last accepted page led to. Absent before the first one of a first read.
    position: Option<Checkpoint>,
    clock: Clock,
    asked: Option<Asked>,
    answer: Option<Answer>,
    /// `Date` of the first answer: what is later is news.
    until: Option<u64>,
    /// The newest time that this reader has read and that can be true.
    reached: Option<u64>,
    /// How many answers in a row were 429.
    throttled: u32,
    stuck: Option<Stuck>,
    jitter: Jitter,
}

/// What was asked for.
#[derive(Debug, Clone)]
struct Asked {
    path: String,
    /// Where a first read began, if this is one.
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
        let position = match start {
            Start::First => None,
            Start::Checkpoint(text) => Some(restored(&text, &config)?),
            Start::At(_) | Start::Window(_) => {
                return Err(Error::Permanent(
                    "this version of the plugin can't begin at a time of choice".to_owned(),
                ));
            }
        };
        Ok(Self {
            config,
            position,
            clock: Clock::default(),
            asked: None,
            answer: None,
            until: None,
            reached: None,
            throttled: 0,
            stuck: None,
            jitter: Jitter::default(),
        })
    }

    /// What it was configured with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What to ask for now. If exactly this was asked for early, that answer is the one to go on with.
    pub fn request(&mut self, now: Now) -> Request {
        let stored = self.position.as_ref();
        let next = stored.and_then(|position| position.next.clone());
        let (path, since) = match next {
            Some(path) => (path, None),
            None => {
                let since = stored.map(|position| position.since.clone());
                let since = since.unwrap_or_else(|| self.since(now));
                (query::polling(&self.config, &since), Some(since))
            }
        };
        let request = query::get(&self.config, &path);
        self.asked = Some(Asked {
            path,
            since,
            at: now,
        });
        request
    }

    /// Where a first read begins. Okta refuses what is too far back.
    fn since(&self, now: Now) -> String {
        let back = self.config.backfill.min(RETENTION);
        let back = u64::try_from(back.as_nanos()).unwrap_or(u64::MAX);
        to_rfc3339(self.clock.server(now.wall).saturating_sub(back))
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
        let backlog = self.position.as_ref().filter(|position| position.backlog);
        let last = backlog.and_then(|position| position.full_page_bytes);
        last.map_or(0, |last| last.saturating_add(last / 8).min(MAX_PAGE_BYTES))
    }

    /// What is here of the answer's body. Returns the next page's request when it is time to send it, once.
    pub fn on_bytes(&mut self, body: &[u8]) -> Option<Request> {
        let position = self.position.as_ref().filter(|position| position.backlog)?;
        let asked = self.asked.as_ref()?;
        let answer = self.answer.as_mut().filter(|answer| !answer.asked_early)?;
        let next = answer.next.as_ref()?.as_ref().ok()?;
        let half_here = body.len() > position.full_page_bytes? / 2;
        let is_page = answer.head.status == 200 && !answer.head.is_html() && begins_an_array(body);
        if !half_here || !is_page || next.path == asked.path {
            return None;
        }
        answer.asked_early = true;
        Some(query::get(&self.config, &next.path))
    }

    /// The whole body of the answer is here.
    pub fn on_end(&mut self, body: Vec<u8>, now: Now) -> Result<Outcome, Error> {
        let (Some(asked), Some(answer)) = (self.asked.take(), self.answer.take()) else {
            return Err(Error::Permanent("an answer to no question".to_owned()));
        };
        let was_wrong = self
            .clock
            .learn(&answer.head.headers, asked.at.wall, now.wall);
        // A Date is cut to its second, and what is later than this is later than the answer.
        self.until = self.until.or(self.clock.date().map(|date| date + SECOND));
        if was_wrong && self.position.is_none() && matches!(answer.head.status, 200 | 400) {
            log::warn("this machine's clock differs from Okta's; reading begins by Okta's");
            return Ok(Outcome::AskAgain);
        }
        match answer.head.status {
            200 => self.page(&asked, &answer, body, now).map(Outcome::Page),
            400 => Err(self.bad_request(&asked, &answer.head, &body)),
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
        self.asked = None;
        self.answer = None;
        failure(error, self.config.authority())
    }

    fn throttle(&mut self, head: &Head) -> Error {
        let wait = throttle::wait(&head.headers, self.throttled, &mut self.jitter);
        self.throttled = self.throttled.saturating_add(1);
        Error::Throttled(wait)
    }

    fn bad_request(&self, asked: &Asked, head: &Head, body: &[u8]) -> Error {
        let error = OktaError::parse(body);
        let told = head.told(&error);
        if !error.is_okta() {
            return Error::Transient(told);
        }
        if asked.since.is_none() {
            return Error::config(
                "",
                format!("Okta refuses the stored position: {told}; {WAY_OUT}"),
            );
        }
        Error::config(blamed(&self.config, &error), told)
    }
}

/// The option that Okta complains about: it names none.
fn blamed(config: &Config, error: &OktaError) -> &'static str {
    let about_q =
        error.summary.contains("'q'") || error.summary.to_ascii_lowercase().contains("keyword");
    match (&config.filter, &config.q) {
        (Some(_), Some(_)) if about_q => "/q",
        (Some(_), _) => "/filter",
        (None, Some(_)) => "/q",
        (None, None) => "",
    }
}

fn begins_an_array(body: &[u8]) -> bool {
    body.trim_ascii_start().first() == Some(&b'[')
}

/// Reads a stored position, and says what of the configuration does not fit it.
fn restored(text: &str, config: &Config) -> Result<Checkpoint, Error> {
    let way_out = |error: CheckpointError| Error::config("", format!("{error}; {WAY_OUT}"));
    let mut position = Checkpoint::read(text).map_err(way_out)?;
    let query = config.query_digest();
    if position.next.is_none() || (position.limit == config.limit && position.query == query) {
        position.waiting_settings = None;
        return Ok(position);
    }
    let wanted = digest(format!("{} {query}", config.limit).as_bytes());
    if position.waiting_settings.as_ref() != Some(&wanted) {
        log::warn(format_args!(
            "`limit`, `filter` or `q` changed: Okta's link to the next page holds the old ones, so the new ones take \
             effect at a new beginning only; {WAY_OUT}"
        ));
        position.waiting_settings = Some(wanted);
    }
    Ok(position)
}

#[cfg(test)]
mod tests;
