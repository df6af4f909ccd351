//! Storms, and the tests that make them.

use std::process::ExitStatus;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::disk::SmallDisk;
use crate::home::{Home, Running, SHARED, SMALL};
use crate::judge::judge;
use crate::life::live;
use crate::org::Orgs;
use crate::plan::lives;
use crate::settings::{Proof, Settings};
use crate::tally::Tally;

/// What a storm is made of.
pub(crate) struct Scene {
    // Before the home, which its folder is in.
    pub(crate) disk: Option<SmallDisk>,
    pub(crate) orgs: Orgs,
    pub(crate) home: Home,
    pub(crate) tally: Tally,
    /// Bytes of an event, on average.
    event_bytes: u64,
    lives_left: u64,
}

impl Scene {
    /// Starts the program, which knows nothing of what the one before it was told.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        for org in &self.orgs.all {
            org.meets_another_client();
        }
        self.home.start(arguments)
    }

    fn new(settings: &Settings) -> Self {
        let home = Home::new("storm-");
        let disk = SmallDisk::at(&home.path(SMALL));
        if disk.is_none() {
            eprintln!("SKIPPED: full disks, since this process may not mount one");
        }
        if home.syncs.is_none() {
            eprintln!("SKIPPED: syncs that fail, since no library for that can be built here");
        }
        let orgs = Orgs::new(settings, &home);
        let bytes: u64 = orgs
            .all
            .iter()
            .flat_map(|org| org.persisted())
            .map(|block| block.len() as u64)
            .sum();
        Self {
            event_bytes: bytes / orgs.events().max(1),
            disk,
            orgs,
            home,
            tally: Tally::default(),
            lives_left: 0,
        }
    }

    /// About so many bytes there will be, of all that the orgs have by now.
    pub(crate) fn bytes_in_all(&self) -> u64 {
        self.orgs.events() * self.event_bytes
    }

    /// How many bytes a life is to write that writes this share of what each should.
    pub(crate) fn goal(&self, share: f64) -> u64 {
        let missing = self.bytes_in_all().saturating_sub(self.home.size(SHARED)) as f64;
        // Something is left to be read in each life, and else a life would wait for what has yet to happen.
        let goal = (share * missing / self.lives_left.max(1) as f64).min(missing * 0.8);
        goal as u64 + 1
    }

    /// Notes how the program ended that was asked to.
    pub(crate) fn ended_as_asked(&mut self, status: ExitStatus) {
        if !status.success() {
            self.tally
                .count(format!("ended as asked, but with {status}"));
        }
    }
}

/// One storm, which fails when anything is wrong after it.
fn storm(settings: &Settings) -> Tally {
    let begun = Instant::now();
    let mut scene = Scene::new(settings);
    // Compiles the plugin, which all lives find compiled.
    let checked = scene.home.run(&["check"]);
    assert!(checked.status.code().is_some());
    let lives = lives(settings);
    scene
        .orgs
        .begin_to_live(settings.seed, settings.live_per_second());
    for (number, life) in lives.iter().enumerate() {
        scene.lives_left = (lives.len() - number) as u64;
        let born = begun.elapsed();
        live(&mut scene, life);
        let (born, age) = (born.as_secs_f32(), (begun.elapsed() - born).as_secs_f32());
        scene
            .home
            .note(&format!("{number} at {born:.2} s for {age:.2} s: {life:?}"));
        if number % 100 == 99 {
            let (lines, events) = (scene.home.lines(SHARED), scene.orgs.events());
            let seconds = begun.elapsed().as_secs();
            eprintln!(
                "{seconds} s: {} lives, {lines} of {events} events",
                number + 1
            );
        }
    }
    work_on(&mut scene, settings.requests);
    calm(&mut scene);
    let wrong = judge(&scene.home, &scene.orgs);
    note(&mut scene, lives.len(), begun);
    println!("{settings}\n{}", scene.tally);
    if !wrong.is_empty() {
        keep_evidence(&scene);
        let root = scene.home.root().display();
        let wrong = wrong.join("\n");
        panic!("{wrong}\nits folder: {root}\nto try it again: {settings}");
    }
    scene.tally
}

/// What the orgs had, and what is on a disk that goes with this process, is kept beside the rest.
fn keep_evidence(scene: &Scene) {
    for org in &scene.orgs.all {
        let name = &org.name;
        let lines: Vec<_> = org.persisted().collect();
        std::fs::write(
            scene.home.path(&format!("{name}.persisted")),
            lines.concat(),
        )
        .unwrap();
        let delivered = scene.home.path(&format!("{SMALL}/{name}.ndjson"));
        let kept = scene.home.path(&format!("{name}.delivered"));
        std::fs::copy(delivered, kept).unwrap_or_default();
    }
}

