//! Readers, neighbours and answers in any order, and answers that say anything.

use proptest::prelude::*;

use super::*;

const LONGEST_HOLD: u64 = 300_000;

/// Something that will happen.
#[derive(Debug)]
enum Event {
    Arrives {
        sent: u64,
        answer_after: Option<u64>,
    },
    Answers {
        sent: u64,
        status: StatusCode,
        headers: HeaderMap,
    },
    Lost,
    Neighbour,
    Limit(u64),
}

/// Readers and a peer, everything at random.
struct World<Draw> {
    clocked: Clocked,
    peer: Peer,
    events: Vec<(u64, Event)>,
    now: u64,
    under_way: usize,
    /// Whether an answer told of the budget.
    knows: bool,
    draw: Draw,
}

impl<Draw: FnMut(u64) -> u64> World<Draw> {
    /// Neighbours come in the first windows, and the limit may change.
    fn new(peer: Peer, share: u8, changes: bool, mut draw: Draw) -> Self {
        let mut events = Vec::new();
        for number in 1..20 {
            let at = draw(peer.length * 6);
            events.push((at, Event::Neighbour));
            if changes && number % 7 == 0 {
                events.push((at, Event::Limit(1 + draw(200))));
            }
        }
        Self {
            clocked: Clocked::new(share),
            peer,
            events,
            now: 0,
            under_way: 0,
            knows: false,
            draw,
        }
    }

    /// A request goes out, or time passes until one may or something happens.
    fn step(&mut self, at_once: usize) -> Result<(), TestCaseError> {
        let now = self.now;
        let most = if self.knows { at_once } else { 1 };
        let mut wake = None;
        if self.under_way < most {
            let all = [Priority::Live, Priority::Backlog, Priority::Window];
            let priority = all[(self.draw)(3) as usize];
            match self.clocked.ask(priority, now) {
                Ok(()) => {
                    self.send();
                    return Ok(());
                }
                Err((until, _)) => {
                    let in_time = until > now && until - now <= LONGEST_HOLD;
                    prop_assert!(in_time, "held from {now} until {until}");
                    wake = Some(until);
                }
            }
        }
        let next = (0..self.events.len()).min_by_key(|at| self.events[*at].0);
        match next.filter(|at| wake.is_none_or(|wake| self.events[*at].0 <= wake)) {
            Some(at) => {
                let (at, event) = self.events.swap_remove(at);
                self.now = now.max(at);
                self.happens(event);
            }
            None => self.now = wake.unwrap_or(now + 1),
        }
        Ok(())
    }

    fn send(&mut self) {
        self.under_way += 1;
        let sent = self.now;
        let lost = self.knows && (self.draw)(20) == 0;
        let answer_after = (!lost).then(|| (self.draw)(2000));
        let arrives = sent + (self.draw)(2000);
        self.events
            .push((arrives, Event::Arrives { sent, answer_after }));
    }

    fn happens(&mut self, event: Event) {
        let now = self.now;
        match event {
            Event::Arrives { sent, answer_after } => {
                let (status, headers) = self.peer.take(now, true);
                let answer = Event::Answers {
                    sent,
                    status,
                    headers,
                };
                let end = match answer_after {
                    Some(after) => (now + after, answer),
                    None => (now + (self.draw)(5000), Event::Lost),
                };
                self.events.push(end);
            }
            Event::Answers {
                sent,
                status,
                headers,
            } => {
                self.under_way -= 1;
                self.knows = true;
                self.clocked.answered(sent, now, &(status, headers));
            }
            Event::Lost => {
                self.under_way -= 1;
                self.clocked.pacer.unanswered(self.clocked.at(now));
            }
            Event::Neighbour => drop(self.peer.take(now, false)),
            Event::Limit(limit) => self.peer.limit = limit,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Whatever the peer's windows, the order of answers, losses and neighbours are: no window sees more of us than the
    /// share of its limit, and no hold is longer than 5 minutes or of no length. Where a limit sank, what went out
    /// before an answer told of it kept to the one before.
    #[test]
    fn trust_13_no_window_sees_more_than_the_share(
        length in 1000_u64..120_000, limit in 1_u64..200, share in 1_u8..=100, at_once in 1_usize..4, changes: bool, clock in 0_u64..2000,
        chances in prop::collection::vec(any::<u32>(), 997),
    ) {
        let mut peer = Peer::new(length, limit);
        peer.clock += clock;
        let mut drawn = chances.iter().cycle().zip(0_u64..);
        let draw = |below: u64| {
            let (chance, round) = drawn.next().unwrap();
            (u64::from(*chance) + round * 7919) % below.max(1)
        };
        let mut world = World::new(peer, share, changes, draw);
        for _ in 0..1500 {
            world.step(at_once)?;
        }
        let peer = world.peer;
        let share = Share::percent(share).unwrap();
        let mut told_once = 0;
        for used in peer.windows() {
            let most = share.of(used.highest_limit.max(if changes { told_once } else { 0 }));
            prop_assert!(used.ours <= most, "{used:?}, of which {most} are ours");
            told_once = told_once.max(used.highest_limit);
        }
    }

    /// Whatever a peer says, nothing overflows, and every hold ends.
    #[test]
    fn trap_16_no_answer_breaks_the_arithmetic(
        answers in prop::collection::vec((number(), number(), 0_u64..5000, any::<bool>(), 0_u64..100_000), 1..60),
        share in 1_u8..=100,
    ) {
        let mut clocked = Clocked::new(share);
        let mut now = 0;
        for (limit, remaining, reset, refused, pause) in answers {
            if let Err((until, _)) = clocked.ask(Priority::Backlog, now) {
                prop_assert!(until > now && until - now <= 3_602_000);
                now = until;
                clocked.pacer.let_out(clocked.at(now));
            }
            let reset = 1_759_127_097 + now / 1000 + reset;
            let headers = [
                ("limit", limit.to_string()),
                ("remaining", remaining.to_string()),
                ("reset", reset.to_string()),
                ("date", "Mon, 29 Sep 2025 06:24:57 GMT".to_owned()),
            ];
            let headers = headers.into_iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
            let status = if refused { StatusCode::TOO_MANY_REQUESTS } else { StatusCode::OK };
            clocked.answered(now, now, &(status, headers.collect()));
            now += pause;
        }
    }
}

/// Small ones, and the largest.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![0_u64..30, any::<u64>(), Just(u64::MAX)]
}
