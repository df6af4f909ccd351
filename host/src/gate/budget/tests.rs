//! The arithmetic of budgets against a peer that counts as servers do, in a time of its own: exact, and without waiting.

use http::{HeaderMap, StatusCode};
use proptest::prelude::*;
use tokio::time::Instant;

use super::pacer::{Pacer, Wait};
use super::told::Told;
use super::*;
use crate::gate::{RateLimit, ResetFormat};

const LONGEST_HOLD: u64 = 300_000;

/// A peer with windows that begin at a request, somebody's.
#[derive(Debug, Clone)]
struct Peer {
    /// What its clock says at 0 of ours, in milliseconds since 1970.
    clock: u64,
    length: u64,
    limit: u64,
    window: Option<Used>,
    past: Vec<Used>,
}

/// What was used of one window.
#[derive(Debug, Clone, Copy)]
struct Used {
    began: u64,
    highest_limit: u64,
    ours: u64,
    all: u64,
}

impl Peer {
    fn new(length: u64, limit: u64) -> Self {
        Self {
            clock: 1_759_127_097_000,
            length,
            limit,
            window: None,
            past: Vec::new(),
        }
    }

    /// A request arrives.
    fn take(&mut self, now: u64, is_ours: bool) -> (StatusCode, HeaderMap) {
        let over = |used: &Used| now >= used.began + self.length;
        if let Some(over) = self.window.take_if(|used| over(used)) {
            self.past.push(over);
        }
        let window = self.window.get_or_insert(Used {
            began: now,
            highest_limit: 0,
            ours: 0,
            all: 0,
        });
        window.highest_limit = window.highest_limit.max(self.limit);
        let passes = window.all < self.limit;
        window.all += u64::from(passes);
        window.ours += u64::from(passes && is_ours);
        let second = |ms: u64| (self.clock + ms) / 1000;
        let date = jiff::Timestamp::from_second(second(now) as i64).unwrap();
        let headers = [
            ("limit", self.limit.to_string()),
            (
                "remaining",
                self.limit.saturating_sub(window.all).to_string(),
            ),
            ("reset", second(window.began + self.length).to_string()),
            (
                "date",
                date.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string(),
            ),
        ];
        let status = match passes {
            true => StatusCode::OK,
            false => StatusCode::TOO_MANY_REQUESTS,
        };
        let headers = headers
            .into_iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        (status, headers.collect())
    }

    /// Windows that are over.
    fn full_windows(&self) -> &[Used] {
        &self.past
    }

    fn windows(&self) -> impl Iterator<Item = &Used> {
        self.past.iter().chain(&self.window)
    }
}

/// A pacer in a time that passes when it is told to, in milliseconds.
struct Clocked {
    begin: Instant,
    pacer: Pacer,
}

impl Clocked {
    fn new(share: u8) -> Self {
        let begin = Instant::now();
        let mut pacer = Pacer::new(begin);
        pacer.set_share(Share::percent(share).unwrap());
        Self { begin, pacer }
    }

    fn at(&self, ms: u64) -> Instant {
        self.begin + Duration::from_millis(ms)
    }

    /// When a request may go out that is asked for now; it does if that is now.
    fn ask(&mut self, priority: Priority, now: u64) -> Result<(), (u64, HoldReason)> {
        let asked = self.pacer.ask(priority, false, self.at(now));
        asked.map_err(|Wait { until, why }| {
            let until = until - self.begin;
            (until.as_nanos().div_ceil(1_000_000) as u64, why)
        })
    }

    fn answered(
        &mut self,
        sent: u64,
        now: u64,
        (status, headers): &(StatusCode, HeaderMap),
    ) -> Option<Throttle> {
        let told = Told::read(&names(), headers, self.at(now), self.begin);
        self.pacer
            .answered(&told, *status, self.at(sent), self.at(now))
    }
}

fn names() -> RateLimit {
    RateLimit {
        limit: "limit".into(),
        remaining: "remaining".into(),
        reset: "reset".into(),
        reset_is: ResetFormat::EpochSeconds,
    }
}

/// A reader that asks again as soon as its answer is there, 50 ms later. When each request went out.
fn read_on(clocked: &mut Clocked, peer: &mut Peer, from: u64, until: u64) -> Vec<u64> {
    let mut sent = Vec::new();
    let mut now = from;
    while now < until {
        match clocked.ask(Priority::Backlog, now) {
            Ok(()) => {
                sent.push(now);
                let answer = peer.take(now + 25, true);
                now += 50;
                assert_eq!(clocked.answered(now - 50, now, &answer), None);
            }
            Err((later, _)) => now = later,
        }
    }
    sent
}

