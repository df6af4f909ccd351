//! The main job: everything the org has, once, unchanged, whatever is killed in between.

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::house::{House, lines_of};
use crate::org::Org;
use crate::proof::{counted, delivered_once, wait_until};

#[test]
fn two_hundred_thousand_events_arrive_once_unchanged_and_in_order() {
    let org = Org::with_events(200_000);
    let house = House::with_one_source(&org.url);

    let begun = Instant::now();
    house.run_ok(&["run", "--once"]);
    let seconds = begun.elapsed().as_secs();
    assert_eq!(house.lines("out.ndjson").len(), 200_000);
    assert_eq!(delivered_once(&house, "out.ndjson", &org), Ok(()));
    let first = org.report();
    // What is live is asked for beside a longer read: here once a second, since it is polled more often.
    assert!(
        (201..=202 + seconds).contains(&first.polling),
        "⌈N/1000⌉ + 1, not {}",
        first.polling
    );
    assert_eq!(first.violations, []);

    house.run_ok(&["run", "--once"]);
    assert_eq!(
        house.lines("out.ndjson").len(),
        200_000,
        "a second run adds nothing"
    );
    assert_eq!(org.report().polling, first.polling + 1, "and asks once");
    assert_eq!(org.report().violations, []);
}

/// Where in a read of everything a program was killed.
#[derive(Debug, Default)]
struct Kills {
    /// With something written and something still to be written.
    midway: usize,
    /// In mid-line.
    torn: usize,
}

/// Starts and kills the program, `rounds` times, and lets it read the rest. Most kills come when a file has so many
/// bytes more than before, with a random number of microseconds on top; one in five comes at any time, before the first
/// request too. The first round compiles the plugin, which the later ones find in the cache.
fn run_with_kills(house: &House, file: &str, total: u64, rounds: u64) -> Kills {
    let mut random = StdRng::seed_from_u64(7_919);
    let size = || std::fs::metadata(house.path(file)).map_or(0, |metadata| metadata.len());
    let mut kills = Kills::default();
    for round in 0..rounds {
        let mut running = house.start(&["run"]);
        if round % 5 == 4 {
            std::thread::sleep(Duration::from_millis(random.random_range(0..150)));
        } else {
            let target = (size() + random.random_range(1..=total / rounds)).min(total);
            let begin = Instant::now();
            while size() < target {
                assert!(
                    begin.elapsed() < Duration::from_secs(60),
                    "{file} does not grow"
                );
                std::thread::sleep(Duration::from_micros(100));
            }
            std::thread::sleep(Duration::from_micros(random.random_range(0..1_000)));
        }
        running.kill();
        kills.midway += usize::from((1..total).contains(&size()));
        kills.torn += usize::from(!house.ends_with_a_line(file));
    }
    house.run_ok(&["run", "--once"]);
    kills
}

/// How many bytes an org's events are as lines.
fn size_of(events: &[Vec<u8>]) -> u64 {
    events.iter().map(|event| event.len() as u64 + 1).sum()
}

#[test]
fn delivery_16_fifty_kills_lose_and_repeat_nothing() {
    let org = Org::with_events(60_000);
    let house = House::with_one_source(&org.url);
    let kills = run_with_kills(&house, "out.ndjson", size_of(&org.persisted()), 50);
    assert!(kills.midway >= 20, "{kills:?} prove nothing");
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
    let total = size_of(&acme.persisted()) + size_of(&beta.persisted());
    let kills = run_with_kills(&house, "both.ndjson", total, 50);
    assert!(kills.midway >= 20, "{kills:?} prove nothing");

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

/// It is added to, and not a byte of it is cut, whatever the position of the output says about the old path.
#[test]
fn delivery_16_another_path_that_leads_to_a_file_of_somebody_else_cuts_nothing() {
    let org = Org::with_events(1_200);
    let house = House::with_one_source(&org.url);
    house.run_ok(&["run", "--once"]);
    let theirs = "{\"theirs\":1}\n{\"without\": \"its end";
    house.write("other.ndjson", theirs);
    house.configure(&[("acme", &org.url)], &[("archive", "other.ndjson")], "");
    org.persist_now(7);
    house.run_ok(&["run", "--once"]);
    let text = std::fs::read(house.path("other.ndjson")).unwrap();
    assert!(text.starts_with(theirs.as_bytes()));
    assert_eq!(house.lines("other.ndjson")[2..], org.persisted()[1_200..]);
    assert_eq!(house.lines("out.ndjson"), org.persisted()[..1_200]);
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
    let running = house.start(&["run"]);
    house.until_lines("out.ndjson", 2_500);
    org.persist_now(3);
    house.until_lines("out.ndjson", 2_503);
    running.stop();
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
    house.until_lines("out.ndjson", 1_000);
    // The checkpoint moves behind what is in the old file; a rotation in that moment is at least once by design.
    std::thread::sleep(Duration::from_millis(500));
    std::fs::rename(house.path("out.ndjson"), house.path("out.1.ndjson")).unwrap();
    running.signal("-HUP");
    std::thread::sleep(Duration::from_millis(300));
    org.persist_now(5);
    house.until_lines("out.ndjson", 5);
    running.signal("-TERM");
    running.wait();
    assert_eq!(house.lines("out.1.ndjson").len(), 1_000);
    assert_eq!(house.lines("out.ndjson").len(), 5);
}
