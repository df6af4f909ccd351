//! A signal is heard at every moment of a life, however early.

use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use crate::house::House;
use crate::org::Org;

/// SIGTERM.
const TERMINATED: i32 = 15;

#[test]
fn a_stop_that_comes_as_early_as_can_be_ends_it() {
    let org = Org::with_events(20);
    let house = House::with_one_source(&org.url);
    house.run_ok(&["run", "--once"]);
    let mut stopped = 0;
    // Densely from its first moment on, and until it has long been at work.
    for tries in 0_u64.. {
        let running = house.start(&["run"]);
        std::thread::sleep(Duration::from_micros(tries * tries * 50));
        running.signal("-TERM");
        let status = running.ended();
        match (status.code(), status.signal()) {
            (Some(0), None) => stopped += 1,
            (None, Some(TERMINATED)) => {}
            _ => panic!("{status} after {tries} tries: {}", log(&house)),
        }
        if stopped == 40 {
            break;
        }
    }
    house.run_ok(&["run", "--once"]);
    assert_eq!(house.lines("out.ndjson"), org.persisted());
}

fn log(house: &House) -> String {
    std::fs::read_to_string(house.path("log")).unwrap_or_default()
}
