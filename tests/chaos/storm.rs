//! Storms, and the tests that make them.

use std::process::ExitStatus;
use std::time::Instant;

use crate::disk::SmallDisk;
use crate::home::{Home, SHARED, SMALL};
use crate::judge::judge;
use crate::life::live;
use crate::org::Orgs;
use crate::plan::lives;
use crate::settings::Settings;
use crate::tally::Tally;

/// New events a second in each org.
const LIVE_PER_SECOND: f64 = 12.0;

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
        let missing = self.bytes_in_all().saturating_sub(self.home.size(SHARED));
        (share * (missing / self.lives_left.max(1)) as f64) as u64 + 1
    }

    /// Notes how the program ended that was asked to.
    pub(crate) fn ended_as_asked(&mut self, status: ExitStatus) {
        if !status.success() {
            self.tally
                .count(format!("ended as asked, but with {status}"));
        }
    }
}

/// One storm: what happened, and what is wrong after it.
fn storm(settings: &Settings) -> (Tally, Vec<String>) {
    let begun = Instant::now();
    let mut scene = Scene::new(settings);
    // Compiles the plugin, which all lives find compiled.
    let checked = scene.home.run(&["check"]);
    assert!(checked.status.code().is_some());
    let lives = lives(settings);
    scene.orgs.begin_to_live(settings.seed, LIVE_PER_SECOND);
    for (number, life) in lives.iter().enumerate() {
        scene.lives_left = (lives.len() - number) as u64;
        live(&mut scene, life);
        if number % 100 == 99 {
            let (lines, events) = (scene.home.lines(SHARED), scene.orgs.events());
            let seconds = begun.elapsed().as_secs();
            eprintln!(
                "{seconds} s: {} lives, {lines} of {events} events",
                number + 1
            );
        }
    }
    calm(&mut scene);
    let wrong = judge(&scene.home, &scene.orgs);
    note(&mut scene, lives.len(), begun);
    println!("{settings}\n{}", scene.tally);
    if !wrong.is_empty() {
        for org in &scene.orgs.all {
            let lines: Vec<_> = org.persisted().collect();
            let name = format!("{}.persisted", org.name);
            std::fs::write(scene.home.path(&name), lines.concat()).unwrap();
        }
        let root = scene.home.root().display();
        let wrong = wrong.join("\n");
        panic!("{wrong}\nits folder: {root}\nto try it again: {settings}");
    }
    (scene.tally, wrong)
}

/// All is well again, and the program reads what is left.
fn calm(scene: &mut Scene) {
    scene.orgs.end_to_live();
    scene.orgs.heal();
    for org in &scene.orgs.all {
        org.jump_clock(0);
    }
    for _ in 0..2 {
        let said = scene.home.start(&["run", "--once"]).wait();
        assert!(said.success(), "a run in peace fails: see its log");
    }
    let size = scene.home.size(SHARED);
    let said = scene.home.start(&["run", "--once"]).wait();
    assert!(said.success() && scene.home.size(SHARED) == size);
}

fn note(scene: &mut Scene, lives: usize, begun: Instant) {
    let tally = &mut scene.tally;
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

/// Each trouble took place, most kills came in mid-work, and the program said what it met.
fn assert_it_stormed(tally: &Tally, settings: &Settings) {
    let kills = tally.of("kills");
    assert_eq!(kills, settings.kills as u64);
    let mid_work = tally.of("kills in mid-work");
    assert!(
        mid_work * 2 >= kills,
        "{mid_work} of {kills} kills prove something"
    );
    for what in [
        "cursors lost",
        "tokens replaced",
        "jumps of a clock",
        "faults",
    ] {
        assert!(tally.of(what) > 0, "{what}: none");
    }
    assert!(tally.of("log: refuses the stored position") > 0);
}

#[test]
fn delivery_16_trap_01_in_a_storm_of_everything_nothing_is_lost_and_nothing_comes_twice() {
    let settings = Settings::short(4);
    let (tally, _) = storm(&settings);
    assert_it_stormed(&tally, &settings);
}

/// See `tests/storm`.
#[test]
#[ignore = "as long as it is asked to be"]
fn a_storm_as_it_was_asked_for() {
    storm(&Settings::from_environment());
}