#[test]
fn trust_13_a_backlog_uses_exactly_the_share_of_each_window_at_any_limit() {
    for (limit, length) in [(20, 60), (60, 60), (120, 60), (20, 5), (120, 3), (1200, 10)] {
        for share in [50, 33, 100] {
            let (mut clocked, mut peer) = (Clocked::new(share), Peer::new(length * 1000, limit));
            read_on(&mut clocked, &mut peer, 0, 20 * (length + 1) * 1000);
            let used: Vec<_> = peer.full_windows().iter().map(|used| used.ours).collect();
            let ours = limit * u64::from(share) / 100;
            assert!(used.len() >= 19, "{limit} in {length} s: {used:?}");
            // A request takes 50 ms: the shortest of these windows have no time for all of them.
            let most = ours.min(length * 1000 / 50 * 9 / 10);
            for used in used {
                assert!(
                    used >= most && used <= ours,
                    "{limit} in {length} s: {used} of {ours}"
                );
            }
        }
    }
}

#[test]
fn trust_13_requests_are_spread_over_the_window() {
    let (mut clocked, mut peer) = (Clocked::new(50), Peer::new(60_000, 120));
    let sent = read_on(&mut clocked, &mut peer, 0, 240_000);
    // 60 a minute are one a second; a tenth of the limit may go out at once, in the beginning.
    for from in (0..230_000).step_by(500) {
        let within = sent
            .iter()
            .filter(|at| (from..from + 10_000).contains(*at))
            .count();
        let most = if from < 1000 { 12 + 11 } else { 12 };
        assert!(within <= most, "{within} from {from}");
    }
    let longest = sent.windows(2).skip(12).map(|pair| pair[1] - pair[0]).max();
    assert!(
        longest <= Some(3100),
        "the time to a token, or to the end of a window: {longest:?}"
    );
}

#[test]
fn trust_13_a_short_read_is_not_slowed() {
    let (mut clocked, mut peer) = (Clocked::new(50), Peer::new(60_000, 120));
    let sent = read_on(&mut clocked, &mut peer, 0, 600);
    assert_eq!(sent.len(), 12);
    let sent = read_on(&mut clocked, &mut peer, 300_000, 300_600);
    assert_eq!(
        sent.len(),
        12,
        "what was not used comes back, but no more than that"
    );
}

#[test]
fn trust_13_a_neighbour_is_left_its_half_and_ours_is_used() {
    let (mut clocked, mut peer) = (Clocked::new(50), Peer::new(60_000, 20));
    for minute in 0..5 {
        for part in 0..10 {
            let begin = minute * 60_000 + part * 6_000;
            let taken = peer.take(begin, false);
            assert_eq!(taken.0, StatusCode::OK, "a neighbour was refused");
            read_on(&mut clocked, &mut peer, begin + 1, begin + 5_900);
        }
    }
    for used in peer.full_windows() {
        assert!(used.ours >= 9 && used.ours <= 10, "{used:?}");
    }
}

#[test]
fn trust_13_what_others_used_is_believed_and_the_rest_is_spread() {
    let (mut clocked, mut peer) = (Clocked::new(50), Peer::new(60_000, 120));
    clocked.ask(Priority::Backlog, 0).unwrap();
    for _ in 0..115 {
        peer.take(10, false);
    }
    let answer = peer.take(20, true);
    clocked.answered(0, 40, &answer);
    let budget = clocked.pacer.budget(clocked.at(40)).unwrap();
    assert_eq!((budget.limit, budget.share, budget.remaining), (120, 60, 4));
    assert_eq!(budget.share_left, 3, "the very last one is theirs");
    let sent = read_on(&mut clocked, &mut peer, 50, 59_000);
    assert_eq!(sent.len(), 3, "{sent:?}");
}

#[test]
fn trap_15_our_own_clock_and_theirs_need_not_agree() {
    for clock in [0, 4_102_444_800_000] {
        let mut peer = Peer::new(60_000, 20);
        peer.clock = clock;
        let mut clocked = Clocked::new(50);
        read_on(&mut clocked, &mut peer, 0, 200_000);
        assert!(peer.full_windows().iter().all(|used| used.ours == 10));
    }
}

#[test]
fn trap_16_without_headers_nothing_is_held_back() {
    let mut clocked = Clocked::new(50);
    for now in 0..1000 {
        clocked.ask(Priority::Backlog, now).unwrap();
        clocked.answered(now, now, &(StatusCode::OK, HeaderMap::new()));
    }
    let mut peer = Peer::new(60_000, 20);
    clocked.ask(Priority::Backlog, 1000).unwrap();
    let answer = peer.take(1000, true);
    clocked.answered(1000, 1000, &answer);
    let budget = clocked.pacer.budget(clocked.at(1000)).unwrap();
    assert_eq!(
        budget.share_left, 9,
        "what was sent before is of no window that is known"
    );
}

