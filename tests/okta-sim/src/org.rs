//! The org: its log, its clock, and what it remembers of its clients.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use crate::clock::{Clock, DAY_MS};
use crate::compress::Compressed;
use crate::config::OrgConfig;
use crate::cursor::Cursors;
use crate::faults::{Fault, Faults};
use crate::generate::{Generator, Moment, evenly};
use crate::limits::Limits;
use crate::logs::LastPages;
use crate::oauth::Oauth;
use crate::report::{Recorder, Report};
use crate::store::Store;

/// A block of the whole log has about so many events.
const BLOCK_EVENTS: usize = 512;

/// So many events are added at once at most, as nobody is answered meanwhile.
const AHEAD_AT_ONCE: usize = 4_000;

/// A simulated org. Clones are the same org.
#[derive(Clone)]
pub struct Org {
    inner: Arc<Inner>,
}

struct Inner {
    config: OrgConfig,
    clock: Clock,
    gone: AtomicU64,
    store: RwLock<Store>,
    generator: Mutex<Generator>,
    cursors: Mutex<Cursors>,
    limits: Mutex<Limits>,
    faults: Mutex<Faults>,
    recorder: Mutex<Recorder>,
    tokens: Mutex<HashSet<String>>,
    oauth: Mutex<Oauth>,
    last_pages: Mutex<LastPages>,
    compressed: Mutex<Compressed>,
    /// New events a second while it runs.
    live_rate: watch::Sender<f64>,
}