/// Works until the orgs have been asked so often, while answers are wrong as before.
fn work_on(scene: &mut Scene, requests: u64) {
    if scene.orgs.requests() >= requests {
        return;
    }
    let mut running = scene.start(&["run"]);
    let (mut seen, mut told) = (scene.orgs.requests(), Instant::now());
    while seen < requests && running.runs() {
        std::thread::sleep(Duration::from_millis(100));
        seen = scene.orgs.requests();
        if told.elapsed() > Duration::from_secs(60) {
            told = Instant::now();
            eprintln!("{seen} of {requests} requests");
        }
    }
    running.signal(Signal::TERM);
    let status = running.wait();
    scene.ended_as_asked(status);
}

/// All is well again, and the program reads what is left.
fn calm(scene: &mut Scene) {
    scene.orgs.end_to_live();
    scene.orgs.heal();
    for org in &scene.orgs.all {
        org.jump_clock(0);
    }
    for _ in 0..2 {
        let said = scene.start(&["run", "--once"]).wait();
        assert!(said.success(), "a run in peace fails: see its log");
    }
    let size = scene.home.size(SHARED);
    let said = scene.start(&["run", "--once"]).wait();
    assert!(said.success() && scene.home.size(SHARED) == size);
}

fn note(scene: &mut Scene, lives: usize, begun: Instant) {
    let tally = &mut scene.tally;
    let can = |there: bool| u64::from(there);
    tally.add("disks that can be full", can(scene.disk.is_some()));
    tally.add("syncs that can fail", can(scene.home.syncs.is_some()));
    tally.add("lives", lives as u64);
    tally.add("events", scene.orgs.events());
    tally.add("requests", scene.orgs.requests());
    tally.add("seconds", begun.elapsed().as_secs());
    for org in &scene.orgs.all {
        tally.count(format!(
            "orgs by {:?}, pages of {}",
            org.proof(),
            org.page()
        ));
        let report = org.report();
        for (fault, times) in &report.faults {
            tally.add(format!("faults: {fault}"), *times);
            tally.add("faults", *times);
        }
        for (status, times) in &report.by_status {
            tally.add(format!("answers {status}"), *times);
        }
        tally.add(
            "token requests",
            *report.by_path.get("/oauth2/v1/token").unwrap_or(&0),
        );
    }
    let log = scene.home.log();
    for words in SAID {
        let times = log.lines().filter(|line| line.contains(words)).count();
        tally.add(format!("log: {words}"), times as u64);
    }
}

/// What the program says when it meets a trouble.
const SAID: [&str; 6] = [
    "refuses the stored position",
    "the disk is full",
    "can't be synced",
    "this file was rotated",
    "reopening files",
    "ERROR",
];

/// Most kills came in mid-work.
fn assert_kills_prove_something(tally: &Tally) {
    let (kills, mid_work) = (tally.of("kills"), tally.of("kills in mid-work"));
    assert!(mid_work * 3 >= kills, "of {kills} kills only {mid_work}");
}

/// Each trouble took place, and the program said what it met.
fn assert_it_stormed(tally: &Tally) {
    let mut all = vec![
        "cursors lost",
        "tokens replaced",
        "jumps of a clock",
        "faults",
        "rotations in mid-work",
        "log: refuses the stored position",
        "log: reopening files",
    ];
    if tally.of("disks that can be full") > 0 {
        all.push("log: the disk is full");
    }
    if tally.of("syncs that can fail") > 0 {
        all.push("failed syncs");
    }
    for what in all {
        assert!(tally.of(what) > 0, "{what}: none");
    }
}

#[test]
fn delivery_16_trap_01_in_a_storm_of_everything_nothing_is_lost_and_nothing_comes_twice() {
    let tally = storm(&Settings::short(4));
    assert_kills_prove_something(&tally);
    assert_it_stormed(&tally);
}

#[test]
fn trap_17_in_a_storm_tokens_end_and_nonces_change_and_nothing_is_lost() {
    let tally = storm(&Settings {
        kills: 6,
        events: 6_000,
        proof: Some(Proof::Dpop),
        ..Settings::short(2)
    });
    assert_kills_prove_something(&tally);
    // One that shows the nonce to use, and one that brings a token.
    assert!(tally.of("token requests") > 2 * tally.of("kills"));
    assert!(tally.of("answers 400") + tally.of("answers 401") > 0);
}

/// See `tests/storm`.
#[test]
#[ignore = "as long as it is asked to be"]
fn a_storm_as_it_was_asked_for() {
    let settings = Settings::from_environment();
    let tally = storm(&settings);
    if settings.kills >= 20 {
        assert_kills_prove_something(&tally);
    }
}
