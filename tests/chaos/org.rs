//! The orgs of a storm: what they have, what happens in them meanwhile, and what they answer wrongly.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use okta_sim::{App, Fault, FaultKind, Org as Sim, OrgConfig, Report};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::net::TcpListener;

use crate::home::{Home, SHARED, SMALL};
use crate::settings::{Proof, Settings};

/// How long a window of the orgs' limits is: long enough that the second which certainty costs in each is little.
pub(crate) const WINDOW: Duration = Duration::from_secs(10);
const CLIENT: &str = "0oaReaderInAStorm1d7";
/// New events come so often.
const TICK: Duration = Duration::from_millis(20);
/// How late an event is at most that is persisted late.
const LATE_MS: i64 = 3 * 3_600_000;

/// Answers that make a request fail, in equal shares.
const FAILING: [FaultKind; 19] = [
    FaultKind::Status,
    FaultKind::HtmlError,
    FaultKind::Html200,
    FaultKind::RateLimited,
    FaultKind::RateLimitedBare,
    FaultKind::Concurrency,
    FaultKind::Redirect,
    FaultKind::Reset,
    FaultKind::SlowStart,
    FaultKind::Stall,
    FaultKind::CutLength,
    FaultKind::CutChunked,
    FaultKind::Truncated,
    FaultKind::InvalidJson,
    FaultKind::NotArray,
    FaultKind::EmptyPage,
    FaultKind::DuplicatePage,
    FaultKind::SelfNext,
    FaultKind::NoNext,
];

/// Answers that are only odd.
const ODD: [FaultKind; 7] = [
    FaultKind::ForeignNext,
    FaultKind::AdminNext,
    FaultKind::NextFirst,
    FaultKind::LinksJoined,
    FaultKind::Gzip,
    FaultKind::HugePage,
    FaultKind::DoubleRateHeaders,
];

/// One org in the test's own process, behind a real socket, and what the program is told about it.
pub(crate) struct Org {
    pub(crate) name: String,
    url: String,
    proof: Proof,
    page: usize,
    sim: Sim,
    tokens: Mutex<u32>,
    _running: okta_sim::Running,
}

/// All orgs of a storm. They answer until this is dropped.
pub(crate) struct Orgs {
    pub(crate) all: Vec<Org>,
    faults: Vec<Fault>,
    happening: Option<(Arc<AtomicBool>, JoinHandle<()>)>,
    _runtime: tokio::runtime::Runtime,
}

impl Orgs {
    /// Orgs as the settings and the seed want them.
    pub(crate) fn new(settings: &Settings, home: &Home) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let mut random = StdRng::seed_from_u64(settings.seed ^ 0x0c7a);
        let key = rcgen::KeyPair::generate().unwrap();
        home.write("app.key", &key.serialize_pem());
        let faults = faults(settings.faults);
        let org = |number: usize| {
            let config = OrgConfig {
                events: settings.events / settings.orgs,
                days: 59.0,
                seed: settings.seed + number as u64,
                late_percent: 5.0,
                rate_limit: settings.limit.unwrap_or(OrgConfig::default().rate_limit),
                rate_window: WINDOW,
                token: token(number, 0),
                latency: Duration::from_millis(random.random_range(6..24)),
                faults: faults.clone(),
                ..OrgConfig::default()
            };
            let proof = settings.proof_of_one(&mut random);
            let config = match proof {
                Proof::Token => config,
                Proof::Oauth | Proof::Dpop => with_app(config, &key, proof == Proof::Dpop),
            };
            let sim = Sim::new(config);
            let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
            // Serving spawns tasks of this runtime.
            let _entered = runtime.enter();
            let running = sim.serve(listener).unwrap();
            Org {
                name: format!("org{number}"),
                url: running.url(),
                proof,
                page: settings.page_of_one(&mut random),
                sim,
                tokens: Mutex::new(0),
                _running: running,
            }
        };
        let all: Vec<_> = (0..settings.orgs).map(org).collect();
        let orgs = Self {
            all,
            faults,
            happening: None,
            _runtime: runtime,
        };
        orgs.configure(home);
        orgs
    }

    /// What the program reads, and where to.
    fn configure(&self, home: &Home) {
        let mut text = "sources:\n".to_owned();
        for (number, org) in self.all.iter().enumerate() {
            let Org {
                name, url, page, ..
            } = org;
            home.write(&format!("{name}.token"), &token(number, 0));
            let credential = match org.proof {
                Proof::Token => format!("api_token: \"${{file:{name}.token}}\""),
                Proof::Oauth | Proof::Dpop => format!(
                    "oauth: {{ client_id: {CLIENT}, private_key: \"${{file:app.key}}\", key_id: one }}"
                ),
            };
            writeln!(
                text,
                "  {name}:\n    plugin: okta\n    config: {{ url: \"{url}\", poll: 200ms, limit: {page} }}\n    \
                 credentials: {{ {credential} }}"
            )
            .unwrap();
        }
        let names: Vec<_> = self.all.iter().map(|org| org.name.as_str()).collect();
        let names = names.join(", ");
        write!(
            text,
            "outputs:\n  shared: {{ type: file, inputs: [{names}], path: \"{SHARED}\" }}\n  each: {{ type: file, \
             inputs: [{names}], path: \"{SMALL}/{{source}}.ndjson\" }}\n"
        )
        .unwrap();
        home.write("logweir.yaml", &text);
    }

    /// From now on things happen in the orgs, some of them late.
    pub(crate) fn begin_to_live(&mut self, seed: u64, per_second: f64) {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, sims) = (Arc::clone(&stop), self.sims());
        let mut random = StdRng::seed_from_u64(seed ^ 0x11fe);
        let happening = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                for sim in &sims {
                    if random.random::<f64>() >= per_second * TICK.as_secs_f64() {
                        continue;
                    }
                    let late = random.random_range(0..5) == 0;
                    let late = late.then(|| random.random_range(0..LATE_MS));
                    sim.push_generated(random.random_range(1..=2), late);
                }
                std::thread::sleep(TICK);
            }
        });
        self.happening = Some((stop, happening));
    }

    fn sims(&self) -> Vec<Sim> {
        self.all.iter().map(|org| org.sim.clone()).collect()
    }

    /// Nothing happens any more.
    pub(crate) fn end_to_live(&mut self) {
        if let Some((stop, happening)) = self.happening.take() {
            stop.store(true, Ordering::Relaxed);
            happening.join().unwrap();
        }
    }

    /// From now on every answer is right.
    pub(crate) fn heal(&self) {
        for org in &self.all {
            org.sim.clear_faults();
        }
    }

    /// From now on answers are wrong again.
    pub(crate) fn fail(&self) {
        for org in &self.all {
            org.sim.clear_faults();
            for fault in &self.faults {
                org.sim.fault(fault.clone());
            }
        }
    }

    /// Events that all of them persisted so far.
    pub(crate) fn events(&self) -> u64 {
        self.all.iter().map(|org| org.report().events as u64).sum()
    }

    /// Requests that arrived at all of them.
    pub(crate) fn requests(&self) -> u64 {
        self.all.iter().map(|org| org.report().requests).sum()
    }
}

