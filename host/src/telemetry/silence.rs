//! "Nothing came for too long": a source that looks healthy and brings nothing is the failure that is noticed weeks
//! later, when somebody needs what was not collected.
//!
//! How long is too long is set, or learnt: ten times the longest pause between two pages with records in the last seven
//! days, at least an hour and at most a week. A source is learnt about for a day before that counts. Only pauses in which
//! reading worked teach anything: a network that was gone for two days must not make two more weeks of nothing look
//! normal. But silence itself counts whatever its reason: nothing came, and somebody should know.
//!
//! What was learnt outlives the process as a [`Habit`], and so does the pause that is going on: a source that dies while
//! the program restarts, or is restarted every day, is noticed like any other.
//!
//! Time is counted on a clock that neither jumps nor runs while the machine sleeps or nobody listens. A day is one of
//! listening.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// For how long a source is learnt about before what was learnt counts.
const OBSERVED_AT_LEAST: Duration = Duration::from_secs(86_400);
/// How many days back what was learnt reaches.
const DAYS: usize = 7;
const DAY: Duration = Duration::from_secs(86_400);
/// How many times the longest pause is too long.
const FACTOR: u32 = 10;
/// A busy source whose pauses last a second is not silent after ten.
const SHORTEST: Duration = Duration::from_secs(3_600);
/// Whatever was learnt, a week of nothing is said to be so.
const LONGEST: Duration = Duration::from_secs(7 * 86_400);

/// How long nothing may come from a source before that is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Silence {
    /// As long as its own habits say.
    #[default]
    Learn,
    /// For ever.
    Never,
    /// This long.
    After(Duration),
}

/// What changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SilenceChange {
    /// For so long nothing came, which is too long.
    Began(Duration),
    /// A record came, after so long.
    Ended(Duration),
}

/// What a listener knows, for the one that listens after it. All times are milliseconds of listening.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Habit {
    listened_ms: u64,
    last_ms: Option<u64>,
    since_ms: Option<u64>,
    day: u64,
    longest_ms: [u64; DAYS],
}

/// Listens to one source.
#[derive(Debug)]
pub struct Listener {
    policy: Silence,
    /// When this process began to listen.
    began: Instant,
    /// For how long others had listened by then.
    before: Duration,
    /// When the newest page with records came.
    last: Option<Duration>,
    /// Whether reading worked all the time since then.
    undisturbed: bool,
    pauses: Pauses,
    silent: bool,
}

/// The longest pause of each of the last days, in the order of the days modulo their number.
#[derive(Debug, Default)]
struct Pauses {
    since: Option<Duration>,
    day: u64,
    longest: [Duration; DAYS],
}

impl Listener {
    /// Begins to listen.
    pub fn new(policy: Silence, now: Instant) -> Self {
        Self {
            policy,
            began: now,
            before: Duration::ZERO,
            last: None,
            undisturbed: false,
            pauses: Pauses::default(),
            silent: false,
        }
    }

    /// Goes on where another listener was.
    pub fn resume(policy: Silence, habit: &Habit, now: Instant) -> Self {
        let before = Duration::from_millis(habit.listened_ms);
        let known = |ms| Duration::from_millis(ms).min(before);
        let since = habit.since_ms.map(known);
        Self {
            before,
            last: habit.last_ms.map(known),
            pauses: Pauses {
                since,
                day: habit.day.min(since.map_or(0, |since| day(since, before))),
                longest: habit.longest_ms.map(Duration::from_millis),
            },
            ..Self::new(policy, now)
        }
    }

    /// What there is to know for the next one.
    pub fn habit(&self, now: Instant) -> Habit {
        Habit {
            listened_ms: milliseconds(self.at(now)),
            last_ms: self.last.map(milliseconds),
            since_ms: self.pauses.since.map(milliseconds),
            day: self.pauses.day,
            longest_ms: self.pauses.longest.map(milliseconds),
        }
    }

    /// From now on this is too long; what was learnt stays.
    pub fn expect(&mut self, policy: Silence) {
        self.policy = policy;
    }