impl Org {
    /// Fills the log. This takes about 5 µs and 2 KB per event.
    pub fn new(mut config: OrgConfig) -> Self {
        let clock = Clock::start(config.now, config.clock_skew_s);
        let now = clock.now_ms();
        let length = (config.days * DAY_MS as f64) as i64;
        let mut generator = Generator::new(config.seed, config.events);
        let replay = std::mem::take(&mut config.replay);
        let store = fill(&mut generator, &config, &replay, now - length..now);
        let window_ms = i64::try_from(config.rate_window.as_millis()).unwrap_or(i64::MAX);
        let limits = Limits::new(
            config.rate_limit,
            config.rate_limit.saturating_mul(2),
            window_ms,
        );
        let limits = limits.with_neighbour(config.neighbour_percent / 100.0);
        let mut faults = Faults::new(config.seed);
        for fault in config.faults.drain(..) {
            faults.add(fault);
        }
        let inner = Inner {
            gone: AtomicU64::new(0),
            clock,
            store: RwLock::new(store),
            generator: Mutex::new(generator),
            cursors: Mutex::new(Cursors::new(config.seed)),
            limits: Mutex::new(limits),
            faults: Mutex::new(faults),
            recorder: Mutex::default(),
            tokens: Mutex::new(HashSet::from([config.token.clone()])),
            oauth: Mutex::default(),
            last_pages: Mutex::default(),
            compressed: Mutex::default(),
            live_rate: watch::Sender::new(config.live_per_sec),
            config,
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Adds an event. Persistence never goes back: a time before the newest event's becomes that one's.
    ///
    /// With a time in the future the event is there only then, and so is every later one.
    pub fn push(&self, event: impl AsRef<[u8]>, published: Timestamp, persisted: Timestamp) {
        let event = event.as_ref();
        let identity = identity(&parse(event), event);
        let times = Moment {
            published: published.as_millisecond(),
            persisted: persisted.as_millisecond(),
        };
        append(&mut self.write_store(), times, event, identity);
    }

    /// Adds an event that is persisted now, published when it says itself.
    pub fn push_now(&self, event: impl AsRef<[u8]>) {
        self.push_at(event.as_ref(), None, None);
    }

    /// Adds an event, by default persisted now and published when it says itself, or now.
    pub(crate) fn push_at(
        &self,
        event: &[u8],
        published: Option<Timestamp>,
        persisted: Option<Timestamp>,
    ) {
        let persisted = persisted.unwrap_or_else(|| self.now());
        let own = || published_in(&parse(event)).map(crate::clock::timestamp);
        let published = published.or_else(own).unwrap_or(persisted);
        self.push(event, published, persisted);
    }

    /// What the org calls now.
    pub fn now(&self) -> Timestamp {
        crate::clock::timestamp(self.now_ms())
    }

    /// From now on its clock tells a time that is so many seconds ahead of the log's, or behind it.
    pub fn jump_clock(&self, ahead_s: i64) {
        self.inner.clock.jump(ahead_s.saturating_mul(1000));
    }

    /// All cursors given so far become unknown.
    pub fn forget_cursors(&self) {
        self.cursors().invalidate();
    }

    /// Whoever asked so far is gone. Who comes next can't know what was refused to others, or used by them, before it got
    /// an answer; nor end what they had under way, or may have sent that is read only now.
    pub fn clients_are_gone(&self) {
        self.inner.gone.fetch_add(1, Ordering::SeqCst);
        self.limits().forget_clients();
        self.recorder().forget_under_way();
    }

    /// How often all clients went away. Who connected when it was less is gone.
    pub(crate) fn gone(&self) -> u64 {
        self.inner.gone.load(Ordering::SeqCst)
    }

    /// Adds a fault.
    pub fn fault(&self, fault: Fault) {
        lock(&self.inner.faults).add(fault);
    }

    /// Forgets the faults that did not take place yet.
    pub fn clear_faults(&self) {
        lock(&self.inner.faults).clear();
    }

    /// Accepts these tokens and no others.
    pub fn accept_tokens(&self, tokens: impl IntoIterator<Item = String>) {
        *lock(&self.inner.tokens) = tokens.into_iter().collect();
    }

    /// From now on a token may ask for logs so often in a window.
    pub fn set_rate_limit(&self, limit: u64) {
        self.limits().set(limit);
    }

    /// From now on so many events a second come into being while the org runs.
    pub fn set_live_rate(&self, per_sec: f64) {
        self.inner.live_rate.send_replace(per_sec);
    }

    /// The access tokens that apps have hold no more; they may ask for new ones.
    pub fn revoke_access_tokens(&self) {
        self.oauth().revoke();
    }

    /// What clients did so far.
    pub fn report(&self) -> Report {
        let visible = self.store().visible(self.now_ms());
        let windows = self.limits().log_windows();
        Report {
            windows,
            ..self.recorder().report(visible)
        }
    }

    /// Every persisted event that is not forgotten in the order of persistence, in blocks of lines.
    ///
    /// A line break within an event, legal only between its tokens, is written as a space: one event, one line.
    pub fn ndjson(&self) -> impl Iterator<Item = Bytes> + Send + use<> {
        let org = self.clone();
        let visible = org.store().visible(org.now_ms());
        let oldest = org.store().oldest();
        (oldest..visible).step_by(BLOCK_EVENTS).map(move |from| {
            let store = org.store();
            let mut block = Vec::new();
            for place in from..visible.min(from + BLOCK_EVENTS) {
                let line = store.event(place);
                let begin = block.len();
                block.extend_from_slice(&line);
                if line.contains(&b'\n') || line.contains(&b'\r') {
                    for byte in block.iter_mut().skip(begin) {
                        if matches!(byte, b'\r' | b'\n') {
                            *byte = b' ';
                        }
                    }
                }
                block.push(b'\n');
            }
            block.into()
        })
    }

    /// Adds generated events that happen now, or that happened `late_ms` ago and arrive only now.
    pub fn push_generated(&self, count: usize, late_ms: Option<i64>) {
        let now = self.now_ms();
        let mut generator = lock(&self.inner.generator);
        for _ in 0..count {
            let mut moment = generator.live(now);
            if let Some(late_ms) = late_ms {
                moment.published = now - late_ms;
            }
            let mut store = self.write_store();
            store.push(moment.published, moment.persisted, |out| {
                generator.write(moment.published, out)
            });
        }
        if let Some(keep) = self.inner.config.keep {
            self.write_store().forget_beyond(keep);
        }
    }

    /// Adds events until there are as many that nobody was served as there are to be.
    pub(crate) fn stay_ahead(&self) {
        let seen = self.recorder().seen();
        let unseen = self.store().visible(self.now_ms()).saturating_sub(seen);
        let missing = self.inner.config.ahead.saturating_sub(unseen);
        self.push_generated(missing.min(AHEAD_AT_ONCE), None);
    }

    pub(crate) fn config(&self) -> &OrgConfig {
        &self.inner.config
    }

    pub(crate) fn live_rate(&self) -> watch::Receiver<f64> {
        self.inner.live_rate.subscribe()
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.inner.clock.now_ms()
    }

    /// What its clock tells others.
    pub(crate) fn told_ms(&self) -> i64 {
        self.now_ms().saturating_add(self.told_ahead_ms())
    }

    /// By how much what its clock tells is ahead of the log's time.
    pub(crate) fn told_ahead_ms(&self) -> i64 {
        self.inner.clock.told_ahead_ms()
    }

    pub(crate) fn store(&self) -> RwLockReadGuard<'_, Store> {
        self.inner
            .store
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn cursors(&self) -> MutexGuard<'_, Cursors> {
        lock(&self.inner.cursors)
    }

    pub(crate) fn limits(&self) -> MutexGuard<'_, Limits> {
        lock(&self.inner.limits)
    }