impl Drop for Orgs {
    fn drop(&mut self) {
        self.end_to_live();
    }
}

impl Org {
    /// Every event in the order of persistence, a line each.
    pub(crate) fn persisted(&self) -> impl Iterator<Item = bytes::Bytes> {
        self.sim.ndjson()
    }

    pub(crate) fn report(&self) -> Report {
        self.sim.report()
    }

    pub(crate) fn proof(&self) -> Proof {
        self.proof
    }

    pub(crate) fn page(&self) -> usize {
        self.page
    }

    /// No cursor given so far is known any more.
    pub(crate) fn lose_cursors(&self) {
        self.sim.forget_cursors();
    }

    /// A process that knows nothing of the one before takes its place. What that one had opened is in a line: when a
    /// connection of ours is answered, the org has all of it, and takes nothing of it for the new one's.
    pub(crate) fn meets_another_client(&self) {
        let address = self.url.trim_start_matches("http://");
        let mut last = TcpStream::connect(address).unwrap();
        last.write_all(b"GET /sim/ HTTP/1.1\r\nhost: org\r\nconnection: close\r\n\r\n")
            .unwrap();
        last.read_to_end(&mut Vec::new()).unwrap();
        self.sim.clients_are_gone();
    }

    /// Its clock tells a time that is so many seconds ahead.
    pub(crate) fn jump_clock(&self, ahead: i64) {
        self.sim.jump_clock(ahead);
    }

    /// The token holds no more. Returns the one that holds instead, if a person has to be told.
    pub(crate) fn replace_token(&self, number: usize) -> Option<String> {
        if self.proof != Proof::Token {
            self.sim.revoke_access_tokens();
            return None;
        }
        let mut tokens = self.tokens.lock().unwrap();
        *tokens += 1;
        let token = token(number, *tokens);
        self.sim.accept_tokens([token.clone()]);
        Some(token)
    }
}

fn token(org: usize, number: u32) -> String {
    format!("00stormy-token-{org}-{number}")
}

fn with_app(config: OrgConfig, key: &rcgen::KeyPair, dpop: bool) -> OrgConfig {
    let point = key.public_key_raw();
    let text = |number: &[u8]| URL_SAFE_NO_PAD.encode(number);
    let public = serde_json::json!({
        "kty": "EC", "kid": "one", "crv": "P-256", "x": text(&point[1..33]), "y": text(&point[33..]),
    });
    let app = App {
        client_id: CLIENT.to_owned(),
        keys: vec![public],
        scopes: vec!["okta.logs.read".to_owned()],
        dpop,
        ..App::default()
    };
    OrgConfig {
        apps: vec![app],
        token_lifetime: Duration::from_secs(4),
        nonce_lifetime: Duration::from_secs(3),
        ..config
    }
}

/// So many percent of all requests fail, each kind as often as the others, and one in a hundred is odd.
fn faults(percent: f64) -> Vec<Fault> {
    let share = percent / FAILING.len() as f64;
    let failing = FAILING.into_iter().map(|kind| {
        let fault = Fault::new(kind).percent(share);
        match kind {
            FaultKind::Status => fault.status(503),
            // Longer ones are a matter of minutes, and of tests of their own.
            FaultKind::SlowStart | FaultKind::Stall => fault.ms(400),
            FaultKind::RateLimited => fault.ms(0),
            _ => fault,
        }
    });
    let odd = ODD.into_iter().map(|kind| {
        let fault = Fault::new(kind).percent(1.0 / ODD.len() as f64);
        match kind {
            FaultKind::HugePage => fault.bytes(2 << 20),
            _ => fault,
        }
    });
    match percent > 0.0 {
        true => failing.chain(odd).collect(),
        false => Vec::new(),
    }
}
