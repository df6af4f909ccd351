//! One life of the program, from its start to its end.

use std::process::ExitStatus;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::home::{Running, SHARED};
use crate::plan::{End, Life, Moment, Synced, Trouble};
use crate::storm::Scene;

/// When nothing was written for so long, a life ends: all of its sources wait for something.
const STUCK: Duration = Duration::from_secs(4);
/// How often the size of a file is looked at.
const LOOK: Duration = Duration::from_micros(400);
/// A disk stays full for so long, once it is.
const FULL_FOR: Duration = Duration::from_millis(400);

/// Lives it.
pub(crate) fn live(scene: &mut Scene, life: &Life) {
    if life.trouble == Trouble::Rotation {
        return super::rotation::rotate(scene);
    }
    let before = scene.home.size(SHARED);
    prepare(scene, life);
    let mut running = scene.start(&["run"]);
    let begun = Instant::now();
    strike(scene, life, begun);
    wait(scene, life, &mut running, begun);
    note_how_it_is(scene, life, before);
    let ended_early = !running.runs();
    let status = end(running, life.end);
    if ended_early {
        scene.tally.count("lives that ended by themselves");
    } else if !life.end.is_a_kill() && life.end != End::AskedTwice {
        scene.ended_as_asked(status);
    }
    clear_up(scene, life);
    if life.end.is_a_kill() {
        note_what_is_left(scene);
    }
}

/// What is wrong from the start.
fn prepare(scene: &mut Scene, life: &Life) {
    match (life.trouble, &scene.disk, &scene.home.syncs) {
        (Trouble::DiskFull { .. }, Some(disk), _) => disk.fill(),
        (Trouble::SyncsFail { times, of }, _, Some(syncs)) => {
            let folder = match of {
                Synced::Outputs => scene.home.path("shared"),
                Synced::State => scene.home.path(".logweir"),
            };
            syncs.fail(times, &folder);
        }
        _ => {}
    }
}

/// What goes wrong while it works.
fn strike(scene: &mut Scene, life: &Life, begun: Instant) {
    let org = &scene.orgs.all[life.org];
    match life.trouble {
        Trouble::CursorsLost => org.lose_cursors(),
        Trouble::ClockJumps { ahead } => org.jump_clock(ahead),
        Trouble::TokenGone { noticed } => {
            if let Some(token) = org.replace_token(life.org) {
                let name = format!("{}.token", org.name);
                std::thread::sleep(noticed);
                scene.home.write(&name, &token);
            }
        }
        Trouble::DiskFull { heals } => {
            let size = scene.home.size(SHARED);
            while scene.home.size(SHARED) <= size && begun.elapsed() < STUCK {
                std::thread::sleep(LOOK);
            }
            std::thread::sleep(FULL_FOR);
            if let Some(disk) = scene.disk.as_ref().filter(|_| heals) {
                disk.empty();
            }
        }
        Trouble::None | Trouble::SyncsFail { .. } | Trouble::Rotation => {}
    }
}

/// Until its end is there.
fn wait(scene: &Scene, life: &Life, running: &mut Running, begun: Instant) {
    let (share, and) = match life.moment {
        Moment::Written { share, and } => (share, and),
        Moment::Passed(time) => {
            std::thread::sleep(time.saturating_sub(begun.elapsed()));
            return;
        }
    };
    let mut size = scene.home.size(SHARED);
    let goal = size + scene.goal(share);
    let mut grew = Instant::now();
    while size < goal && grew.elapsed() < STUCK && running.runs() {
        std::thread::sleep(LOOK);
        let now = scene.home.size(SHARED);
        if now > size {
            (size, grew) = (now, Instant::now());
        }
    }
    std::thread::sleep(and);
}

fn note_how_it_is(scene: &mut Scene, life: &Life, before: u64) {
    let worked = scene.home.size(SHARED) > before;
    let more = scene.home.size(SHARED) < scene.bytes_in_all();
    if life.end.is_a_kill() {
        scene.tally.count("kills");
        if worked && more {
            scene.tally.count("kills in mid-work");
        }
    } else {
        scene.tally.count(format!("ends {:?}", life.end));
    }
}

fn end(running: Running, end: End) -> ExitStatus {
    match end {
        End::Killed => running.kill(),
        End::KilledWhileStopping(after) => {
            running.signal(Signal::TERM);
            std::thread::sleep(after);
            running.kill()
        }
        End::Terminated => {
            running.signal(Signal::TERM);
            running.wait()
        }
        End::Interrupted => {
            running.signal(Signal::INT);
            running.wait()
        }
        End::AskedTwice => {
            running.signal(Signal::TERM);
            std::thread::sleep(Duration::from_millis(2));
            running.signal(Signal::INT);
            running.wait()
        }
    }
}

/// What is over with the life.
fn clear_up(scene: &mut Scene, life: &Life) {
    match life.trouble {
        Trouble::DiskFull { .. } => {
            if let Some(disk) = &scene.disk {
                disk.empty();
            }
        }
        Trouble::SyncsFail { times, of } => {
            let left = scene.home.syncs.as_ref().map_or(times, |it| it.stop());
            let failed = u64::from(times.saturating_sub(left));
            scene.tally.add("failed syncs", failed);
            scene.tally.add(format!("failed syncs of {of:?}"), failed);
        }
        Trouble::CursorsLost => scene.tally.count("cursors lost"),
        Trouble::TokenGone { .. } => scene.tally.count("tokens replaced"),
        Trouble::ClockJumps { .. } => scene.tally.count("jumps of a clock"),
        Trouble::None | Trouble::Rotation => {}
    }
}

/// What a kill left on the disk.
fn note_what_is_left(scene: &mut Scene) {
    if !scene.home.ends_with_a_line(SHARED) {
        scene.tally.count("kills that tore a line");
    }
    // Whoever looks also puts the database in order, which the program should mostly do by itself.
    if scene.tally.of("kills").is_multiple_of(4) {
        scene.tally.count("kills looked at");
        if scene.home.lines(SHARED) > scene.home.settled() {
            scene.tally.count("kills looked at, with lines not settled");
        }
    }
}
