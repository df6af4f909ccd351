//! The cursor: where reading goes on, whatever the events' own times say, and what happens when the org refuses it.

use okta_sim::{Fault, FaultKind, OrgConfig};

use crate::house::{House, text};
use crate::org::Org;
use crate::proof::{counted, delivered_once, wait_until};

/// Pages of a handful of events.
const SMALL_PAGES: &str = "      limit: 7\n";

fn house(org: &Org, more: &str) -> House {
    let house = House::new();
    configure(&house, org, more);
    house
}

fn configure(house: &House, org: &Org, more: &str) {
    house.configure(&[("acme", &org.url)], &[("archive", "out.ndjson")], more);
}

fn event(name: &str, published: jiff::Timestamp) -> String {
    format!(r#"{{"uuid":"{name}","published":"{published:.3}","eventType":"user.session.start"}}"#)
}

#[test]
fn trap_03_trap_05_events_that_are_persisted_late_are_read_and_no_window_is_ever_asked_for() {
    let org = Org::new(OrgConfig {
        events: 300,
        late_percent: 30.0,
        ..OrgConfig::default()
    });
    let house = house(&org, SMALL_PAGES);
    house.run_ok(&["run", "--once"]);
    assert_eq!(delivered_once(&house, "out.ndjson", &org), Ok(()));

    let hours = |hours: i64| org.now() - jiff::SignedDuration::from_hours(hours);
    for (name, published) in [
        ("two-hours-late", hours(2)),
        ("now", org.now()),
        ("fifty-days-late", hours(1_200)),
        ("of-the-year-4000", "4000-01-01T00:00:00Z".parse().unwrap()),
        ("an-hour-late", hours(1)),
    ] {
        org.persist(&event(name, published), published);
        house.run_ok(&["run", "--once"]);
    }
    assert_eq!(house.lines("out.ndjson").len(), 305);
    assert_eq!(delivered_once(&house, "out.ndjson", &org), Ok(()));
    let report = org.report();
    assert_eq!((report.bounded, report.violations), (0, vec![]));
}

#[test]
fn trap_04_equal_times_on_both_sides_of_every_page_border_lose_nothing() {
    let org = Org::with_events(0);
    let same = org.now();
    for number in 0..40 {
        org.persist(&event(&format!("same-{number}"), same), same);
    }
    let house = house(&org, SMALL_PAGES);
    house.run_ok(&["run", "--once"]);
    assert_eq!(house.lines("out.ndjson").len(), 40);
    assert_eq!(delivered_once(&house, "out.ndjson", &org), Ok(()));
}

#[test]
fn trap_06_a_quiet_org_keeps_its_place_and_is_asked_once_a_poll() {
    let org = Org::with_events(20);
    let house = house(&org, "");
    house.run_ok(&["run", "--once"]);
    let before = org.report();
    for _ in 0..3 {
        house.run_ok(&["run", "--once"]);
    }
    let quiet = org.report();
    assert_eq!(quiet.polling, before.polling + 3);
    assert_eq!(
        quiet.events_served, before.events_served,
        "nothing is read again"
    );
    org.persist_now(2);
    house.run_ok(&["run", "--once"]);
    assert_eq!(org.report().events_served, 22);
    assert_eq!(delivered_once(&house, "out.ndjson", &org), Ok(()));
}

#[test]
fn trap_12_trap_13_pages_are_as_large_as_can_be_and_a_short_one_is_not_chased() {
    let org = Org::with_events(1_200);
    let house = House::new();
    house.write(
        "logweir.yaml",
        &format!(
            "sources:\n  acme:\n    plugin: okta\n    config: {{ url: \"{}\", poll: 1h }}\n    credentials: {{ \
             api_token: \"${{file:token}}\" }}\noutputs:\n  archive: {{ type: file, inputs: [acme], path: out.ndjson }}\n",
            org.url
        ),
    );
    let mut running = house.start(&["run"]);
    wait_until("all events are there", || {
        house.lines_so_far("out.ndjson") == 1_200
    });
    // Whoever chased the short page would have done so by now.
    std::thread::sleep(std::time::Duration::from_secs(1));
    running.signal("-TERM");
    assert!(running.wait().success());
    let report = org.report();
    assert_eq!(report.polling, 2);
    assert_eq!(report.by_limit.keys().collect::<Vec<_>>(), ["1000"]);
}

#[test]
fn trap_07_a_refused_cursor_heals_by_itself_and_repeats_nothing() {
    let org = Org::with_events(60);
    let house = house(&org, SMALL_PAGES);
    house.run_ok(&["run", "--once"]);
    org.persist_now(3);
    org.fault(Fault::new(FaultKind::InvalidateCursors));
    let asked = org.report().requests;

    let said = text(&house.run_ok(&["run", "--once"]));
    assert!(said.contains("refuses the stored position"), "{said}");
    assert_eq!(
        org.report().requests,
        asked + 2,
        "the refusal, and a little of what was there before"
    );
    assert_eq!(delivered_once(&house, "out.ndjson", &org), Ok(()));

    let said = text(&house.run_ok(&["run", "--once"]));
    assert!(!said.contains("refuses"), "{said}");
    assert_eq!(delivered_once(&house, "out.ndjson", &org), Ok(()));
    assert_eq!(org.report().violations, []);
}

#[test]
fn trap_08_delivery_18_a_changed_limit_or_filter_counts_at_once_and_the_position_stays() {
    let org = Org::with_events(50);
    let house = house(&org, "      limit: 20\n");
    house.run_ok(&["run", "--once"]);
    org.persist_now(30);

    configure(&house, &org, "      limit: 10\n");
    let said = text(&house.run_ok(&["run", "--once"]));
    assert!(said.contains("`limit`, `filter` or `q` changed"), "{said}");
    assert!(org.report().by_limit.contains_key("10"));
    assert_eq!(
        delivered_once(&house, "out.ndjson", &org),
        Ok(()),
        "nothing is lost or repeated"
    );
    let said = text(&house.run_ok(&["run", "--once"]));
    assert!(!said.contains("changed"), "it is said once: {said}");

    org.persist_now(5);
    configure(
        &house,
        &org,
        "      limit: 10\n      filter: severity eq \"ERROR\"\n",
    );
    house.run_ok(&["run", "--once"]);
    assert_eq!(
        house.lines("out.ndjson").len(),
        80,
        "from here on nothing else is wanted"
    );
    assert_eq!(org.report().violations, []);
}

#[test]
fn a_filter_and_keywords_reach_the_org_as_they_were_written() {
    let org = Org::with_events(0);
    let now = org.now();
    for word in ["plain", "O'Neill", "ünï & 100% + more"] {
        let event = format!(
            r#"{{"uuid":"{word}","published":"{now:.3}","eventType":"x","displayMessage":"{word}"}}"#
        );
        org.persist(&event, now);
    }
    for word in ["O'Neill", "ünï & 100% + more"] {
        let filter = format!(
            "      limit: 1\n      filter: 'displayMessage eq \"{}\"'\n",
            word.replace('\'', "''")
        );
        let house = house(&org, &filter);
        house.run_ok(&["run", "--once"]);
        let lines = house.lines("out.ndjson");
        assert_eq!(lines.len(), 1, "{word}");
        assert!(String::from_utf8_lossy(&lines[0]).contains(word));
    }
    assert_eq!(
        org.report().violations,
        [],
        "links with such a filter are followed byte for byte"
    );
}

#[test]
fn delivery_07_a_busy_org_does_not_keep_a_run_that_is_to_end() {
    let org = Org::new(OrgConfig {
        events: 50,
        live_per_sec: 200.0,
        // Slower than what is new: it is never caught up.
        latency: std::time::Duration::from_millis(100),
        ..OrgConfig::default()
    });
    let before = org.persisted();
    let house = house(&org, SMALL_PAGES);
    house.run_ok(&["run", "--once"]);
    let (lines, events) = (house.lines("out.ndjson"), org.persisted());
    assert!(
        lines.len() >= before.len() && lines.len() < events.len(),
        "{} of {}",
        lines.len(),
        events.len()
    );
    // What is new may be read beside what was there before.
    let (lines, events) = (counted(lines), counted(events));
    let missing = before.iter().filter(|event| !lines.contains_key(*event));
    assert_eq!(missing.count(), 0);
    assert!(
        lines
            .iter()
            .all(|(line, times)| events.get(line) == Some(times))
    );
}
