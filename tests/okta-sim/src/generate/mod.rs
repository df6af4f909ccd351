//! Events of a fictional company: realistic in shape, size and frequency, and the same for the same seed.
//!
//! Fast enough to fill a log of 200,000 events in about a second: what is the same for all events of a person's session is
//! written once per session, and an event is put together out of such pieces as bytes.

mod catalogue;
mod company;
mod debug;
mod event;
mod moments;
mod session;
mod target;
mod text;

use std::ops::Range;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use catalogue::{Catalogue, Scene};
use company::Company;
use event::EventWriter;
pub(crate) use moments::{Moment, evenly};
use session::Session;
use text::Chance;

/// So many people are signed in at any time.
const SESSIONS: usize = 96;

/// Makes events.
pub(crate) struct Generator {
    rng: StdRng,
    catalogue: Catalogue,
    company: Company,
    sessions: Vec<Session>,
    written: u64,
}

impl Generator {
    /// For a log that begins with about so many events.
    pub(crate) fn new(seed: u64, events: usize) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let catalogue = Catalogue::new(&mut rng, events);
        let company = Company::new(&mut rng);
        let mut generator = Self {
            rng,
            catalogue,
            company,
            sessions: Vec::with_capacity(SESSIONS),
            written: 0,
        };
        for _ in 0..SESSIONS {
            let session = generator.begin_session();
            generator.sessions.push(session);
        }
        generator
    }

    /// Times for so many events, in the order of persistence.
    pub(crate) fn moments(
        &mut self,
        count: usize,
        window: Range<i64>,
        late_percent: f64,
    ) -> Vec<Moment> {
        moments::moments(&mut self.rng, count, window, late_percent)
    }

    /// The times of an event that happens now.
    pub(crate) fn live(&mut self, now: i64) -> Moment {
        moments::live(&mut self.rng, now)
    }

    /// Appends the next event and returns its uuid as a number.
    pub(crate) fn write(&mut self, published: i64, out: &mut Vec<u8>) -> u128 {
        self.written += 1;
        let place = self.rng.random_range(0..SESSIONS);
        let kind = self.catalogue.draw(&mut self.rng);
        if kind.scene == Scene::SignIn {
            let person = self.rng.pick(&self.company.people);
            let session = Session::begin(&mut self.rng, person);
            if let Some(old) = self.sessions.get_mut(place) {
                *old = session;
            }
        }
        let Some(session) = self.sessions.get(place) else {
            return 0;
        };
        EventWriter {
            rng: &mut self.rng,
            company: &self.company,
            kind,
            session,
            number: self.written,
            published,
        }
        .write(out)
    }

    fn begin_session(&mut self) -> Session {
        let person = self.rng.pick(&self.company.people);
        Session::begin(&mut self.rng, person)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use serde_json::Value;

    use super::*;
    use crate::clock::iso;

    fn events(seed: u64, count: usize) -> Vec<Vec<u8>> {
        let mut generator = Generator::new(seed, count);
        let moments = generator.moments(count, 1_772_000_000_000..1_776_000_000_000, 5.0);
        let write = |moment: &Moment| {
            let mut out = Vec::new();
            generator.write(moment.published, &mut out);
            out
        };
        moments.iter().map(write).collect()
    }

    #[test]
    fn same_seed_same_events() {
        assert_eq!(events(7, 500), events(7, 500));
        assert_ne!(events(7, 500), events(8, 500));
    }

    #[test]
    fn sizes_are_those_of_real_events() {
        let sizes: Vec<_> = events(1, 20_000).iter().map(Vec::len).collect();
        let mean = sizes.iter().sum::<usize>() / sizes.len();
        let (least, most) = (sizes.iter().min().unwrap(), sizes.iter().max().unwrap());
        assert!((1700..=2000).contains(&mean), "mean {mean}");
        assert!((1000..=1400).contains(least), "least {least}");
        assert!((3000..=4200).contains(most), "most {most}");
    }

    #[test]
    fn events_are_json_of_the_full_shape_with_unique_uuids() {
        const KEYS: [&str; 18] = [
            "actor",
            "authenticationContext",
            "client",
            "debugContext",
            "device",
            "displayMessage",
            "eventType",
            "legacyEventType",
            "outcome",
            "published",
            "request",
            "securityContext",
            "severity",
            "target",
            "transaction",
            "uuid",
            "version",
            "actor",
        ];
        let mut uuids = HashSet::new();
        for event in events(1, 20_000) {
            let event: Value = serde_json::from_slice(&event).unwrap();
            let object = event.as_object().unwrap();
            assert!(KEYS.iter().all(|key| object.contains_key(*key)), "{event}");
            assert_eq!(object.len(), KEYS.len() - 1);
            assert!(uuids.insert(event["uuid"].as_str().unwrap().to_owned()));
        }
    }

    #[test]
    fn uuid_number_and_time_are_those_in_the_text() {
        let mut generator = Generator::new(1, 10);
        let mut out = Vec::new();
        let uuid = generator.write(1_772_359_201_001, &mut out);
        let event: Value = serde_json::from_slice(&out).unwrap();
        let text = event["uuid"].as_str().unwrap();
        assert_eq!(text.replace('-', ""), format!("{uuid:032x}"));
        assert_eq!(event["published"], iso(1_772_359_201_001));
    }

    #[test]
    fn trap_24_nulls_unicode_and_empty_lists_occur() {
        let all = events(1, 5000).concat();
        let text = String::from_utf8(all).unwrap();
        for part in [
            "\"zone\":\"null\"",
            "\"ipChain\":[]",
            "\"target\":null",
            "é",
            "佐",
            "changeDetails",
        ] {
            assert!(text.contains(part), "{part}");
        }
    }
}
