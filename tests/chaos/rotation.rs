//! A rotation in the midst of the work.
//!
//! A file that was rotated away is not known any more, so what was in flight to it when the program was killed may come
//! again (the module documentation of the file output). The program tells so, and people rotate at times when it has not
//! just been killed. So does this: first a life in peace, in which all comes that was in flight, then the rotation, while
//! it is busy, and a stop that delivers what is queued.

use std::fs;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::home::SHARED;
use crate::storm::Scene;

/// How often peace is given a chance.
const TRIES: usize = 6;
/// How long what was in flight may take to come again, and everything to be told apart from it.
const REST: Duration = Duration::from_millis(250);
/// So much longer with each org.
const REST_OF_EACH: Duration = Duration::from_millis(20);

/// Rotates the shared output's file away, if peace can be had.
pub(crate) fn rotate(scene: &mut Scene) {
    scene.orgs.heal();
    if (0..TRIES).any(|_| comes_to_rest(scene)) {
        in_mid_work(scene);
        scene.tally.count("rotations in mid-work");
    } else {
        scene.tally.count("rotations that found no peace");
    }
    scene.orgs.fail();
}

/// Works for a while and stops. Whether nothing is in flight then.
fn comes_to_rest(scene: &mut Scene) -> bool {
    let running = scene.start(&["run"]);
    let before = scene.home.size(SHARED);
    wait_for_growth(scene, before + 1);
    let orgs = u32::try_from(scene.orgs.all.len()).unwrap();
    std::thread::sleep(REST + REST_OF_EACH * orgs);
    running.signal(Signal::TERM);
    scene.ended_as_asked(running.wait());
    scene.home.lines(SHARED) == scene.home.settled()
}

fn in_mid_work(scene: &mut Scene) {
    let running = scene.start(&["run"]);
    let before = scene.home.size(SHARED);
    wait_for_growth(scene, before + 1);
    let file = scene.home.path(SHARED);
    let number = scene.home.files(SHARED).len();
    let away = scene.home.path(&format!("{SHARED}.{number}"));
    fs::rename(&file, away).unwrap();
    running.signal(Signal::HUP);
    let begin = Instant::now();
    while fs::metadata(&file).map_or(0, |metadata| metadata.len()) == 0 {
        let patient = begin.elapsed() < Duration::from_secs(30);
        assert!(patient, "no new file after a rotation");
        std::thread::sleep(Duration::from_millis(5));
    }
    running.signal(Signal::TERM);
    scene.ended_as_asked(running.wait());
}

fn wait_for_growth(scene: &Scene, size: u64) {
    let begin = Instant::now();
    while scene.home.size(SHARED) < size {
        let patient = begin.elapsed() < Duration::from_secs(60);
        assert!(patient, "nothing comes although all is well");
        std::thread::sleep(Duration::from_millis(2));
    }
}
