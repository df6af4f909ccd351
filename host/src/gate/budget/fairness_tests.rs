//! Polls at the head and a backlog that share a budget too small for both, in a time of the test's own.

use std::sync::Arc;

use http::{HeaderMap, StatusCode};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::line::{Line, Place};
use super::pacer::Pacer;
use super::told::Told;
use super::*;
use crate::gate::{RateLimit, ResetFormat};

const WINDOW: Duration = Duration::from_secs(60);
const STEP: Duration = Duration::from_millis(20);
/// Nobody becomes overdue in here: who waits longest is another matter.
const FAR: Duration = Duration::from_secs(86_400);

/// Counts as servers do, and refuses what is too much.
struct Peer {
    limit: u64,
    began: Instant,
    used: u64,
    refused: u64,
}

impl Peer {
    fn take(&mut self, now: Instant) -> (StatusCode, HeaderMap) {
        if now >= self.began + WINDOW {
            (self.began, self.used) = (now, 0);
        }
        let passes = self.used < self.limit;
        self.used += u64::from(passes);
        self.refused += u64::from(!passes);
        let rest = self.began + WINDOW - now;
        let told = [
            ("limit", self.limit),
            ("remaining", self.limit - self.used),
            ("reset", rest.as_secs()),
        ];
        let told = told.map(|(name, value)| (name.parse().unwrap(), value.into()));
        let status = match passes {
            true => StatusCode::OK,
            false => StatusCode::TOO_MANY_REQUESTS,
        };
        (status, told.into_iter().collect())
    }
}

/// Somebody who asks again so long after each answer.
struct Asker {
    priority: Priority,
    every: Duration,
    due: Instant,
    place: Option<Place>,
    went: u64,
}

/// One budget, its peer, and who shares it, as an account has them.
struct Scene {
    born: Instant,
    pacer: Pacer,
    line: Line,
    peer: Peer,
    names: RateLimit,
}

impl Scene {
    fn new(limit: u64) -> Self {
        let born = Instant::now();
        Self {
            born,
            pacer: Pacer::new(born),
            line: Line::default(),
            peer: Peer {
                limit,
                began: born,
                used: 0,
                refused: 0,
            },
            names: RateLimit {
                limit: "limit".into(),
                remaining: "remaining".into(),
                reset: "reset".into(),
                reset_is: ResetFormat::DeltaSeconds,
            },
        }
    }

    /// Whether somebody's request goes out now; who can't go waits in the line.
    fn ask(&mut self, asker: &mut Asker, now: Instant) -> bool {
        let first = self.line.first(now);
        let insists = match (asker.place, first) {
            (Some(place), Some((first, insists))) if place == first => insists,
            (Some(_), _) => return false,
            (None, _) if self.line.gives_way_to(asker.priority, now) => false,
            (None, _) => return self.stand_in_line(asker, now),
        };
        if self.pacer.ask(asker.priority, insists, now).is_err() {
            return self.stand_in_line(asker, now);
        }
        if let Some(place) = asker.place.take() {
            self.line.leave(place);
        }
        self.line.went(asker.priority);
        let (status, headers) = self.peer.take(now);
        let told = Told::read(&self.names, &headers, now, self.born);
        self.pacer.answered(&told, status, now, now);
        true
    }

    fn stand_in_line(&mut self, asker: &mut Asker, now: Instant) -> bool {
        if asker.place.is_none() {
            let call = Arc::new(Notify::new());
            let place = self.line.enter(asker.priority, now + FAR, call);
            asker.place = Some(place);
        }
        false
    }

    /// Lets ten windows pass beside a backlog, with so many who poll every so often. How many polls and pages went out.
    fn ten_windows(&mut self, heads: usize, every: Duration) -> (u64, u64) {
        let asker = |priority, every| Asker {
            priority,
            every,
            due: self.born,
            place: None,
            went: 0,
        };
        let mut askers: Vec<_> = (0..heads).map(|_| asker(Priority::Live, every)).collect();
        askers.push(asker(Priority::Backlog, STEP));
        let mut now = self.born;
        while now < self.born + 10 * WINDOW {
            for asker in askers.iter_mut().filter(|asker| asker.due <= now) {
                if self.ask(asker, now) {
                    asker.went += 1;
                    asker.due = now + asker.every;
                }
            }
            now += STEP;
        }
        let (backlog, polls) = askers.split_last().unwrap();
        (polls.iter().map(|asker| asker.went).sum(), backlog.went)
    }
}

#[test]
fn trust_13_polls_that_could_use_all_of_a_small_limit_leave_a_backlog_its_turns() {
    for (limit, heads) in [(20, 1), (20, 3), (60, 2), (8, 1)] {
        let mut scene = Scene::new(limit);
        let (polls, pages) = scene.ten_windows(heads, Duration::from_secs(1));
        let what = format!("{limit} with {heads}: {polls} polls, {pages} pages");
        // Half of all, less what goes while it is not back in the line yet.
        assert!(pages * 3 >= polls + pages, "{what}");
        assert!(polls * 20 >= (polls + pages) * 9, "{what}");
        assert!(polls + pages >= limit / 2 * 8, "the share is used: {what}");
        assert_eq!(scene.peer.refused, 0, "{what}");
    }
}

#[test]
fn trust_13_polls_that_are_few_go_first_beside_a_backlog() {
    let mut scene = Scene::new(120);
    let (polls, pages) = scene.ten_windows(1, Duration::from_secs(10));
    assert!(polls >= 55, "each poll in its time: {polls}");
    assert!(polls + pages >= 60 * 9, "{polls} polls, {pages} pages");
}
