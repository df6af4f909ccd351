//! What a page means for the two cursors, and where they meet: the seam.
//!
//! A first read of 60 days takes an hour or more. Nobody wants to wait so long for what happens now; so **live** is
//! followed from the moment of connection, and the **past** is read beside it. Both poll, and each event should be
//! delivered once. Let
//!
//! - p(e) be when an event was persisted, which no answer tells, and t(e) when it was published. t(e) ≤ p(e), by any
//!   lateness;
//! - L be the `Date` of the very first answer. Live polls from L on; so it reads every event with p ≥ L, in the order
//!   of p. The past reads from its beginning on, in the order of p too. Events of equal p may be in another order;
//! - F be the events of live's first page that has any: the **seam**. Their ids are kept until the past is there.
//!
//! **Nothing is lost.** The past ends before the first event f of F that it comes to. What is behind f in its order was
//! persisted no earlier than f, so not before L, and live reads it. The same holds behind any event with p ≥ L.
//!
//! **Nothing is read twice**, at first: what the past read before f and is live's too would have L ≤ p ≤ p(f); as F is
//! where live's order begins, p(f) is the least in F, and what is not in F is no less than the greatest in F: so all of
//! F would have one p, and the event too. Such ties are the one exception (see below).
//!
//! **The past may be beyond the seam when that comes to be known**: live asked and got nothing, then events came, and
//! the past read them before live asked again. So when F comes, the past's last event q is remembered, and the past
//! waits while live's pages are full: until one has q (the past is beyond: p(q) ≥ L, and live reads all behind q; the
//! past ends), or is short, or has an event that was published after the past's last answer, so that live has passed
//! all that the past read. If live did not come to q, then q is before L, and so is all that the past read: it is before
//! the seam and will come to F.
//!
//! **If the past catches up while live had nothing**, its cursor goes on as live's, and there never were two. The same if
//! it comes to a page that was mostly published after L.
//!
//! **The second lock** is the host's: it knows the ids of what was delivered, and filters pages that are marked as
//! overlapping. It catches what live reads second and what the past reads second:
//!
//! - While the past goes on, and for five minutes of `published` after it, live's pages overlap, up to one that was
//!   wholly (or behind one that was mostly) published later than the past's last answer and five minutes: what the past
//!   read was persisted before its last answer, so nothing from there on was read by the past. This costs a look at the
//!   ids of what is live, not of the past, which is most of it.
//! - Once the past has come to an event that was published later than one hour before L, its pages overlap; and so does
//!   the page that is cut at the seam. What is left uncaught by both: more than a page of events persisted in the same
//!   millisecond, just when live begins, all of them more than an hour late.
//!
//! An org may not keep its word (a page is empty although there is more; two machines differ by a second in what they
//! know). A short page ends the past only if live had nothing, as then its cursor goes on, or if it was published
//! five minutes and more after L, so that the past has passed what it did not recognise.

use logweir_plugin::log;
use logweir_plugin::types::Batch;

use crate::batch;
use crate::checkpoint::{Checkpoint, Cursor, IdDigest, Ids, MARGIN, Seam, Which, id_digest};
use crate::scan::Scan;
use crate::time::SECOND;

/// How long before live begins the past is near it. Ties of equal persistence apart, the past never reads what live
/// has read; from here on, doubt costs little.
const NEAR: u64 = 3600 * SECOND;

/// What is known of a page that was read.
#[derive(Debug)]
pub(super) struct Facts<'a> {
    pub(super) batch: &'a Batch,
    /// `Date` of the answer.
    pub(super) date: Option<u64>,
    /// Whether there is more behind it.
    pub(super) full: bool,
    /// Whether it was cut at the seam.
    pub(super) cut: bool,
    /// Whether it ends in the event that the page before ended in.
    pub(super) repeated: bool,
}

/// What became of the cursors.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Met {
    /// Whether events of the page may have been delivered before.
    pub(super) overlap: bool,
    /// Whether the past ended with this page, and live has to say whether there is more.
    pub(super) past_ended: bool,
}

