//! A position that can't be gone on from as it is: Okta refuses its cursor, or other settings are wanted.
//!
//! Both are healed alike (delivery rules 9, 10 and 18): polling begins again by time, a margin before the greatest
//! `published` that the cursor had read, and pages are marked as overlapping until one comes that was wholly (or one
//! went that was mostly) published after the last answer, and a margin. The last answer is the latest one by its `Date`,
//! the refusal included, since a clock may have gone back. What is missing was persisted after what was
//! read, so nothing is lost; and what comes twice, the host has the ids of.
//!
//! A link holds the `limit`, `filter` and `q` it was made with and is not to be touched. So new settings take effect by
//! such a beginning too; that of another `limit` could wait, but would wait for ever, since each link hands it on.

use logweir_plugin::log;
use logweir_plugin::types::{Error, Window};

use super::{Asked, Outcome, Reader, WAY_OUT};
use crate::answer::{Head, OktaError};
use crate::checkpoint::{Bounds, Checkpoint, CheckpointError, Which};
use crate::config::{Config, RETENTION};
use crate::time::{DAY, from_rfc3339, to_rfc3339};

/// How often in a row a cursor may be refused without a page that came through one.
const REFUSED_IN_A_ROW: u32 = 3;

/// Okta refuses what is further back than 180 days.
const TOO_FAR_BACK: u64 = 179 * DAY;

impl Reader {
    /// What to do about an answer 400.
    pub(super) fn bad_request(
        &mut self,
        asked: &Asked,
        head: &Head,
        body: &[u8],
    ) -> Result<Outcome, Error> {
        let error = OktaError::parse(body);
        let told = head.told(&error);
        if !error.is_okta() {
            return Err(Error::Transient(told));
        }
        let Some(since) = &asked.since else {
            return self.refused(asked.which, &told);
        };
        let since = from_rfc3339(since).unwrap_or(u64::MAX);
        let date = self.clock.date().unwrap_or(0);
        let polls = self
            .position
            .as_ref()
            .is_some_and(|place| place.window.is_none());
        if polls && since < date.saturating_sub(TOO_FAR_BACK) {
            // Now that the time at Okta is known, less is asked for.
            return Ok(Outcome::AskAgain);
        }
        let again = self.position.as_ref().and_then(|place| {
            let cursor = place.cursor(asked.which)?;
            cursor.again.as_ref()
        });
        let told = match again {
            Some(again) => format!(
                "Okta refuses to go on from {again} too, in place of a stored position: {told}; {WAY_OUT}"
            ),
            None => told,
        };
        Err(Error::config(blamed(&self.config, &error), told))
    }

    /// Begins again by time when Okta does not know a cursor any more.
    fn refused(&mut self, which: Which, told: &str) -> Result<Outcome, Error> {
        let Some(place) = &mut self.position else {
            return Err(Error::Permanent("an answer to no question".to_owned()));
        };
        let count = place.recoveries.saturating_add(1);
        let Some(cursor) = place.cursor_mut(which) else {
            return Err(Error::Permanent("an answer to no question".to_owned()));
        };
        let side = self.sides.of(which);
        if side.refused >= REFUSED_IN_A_ROW {
            return Err(Error::config(
                "",
                format!("Okta refuses each position right after it gave it: {told}; {WAY_OUT}"),
            ));
        }
        side.refused += 1;
        let known_until = cursor.date();
        let again = cursor.begin_again();
        if let Some(date) = self.clock.date() {
            // The clock that told all before may have been slow.
            cursor.doubt_what_was_read(date);
        }
        place.recoveries = count;
        log::error(format_args!(
            "Okta refuses the stored position ({told}); reading begins again at {}, and what comes again is told by \
             its id; this happened {count} times so far",
            to_rfc3339(again)
        ));
        let retention = u64::try_from(RETENTION.as_nanos()).unwrap_or(u64::MAX);
        let date = self.clock.date().unwrap_or(0);
        if known_until.is_some_and(|known| known < date.saturating_sub(retention)) {
            log::error("Okta keeps events for 90 days: there may be some that were never read");
        }
        Ok(Outcome::AskAgain)
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

/// Reads a stored position of the log.
pub(super) fn restored(text: &str, config: &Config) -> Result<Checkpoint, Error> {
    let place = read(text)?;
    match place.window {
        None => Ok(with_settings(place, config)),
        Some(_) => Err(way_out(&CheckpointError::Unreadable(
            "it is that of a window".to_owned(),
        ))),
    }
}

/// Reads a stored position within a window, or begins with it. A window that was read with other settings begins anew.
pub(super) fn restored_window(window: &Window, config: &Config) -> Result<Checkpoint, Error> {
    let (since, until) = (to_rfc3339(window.since), to_rfc3339(window.until));
    let mut begun = Checkpoint::new(since.clone(), config.limit, config.query_digest());
    begun.window = Some(Bounds {
        since,
        until,
        done: false,
    });
    let Some(text) = &window.checkpoint else {
        return Ok(begun);
    };
    let place = read(text)?;
    let bounds = |place: &Checkpoint| {
        let window = place.window.as_ref();
        window.map(|bounds| (bounds.since.clone(), bounds.until.clone()))
    };
    if bounds(&place) != bounds(&begun) {
        return Err(way_out(&CheckpointError::Unreadable(
            "it is not that of this window".to_owned(),
        )));
    }
    let same = place.limit == config.limit && place.query == begun.query;
    Ok(if same { place } else { begun })
}

fn read(text: &str) -> Result<Checkpoint, Error> {
    Checkpoint::read(text).map_err(|error| way_out(&error))
}

fn way_out(error: &CheckpointError) -> Error {
    Error::config("", format!("{error}; {WAY_OUT}"))
}

/// Makes the cursors begin again if they were made with other settings.
fn with_settings(mut place: Checkpoint, config: &Config) -> Checkpoint {
    let query = config.query_digest();
    if place.limit == config.limit && place.query == query {
        return place;
    }
    place.limit = config.limit;
    place.query = query;
    let doubt = place.cursors_mut().filter_map(|cursor| {
        let linked = cursor.next.is_some();
        linked.then(|| (cursor.begin_again(), cursor.doubt_until()).1)
    });
    let Some(doubt) = doubt.max() else {
        // There is no link yet that holds the old ones.
        return place;
    };
    log::warn(
        "`limit`, `filter` or `q` changed: reading begins again with the new ones a little before where it was, and \
         what comes again is told by its id",
    );
    if let (Some(past), Some(live)) = (&mut place.past, &mut place.live) {
        // The events at the seam need not match any more: live's next ones are a new seam. The past may come to what
        // live had before.
        if let Some(doubt) = doubt {
            past.doubt(doubt);
            live.doubt(doubt);
        }
        place.live_since = Some(live.beginning().to_owned());
        place.seam = None;
    }
    place
}