#[test]
fn a_limit_that_is_told_no_more_is_forgotten_after_a_window() {
    let (mut clocked, mut peer) = (Clocked::new(50), Peer::new(10_000, 20));
    clocked.ask(Priority::Backlog, 0).unwrap();
    let answer = peer.take(0, true);
    clocked.answered(0, 0, &answer);
    let mut sent = 0;
    let mut now = 1;
    while now < 60_000 && sent < 1000 {
        match clocked.ask(Priority::Backlog, now) {
            Ok(()) => {
                sent += 1;
                clocked.answered(now, now, &(StatusCode::OK, HeaderMap::new()));
            }
            Err((until, _)) => now = until,
        }
    }
    assert_eq!(sent, 1000);
    assert!((20_000..30_000).contains(&now), "{now}");
    assert_eq!(clocked.pacer.budget(clocked.at(now)), None);
}

#[test]
fn trap_16_too_many_at_once_are_waited_out_for_seconds_and_never_for_the_window() {
    let (mut clocked, mut peer) = (Clocked::new(50), Peer::new(60_000, 120));
    let mut now = 0;
    for again in 0..8_u32 {
        clocked.ask(Priority::Live, now).unwrap();
        let (_, mut headers) = peer.take(now, true);
        headers.insert("limit", "0".parse().unwrap());
        headers.insert("remaining", "0".parse().unwrap());
        let answer = (StatusCode::TOO_MANY_REQUESTS, headers);
        assert_eq!(
            clocked.answered(now, now, &answer),
            Some(Throttle::Concurrency)
        );
        let (until, why) = clocked.ask(Priority::Live, now).unwrap_err();
        assert_eq!(why, HoldReason::Concurrency);
        let longest = (2000 << again).min(15_000);
        assert!(
            (longest / 2..=longest + 1).contains(&(until - now)),
            "{again}: {}",
            until - now
        );
        now = until;
    }
}

#[test]
fn trap_14_a_429_says_whose_doing_it_is_and_is_waited_out() {
    let (mut clocked, mut peer) = (Clocked::new(50), Peer::new(60_000, 10));
    for _ in 0..10 {
        peer.take(0, false);
    }
    clocked.ask(Priority::Live, 100).unwrap();
    let answer = peer.take(100, true);
    assert_eq!(clocked.answered(100, 100, &answer), Some(Throttle::Others));
    let (until, why) = clocked.ask(Priority::Live, 200).unwrap_err();
    assert_eq!((until, why), (61_100, HoldReason::Refused));
    assert_eq!(clocked.ask(Priority::Live, until), Ok(()));

    // Twelve that nothing was known of when they went out.
    let (mut clocked, mut peer) = (Clocked::new(50), Peer::new(60_000, 10));
    (0..12).for_each(|_| clocked.ask(Priority::Backlog, 0).unwrap());
    let answers: Vec<_> = (0..12).map(|_| peer.take(10, true)).collect();
    let throttles: Vec<_> = answers
        .iter()
        .filter_map(|answer| clocked.answered(0, 20, answer))
        .collect();
    assert_eq!(throttles, [Throttle::Ours; 2]);
}

#[test]
fn a_poll_at_the_head_never_waits_behind_a_backlog() {
    for limit in [8, 20, 60, 120] {
        let (mut clocked, mut peer) = (Clocked::new(50), Peer::new(60_000, limit));
        for minute in 0..6 {
            let begin = minute * 60_000;
            // It polls once a minute; what is kept for it is two requests, or a tenth of the share.
            assert_eq!(clocked.ask(Priority::Live, begin), Ok(()), "{limit}");
            let answer = peer.take(begin, true);
            assert_eq!(clocked.answered(begin, begin, &answer), None);
            read_on(&mut clocked, &mut peer, begin + 1, begin + 59_900);
        }
        let share = limit / 2;
        let least = share - (share / 10).max(2);
        for used in peer.full_windows() {
            assert!((least..=share).contains(&used.ours), "{limit}: {used:?}");
        }
    }
}

#[test]
fn what_is_kept_for_polls_is_used_when_nobody_polls_any_more() {
    let (mut clocked, mut peer) = (Clocked::new(50), Peer::new(60_000, 20));
    clocked.ask(Priority::Live, 0).unwrap();
    let answer = peer.take(0, true);
    clocked.answered(0, 0, &answer);
    clocked.ask(Priority::Live, 1).unwrap();
    let answer = peer.take(1, true);
    clocked.answered(1, 1, &answer);
    read_on(&mut clocked, &mut peer, 2, 400_000);
    let used: Vec<_> = peer.full_windows().iter().map(|used| used.ours).collect();
    assert_eq!(used[0], 8, "two are kept");
    assert_eq!(used[used.len() - 1], 10);
}

#[test]
fn a_share_is_written_in_percent() {
    assert_eq!("50%".parse(), Ok(Share::default()));
    assert_eq!("100%".parse::<Share>().unwrap().to_string(), "100%");
    for text in ["", "%", "50", "0%", "101%", "+5%", "50 %", "0.5%", "256%"] {
        assert_eq!(text.parse::<Share>(), Err(ShareError), "{text}");
    }
    let share = Share::default();
    assert_eq!(
        (share.of(20), share.of(1), share.of(u64::MAX)),
        (10, 1, u64::MAX / 2)
    );
}

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
