//! The main job: everything the org has, once, unchanged, whatever is killed in between.

use std::time::Duration;

use crate::house::{House, lines_of};
use crate::org::Org;
use crate::proof::{counted, delivered_once, wait_until};

#[test]
fn two_hundred_thousand_events_arrive_once_unchanged_and_in_order() {
    let org = Org::with_events(200_000);
    let house = House::with_one_source(&org.url);

    house.run_ok(&["run", "--once"]);
    assert_eq!(house.lines("out.ndjson").len(), 200_000);
    assert_eq!(delivered_once(&house, "out.ndjson", &org), Ok(()));
    let first = org.report();
    assert_eq!(first.polling, 201, "⌈N/1000⌉ + 1");
    assert_eq!(first.violations, []);

    house.run_ok(&["run", "--once"]);
    assert_eq!(
        house.lines("out.ndjson").len(),
        200_000,
        "a second run adds nothing"
    );
    assert_eq!(org.report().polling, 202, "and asks once");
    assert_eq!(org.report().violations, []);
}

/// Milliseconds after which the program is killed: from before its first request to its last pages.
fn kill_after(round: u64) -> Duration {
    Duration::from_millis(40 + (round * 7_919) % 360)
}

/// Starts and kills the program until it has read everything, `kills` times at least.
fn run_with_kills(house: &House, kills: u64) {
    for round in 0..kills {
        let running = house.start(&["run"]);
        std::thread::sleep(kill_after(round));
        drop(running);
    }
    house.run_ok(&["run", "--once"]);
}

#[test]
fn delivery_16_fifty_kills_lose_and_repeat_nothing() {
    let org = Org::with_events(60_000);
    let house = House::with_one_source(&org.url);
    run_with_kills(&house, 50);
    assert_eq!(delivered_once(&house, "out.ndjson", &org), Ok(()));
    assert_eq!(org.report().violations, []);
}

#[test]
fn delivery_16_kills_with_two_sources_in_one_file_and_a_second_output() {
    let (acme, beta) = (Org::seeded(20_000, 2), Org::seeded(20_000, 3));
    let house = House::new();
    let files = [
        ("archive", "both.ndjson"),
        ("second", "each/{source}.ndjson"),
    ];
    house.configure(&[("acme", &acme.url), ("beta", &beta.url)], &files, "");
    run_with_kills(&house, 50);

    assert_eq!(delivered_once(&house, "each/acme.ndjson", &acme), Ok(()));
    assert_eq!(delivered_once(&house, "each/beta.ndjson", &beta), Ok(()));
    let both = counted(house.lines("both.ndjson"));
    let want = counted(acme.persisted().into_iter().chain(beta.persisted()));
    assert_eq!(both.len(), want.len());
    assert!(
        both == want,
        "the shared file does not hold each event once"
    );
}

#[test]
fn trap_02_what_comes_while_it_is_down_is_read_at_the_next_start() {
    let org = Org::with_events(1_500);
    let house = House::with_one_source(&org.url);
    house.run_ok(&["run", "--once"]);
    org.persist_now(700);
    house.run_ok(&["run", "--once"]);
    assert_eq!(house.lines("out.ndjson").len(), 2_200);
    assert_eq!(delivered_once(&house, "out.ndjson", &org), Ok(()));
}

#[test]
fn new_events_arrive_while_it_runs_and_a_signal_stops_it_cleanly() {
    let org = Org::with_events(2_500);
    let house = House::with_one_source(&org.url);
    let mut running = house.start(&["run"]);
    wait_until("2_500 lines are there", || {
        house.lines_so_far("out.ndjson") == 2_500
    });
    org.persist_now(3);
    wait_until("2_503 lines are there", || {
        house.lines_so_far("out.ndjson") == 2_503
    });
    running.signal("-TERM");
    assert!(running.wait().success(), "stopping as asked is no failure");
    assert_eq!(delivered_once(&house, "out.ndjson", &org), Ok(()));
}

#[test]
fn trap_21_stopping_in_a_backlog_is_quick_and_loses_nothing() {
    let org = Org::with_events(100_000);
    let house = House::with_one_source(&org.url);
    let mut running = house.start(&["run"]);
    wait_until("a first line is there", || {
        house.lines_so_far("out.ndjson") > 0
    });
    running.signal("-INT");
    running.wait();
    lines_of(&std::fs::read(house.path("out.ndjson")).unwrap());
    house.run_ok(&["run", "--once"]);
    assert_eq!(delivered_once(&house, "out.ndjson", &org), Ok(()));
}

#[test]
fn sighup_opens_a_rotated_file_anew() {
    let org = Org::with_events(1_000);
    let house = House::with_one_source(&org.url);
    let mut running = house.start(&["run"]);
    wait_until("1,000 lines are there", || {
        house.lines_so_far("out.ndjson") == 1_000
    });
    // The checkpoint moves behind what is in the old file; a rotation in that moment is at least once by design.
    std::thread::sleep(Duration::from_millis(500));
    std::fs::rename(house.path("out.ndjson"), house.path("out.1.ndjson")).unwrap();
    running.signal("-HUP");
    std::thread::sleep(Duration::from_millis(300));
    org.persist_now(5);
    wait_until("5 lines are there", || {
        house.lines_so_far("out.ndjson") == 5
    });
    running.signal("-TERM");
    running.wait();
    assert_eq!(house.lines("out.1.ndjson").len(), 1_000);
    assert_eq!(house.lines("out.ndjson").len(), 5);
}
