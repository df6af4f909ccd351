//! How a source is doing, beyond what it is doing: how fast, how far behind, how long silent, how near to losing what
//! the system that is read will forget.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Expectations;
use super::phase::now;
use super::position::{Expiry, Position};
use super::rate::Rate;
use crate::stage::Progress;
use crate::telemetry::silence::{Listener, SilenceChange};

/// How a source is doing at one moment. Times are nanoseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Vitals {
    /// Records read a minute, over the last seconds.
    pub per_minute: u64,
    /// How long the rest of a first read takes at the speed so far.
    pub to_go: Option<Duration>,
    /// The moment up to which everything is settled.
    pub settled_until: Option<u64>,
    /// For how long the system that is read keeps a record, if that is known.
    pub retention: Option<Duration>,
    /// Whether what is not settled is about to be forgotten, where that can be known.
    pub expiry: Option<Expiry>,
    /// When the newest record came, by our clock.
    pub last_record: Option<u64>,
    /// How long nothing may come before that is too long.
    pub silence_limit: Option<Duration>,
    /// For how long nothing came, if that is too long.
    pub silent_for: Option<Duration>,
}

/// Watches one source: told of each page, and of the time a few times a second.
pub(crate) struct Watcher {
    name: Arc<str>,
    expectations: Expectations,
    position: Position,
    rate: Rate,
    listener: Listener,
    last_record: Option<u64>,
    /// Whether it was said that what is not settled is about to be forgotten.
    expiring: bool,
}

impl Watcher {
    pub(crate) fn new(name: Arc<str>, expectations: Expectations) -> Self {
        Self {
            name,
            expectations,
            position: Position::default(),
            rate: Rate::default(),
            listener: Listener::new(expectations.silence, Instant::now()),
            last_record: None,
            expiring: false,
        }
    }

    /// What was learnt so far, for [`Watcher::recall`].
    pub(crate) fn habit(&self) -> String {
        let habit = self.listener.habit(Instant::now());
        // Numbers always can be written.
        serde_json::to_string(&habit).unwrap_or_default()
    }

    /// Goes on where the watcher of an earlier process was.
    pub(crate) fn recall(&mut self, habit: &str) {
        match serde_json::from_str(habit) {
            Ok(habit) => {
                self.listener = Listener::resume(self.expectations.silence, &habit, Instant::now());
            }
            Err(error) => {
                tracing::debug!(source = %self.name, %error, "what was learnt of it is not understood, and learnt anew");
            }
        }
    }

    /// What is normal is something else from now on; what was learnt stays.
    pub(crate) fn expect(&mut self, expectations: Expectations) {
        self.expectations = expectations;
        self.listener.expect(expectations.silence);
    }

    /// A page came.
    pub(crate) fn page(&mut self, progress: &Progress) {
        self.position.page(progress, Instant::now(), now());
    }

    /// The page was counted: it has so many records, and there were so many in all. `habitual` when it is news and not
    /// the past.
    pub(crate) fn counted(&mut self, records: u64, total: u64, habitual: bool) {
        self.position.read(total);
        if records > 0 {
            self.last_record = Some(now());
            let change = self.listener.heard(Instant::now(), habitual);
            self.say(change);
        }
    }

    /// Records that had been missed make it so many in all. They say nothing about how far or how often it reads.
    pub(crate) fn found(&mut self, total: u64) {
        self.position.found(total);
    }

    /// Reading does not work at the moment.
    pub(crate) fn disturbed(&mut self) {
        self.listener.disturbed();
    }

    /// Looks at the clock; so many records were read and settled by now.
    pub(crate) fn look(&mut self, records: u64, settled: u64, at: Instant) {
        self.position.look(settled, at);
        self.rate.look(records, at);
        let change = self.listener.look(at);
        self.say(change);
        let passes_in = self.expiry().and_then(|expiry| expiry.passes_in);
        if let Some(passes_in) = passes_in.filter(|_| !self.expiring) {
            let days = passes_in.as_secs() / 86_400;
            tracing::warn!(source = %self.name, days, "the system that is read forgets what is not delivered yet before it will be");
        }
        self.expiring = passes_in.is_some();
    }

    pub(crate) fn vitals(&self, at: Instant) -> Vitals {
        Vitals {
            per_minute: self.rate.per_minute(),
            to_go: self.position.to_go(at),
            settled_until: self.position.settled(),
            retention: self.expectations.retention,
            expiry: self.expiry(),
            last_record: self.last_record,
            silence_limit: self.listener.limit(at),
            silent_for: self.listener.silent_for(at),
        }
    }

    fn expiry(&self) -> Option<Expiry> {
        self.position.expiry(self.expectations.retention?, now())
    }

    fn say(&self, change: Option<SilenceChange>) {
        match change {
            Some(SilenceChange::Began(pause)) => {
                tracing::warn!(source = %self.name, seconds = pause.as_secs(), "nothing came for too long");
            }
            Some(SilenceChange::Ended(pause)) => {
                tracing::info!(source = %self.name, seconds = pause.as_secs(), "records come again");
            }
            None => {}
        }
    }
}