    pub(crate) fn recorder(&self) -> MutexGuard<'_, Recorder> {
        lock(&self.inner.recorder)
    }

    pub(crate) fn last_pages(&self) -> MutexGuard<'_, LastPages> {
        lock(&self.inner.last_pages)
    }

    pub(crate) fn compressed(&self) -> MutexGuard<'_, Compressed> {
        lock(&self.inner.compressed)
    }

    pub(crate) fn meet_fault(&self, path: &str) -> Option<Fault> {
        let fault = lock(&self.inner.faults).meet(path)?;
        self.recorder().fault(&fault.kind.name());
        Some(fault)
    }

    pub(crate) fn oauth(&self) -> MutexGuard<'_, Oauth> {
        lock(&self.inner.oauth)
    }

    pub(crate) fn accepts(&self, token: &str) -> bool {
        lock(&self.inner.tokens).contains(token)
    }

    fn write_store(&self) -> std::sync::RwLockWriteGuard<'_, Store> {
        self.inner
            .store
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// A panic elsewhere is shown there; what it guarded is only counted and looked up.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The log as it is at the beginning: generated events, and recorded ones spread evenly among them.
fn fill(
    generator: &mut Generator,
    config: &OrgConfig,
    replay: &[Bytes],
    window: Range<i64>,
) -> Store {
    let mut store = Store::default();
    let generated = generator.moments(config.events, window.clone(), config.late_percent);
    let mut recorded = evenly(replay.len(), &window).zip(replay).peekable();
    for moment in generated {
        while let Some((at, event)) = recorded.next_if(|(at, _)| *at < moment.persisted) {
            record(&mut store, at, event);
        }
        store.push(moment.published, moment.persisted, |out| {
            generator.write(moment.published, out)
        });
    }
    for (at, event) in recorded {
        record(&mut store, at, event);
    }
    store
}

fn record(store: &mut Store, persisted: i64, event: &Bytes) {
    let parsed = parse(event);
    let published = published_in(&parsed).unwrap_or(persisted);
    append(
        store,
        Moment {
            published,
            persisted,
        },
        event,
        identity(&parsed, event),
    );
}

fn append(store: &mut Store, moment: Moment, event: &[u8], identity: u128) {
    store.push(moment.published, moment.persisted, |out| {
        out.extend_from_slice(event);
        identity
    });
}

