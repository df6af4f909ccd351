//! What happens now is there at once, however much past there is to read; and what becomes of a position that can't be
//! gone on from.

use std::time::Duration;

use okta_sim::{Fault, FaultKind, OrgConfig};

use crate::house::House;
use crate::org::Org;
use crate::proof::{counted, delivered_once, wait_until};

/// Pages of a handful of events.
const SMALL_PAGES: &str = "      limit: 7\n";

fn house(org: &Org, more: &str) -> House {
    let house = House::new();
    house.configure(&[("acme", &org.url)], &[("archive", "out.ndjson")], more);
    house
}

/// Every event of the org is there, and as often as it was persisted. In order is each cursor's part alone.
pub(crate) fn assert_each_once(house: &House, org: &Org) {
    let (lines, events) = (counted(house.lines("out.ndjson")), counted(org.persisted()));
    let missing = events.keys().filter(|event| !lines.contains_key(*event));
    assert_eq!(missing.count(), 0, "events are missing");
    let other = lines
        .iter()
        .filter(|(line, times)| events.get(*line) != Some(*times));
    let other: Vec<_> = other
        .map(|(line, times)| (String::from_utf8_lossy(line), times))
        .collect();
    assert!(
        other.is_empty(),
        "{} came twice: {:?}",
        other.len(),
        other.first()
    );
}

fn has(house: &House, event: &str) -> bool {
    let text = std::fs::read_to_string(house.path("out.ndjson")).unwrap_or_default();
    text.contains(&format!("\"{event}\""))
}

/// 20 events a second is what the org gives: the past takes a while.
fn slow_org(events: usize) -> Org {
    Org::new(OrgConfig {
        events,
        latency: Duration::from_millis(100),
        late_percent: 20.0,
        ..OrgConfig::default()
    })
}

#[test]
fn delivery_11_what_happens_now_is_there_long_before_the_past_is_read() {
    let org = slow_org(1_200);
    let house = house(&org, SMALL_PAGES);
    let mut running = house.start(&["run"]);
    wait_until("the past is being read", || {
        house.lines_so_far("out.ndjson") > 50
    });
    std::thread::sleep(Duration::from_secs(2));
    org.persist_now(3);
    wait_until("what happened is there", || has(&house, "live-2"));
    let then = house.lines_so_far("out.ndjson");
    assert!(then < 1_000, "the past is not read to its end: {then}");

    // Live goes on while the past does, and both meet.
    for _ in 0..5 {
        org.persist_now(4);
        std::thread::sleep(Duration::from_millis(300));
    }
    wait_until("everything is there", || {
        house.lines_so_far("out.ndjson") >= 1_223
    });
    std::thread::sleep(Duration::from_secs(1));
    running.signal("-TERM");
    assert!(running.wait().success());
    assert_each_once(&house, &org);
    let report = org.report();
    assert_eq!((report.bounded, report.violations), (0, vec![]));
}

#[test]
fn delivery_11_kills_while_past_and_live_are_read_lose_and_repeat_nothing() {
    let org = slow_org(700);
    let house = house(&org, SMALL_PAGES);
    for round in 0..12 {
        let mut running = house.start(&["run"]);
        org.persist_now(2);
        std::thread::sleep(Duration::from_millis(700 + 130 * round));
        running.signal("-KILL");
        assert!(!running.wait().success());
        org.persist_now(1);
    }
    house.run_ok(&["run", "--once"]);
    house.run_ok(&["run", "--once"]);
    assert_each_once(&house, &org);
    assert_eq!(org.report().violations, []);
}

#[test]
fn delivery_11_a_run_that_is_to_end_reads_the_past_too() {
    let org = slow_org(500);
    let house = house(&org, SMALL_PAGES);
    let mut running = house.start(&["run", "--once"]);
    for _ in 0..4 {
        std::thread::sleep(Duration::from_secs(1));
        org.persist_now(1);
    }
    assert!(running.wait().success());
    let lines = counted(house.lines("out.ndjson"));
    let missing = org.persisted().into_iter().take(500);
    assert_eq!(
        missing.filter(|event| !lines.contains_key(event)).count(),
        0
    );
    house.run_ok(&["run", "--once"]);
    assert_each_once(&house, &org);
}

#[test]
fn delivery_09_delivery_10_cursors_that_are_lost_while_both_are_read_cost_nothing() {
    let org = slow_org(700);
    let house = house(&org, SMALL_PAGES);
    let mut running = house.start(&["run"]);
    for _ in 0..4 {
        std::thread::sleep(Duration::from_millis(1_500));
        org.persist_now(2);
        org.fault(Fault::new(FaultKind::InvalidateCursors));
    }
    wait_until("everything is there", || {
        house.lines_so_far("out.ndjson") >= 708
    });
    std::thread::sleep(Duration::from_secs(1));
    running.signal("-TERM");
    assert!(running.wait().success());
    assert_each_once(&house, &org);
    let log = std::fs::read_to_string(house.path("log")).unwrap();
    assert!(log.contains("Okta refuses the stored position"), "{log}");
    assert_eq!(org.report().violations, []);
}

#[test]
fn empty_and_repeated_pages_self_links_and_foreign_hosts_cost_nothing() {
    for kind in [
        FaultKind::EmptyPage,
        FaultKind::DuplicatePage,
        FaultKind::SelfNext,
        FaultKind::ForeignNext,
        FaultKind::AdminNext,
        FaultKind::NoNext,
    ] {
        let org = Org::with_events(90);
        let house = house(&org, SMALL_PAGES);
        let fault = Fault::new(kind).after(4).times(1);
        org.fault(if kind == FaultKind::ForeignNext {
            fault.value("http://127.0.0.1:9")
        } else {
            fault
        });
        house.run_ok(&["run", "--once"]);
        house.run_ok(&["run", "--once"]);
        assert_eq!(
            delivered_once(&house, "out.ndjson", &org),
            Ok(()),
            "{kind:?}"
        );
        assert_eq!(org.report().violations, [], "{kind:?}");
    }
}

#[test]
fn trust_13_two_pages_are_asked_for_at_a_time_at_most_however_slow_they_come() {
    let org = Org::new(OrgConfig {
        events: 30_000,
        live_per_sec: 300.0,
        ..OrgConfig::default()
    });
    // Past and live both have more to read; each second page stops where the next one is asked for early.
    let mut slow = Fault::new(FaultKind::Stall);
    slow.percent = Some(50.0);
    slow.ms = Some(300);
    org.fault(slow);
    let house = house(&org, "      limit: 100\n");
    let running = house.start(&["run"]);
    std::thread::sleep(Duration::from_secs(15));
    running.stop();
    let report = org.report();
    assert_eq!(report.violations, []);
    assert_eq!(report.peak_concurrency, 2, "{report:?}");
    assert!(house.lines("out.ndjson").len() > 2_000, "both were read");
}