    /// A page with records came; `habitual` when it is news, and not a past that is read as fast as it can be.
    pub fn heard(&mut self, now: Instant, habitual: bool) -> Option<SilenceChange> {
        let (at, pause) = (self.at(now), self.pause(now));
        if habitual {
            let lesson = self.last.filter(|_| self.undisturbed).map(|_| pause);
            self.pauses.learn(lesson, at);
        }
        self.undisturbed = habitual;
        self.last = Some(at);
        let ended = std::mem::take(&mut self.silent);
        ended.then_some(SilenceChange::Ended(pause))
    }

    /// Reading does not work at the moment: this pause teaches nothing.
    pub fn disturbed(&mut self) {
        self.undisturbed = false;
    }

    /// Looks at the clock.
    pub fn look(&mut self, now: Instant) -> Option<SilenceChange> {
        let pause = self.pause(now);
        let too_long = self.limit(now).is_some_and(|limit| pause > limit);
        if too_long && !self.silent {
            self.silent = true;
            return Some(SilenceChange::Began(pause));
        }
        None
    }

    /// How long is too long, as far as is known.
    pub fn limit(&self, now: Instant) -> Option<Duration> {
        match self.policy {
            Silence::Never => None,
            Silence::After(limit) => Some(limit),
            Silence::Learn => {
                let (since, now) = (self.pauses.since?, self.at(now));
                let known = now.saturating_sub(since) >= OBSERVED_AT_LEAST;
                known
                    .then(|| self.pauses.longest(now).saturating_mul(FACTOR))
                    .map(|limit| limit.clamp(SHORTEST, LONGEST))
            }
        }
    }

    /// For how long nothing came, if that is too long.
    pub fn silent_for(&self, now: Instant) -> Option<Duration> {
        self.silent.then(|| self.pause(now))
    }

    /// For how long nothing came.
    fn pause(&self, now: Instant) -> Duration {
        self.at(now).saturating_sub(self.last.unwrap_or_default())
    }

    /// For how long this source has been listened to by now, in all processes.
    fn at(&self, now: Instant) -> Duration {
        self.before + now.saturating_duration_since(self.began)
    }
}

impl Pauses {
    fn learn(&mut self, pause: Option<Duration>, now: Duration) {
        let since = *self.since.get_or_insert(now);
        let day = day(since, now);
        for passed in self.day + 1..=day.min(self.day + DAYS as u64) {
            if let Some(longest) = self.longest.get_mut(slot(passed)) {
                *longest = Duration::ZERO;
            }
        }
        self.day = day;
        if let Some((longest, pause)) = self.longest.get_mut(slot(day)).zip(pause) {
            *longest = pause.max(*longest);
        }
    }

    /// Days that passed without a record hold no pauses any more, whatever their slots say.
    fn longest(&self, now: Duration) -> Duration {
        let today = self.since.map_or(0, |since| day(since, now));
        let oldest = (today + 1).saturating_sub(DAYS as u64);
        let days = oldest..=self.day;
        let longest = days.filter_map(|day| self.longest.get(slot(day)));
        longest.max().copied().unwrap_or_default()
    }
}

