use std::collections::BTreeSet;

use futures::FutureExt;

use super::*;

const SLICE: Duration = Duration::from_millis(5);

fn seat(member: &Member, errand: Errand) -> Option<Seat> {
    member.seat(errand).now_or_never()
}

fn members(crowd: &Crowd, count: usize) -> Vec<Member> {
    (0..count).map(|_| crowd.join()).collect()
}

#[test]
fn as_many_sources_as_seats_never_wait() {
    let crowd = Crowd::new(8, SLICE);
    let members = members(&crowd, 8);
    let past = members.iter().map(|member| seat(member, Errand::Past));
    let seats: Vec<_> = past.map(Option::unwrap).collect();
    assert!(!members[0].is_in_a_crowd());
    assert!(seats.iter().all(|seat| !members[0].must_get_up(seat)));
    assert_eq!(members[0].before_the_first(), Duration::ZERO);
    let poll = Duration::from_secs(60);
    assert!(members.iter().all(|member| member.rest(poll) == poll));
}

#[test]
fn delivery_19_no_more_readers_than_seats_and_a_quarter_is_for_who_is_up_to_date() {
    let crowd = Crowd::new(8, SLICE);
    let members = members(&crowd, 20);
    let past = members
        .iter()
        .filter_map(|member| seat(member, Errand::Past));
    let mut past: Vec<_> = past.collect();
    assert_eq!(past.len(), 6);
    let live = members
        .iter()
        .filter_map(|member| seat(member, Errand::Live));
    let live: Vec<_> = live.collect();
    assert_eq!(live.len(), 2);
    // Who is up to date takes what the others leave.
    past.pop();
    assert!(seat(&members[0], Errand::Live).is_some());
    drop((past, live));
    let all = members
        .iter()
        .filter_map(|member| seat(member, Errand::Live));
    assert_eq!(all.collect::<Vec<_>>().len(), 8);
}

#[tokio::test]
async fn who_sat_long_enough_gets_up_for_the_next_in_line() {
    let crowd = Crowd::new(1, SLICE);
    let members = members(&crowd, 3);
    let first = seat(&members[0], Errand::Past).unwrap();
    tokio::time::sleep(2 * SLICE).await;
    assert!(!members[0].must_get_up(&first), "nobody waits");
    let mut second = Box::pin(members[1].seat(Errand::Past));
    let mut third = Box::pin(members[2].seat(Errand::Live));
    assert!((&mut second).now_or_never().is_none());
    assert!((&mut third).now_or_never().is_none());
    assert!(members[0].must_get_up(&first));
    drop(first);
    assert!(
        (&mut third).now_or_never().is_none(),
        "the second was there before"
    );
    let second = second.now_or_never().unwrap();
    assert!(!members[1].must_get_up(&second), "it has just sat down");
    drop(second);
    assert!(third.now_or_never().is_some());
    let last = seat(&members[0], Errand::Past).unwrap();
    tokio::time::sleep(2 * SLICE).await;
    assert!(!members[0].must_get_up(&last), "nobody waits any more");
}

#[test]
fn a_source_that_is_gone_is_no_crowd() {
    let crowd = Crowd::new(2, SLICE);
    let mut members = members(&crowd, 3);
    assert!(members[0].is_in_a_crowd());
    members.pop();
    assert!(!members[0].is_in_a_crowd());
}

/// How many are due in each second, from the first to the last.
fn by_second(begin: Instant, due: &[Instant]) -> Vec<usize> {
    let second = |due: &Instant| usize::try_from((*due - begin).as_secs()).unwrap();
    let mut counts = vec![0; due.iter().map(second).max().unwrap() + 1];
    due.iter().for_each(|due| counts[second(due)] += 1);
    counts
}

#[test]
fn first_reads_are_spread_over_seconds() {
    let begin = Instant::now();
    let mut calendar = Calendar::new(begin);
    let due: Vec<_> = (0..250)
        .map(|_| calendar.book(begin, Duration::ZERO, 100))
        .collect();
    assert_eq!(by_second(begin, &due), [100, 100, 50]);
    // Within a second too, and in the order in which they asked.
    assert!(due.is_sorted());
    assert_eq!(due[150] - begin, Duration::from_millis(1_500));
}

proptest::proptest! {
    /// Whatever came together, and however long each read takes: no second is full, and no poll comes early.
    #[test]
    fn polls_that_came_together_come_apart(
        takes in proptest::collection::vec(0..400_u64, 200),
        together in 0..3_000_u64,
    ) {
        let poll = Duration::from_secs(20);
        let per_second = 13; // 1.25 * 200 / 20, rounded up
        let begin = Instant::now();
        let mut calendar = Calendar::new(begin);
        let took = |source: usize, due: Instant| due + Duration::from_millis(takes[source]);
        // By the end of each source's read: the next one comes to rest then.
        let first = |source: usize| begin + Duration::from_millis(source as u64 * together / 200);
        let mut reads: BTreeSet<_> = (0..200).map(|source| (took(source, first(source)), source)).collect();
        let mut due = Vec::new();
        for _ in 0..1_000 {
            let (now, source) = reads.pop_first().unwrap();
            let next = calendar.book(now, poll, per_second);
            proptest::prop_assert!(next >= now + poll);
            proptest::prop_assert!(next <= now + 2 * poll + SECOND);
            due.push(next);
            reads.insert((took(source, next), source));
        }
        let busiest = by_second(begin, &due).into_iter().max().unwrap();
        proptest::prop_assert!(busiest <= per_second, "{} in a second", busiest);
    }

    #[test]
    fn other_intervals_leave_room_for_each_other(waits in proptest::collection::vec(1..90_u64, 1..200)) {
        let begin = Instant::now();
        let mut calendar = Calendar::new(begin);
        for wait in waits {
            let asked = Duration::from_secs(wait);
            let due = calendar.book(begin, asked, 2);
            proptest::prop_assert!(due >= begin + asked);
            proptest::prop_assert!(due <= begin + 2 * asked + Duration::from_secs(1));
        }
        let later = begin + Duration::from_secs(1_000);
        calendar.book(later, Duration::ZERO, 1);
        proptest::prop_assert_eq!(calendar.booked.len(), 1, "what is over is forgotten");
    }
}
