//! The line of those who wait for a budget.
//!
//! Polls at the head go first, but beside a backlog that waits they have every second turn at most: a limit may be so
//! small that polls alone would use it up, and then what is read of the past would never come to its end.

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
    /// Whether a poll at the head went since a backlog did, which is then to go next if it waits.
    owes_backlog: bool,
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

    /// Who goes next: the one that is overdue for longest, else a backlog that is owed a turn, else the first of the
    /// highest priority. With it, whether it insists: as one of the first two, it lets nobody go before it, and nothing
    /// is kept from it for polls at the head.
    pub(super) fn first(&self, now: Instant) -> Option<(Place, bool)> {
        let (waiter, insists) = self.first_waiter(now)?;
        Some((waiter.place, insists))
    }

    /// Whether somebody who does not wait yet may go before all who do.
    pub(super) fn gives_way_to(&self, priority: Priority, now: Instant) -> bool {
        let first = self.first(now);
        first.is_none_or(|(first, insists)| !insists && first.priority > priority)
    }

    /// A request went out, whether it had waited or not.
    pub(super) fn went(&mut self, priority: Priority) {
        self.owes_backlog = match priority {
            Priority::Live => true,
            Priority::Backlog => false,
            Priority::Window => self.owes_backlog,
        };
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
        let [_, backlog, _] = &self.queues;
        let insistent = overdue.or(backlog.front().filter(|_| self.owes_backlog));
        match insistent {
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
