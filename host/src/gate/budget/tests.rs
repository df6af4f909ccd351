//! The arithmetic of budgets against a peer that counts as servers do, in a time of its own: exact, and without waiting.

use http::{HeaderMap, StatusCode};
use tokio::time::Instant;

use super::pacer::{Pacer, Wait};
use super::told::Told;
use super::*;
use crate::gate::{RateLimit, ResetFormat};

mod headers;
mod random;
mod share;

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
