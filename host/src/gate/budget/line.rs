//! The line of those who wait for a budget.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::Priority;

/// A place in the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) priority: Priority,
    number: u64,
}

#[derive(Debug)]
struct Waiter {
    place: Place,
    /// From then on it goes before all others.
    overdue: Instant,
    call: Arc<Notify>,
}

/// Who waits, in the order of coming, one queue for each priority.
#[derive(Debug, Default)]
pub(super) struct Line {
    queues: [VecDeque<Waiter>; 3],
    numbers: u64,
}

impl Line {
    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.queues.iter().map(VecDeque::len).sum()
    }

    /// Takes a place at the end. Who is first is called when it should ask again.
    pub(super) fn enter(
        &mut self,
        priority: Priority,
        overdue: Instant,
        call: Arc<Notify>,
    ) -> Place {
        let number = self.numbers;
        self.numbers += 1;
        let place = Place { priority, number };
        self.queue(priority).push_back(Waiter {
            place,
            overdue,
            call,
        });
        place
    }

    /// Gives a place up. Most who do are the first of their queue.
    pub(super) fn leave(&mut self, place: Place) {
        let queue = self.queue(place.priority);
        if let Some(at) = queue.iter().position(|waiter| waiter.place == place) {
            queue.remove(at);
        }
    }

    /// Who goes next: the one that is overdue for longest, else the first of the highest priority. With it, whether it
    /// is overdue.
    pub(super) fn first(&self, now: Instant) -> Option<(Place, bool)> {
        let (waiter, overdue) = self.first_waiter(now)?;
        Some((waiter.place, overdue))
    }

    /// Whether somebody who does not wait yet may go before all who do.
    pub(super) fn gives_way_to(&self, priority: Priority, now: Instant) -> bool {
        let first = self.first(now);
        first.is_none_or(|(first, overdue)| !overdue && first.priority > priority)
    }

    /// Tells who goes next to ask again.
    pub(super) fn call_first(&self, now: Instant) {
        if let Some((waiter, _)) = self.first_waiter(now) {
            waiter.call.notify_one();
        }
    }

    fn first_waiter(&self, now: Instant) -> Option<(&Waiter, bool)> {
        let mut fronts = self.queues.iter().filter_map(VecDeque::front);
        let overdue = fronts
            .clone()
            .filter(|waiter| waiter.overdue <= now)
            .min_by_key(|waiter| waiter.overdue);
        match overdue {
            Some(waiter) => Some((waiter, true)),
            None => fronts.next().map(|waiter| (waiter, false)),
        }
    }

    fn queue(&mut self, priority: Priority) -> &mut VecDeque<Waiter> {
        let [live, backlog, window] = &mut self.queues;
        match priority {
            Priority::Live => live,
            Priority::Backlog => backlog,
            Priority::Window => window,
        }
    }
}
