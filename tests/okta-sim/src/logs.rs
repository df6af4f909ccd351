//! `GET /api/v1/logs`.

use std::collections::VecDeque;

use bytes::Bytes;
use http::StatusCode;

use crate::answer::Answer;
use crate::call::Call;
use crate::cursor::{Position, Refused};
use crate::error::ApiError;
use crate::page::{Events, Page};
use crate::query::Parameters;
use crate::report::Rule;

/// So many pages are kept: clients have a few cursors at most, and ask for a few pages of each at a time.
const LAST_PAGES: usize = 8;

/// The pages that were answered last, to answer one again.
#[derive(Debug, Default)]
pub(crate) struct LastPages(VecDeque<LastPage>);

impl LastPages {
    pub(crate) fn push(&mut self, page: LastPage) {
        self.0.truncate(LAST_PAGES - 1);
        self.0.push_front(page);
    }

    /// The page whose `next` this is. Another one would lead a client that follows it over what is between.
    pub(crate) fn before(&self, url: &str) -> Option<LastPage> {
        let leads_here = |page: &&LastPage| page.next.as_deref() == Some(url);
        self.0.iter().find(leads_here).cloned()
    }
}

/// A page that was answered.
#[derive(Debug, Clone)]
pub(crate) struct LastPage {
    pub(crate) body: Vec<Bytes>,
    pub(crate) next: Option<String>,
    pub(crate) events: Events,
}

/// Answers a request that was let in.
pub(crate) fn answer(call: &Call) -> Result<Answer, ApiError> {
    let parameters = Parameters::parse(&call.query);
    note(call, &parameters);
    let now = call.org.now_ms();
    let query = parameters.check(now)?;
    let link = parameters.link(&query);
    let from = position(call, &parameters, &link)?;
    let store = call.org.store();
    let page = Page::select(&store, &query, from, now);
    let body = body(&store, &page.events);
    drop(store);
    let next = page.next.map(|position| next(call, position, &link));
    let mut answer = Answer::json(StatusCode::OK, Bytes::new());
    answer.body = body;
    answer.links.own = Some(call.url(&call.target()));
    answer.links.next = next;
    answer.events = Some(page.events);
    answer.gzip = call.accepts_gzip && call.org.config().gzip;
    Ok(answer)
}

/// The link to a page that begins at a position.
fn next(call: &Call, position: Position, link: &str) -> String {
    let token = call.org.cursors().seal(position, link);
    call.url(&format!("{}?{link}&after={token}", crate::LOGS_PATH))
}

fn body(store: &crate::store::Store, events: &Events) -> Vec<Bytes> {
    let mut body = vec![Bytes::from_static(b"[")];
    body.extend(match events {
        Events::Run(run) => store.join(run.clone()),
        Events::List(places) => store.join(places.iter().copied()),
    });
    body.push(Bytes::from_static(b"]"));
    body
}

fn note(call: &Call, parameters: &Parameters) {
    let polling = parameters.until.is_none() && !parameters.is_endless_descending();
    let mut recorder = call.org.recorder();
    recorder.query(polling, parameters.limit.as_deref());
    if parameters.is_endless_descending() {
        recorder.violation(Rule::EndlessDescending, &*call.query);
    }
    let limit = parameters.limit.as_deref().map(str::parse::<u64>);
    if let Some(Ok(limit)) = limit
        && limit > crate::query::LIMIT_MAX as u64
    {
        recorder.violation(Rule::LimitTooHigh, format!("limit={limit}"));
    }
}

/// Where an `after` points, if it may.
///
/// A link is followed byte for byte: its query is the one this org would write, `after` last. With `since`, anything else
/// is refused, as the two exclude each other in requests made by hand. Without, the position counts.
fn position(
    call: &Call,
    parameters: &Parameters,
    link: &str,
) -> Result<Option<Position>, ApiError> {
    let Some(after) = &parameters.after else {
        return Ok(None);
    };
    let opened = call.org.cursors().open(after, link);
    let violation = |rule| call.org.recorder().violation(rule, &*call.query);
    let by_hand = || {
        Err(ApiError::validation(
            "'since' and 'after'",
            "after: must not be combined with 'since' except in a link given by this endpoint",
        ))
    };
    match opened {
        Err(Refused::MadeUp) if parameters.since.is_some() => {
            violation(Rule::HandMadeCursor);
            by_hand()
        }
        Err(Refused::MadeUp) => {
            violation(Rule::HandMadeCursor);
            Err(ApiError::cursor())
        }
        Err(Refused::Unknown) => Err(ApiError::cursor()),
        Ok((position, true)) if *call.query == format!("{link}&after={after}") => {
            Ok(Some(position))
        }
        Ok((_, true)) => {
            violation(Rule::AlteredNext);
            by_hand()
        }
        Ok((_, false)) if parameters.since.is_some() => {
            violation(Rule::HandMadeCursor);
            by_hand()
        }
        Ok((position, false)) => {
            violation(Rule::AlteredNext);
            Ok(Some(position))
        }
    }
}

/// A link that asks for the same page again.
pub(crate) fn again(call: &Call) -> Option<String> {
    let parameters = Parameters::parse(&call.query);
    let query = parameters.check(call.org.now_ms()).ok()?;
    let link = parameters.link(&query);
    let asked = parameters.after.as_deref();
    let asked = asked.and_then(|after| call.org.cursors().open(after, &link).ok());
    let position = match asked {
        Some((position, _)) => position,
        None if query.until.is_some() => return None,
        None => {
            let place = call.org.store().first_from(query.since);
            Position::Polling(u32::try_from(place).unwrap_or(u32::MAX))
        }
    };
    Some(next(call, position, &link))
}
