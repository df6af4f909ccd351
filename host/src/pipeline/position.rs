//! Up to which moment everything of a source is settled, how fast that moves, and whether the system that is read
//! will have forgotten what comes next before it is read (delivery rule 25).
//!
//! A source that is caught up with nothing on its way is settled up to its last poll, however old its newest record is.
//! One that is not is settled up to the newest record of the pages that are. No page is followed on its way: now and
//! then what has been read is noted, as a number of records and a moment, and when so many are settled the moment
//! counts. So it is late by a fraction of a second, never early, and costs nothing for each page.
//!
//! Moments are nanoseconds since 1970; `reached` and `until` are the source's own times.

use std::time::Duration;

use tokio::time::Instant;

use crate::stage::Progress;

/// Speed is measured over at least this long: polls come once a minute or less often.
const MEASURED_AT_LEAST: Duration = Duration::from_secs(600);
/// What is left of a retention when it is said that it runs out: a quarter, three weeks of ninety days.
const NEAR: u32 = 4;

/// Where one source is.
#[derive(Debug, Default)]
pub(crate) struct Position {
    /// The moment up to which the newest page reads.
    page: Option<u64>,
    /// Records read, and the moment up to which that is everything.
    read: (u64, Option<u64>),
    /// The same a while ago: what is waited for.
    noted: Option<(u64, u64)>,
    settled: Option<u64>,
    /// Where `settled` was, and when by our clock.
    measured: Option<Measured>,
    /// Nanoseconds that `settled` moved in a second.
    speed: Option<f64>,
    backfill: Option<Backfill>,
}

#[derive(Debug, Clone, Copy)]
struct Measured {
    at: Instant,
    settled: u64,
}

/// A first read, since this process is at it.
#[derive(Debug, Clone, Copy)]
struct Backfill {
    began: Instant,
    from: u64,
    reached: u64,
    until: u64,
}

/// What becomes of records that are not settled, if they are not read and delivered faster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiry {
    /// Until the system forgets the oldest record that is not settled.
    pub left: Duration,
    /// When that comes nearer and is near: how long it takes.
    pub passes_in: Option<Duration>,
}

impl Position {
    /// A page came; it is counted by [`Position::read`].
    pub(crate) fn page(&mut self, progress: &Progress, at: Instant, now: u64) {
        self.page = match progress.caught_up {
            true => Some(now),
            false => progress.reached.or(self.page),
        };
        let range = progress.reached.zip(progress.until);
        let range = range.filter(|(reached, until)| !progress.caught_up && reached < until);
        self.backfill = range.map(|(reached, until)| match self.backfill {
            Some(backfill) => Backfill {
                reached,
                until,
                ..backfill
            },
            None => Backfill {
                began: at,
                from: reached,
                reached,
                until,
            },
        });
    }

    /// So many records have been read by now, those of the newest page included.
    pub(crate) fn read(&mut self, records: u64) {
        self.read = (records, self.page);
    }

    /// So many records have been read by now, and no new page.
    pub(crate) fn found(&mut self, records: u64) {
        self.read.0 = records;
    }

    /// Looks at how many records are settled by now.
    pub(crate) fn look(&mut self, settled: u64, at: Instant) {
        let (read, page) = self.read;
        if let Some(page) = page.filter(|_| settled >= read) {
            self.settled = Some(page);
            self.noted = None;
        } else if let Some((records, moment)) = self.noted {
            if settled >= records {
                self.settled = Some(moment);
                self.noted = page.map(|page| (read, page));
            }
        } else {
            self.noted = page.map(|page| (read, page));
        }
        self.measure(at);
    }

    fn measure(&mut self, at: Instant) {
        let Some(settled) = self.settled else {
            return;
        };
        let now = Measured { at, settled };
        let before = *self.measured.get_or_insert(now);
        let passed = at.saturating_duration_since(before.at);
        if passed >= MEASURED_AT_LEAST {
            // Late events may lie before what was there already.
            let moved = settled.saturating_sub(before.settled);
            self.speed = Some(moved as f64 / passed.as_secs_f64());
            self.measured = Some(now);
        }
    }

    /// The moment up to which everything is settled.
    pub(crate) fn settled(&self) -> Option<u64> {
        self.settled
    }

    /// How long the rest of a first read takes at the speed so far.
    pub(crate) fn to_go(&self, at: Instant) -> Option<Duration> {
        let backfill = self.backfill?;
        let done = backfill.reached.saturating_sub(backfill.from) as f64;
        let rest = backfill.until.saturating_sub(backfill.reached) as f64;
        let passed = at.saturating_duration_since(backfill.began).as_secs_f64();
        let seconds = passed * rest / done;
        // Nothing done yet makes infinity, and nothing at all no number.
        (seconds.is_finite() && passed >= 1.0).then(|| Duration::from_secs_f64(seconds.min(1e9)))
    }

