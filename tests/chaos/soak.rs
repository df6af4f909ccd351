//! Soaks: reading as fast as the machine can, for as long as it takes for what leaks to show.
//!
//! The org is busier than any reader: a number of events is always there that nobody read yet. It forgets what is far
//! behind, so that it stays small itself. The output's file is rotated away every few seconds, counted and deleted; what
//! was counted must be what the state calls settled.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use okta_sim::{Org as Sim, OrgConfig};
use rustix::process::Signal;
use tokio::net::TcpListener;

use crate::home::{Home, Running, SHARED};
use crate::sample::{COLUMNS, FLAT, Sample, csv, fifth, grown, median, slope};

/// The environment variables in which `tests/soak` says how long, and where the table goes.
const SECONDS: &str = "LOGWEIR_SOAK_SECONDS";
/// See [`SECONDS`].
const TABLE: &str = "LOGWEIR_SOAK_TABLE";
/// Events that are always there.
const AHEAD: usize = 20_000;
/// Events that the org remembers.
const KEEP: usize = 60_000;
/// How often it is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How often the file is rotated away.
const ROTATE: Duration = Duration::from_secs(8);
/// How long the plugin and the first pages may take.
const BEGINS_WITHIN: Duration = Duration::from_secs(60);

/// A soak at work.
struct Soak {
    home: Home,
    lines: u64,
    /// Rotated away and not counted yet.
    rotated: Option<PathBuf>,
    rotations: usize,
}

impl Soak {
    fn rotate(&mut self, running: &Running) {
        self.count();
        self.rotations += 1;
        let away = self.home.path(&format!("shared/away.{}", self.rotations));
        fs::rename(self.home.path(SHARED), &away).unwrap();
        running.signal(Signal::HUP);
        self.rotated = Some(away);
    }

    /// Counts what was rotated away a while ago, to which nobody writes any more.
    fn count(&mut self) {
        if let Some(file) = self.rotated.take() {
            let name = file.strip_prefix(self.home.root()).unwrap();
            self.lines += self.home.lines(name.to_str().unwrap());
            fs::remove_file(file).unwrap();
        }
    }

    fn watch(&mut self, running: &mut Running, lasts: Duration) -> Vec<Sample> {
        let (begun, mut samples) = (Instant::now(), Vec::new());
        let mut rotated = Instant::now();
        while begun.elapsed() < lasts {
            assert!(running.runs(), "it ended: see its log");
            samples.extend(Sample::take(&self.home, running.pid(), begun.elapsed()));
            if rotated.elapsed() > ROTATE && self.home.size(SHARED) > 0 {
                rotated = Instant::now();
                self.rotate(running);
            }
            std::thread::sleep(LOOK);
        }
        samples
    }
}

fn soak(lasts: Duration) -> Vec<Sample> {
    let home = Home::new("soak-");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let sim = Sim::new(OrgConfig {
        events: 2_000,
        ahead: AHEAD,
        keep: Some(KEEP),
        ..OrgConfig::default()
    });
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let entered = runtime.enter();
    let served = sim.serve(listener).unwrap();
    drop(entered);
    home.write("token", "sim-token");
    home.write(
        "logweir.yaml",
        &format!(
            "sources:\n  acme:\n    plugin: okta\n    config: {{ url: \"{}\", poll: 200ms }}\n    credentials: {{ \
             api_token: \"${{file:token}}\" }}\noutputs:\n  archive: {{ type: file, inputs: [acme], path: \
             \"{SHARED}\" }}\nledger: {{ keep: 1h }}\n",
            served.url()
        ),
    );
    // Compiles the plugin: what that takes, a program that runs for long took once.
    assert!(home.run(&["check"]).status.success());
    let mut running = home.start(&["run"]);
    let begun = Instant::now();
    while home.size(SHARED) == 0 {
        assert!(begun.elapsed() < BEGINS_WITHIN, "nothing comes");
        std::thread::sleep(Duration::from_millis(20));
    }
    let mut soak = Soak {
        home,
        lines: 0,
        rotated: None,
        rotations: 0,
    };
    let samples = soak.watch(&mut running, lasts);
    running.signal(Signal::TERM);
    assert!(running.wait().success(), "stopping as asked is no failure");
    soak.count();
    soak.lines += soak.home.lines(SHARED);
    let settled = soak.home.settled();
    assert_eq!(soak.lines, settled, "what is there is what was delivered");
    assert_eq!(sim.report().violations, []);
    samples
}

/// Start, middle and end of what must stay as it is, and how fast it grew.
fn tell(samples: &[Sample]) {
    let (first, last) = (&samples[0], &samples[samples.len() - 1]);
    let per_second = (last.read - first.read) / (last.at - first.at);
    println!("{} s, {per_second:.0} records/s", last.at.round());
    println!("                  start    middle       end  more a minute");
    for column in COLUMNS.into_iter().skip(1) {
        let [start, middle, end] = [0, 2, 4].map(|number| median(fifth(samples, number), column));
        let more = slope(samples, column);
        println!(
            "{:<14} {start:>9.1} {middle:>9.1} {end:>9.1}  {more:+.2}",
            column.0
        );
    }
}

fn judged(lasts: Duration) -> Vec<Sample> {
    let samples = soak(lasts);
    tell(&samples);
    if let Some(path) = env::var_os(TABLE) {
        fs::write(path, csv(&samples)).unwrap();
    }
    assert_eq!(grown(&samples), Vec::<String>::new());
    samples
}

#[test]
fn in_a_soak_neither_memory_nor_descriptors_grow() {
    let samples = judged(Duration::from_secs(20));
    assert!(samples.len() >= 10, "{}", samples.len());
    let last = samples.last().unwrap();
    assert!(last.read > 10_000.0, "it was at work: {last:?}");
    assert!(
        FLAT.iter().all(|((_, value), _)| value(last) > 0.0),
        "each was measured: {last:?}"
    );
}

/// See `tests/soak`.
#[test]
#[ignore = "as long as it is asked to be"]
fn a_soak_as_long_as_it_was_asked_for() {
    let seconds = env::var(SECONDS).unwrap_or_default();
    judged(Duration::from_secs(seconds.parse().unwrap()));
}