impl Facts<'_> {
    /// Whether a time can be true: nothing is published after the answer that tells of it. Events dated in the year
    /// 4000 exist.
    pub(super) fn can_be(&self, time: u64) -> bool {
        self.date
            .is_none_or(|date| time <= date.saturating_add(SECOND))
    }

    /// The newest time that can be true.
    pub(super) fn newest(&self) -> Option<u64> {
        let times = self.batch.entries.iter().map(|entry| entry.time);
        times.filter(|time| self.can_be(*time)).max()
    }

    /// Whether all of it was published after a time. Then all that is persisted behind it was persisted after that
    /// time too.
    fn all_after(&self, time: u64) -> bool {
        let mut times = self.batch.entries.iter().map(|entry| entry.time);
        !self.batch.entries.is_empty() && times.all(|at| at > time && self.can_be(at))
    }

    /// Whether more than half of it was published after a time. One event would prove that all that is persisted behind
    /// the page was persisted after that time; half of them are not dated wrong. A busy org always has some that are
    /// late, so its pages are never wholly of one time.
    fn mostly_after(&self, time: u64) -> bool {
        let times = self.batch.entries.iter().map(|entry| entry.time);
        let after = times.filter(|at| *at > time && self.can_be(*at)).count();
        after * 2 > self.batch.entries.len()
    }

    fn ids(&self) -> impl Iterator<Item = IdDigest> {
        let id = |span| self.batch.text(span).unwrap_or_default();
        let entries = self.batch.entries.iter();
        entries.map(move |entry| id_digest(id(entry.id).as_bytes()))
    }

    fn has(&self, id: &str) -> bool {
        self.ids().any(|found| found == id.as_bytes())
    }

    /// Digest of the last event's id.
    pub(super) fn last_id(&self) -> Option<String> {
        let last = self.batch.entries.last()?;
        let id = self.batch.text(last.id).unwrap_or_default();
        String::from_utf8(id_digest(id.as_bytes()).to_vec()).ok()
    }
}

/// Takes out of a page of the past what is at the seam and behind it. True if there is anything.
pub(super) fn cut(scan: &mut Scan, page: &[u8], seam: &Seam) -> bool {
    let at_seam = |event| seam.ids.contain(&id_digest(&batch::id(page, event)));
    let Some(at) = scan.events.iter().position(at_seam) else {
        return false;
    };
    let from = scan.events.get(at).map_or(0, |event| event.text.offset);
    scan.events.truncate(at);
    scan.broken.retain(|broken| broken.text.offset < from);
    true
}

/// Takes a page into account that moved one of the cursors.
pub(super) fn accepted(place: &mut Checkpoint, which: Which, facts: &Facts<'_>) -> Met {
    let doubtful = place
        .cursor_mut(which)
        .is_some_and(|cursor| in_doubt(cursor, facts));
    let overlap = doubtful || facts.repeated || place.window.is_some();
    let met = match which {
        _ if place.window.is_some() => Met::default(),
        Which::Past => of_the_past(place, facts),
        Which::Live => of_live(place, facts),
    };
    Met {
        overlap: overlap || met.overlap,
        ..met
    }
}

/// Whether a page may hold what was delivered before. The doubt ends with a page that can't, or behind one that shows
/// that nothing behind it can.
fn in_doubt(cursor: &mut Cursor, facts: &Facts<'_>) -> bool {
    let Some(until) = cursor.doubt_until() else {
        return false;
    };
    if facts.mostly_after(until) {
        cursor.doubt_until = None;
    }
    !facts.all_after(until)
}

fn of_the_past(place: &mut Checkpoint, facts: &Facts<'_>) -> Met {
    let live_since = place.live_since().unwrap_or(u64::MAX);
    let Some(past) = &mut place.past else {
        return Met::default();
    };
    past.near |= facts
        .newest()
        .is_some_and(|newest| newest.saturating_add(NEAR) > live_since);
    let near = past.near;
    if let Some(live) = &mut place.live {
        live.in_a_row = 0;
        live.doubt(facts.date.unwrap_or(u64::MAX).saturating_add(MARGIN));
    }
    if place.seam.is_none() {
        // Live had nothing yet, so what the past comes to is news to both.
        if !facts.full || facts.mostly_after(live_since) {
            place.live = place.past.take();
        }
        return Met::default();
    }
    // For an org whose answers contradict each other: the first half says that there is nothing more, the second that
    // the seam was missed.
    let missed = !facts.full && facts.all_after(live_since.saturating_add(MARGIN));
    let past_ended = facts.cut || missed;
    if past_ended {
        close(place);
    }
    Met {
        overlap: facts.cut || near,
        past_ended,
    }
}

fn of_live(place: &mut Checkpoint, facts: &Facts<'_>) -> Met {
    let (Some(past), Some(live)) = (&place.past, &mut place.live) else {
        return Met::default();
    };
    live.in_a_row = live.in_a_row.saturating_add(1);
    if place.seam.is_none() && !facts.batch.entries.is_empty() {
        place.seam = Some(Seam {
            ids: Ids::new(facts.ids()),
            behind: past.last_id.clone(),
        });
    }
    let Some(seam) = &mut place.seam else {
        return Met::default();
    };
    let behind = seam.behind.as_ref();
    if behind.is_some_and(|past_end| facts.has(past_end)) {
        close(place);
        return Met::default();
    }
    let past_answer = past.date().unwrap_or(u64::MAX).saturating_add(SECOND);
    if facts.newest().is_some_and(|newest| newest > past_answer) {
        seam.behind = None;
    }
    Met::default()
}

/// The past has come to the seam, or is beyond it: live goes on alone.
fn close(place: &mut Checkpoint) {
    log::info("the past has been read up to where what is live begins");
    place.past = None;
    place.seam = None;
    if let Some(live) = &mut place.live {
        live.in_a_row = 0;
    }
}
