//! Which events a page holds, and where the next one begins.

use std::ops::Range;

use crate::cursor::Position;
use crate::query::{LogQuery, RETENTION_MS};
use crate::store::Store;

/// A page's events by their places in the order of persistence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Events {
    Run(Range<usize>),
    List(Vec<usize>),
}

/// One page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) events: Events,
    /// None on the last page of a bounded request.
    pub(crate) next: Option<Position>,
}

impl Events {
    /// The places, in the page's order.
    pub(crate) fn places(&self) -> Vec<usize> {
        match self {
            Self::Run(run) => run.clone().collect(),
            Self::List(places) => places.clone(),
        }
    }
}

impl Page {
    /// The page a request asks for, at a time the org calls now.
    pub(crate) fn select(
        store: &Store,
        query: &LogQuery,
        from: Option<Position>,
        now: i64,
    ) -> Self {
        match query.until {
            None => Self::polling(store, query, from, now),
            Some(until) => Self::bounded(store, query, until, from, now),
        }
    }

    fn polling(store: &Store, query: &LogQuery, from: Option<Position>, now: i64) -> Self {
        let visible = store.visible(now);
        let since = query.since.max(now - RETENTION_MS);
        let from = match from {
            Some(Position::Polling(index)) => index as usize,
            Some(Position::Bounded(..)) | None => 0,
        };
        let start = from.max(store.first_from(since)).min(visible);
        let (events, end) = if query.takes_all() {
            let end = visible.min(start + query.limit);
            (Events::Run(start..end), end)
        } else {
            let mut found = Vec::new();
            let mut end = start;
            while end < visible && found.len() < query.limit {
                if query.matches(&store.event(end)) {
                    found.push(end);
                }
                end += 1;
            }
            (Events::List(found), end)
        };
        let next = Position::Polling(u32::try_from(end).unwrap_or(u32::MAX));
        Self {
            events,
            next: Some(next),
        }
    }

    fn bounded(
        store: &Store,
        query: &LogQuery,
        until: i64,
        from: Option<Position>,
        now: i64,
    ) -> Self {
        let since = query.since.max(now - RETENTION_MS);
        let visible = store.visible(now);
        let behind = |index: u32| match from {
            Some(Position::Bounded(published, last)) => {
                let order = (store.published(index), index).cmp(&(published, last));
                if query.descending {
                    order.is_lt()
                } else {
                    order.is_gt()
                }
            }
            Some(Position::Polling(_)) | None => true,
        };
        let wanted = |index: &u32| {
            let place = *index as usize;
            place < visible
                && behind(*index)
                && (query.takes_all() || query.matches(&store.event(place)))
        };
        let all = store.published_in(since, until).iter().copied();
        // One more than a page shows whether there is another.
        let mut found: Vec<u32> = if query.descending {
            all.rev().filter(wanted).take(query.limit + 1).collect()
        } else {
            all.filter(wanted).take(query.limit + 1).collect()
        };
        let more = found.len() > query.limit;
        found.truncate(query.limit);
        let last = found.last().filter(|_| more);
        Self {
            next: last.map(|index| Position::Bounded(store.published(*index), *index)),
            events: Events::List(found.into_iter().map(|index| index as usize).collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::DAY_MS;
    use crate::query::Parameters;

    const NOW: i64 = 1_772_359_200_000;
    const HOUR: i64 = DAY_MS / 24;

    /// Ten events an hour apart, the last one published six and a half hours before it was persisted.
    fn store() -> Store {
        let mut store = Store::default();
        for number in 0..10 {
            let persisted = NOW - (10 - number) * HOUR;
            let published = if number == 9 {
                persisted - 13 * HOUR / 2
            } else {
                persisted
            };
            store.push(published, persisted, |out| {
                out.extend_from_slice(format!("{{\"eventType\":\"n{number}\"}}").as_bytes());
                number as u128
            });
        }
        store
    }

    fn select(store: &Store, raw: &str, from: Option<Position>) -> Page {
        let query = Parameters::parse(raw).check(NOW).unwrap();
        Page::select(store, &query, from, NOW)
    }

    #[test]
    fn trap_5_polling_sees_a_late_event_where_it_arrived_and_bounded_where_it_happened() {
        let store = store();
        let polled = select(&store, "limit=10", None);
        assert_eq!(polled.events, Events::Run(0..10));
        assert_eq!(polled.next, Some(Position::Polling(10)));
        let bounded = select(&store, "until=2026-03-01T11:00:00Z", None);
        assert_eq!(bounded.events.places(), [0, 1, 2, 9, 3, 4, 5, 6, 7, 8]);
        assert_eq!(bounded.next, None);
    }

    #[test]
    fn trap_5_bounded_window_read_before_never_shows_the_late_event() {
        let mut store = store();
        let window = "since=2026-03-01T05:00:00Z&until=2026-03-01T07:00:00Z";
        let before = select(&store, window, None).events.places();
        let late = NOW - 4 * HOUR;
        store.push(late, NOW, |out| {
            out.extend_from_slice(b"{}");
            99
        });
        let polled = select(&store, "", Some(Position::Polling(10)));
        assert_eq!(polled.events, Events::Run(10..11));
        let after = select(&store, window, None).events.places();
        assert_eq!(after.len(), before.len() + 1);
    }

    #[test]
    fn bounded_pages_end_without_next_in_both_orders() {
        let store = store();
        for order in ["ASCENDING", "DESCENDING"] {
            let raw = format!("until=2026-03-01T11:00:00Z&limit=4&sortOrder={order}");
            let (mut all, mut from, mut pages) = (Vec::new(), None, 0);
            loop {
                let page = select(&store, &raw, from);
                all.extend(page.events.places());
                pages += 1;
                from = page.next;
                if from.is_none() {
                    break;
                }
            }
            if order == "DESCENDING" {
                all.reverse();
            }
            assert_eq!(all, [0, 1, 2, 9, 3, 4, 5, 6, 7, 8]);
            assert_eq!(pages, 3);
        }
    }

    #[test]
    fn since_counts_persistence_when_polling() {
        let store = store();
        let page = select(&store, "since=2026-03-01T09:00:00Z", None);
        assert_eq!(page.events, Events::Run(9..10));
    }

    #[test]
    fn since_in_the_future_yields_nothing_yet() {
        let store = store();
        let page = select(&store, "since=2026-03-02T09:00:00Z", None);
        assert_eq!(
            (page.events, page.next),
            (Events::Run(10..10), Some(Position::Polling(10)))
        );
    }

    #[test]
    fn filtered_polling_moves_behind_what_did_not_match() {
        let store = store();
        let page = select(&store, "filter=eventType+eq+%22n3%22", None);
        assert_eq!(page.events, Events::List(vec![3]));
        assert_eq!(page.next, Some(Position::Polling(10)));
    }

    #[test]
    fn retention_hides_what_is_older_than_90_days() {
        let mut store = Store::default();
        for days in [91, 89] {
            let at = NOW - days * DAY_MS;
            store.push(at, at, |out| {
                out.extend_from_slice(b"{}");
                days as u128
            });
        }
        let since = "since=2025-10-01T00:00:00Z";
        assert_eq!(select(&store, since, None).events, Events::Run(1..2));
        let bounded = format!("{since}&until=2026-03-01T10:00:00Z");
        assert_eq!(select(&store, &bounded, None).events.places(), [1]);
    }
}
