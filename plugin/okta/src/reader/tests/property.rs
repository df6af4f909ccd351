//! Delivery rules 9 to 13, for any course of events: each is taken exactly once.

use proptest::prelude::*;

use super::model::{Fault, Host, Read};
use super::*;

const MINUTE: u64 = 60_000;

/// What happens between two reads.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// Nothing but that time passes, in milliseconds.
    Wait(u64),
    /// So many events are persisted at the same moment, so many milliseconds late.
    Persist(usize, u64),
    /// The reader is dropped.
    Restart,
    /// The reader is dropped with the page it read.
    Lose,
    /// The org forgets its cursors.
    Forget,
    /// Another `limit` is wanted.
    Limit(u16),
    /// The next request goes wrong.
    Fault(Fault),
    /// Our clock jumps by so many hours.
    Jump(i64),
}

#[derive(Debug, Clone)]
struct Course {
    poll: &'static str,
    limit: u16,
    before: Vec<(usize, u64, u64)>,
    steps: Vec<Step>,
}

/// Ties are not very late: that is the one thing that nothing catches.
fn late(count: usize) -> BoxedStrategy<u64> {
    let longest = if count > 1 { 50 } else { 200 };
    prop_oneof![3 => Just(0), 2 => 0..MINUTE, 1 => 0..longest * MINUTE].boxed()
}

fn events(most: usize) -> impl Strategy<Value = (usize, u64)> {
    prop_oneof![4 => Just(1), 1 => 1..=most].prop_flat_map(|count| (Just(count), late(count)))
}

fn step(ties: usize, trouble: u32) -> impl Strategy<Value = Step> {
    let fault = prop_oneof![Just(Fault::Failure), Just(Fault::Empty), Just(Fault::Again)];
    prop_oneof![
        6 => (0..1_500_u64).prop_map(Step::Wait),
        1 => (0..20 * MINUTE).prop_map(Step::Wait),
        8 => events(ties).prop_map(|(count, late)| Step::Persist(count, late)),
        2 => Just(Step::Restart),
        1 => (-30..30_i64).prop_map(Step::Jump),
        trouble => Just(Step::Lose),
        trouble => Just(Step::Forget),
        trouble => (1..8_u16).prop_map(Step::Limit),
        trouble => fault.prop_map(Step::Fault),
    ]
}

fn course(ties: usize, trouble: u32) -> impl Strategy<Value = Course> {
    let poll = prop::sample::select(vec!["100ms", "1s", "3s", "60s"]);
    let before = prop::collection::vec((events(ties), 0..5 * MINUTE), 0..40);
    let before = before.prop_map(|all| {
        let flat = all
            .into_iter()
            .map(|((count, late), gap)| (count, late, gap));
        flat.collect()
    });
    let steps = prop::collection::vec(step(ties, trouble), 0..60);
    (poll, 1..8_u16, before, steps).prop_map(|(poll, limit, before, steps)| Course {
        poll,
        limit,
        before,
        steps,
    })
}

impl Course {
    fn config(&self, limit: u16) -> String {
        let poll = self.poll;
        format!(r#"{{"domain":"acme.okta.com","limit":{limit},"poll":"{poll}","backfill":"30d"}}"#)
    }

    /// Plays it, and then reads until nothing is left.
    fn play(&self) -> Host {
        let mut host = Host::new(self.config(self.limit));
        for (count, late, gap) in &self.before {
            host.org.now += gap;
            host.org.persist(*count, *late);
        }
        host.begun = host.org.now;
        for step in &self.steps {
            let mut accepted = true;
            match *step {
                Step::Wait(time) => host.org.now += time,
                Step::Persist(count, late) => host.org.persist(count, late),
                Step::Restart => host.restart(),
                Step::Lose => accepted = false,
                Step::Forget => host.org.forget_cursors(),
                Step::Limit(limit) => {
                    host.config = self.config(limit);
                    host.restart();
                }
                Step::Fault(fault) => host.org.fault = Some(fault),
                Step::Jump(hours) => host.skew = hours,
            }
            let read = host.read(accepted);
            match &read {
                // Four refusals in a row stop a source, and a person starts it again.
                Read::Failed(Error::Config(_)) => host.restart(),
                Read::Failed(error) => assert!(matches!(error, Error::Transient(_)), "{error}"),
                Read::Page { .. } => {}
            }
            rest(&mut host, &read);
        }
        host.org.fault = None;
        let most = 4 * host.org.events.len() + 20;
        // The last page may have been asked for early, before the last event.
        let mut caught_up = 0;
        for _ in 0..most {
            let read = host.read(true);
            rest(&mut host, &read);
            caught_up = match read {
                Read::Page {
                    caught_up: true,
                    pace: Pace::After(_),
                } => caught_up + 1,
                _ => 0,
            };
            if caught_up == 2 {
                return host;
            }
        }
        panic!(
            "it is not caught up after {most} reads: {:?}",
            host.stored()
        );
    }
}

impl Course {
    /// A request for each page that was served, for each wait, for each poll of live beside the past, for what a
    /// dropped reader had asked for early, and a few where the two meet.
    fn most_requests(&self, host: &Host) -> usize {
        let seconds = match self.poll {
            "60s" => 60,
            "3s" => 3,
            _ => 1,
        };
        let polls = (host.org.now - host.begun) / (seconds * 1_000);
        let pages = host.served.div_ceil(usize::from(self.limit));
        pages + host.waits + polls as usize + 2 * host.restarts + 6
    }
}

/// Waits as long as is asked for; half of the hosts drop their reader meanwhile.
fn rest(host: &mut Host, read: &Read) {
    match read {
        Read::Page {
            pace: Pace::After(wait),
            ..
        } => {
            host.org.now += wait.as_millis() as u64;
            host.waits += 1;
            if host.org.now.is_multiple_of(2) {
                host.restart();
            }
        }
        Read::Page { .. } => {}
        Read::Failed(_) => host.org.now += 1_000,
    }
}

fn cases(usual: u32) -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok();
    ProptestConfig {
        cases: cases.and_then(|cases| cases.parse().ok()).unwrap_or(usual),
        max_shrink_iters: 20_000,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(cases(2_000))]

    #[test]
    fn delivery_11_every_event_is_taken_exactly_once_whatever_happens(course in course(9, 1)) {
        let host = course.play();
        prop_assert_eq!(host.missing().len(), 0, "{:?} of {:?}", host.missing(), host.org.events);
        let stored = host.stored().unwrap();
        prop_assert!(stored.past.is_none() && stored.seam.is_none());
    }

    #[test]
    fn delivery_11_the_past_ends_before_it_reads_what_live_has_read(course in course(1, 0)) {
        let host = course.play();
        prop_assert_eq!(host.missing().len(), 0);
        prop_assert_eq!(host.dropped.get("past"), None, "the past read again what live had read");
        prop_assert!(!host.disordered, "each cursor keeps the order of persistence");
        prop_assert!(host.org.requests <= course.most_requests(&host), "{:?}", host);
    }
}
