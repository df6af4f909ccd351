//! What many sources of one process share besides memory: seats to read on, and moments to come at.
//!
//! **Seats.** A reader takes megabytes while it reads, so no more sources have one at a time than there are seats
//! ([`super::Options::readers`]). Who waits, waits in turn. Sources that are up to date are not kept from their next poll
//! by those that read the past: a quarter of the seats is theirs alone, and of the others they take what is free. A
//! source that reads on and on gets up after a while if somebody waits ([`super::Timing::slice`]), so every one of them
//! gets on. A source that failed counts as one that reads the past until it has read again: those that can't be reached
//! hold up nobody who can.
//!
//! **Moments.** The first reads are spread over seconds, and polls over their interval: a thousand sources that are
//! polled each minute are some seventeen a second, not a burst. A poll is never earlier than it was asked for. It comes
//! later, once, when the second it falls into is full; from then on it is in a second of its own.
//!
//! While there are no more sources than seats, nobody waits for a seat or a moment, and a reader may be kept through a
//! short rest.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// First reads that begin within one second: each may look up a name, shake hands and run a command for its secret.
const FIRST_READS_PER_SECOND: usize = 100;

/// A second takes so many times its even share: reading takes time, by which polls drift, and those that drift into the
/// next second should find room there.
const ROOM: f64 = 1.25;

/// No poll is moved further than this.
const MOVED_MAX: Duration = Duration::from_secs(600);

/// All sources of a process. Cloning shares it.
#[derive(Clone)]
pub(crate) struct Crowd {
    shared: Arc<Shared>,
}

struct Shared {
    seats: usize,
    slice: Duration,
    members: AtomicUsize,
    /// Seats that are kept for sources that are up to date.
    live: Lane,
    /// All others.
    common: Lane,
    calendar: Mutex<Calendar>,
}

struct Lane {
    seats: Arc<Semaphore>,
    waiting: AtomicUsize,
}

/// One source of the crowd, for as long as it exists.
pub(crate) struct Member {
    shared: Arc<Shared>,
}

/// The right to have a reader at work, given back when dropped.
pub(crate) struct Seat {
    since: Instant,
    _permit: Option<OwnedSemaphorePermit>,
}

/// What a source is going to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Errand {
    /// What is new: it was up to date when it last read.
    Live,
    /// The past, or whatever is there after it failed.
    Past,
}

impl Crowd {
    pub(crate) fn new(seats: usize, slice: Duration) -> Self {
        let seats = seats.max(1);
        let live = seats / 4;
        Self {
            shared: Arc::new(Shared {
                seats,
                slice,
                members: AtomicUsize::new(0),
                live: Lane::new(live),
                common: Lane::new(seats - live),
                calendar: Mutex::new(Calendar::new(Instant::now())),
            }),
        }
    }

    /// One more source.
    pub(crate) fn join(&self) -> Member {
        self.shared.members.fetch_add(1, Ordering::Relaxed);
        Member {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl Lane {
    fn new(seats: usize) -> Self {
        Self {
            seats: Arc::new(Semaphore::new(seats)),
            waiting: AtomicUsize::new(0),
        }
    }

    fn free_seat(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.seats).try_acquire_owned().ok()
    }

    /// Waits in turn. Nobody closes the semaphore.
    async fn seat(&self) -> Option<OwnedSemaphorePermit> {
        let _counted = Counted::in_line(&self.waiting);
        Arc::clone(&self.seats).acquire_owned().await.ok()
    }
}

impl Member {
    /// Whether there are more sources than seats, so that a seat is for reading and not for resting.
    pub(crate) fn is_in_a_crowd(&self) -> bool {
        self.members() > self.shared.seats
    }

    /// Waits for a seat, if there is none for everybody.
    pub(crate) async fn seat(&self, errand: Errand) -> Seat {
        let Shared { live, common, .. } = &*self.shared;
        let (first, second) = match errand {
            Errand::Live => (live, common),
            Errand::Past => (common, live),
        };
        let any = errand == Errand::Live || !self.is_in_a_crowd();
        let free = || {
            first
                .free_seat()
                .or_else(|| second.free_seat().filter(|_| any))
        };
        let permit = match free() {
            Some(permit) => Some(permit),
            None if any => tokio::select! {
                biased;
                permit = live.seat() => permit,
                permit = common.seat() => permit,
            },
            None => common.seat().await,
        };
        Seat {
            since: Instant::now(),
            _permit: permit,
        }
    }

    /// Whether a source has sat long enough, and somebody waits for a seat like its.
    pub(crate) fn must_get_up(&self, seat: &Seat) -> bool {
        let waiting = self.shared.common.waiting.load(Ordering::Relaxed);
        waiting > 0 && seat.since.elapsed() >= self.shared.slice
    }

    /// How long to wait before the very first read.
    pub(crate) fn before_the_first(&self) -> Duration {
        if !self.is_in_a_crowd() {
            return Duration::ZERO;
        }
        self.book(Duration::ZERO, FIRST_READS_PER_SECOND)
    }

    /// How long to rest instead of as long as was asked for.
    pub(crate) fn rest(&self, asked: Duration) -> Duration {
        if !self.is_in_a_crowd() || asked < SECOND {
            return asked;
        }
        let evenly = self.members() as f64 / asked.as_secs_f64();
        let per_second = (evenly * ROOM).ceil();
        self.book(asked, per_second as usize)
    }

    fn book(&self, asked: Duration, per_second: usize) -> Duration {
        let now = Instant::now();
        let calendar = self.shared.calendar.lock();
        let mut calendar = calendar.unwrap_or_else(PoisonError::into_inner);
        calendar.book(now, asked, per_second) - now
    }

    fn members(&self) -> usize {
        self.shared.members.load(Ordering::Relaxed)
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.shared.members.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One that waits, for as long as it does.
struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    fn in_line(counter: &'a AtomicUsize) -> Self {
        counter.fetch_add(1, Ordering::Relaxed);
        Self(counter)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

const SECOND: Duration = Duration::from_secs(1);

/// How many sources come in each second from now on.
struct Calendar {
    begin: Instant,
    /// By seconds since the beginning; those that are over are let go of.
    booked: BTreeMap<u64, usize>,
}

impl Calendar {
    fn new(begin: Instant) -> Self {
        Self {
            begin,
            booked: BTreeMap::new(),
        }
    }

    /// A moment not before the one that was asked for, in the first second that has fewer than this many; if there is
    /// none within as long again as was asked for, in the emptiest.
    fn book(&mut self, now: Instant, asked: Duration, per_second: usize) -> Instant {
        let present = self.second_of(now);
        self.booked = self.booked.split_off(&present);
        let wanted = now + asked;
        let first = self.second_of(wanted);
        let furthest = match asked {
            Duration::ZERO => u64::MAX,
            asked => first + asked.min(MOVED_MAX).as_secs(),
        };
        let booked = |second: u64| self.booked.get(&second).copied().unwrap_or(0);
        let mut best = first;
        for second in first..=furthest {
            if booked(second) < booked(best) {
                best = second;
            }
            if booked(best) < per_second {
                break;
            }
        }
        let others = self.booked.entry(best).or_default();
        let within = SECOND.mul_f64((*others as f64 / per_second.max(1) as f64).min(0.999));
        *others += 1;
        match best == first {
            true => wanted,
            false => self.begin + Duration::from_secs(best) + within,
        }
    }

    fn second_of(&self, moment: Instant) -> u64 {
        moment.saturating_duration_since(self.begin).as_secs()
    }
}

#[cfg(test)]
#[path = "crowd_tests.rs"]
mod tests;
