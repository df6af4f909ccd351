//! When things happen: office hours, weekends, and events that reach the log late.

use std::ops::Range;

use rand::rngs::StdRng;
use rand::{Rng, RngExt};

use super::text::Chance;

/// What commits an event to the log takes about this long.
const LAG_MS: i64 = 250;
/// Late means between these.
const LATE_MS: Range<f64> = 60_000.0..6.0 * HOUR_MS as f64;
const HOUR_MS: i64 = 3_600_000;
/// So many of 1,000 events share their millisecond with the one before.
const TIES: u32 = 15;

/// An event's two times, in milliseconds since 1970. `published` is never after `persisted`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) published: i64,
    pub(crate) persisted: i64,
}

/// `count` moments within a window, in the order of persistence; `late_percent` of them late.
pub(crate) fn moments(
    rng: &mut StdRng,
    count: usize,
    window: Range<i64>,
    late_percent: f64,
) -> Vec<Moment> {
    let late_share = (late_percent.clamp(0.0, 100.0) / 100.0).clamp(0.0, 1.0);
    let mut moments = Vec::with_capacity(count);
    for published in published(rng, count, &window) {
        let late = late_share > 0.0 && rng.random_bool(late_share);
        let lag = if late { late_lag(rng) } else { LAG_MS };
        moments.push(Moment {
            published,
            persisted: (published + lag).min(window.end),
        });
    }
    moments.sort_by_key(|moment| moment.persisted);
    moments
}

/// Spread evenly: for recorded events, whose own time says nothing about the window.
pub(crate) fn evenly(count: usize, window: &Range<i64>) -> impl Iterator<Item = i64> {
    let (start, length) = (window.start, window.end - window.start);
    let steps = i64::try_from(count).unwrap_or(i64::MAX).saturating_add(1);
    (1..steps).map(move |step| {
        let share = step as f64 / steps as f64;
        start + (length as f64 * share) as i64
    })
}

/// Short lags are more likely than long ones.
fn late_lag(rng: &mut StdRng) -> i64 {
    let share: f64 = rng.random();
    (LATE_MS.start * (LATE_MS.end / LATE_MS.start).powf(share)) as i64
}

/// Times in order, more of them when people work.
fn published(rng: &mut StdRng, count: usize, window: &Range<i64>) -> Vec<i64> {
    let hours = (window.end - window.start).max(1) as f64 / HOUR_MS as f64;
    let slots = hours.ceil() as i64;
    let weights: Vec<f64> = (0..slots)
        .map(|slot| {
            let share = (hours - slot as f64).min(1.0);
            share * weight(window.start + slot * HOUR_MS)
        })
        .collect();
    let total: f64 = weights.iter().sum();
    let mut slots = weights.into_iter().enumerate();
    let (mut slot, mut width) = slots.next().unwrap_or((0, 1.0));
    let mut before = 0.0;
    let mut times: Vec<i64> = Vec::with_capacity(count);
    for number in 0..count {
        let place = (number as f64 + rng.random::<f64>()) / count as f64 * total;
        while place > before + width
            && let Some(next) = slots.next()
        {
            before += width;
            (slot, width) = next;
        }
        let into_slot = ((place - before) / width).clamp(0.0, 1.0);
        let time = window.start + ((slot as f64 + into_slot) * HOUR_MS as f64) as i64;
        let time = match times.last() {
            Some(last) if rng.per_mille(TIES) => *last,
            Some(last) => time.max(*last),
            None => time,
        };
        times.push(time.min(window.end));
    }
    times
}

/// How busy an hour is, by UTC.
fn weight(ms: i64) -> f64 {
    let hour = ms.div_euclid(HOUR_MS).rem_euclid(24);
    // 1970-01-01 was a Thursday.
    let weekday = (ms.div_euclid(24 * HOUR_MS) + 3).rem_euclid(7);
    let of_day = match hour {
        7..=17 => 1.0,
        18..=21 => 0.4,
        _ => 0.12,
    };
    if weekday >= 5 { of_day * 0.25 } else { of_day }
}

/// A moment of now: published a little before it is persisted.
pub(crate) fn live(rng: &mut StdRng, now: i64) -> Moment {
    let lag = i64::from(rng.next_u32() % 300);
    Moment {
        published: now - lag,
        persisted: now,
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    const WINDOW: Range<i64> = 1_772_000_000_000..1_776_000_000_000;

    fn some(late_percent: f64) -> Vec<Moment> {
        moments(&mut StdRng::seed_from_u64(1), 20_000, WINDOW, late_percent)
    }

    fn out_of_order(moments: &[Moment]) -> usize {
        moments
            .windows(2)
            .filter(|pair| pair[1].published < pair[0].published)
            .count()
    }

    #[test]
    fn without_late_events_both_orders_are_one() {
        let moments = some(0.0);
        assert_eq!(moments.len(), 20_000);
        assert!(moments.is_sorted_by_key(|moment| moment.persisted));
        assert_eq!(out_of_order(&moments), 0);
    }

    #[test]
    fn late_events_are_out_of_order_and_never_before_their_publication() {
        let moments = some(10.0);
        assert!(moments.is_sorted_by_key(|moment| moment.persisted));
        assert!(out_of_order(&moments) > 1000);
        assert!(
            moments
                .iter()
                .all(|moment| moment.published <= moment.persisted)
        );
        assert!(
            moments
                .iter()
                .all(|moment| moment.published >= WINDOW.start)
        );
        assert!(moments.iter().all(|moment| moment.persisted <= WINDOW.end));
    }

    #[test]
    fn trap_4_some_events_share_a_millisecond() {
        let moments = some(0.0);
        let ties = moments
            .windows(2)
            .filter(|pair| pair[0].published == pair[1].published);
        assert!(ties.count() > 200);
    }

    #[test]
    fn whole_window_is_used() {
        let moments = some(0.0);
        let day = 24 * HOUR_MS;
        assert!(moments[0].published < WINDOW.start + day);
        assert!(moments[19_999].published > WINDOW.end - day);
    }

    #[test]
    fn recorded_events_are_spread_evenly() {
        let times: Vec<_> = evenly(3, &(0..400)).collect();
        assert_eq!(times, [100, 200, 300]);
    }
}