fn day(since: Duration, now: Duration) -> u64 {
    now.saturating_sub(since).as_secs() / DAY.as_secs()
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn slot(day: u64) -> usize {
    (day % DAYS as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const HOUR: Duration = Duration::from_secs(3_600);

    /// A listener and a clock that the test moves.
    struct Scene {
        listener: Listener,
        now: Instant,
    }

    impl Scene {
        fn new(policy: Silence) -> Self {
            let now = Instant::now();
            Self {
                listener: Listener::new(policy, now),
                now,
            }
        }

        fn after(&mut self, pause: Duration) -> Option<SilenceChange> {
            self.now += pause;
            self.listener.look(self.now)
        }

        fn record_after(&mut self, pause: Duration) -> Option<SilenceChange> {
            self.now += pause;
            self.listener.heard(self.now, true)
        }

        /// Records every so often for so long.
        fn records(&mut self, every: Duration, long: Duration) {
            for _ in 0..long.as_secs() / every.as_secs() {
                self.record_after(every);
            }
        }

        fn limit(&self) -> Option<Duration> {
            self.listener.limit(self.now)
        }

        /// The process ends, nobody listens for a while, and another process goes on.
        fn restart_after(&mut self, away: Duration) {
            let habit = serde_json::to_string(&self.listener.habit(self.now)).unwrap();
            self.now += away;
            let habit = serde_json::from_str(&habit).unwrap();
            self.listener = Listener::resume(self.listener.policy, &habit, self.now);
        }
    }

    #[test]
    fn trap_28_silence_begins_once_and_ends_once() {
        let mut scene = Scene::new(Silence::After(6 * HOUR));
        assert_eq!(scene.record_after(MINUTE), None);
        assert_eq!(scene.after(6 * HOUR), None);
        let long = 6 * HOUR + MINUTE;
        assert_eq!(scene.after(MINUTE), Some(SilenceChange::Began(long)));
        assert_eq!(scene.after(HOUR), None, "said once");
        assert_eq!(scene.listener.silent_for(scene.now), Some(long + HOUR));
        let ended = scene.record_after(HOUR);
        assert_eq!(ended, Some(SilenceChange::Ended(long + 2 * HOUR)));
        assert_eq!(scene.record_after(MINUTE), None);
        assert_eq!(scene.listener.silent_for(scene.now), None);
    }

    #[test]
    fn trap_28_a_source_that_never_brought_anything_is_silent_too() {
        let mut scene = Scene::new(Silence::After(HOUR));
        assert_eq!(scene.after(HOUR), None);
        assert!(scene.after(MINUTE).is_some());
        let mut never = Scene::new(Silence::Never);
        assert_eq!(never.after(1_000 * HOUR), None);
    }

    #[test]
    fn what_is_too_long_is_learnt_within_a_day() {
        let mut scene = Scene::new(Silence::Learn);
        scene.records(30 * MINUTE, 23 * HOUR);
        assert_eq!(scene.limit(), None, "a day is not over");
        scene.records(30 * MINUTE, 2 * HOUR);
        assert_eq!(scene.limit(), Some(300 * MINUTE));
        assert_eq!(scene.after(300 * MINUTE), None);
        assert!(scene.after(MINUTE).is_some());
    }

    #[test]
    fn what_was_learnt_is_at_least_an_hour_and_at_most_a_week() {
        let mut scene = Scene::new(Silence::Learn);
        scene.records(MINUTE, 25 * HOUR);
        assert_eq!(scene.limit(), Some(HOUR));
        scene.record_after(30 * HOUR);
        assert_eq!(scene.limit(), Some(7 * DAY));
    }

    #[test]
    fn what_was_learnt_is_forgotten_after_seven_days() {
        let mut scene = Scene::new(Silence::Learn);
        scene.records(MINUTE, 25 * HOUR);
        scene.record_after(10 * HOUR);
        assert_eq!(scene.limit(), Some(100 * HOUR));
        scene.records(MINUTE, 5 * DAY);
        assert_eq!(scene.limit(), Some(100 * HOUR));
        scene.records(MINUTE, 2 * DAY);
        assert_eq!(scene.limit(), Some(HOUR));
    }

    #[test]
    fn a_pause_in_which_reading_failed_teaches_nothing() {
        let mut scene = Scene::new(Silence::Learn);
        scene.records(10 * MINUTE, 25 * HOUR);
        scene.listener.disturbed();
        scene.record_after(48 * HOUR);
        assert_eq!(scene.limit(), Some(100 * MINUTE));
    }

    #[test]
    fn a_past_that_is_read_teaches_nothing() {
        let mut scene = Scene::new(Silence::Learn);
        for _ in 0..2_000 {
            scene.now += MINUTE;
            scene.listener.heard(scene.now, false);
        }
        assert_eq!(scene.limit(), None);
    }

    #[test]
    fn trap_28_a_source_that_dies_while_the_program_restarts_is_noticed() {
        let mut scene = Scene::new(Silence::Learn);
        scene.records(30 * MINUTE, 25 * HOUR);
        scene.after(HOUR);
        scene.restart_after(2 * DAY);
        assert_eq!(scene.limit(), Some(300 * MINUTE), "it need not learn anew");
        assert_eq!(scene.after(4 * HOUR), None, "nobody listened for two days");
        let long = 5 * HOUR + MINUTE;
        assert_eq!(scene.after(MINUTE), Some(SilenceChange::Began(long)));
        scene.restart_after(MINUTE);
        assert_eq!(scene.listener.silent_for(scene.now), None);
        assert!(scene.after(MINUTE).is_some(), "said again by each process");
        let ended = scene.record_after(MINUTE);
        assert_eq!(ended, Some(SilenceChange::Ended(long + 2 * MINUTE)));
    }

    #[test]
    fn trap_28_who_restarts_it_every_hour_hears_of_silence_too() {
        for policy in [Silence::Learn, Silence::After(5 * HOUR)] {
            let mut scene = Scene::new(policy);
            scene.records(20 * MINUTE, 30 * HOUR);
            let mut said = 0;
            for _ in 0..7 {
                said += u32::from(scene.after(HOUR).is_some());
                scene.restart_after(MINUTE);
            }
            assert_eq!(
                said,
                if policy == Silence::Learn { 4 } else { 2 },
                "{policy:?}"
            );
        }
    }

    #[test]
    fn what_was_kept_and_makes_no_sense_is_borne() {
        let now = Instant::now();
        let habit = Habit {
            listened_ms: 5,
            last_ms: Some(u64::MAX),
            since_ms: Some(u64::MAX),
            day: u64::MAX,
            longest_ms: [u64::MAX; DAYS],
        };
        let mut listener = Listener::resume(Silence::Learn, &habit, now);
        assert_eq!(listener.look(now + HOUR), None);
        assert_eq!(listener.heard(now + 9 * DAY, true), None);
        let eternal = Habit {
            listened_ms: u64::MAX,
            ..habit
        };
        let mut listener = Listener::resume(Silence::Learn, &eternal, now);
        assert_eq!(listener.heard(now + DAY, true), None);
        assert_eq!(listener.look(now + 2 * DAY), None);
        assert_eq!(listener.habit(now + 2 * DAY).listened_ms, u64::MAX);
    }

    proptest::proptest! {
        #[test]
        fn a_restart_changes_nothing_of_what_was_learnt(
            pauses in proptest::collection::vec((1_u64..200_000, proptest::bool::ANY), 1..60)
        ) {
            let (mut one, mut other) = (Scene::new(Silence::Learn), Scene::new(Silence::Learn));
            for (pause, restart) in pauses {
                // What a page behind a restart teaches is less: it is no habit of the source.
                let habitual = !restart;
                for scene in [&mut one, &mut other] {
                    scene.now += Duration::from_secs(pause);
                    scene.listener.heard(scene.now, habitual);
                }
                if restart {
                    other.restart_after(Duration::from_secs(pause));
                }
                assert_eq!(one.limit(), other.limit());
            }
        }

        #[test]
        fn what_is_learnt_is_what_the_last_days_held(
            pauses in proptest::collection::vec(1_u64..200_000, 1..60)
        ) {
            let mut scene = Scene::new(Silence::Learn);
            scene.record_after(MINUTE);
            let mut heard = vec![(scene.now, Duration::ZERO)];
            for pause in pauses {
                scene.record_after(Duration::from_secs(pause));
                heard.push((scene.now, Duration::from_secs(pause)));
            }
            let first = heard[0].0;
            let day = |at: Instant| day(Duration::ZERO, at - first);
            let today = day(scene.now);
            let recent = heard.iter().filter(|(at, _)| day(*at) + DAYS as u64 > today);
            let longest = recent.map(|(_, pause)| *pause).max().unwrap();
            let expected = (scene.now - first >= DAY).then(|| (longest * 10).clamp(SHORTEST, LONGEST));
            assert_eq!(scene.limit(), expected);
        }
    }
}
