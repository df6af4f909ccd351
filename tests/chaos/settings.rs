//! What a storm is to be like.

use std::fmt;

use rand::RngExt;
use rand::rngs::StdRng;

/// The environment variable in which `tests/storm` hands over what was asked for.
pub(crate) const VARIABLE: &str = "LOGWEIR_STORM";

/// New events a second in an org whose pages have room for them.
const LIVE_PER_SECOND: f64 = 12.0;

/// How the program proves to an org who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proof {
    /// By an API token.
    Token,
    /// As an app, by tokens that end in mid-read.
    Oauth,
    /// The same, each request with a proof of possession whose nonce changes in mid-read.
    Dpop,
}

impl Proof {
    const ALL: [Self; 3] = [Self::Token, Self::Oauth, Self::Dpop];

    fn word(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Oauth => "oauth",
            Self::Dpop => "dpop",
        }
    }
}

/// What was asked for. What is absent, the seed decides for each org by itself.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Decides all that is left to chance.
    pub(crate) seed: u64,
    /// How often the program is killed.
    pub(crate) kills: usize,
    /// Events that the orgs have when it begins, all together.
    pub(crate) events: usize,
    /// How many orgs there are, each read by a source of its own.
    pub(crate) orgs: usize,
    /// Events of a page.
    pub(crate) page: Option<usize>,
    /// Percent of all requests that fail.
    pub(crate) faults: f64,
    /// Requests that an org allows in [`super::org::WINDOW`]; without it there is no limit.
    pub(crate) limit: Option<u64>,
    /// How the program proves who it is.
    pub(crate) proof: Option<Proof>,
    /// Requests, at least: when the kills are over, it works on until there were so many.
    pub(crate) requests: u64,
}

impl Settings {
    /// The short form, which has all that can go wrong at least once.
    pub(crate) fn short(seed: u64) -> Self {
        Self {
            seed,
            kills: 24,
            events: 30_000,
            orgs: 2,
            page: None,
            faults: 5.0,
            limit: None,
            proof: None,
            requests: 0,
        }
    }

    /// What `tests/storm` asks for: `key=value,…`, on top of the short form.
    pub(crate) fn from_environment() -> Self {
        let text = std::env::var(VARIABLE).unwrap_or_default();
        let mut settings = Self::short(1);
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let (key, value) = part.split_once('=').unwrap();
            settings.set(key, value);
        }
        settings
    }

    fn set(&mut self, key: &str, value: &str) {
        match key {
            "seed" => self.seed = value.parse().unwrap(),
            "kills" => self.kills = value.parse().unwrap(),
            "events" => self.events = value.parse().unwrap(),
            "orgs" => self.orgs = value.parse().unwrap(),
            "page" => self.page = Some(value.parse().unwrap()),
            "faults" => self.faults = value.parse().unwrap(),
            "limit" => self.limit = Some(value.parse().unwrap()),
            "requests" => self.requests = value.parse().unwrap(),
            "proof" => {
                let named = |proof: &Proof| proof.word() == value;
                self.proof = Some(*Proof::ALL.iter().find(|proof| named(proof)).unwrap());
            }
            _ => panic!("{VARIABLE}: {key} is no setting"),
        }
    }

    /// How the program proves itself to an org: as asked for, or by chance.
    pub(crate) fn proof_of_one(&self, random: &mut StdRng) -> Proof {
        let drawn = Proof::ALL[random.random_range(0..Proof::ALL.len())];
        self.proof.unwrap_or(drawn)
    }

    /// New events a second in each org: a few pages of the smallest ones at most.
    pub(crate) fn live_per_second(&self) -> f64 {
        let pages = self.page.map_or(LIVE_PER_SECOND, |page| page as f64 / 2.0);
        pages.min(LIVE_PER_SECOND)
    }

    /// Events of a page of an org: as asked for, or by chance, small enough that each life of the program reads a few.
    pub(crate) fn page_of_one(&self, random: &mut StdRng) -> usize {
        let in_a_life = (self.events / self.orgs / self.kills.max(1)).clamp(16, 2_000);
        let drawn = random.random_range(in_a_life / 8..=in_a_life).min(1_000);
        self.page.unwrap_or(drawn)
    }
}

/// The command that does the same again.
impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            seed,
            kills,
            events,
            orgs,
            faults,
            ..
        } = self;
        write!(
            f,
            "tests/storm --seed {seed} --kills {kills} --events {events} --orgs {orgs} --faults {faults}"
        )?;
        if let Some(page) = self.page {
            write!(f, " --page {page}")?;
        }
        if let Some(limit) = self.limit {
            write!(f, " --limit {limit}")?;
        }
        if self.requests > 0 {
            write!(f, " --requests {}", self.requests)?;
        }
        if let Some(proof) = self.proof {
            write!(f, " --proof {}", proof.word())?;
        }
        Ok(())
    }
}