    /// Whether what is not settled will be forgotten.
    pub(crate) fn expiry(&self, retention: Duration, now: u64) -> Option<Expiry> {
        let kept_until = u128::from(self.settled?) + retention.as_nanos();
        let left = kept_until.saturating_sub(u128::from(now));
        let left = Duration::from_nanos(u64::try_from(left).unwrap_or(u64::MAX));
        let speed = self.speed.map(|nanos| nanos / 1e9);
        // Not quite as fast as time itself: polls are seen a little late.
        let approach = speed.map(|speed| 1.0 - speed).filter(|speed| *speed > 0.05);
        let near = left < retention / NEAR;
        let passes_in = approach
            .filter(|_| near)
            .map(|approach| Duration::from_secs_f64((left.as_secs_f64() / approach).min(1e9)));
        Some(Expiry { left, passes_in })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const DAY: u64 = 86_400 * SECOND;
    const KEEPS: Duration = Duration::from_secs(90 * 86_400);

    fn progress(caught_up: bool, reached: u64, until: u64) -> Progress {
        Progress {
            caught_up,
            first: Some(0),
            reached: Some(reached),
            until: Some(until),
            ..Progress::default()
        }
    }

    struct Scene {
        position: Position,
        at: Instant,
        records: u64,
    }

    impl Scene {
        fn new() -> Self {
            Self {
                position: Position::default(),
                at: Instant::now(),
                records: 0,
            }
        }

        fn page(&mut self, progress: &Progress, now: u64) {
            self.position.page(progress, self.at, now);
            self.records += 10;
            self.position.read(self.records);
        }

        fn look(&mut self, settled: u64) -> Option<u64> {
            self.position.look(settled, self.at);
            self.position.settled()
        }

        fn later(&mut self, seconds: u64) {
            self.at += Duration::from_secs(seconds);
        }
    }

    #[test]
    fn a_page_on_its_way_is_not_settled() {
        let mut scene = Scene::new();
        scene.page(&progress(false, 100, 900), 5_000);
        assert_eq!(scene.look(0), None);
        scene.page(&progress(false, 200, 900), 5_001);
        assert_eq!(scene.look(9), None);
        assert_eq!(scene.look(10), Some(100), "the first page is");
        scene.page(&progress(true, 300, 900), 6_000);
        assert_eq!(scene.look(19), Some(100));
        assert_eq!(scene.look(20), Some(200));
        assert_eq!(scene.look(30), Some(6_000), "up to the poll");
    }

    #[test]
    fn what_an_audit_finds_is_waited_for_and_moves_nothing() {
        let mut scene = Scene::new();
        scene.page(&progress(true, 100, 900), 1_000);
        assert_eq!(scene.look(10), Some(1_000));
        scene.records += 5;
        scene.position.found(scene.records);
        scene.page(&progress(true, 100, 900), 2_000);
        assert_eq!(scene.look(20), Some(1_000));
        assert_eq!(scene.look(25), Some(2_000));
    }

    #[test]
    fn an_output_that_is_down_holds_the_position_of_a_source_that_is_caught_up() {
        let mut scene = Scene::new();
        scene.page(&progress(true, 100, 900), 1_000);
        assert_eq!(scene.look(10), Some(1_000));
        for poll in 2..50 {
            scene.page(&progress(true, 100, 900), poll * 1_000);
            assert_eq!(scene.look(10), Some(1_000));
        }
        assert_eq!(scene.look(scene.records), Some(49_000));
    }

    #[test]
    fn delivery_25_it_is_said_before_what_waits_is_forgotten() {
        let mut scene = Scene::new();
        let start = 1_000 * DAY;
        scene.page(&progress(true, start, 0), start);
        scene.look(10);
        scene.page(&progress(true, start, 0), start);
        let mut said = Vec::new();
        for day in 1..=91 {
            for _ in 0..24 {
                scene.later(3_600);
                scene.look(10);
            }
            let expiry = scene.position.expiry(KEEPS, start + day * DAY).unwrap();
            said.extend(
                expiry
                    .passes_in
                    .map(|passes| (day, passes.as_secs() / 86_400)),
            );
        }
        assert_eq!(said.first(), Some(&(68, 22)));
        assert!(said.contains(&(87, 3)));
        assert_eq!(said.last(), Some(&(91, 0)));
        assert_eq!(said.len(), 24, "every day from then on");
    }

    #[test]
    fn delivery_25_a_first_read_that_is_slower_than_retention_is_said_and_a_fast_one_is_not() {
        // Seconds of the past that each hour of reading brings.
        let after_a_day = |speed: u64| {
            let mut scene = Scene::new();
            let now = 1_000 * DAY;
            let first = now - 89 * DAY;
            for hour in 0..24 {
                scene.page(&progress(false, first + hour * speed * SECOND, now), now);
                scene.look(scene.records);
                scene.later(3_600);
            }
            scene.look(scene.records);
            let now = now + DAY;
            scene.position.expiry(KEEPS, now).unwrap().passes_in
        };
        assert!(after_a_day(1_800).is_some());
        assert_eq!(after_a_day(3_600 * 24), None);
    }

    #[test]
    fn the_rest_of_a_first_read_is_told_from_its_speed() {
        let mut scene = Scene::new();
        scene.page(&progress(false, 0, 1_000), 9_000);
        assert_eq!(scene.position.to_go(scene.at), None);
        scene.later(10);
        scene.page(&progress(false, 250, 1_000), 9_000);
        assert_eq!(
            scene.position.to_go(scene.at),
            Some(Duration::from_secs(30))
        );
        scene.page(&progress(true, 1_000, 1_000), 9_000);
        assert_eq!(scene.position.to_go(scene.at), None);
    }
}