fn parse(event: &[u8]) -> Value {
    serde_json::from_slice(event).unwrap_or_default()
}

fn published_in(event: &Value) -> Option<i64> {
    let published: Timestamp = event.get("published")?.as_str()?.parse().ok()?;
    Some(published.as_millisecond())
}

/// A uuid as a number; anything else, and an event without one, by its digest.
fn identity(event: &Value, bytes: &[u8]) -> u128 {
    let uuid = event.get("uuid").and_then(Value::as_str);
    let digits = uuid.map(|uuid| uuid.replace('-', ""));
    let number = digits.filter(|digits| digits.len() == 32);
    if let Some(number) = number.and_then(|digits| u128::from_str_radix(&digits, 16).ok()) {
        return number;
    }
    let digest: [u8; 32] = Sha256::digest(uuid.map_or(bytes, str::as_bytes)).into();
    digest.first_chunk().copied().map_or(0, u128::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small(replay: &[&str]) -> Org {
        Org::new(OrgConfig {
            events: 50,
            replay: replay
                .iter()
                .map(|line| Bytes::from((*line).to_owned()))
                .collect(),
            ..OrgConfig::default()
        })
    }

    fn lines(org: &Org) -> Vec<String> {
        let blocks: Vec<_> = org.ndjson().collect();
        let text = String::from_utf8(blocks.concat()).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn recorded_events_are_kept_byte_for_byte_in_their_order() {
        let odd = [
            "{ \"uuid\" : \"a\" }",
            "not json",
            "{\"published\":\"4000-01-01T00:00:00Z\"}",
        ];
        let lines = lines(&small(&odd));
        assert_eq!(lines.len(), 53);
        let found: Vec<_> = lines
            .iter()
            .filter(|line| odd.contains(&line.as_str()))
            .collect();
        assert_eq!(found, odd.iter().collect::<Vec<_>>());
    }

    #[test]
    fn line_breaks_within_an_event_do_not_break_the_line() {
        let org = small(&[]);
        org.push_now("{\"uuid\":\n\"x\"}");
        assert_eq!(lines(&org).last().unwrap(), "{\"uuid\": \"x\"}");
    }

    #[test]
    fn event_of_the_future_is_not_there_yet() {
        let org = small(&[]);
        let later = crate::clock::timestamp(org.now_ms() + DAY_MS);
        org.push("{}", org.now(), later);
        assert_eq!(org.report().events, 50);
        assert_eq!(org.store().visible(i64::MAX), 51);
    }

    #[test]
    fn a_busy_org_stays_ahead_of_its_readers_and_forgets_what_is_far_behind() {
        let org = Org::new(OrgConfig {
            events: 0,
            ahead: 6_000,
            keep: Some(7_000),
            ..OrgConfig::default()
        });
        let unseen = |org: &Org| org.store().visible(org.now_ms()) - org.recorder().seen();
        while unseen(&org) < 6_000 {
            org.stay_ahead();
        }
        org.stay_ahead();
        assert_eq!(unseen(&org), 6_000, "and no more");
        org.recorder().served([5_999]);
        while unseen(&org) < 6_000 {
            org.stay_ahead();
        }
        assert_eq!(org.store().visible(i64::MAX), 12_000);
        let kept = 12_000 - org.store().oldest();
        assert!((7_000..12_000).contains(&kept), "{kept}");
        assert_eq!(lines(&org).len(), kept);
    }

    #[test]
    fn same_seed_and_time_make_the_same_log() {
        let config = OrgConfig {
            events: 300,
            late_percent: 10.0,
            now: Some("2026-03-01T10:00:00Z".parse().unwrap()),
            ..OrgConfig::default()
        };
        let one = lines(&Org::new(config.clone()));
        assert_eq!(one, lines(&Org::new(config.clone())));
        let other = OrgConfig { seed: 2, ..config };
        assert_ne!(one, lines(&Org::new(other)));
    }
}
