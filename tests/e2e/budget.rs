//! The budget of an org over real sockets: all of our share of it, no more, and never a 429.
//!
//! Windows are shorter than Okta's minute. How much of each was used, the org itself counts; nothing here measures time.

use std::thread;
use std::time::Duration;

use okta_sim::{OrgConfig, Report, WindowUse};

use crate::house::House;
use crate::org::Org;
use crate::proof::{counted, delivered_once, wait_until};

/// Events of a page.
const PAGE: usize = 20;
const SMALL_PAGES: &str = "      limit: 20\n";

/// An org whose log takes four windows to read with half of its limit.
fn limited(rate_limit: u64, seconds: u64) -> OrgConfig {
    let requests = usize::try_from(rate_limit / 2 * 7 / 2).unwrap();
    OrgConfig {
        events: requests * PAGE - 7,
        rate_limit,
        rate_window: Duration::from_secs(seconds),
        ..OrgConfig::default()
    }
}

/// Reads an org to its end, whole and once, in small pages.
fn read(org: &Org) -> Report {
    let house = House::new();
    house.configure(
        &[("acme", &org.url)],
        &[("archive", "out.ndjson")],
        SMALL_PAGES,
    );
    // What is new is asked for once: else how many requests there are would be a matter of time.
    let config = std::fs::read_to_string(house.path("logweir.yaml")).unwrap();
    house.write("logweir.yaml", &config.replace("poll: 200ms", "poll: 1h"));
    house.run_ok(&["run", "--once"]);
    assert_eq!(delivered_once(&house, "out.ndjson", org), Ok(()));
    org.report()
}

/// Nobody was refused, no window saw more than our share, and all but the last together saw at least nine tenths of it:
/// in a short one a busy machine may miss a turn or two.
fn kept_to_the_share(report: &Report, percent: u64, what: &str) {
    assert_eq!(
        (report.throttled, &report.violations),
        (0, &Vec::new()),
        "{what}"
    );
    let windows = &report.windows;
    assert!(windows.len() >= 3, "{what}: {windows:?}");
    let ours = |window: &WindowUse| window.limit * percent / 100;
    let within = |window: &WindowUse| window.used <= ours(window);
    assert!(windows.iter().all(within), "{what}: {windows:?}");
    let (_, whole) = windows.split_last().unwrap();
    let used: u64 = whole.iter().map(|window| window.used).sum();
    let share: u64 = whole.iter().map(ours).sum();
    assert!(used * 10 >= share * 9, "{what}: {windows:?}");
}

/// The most requests that reading an org may cost (delivery rule 4): one at its end, and one for what is new beside a
/// first read that takes longer than two seconds.
fn requests_for(org: &OrgConfig) -> u64 {
    org.events.div_ceil(PAGE) as u64 + 2
}

#[test]
fn trust_13_a_first_read_uses_its_share_of_each_window_and_causes_no_429() {
    let limits = [(20, 5), (60, 6), (120, 8)];
    let reads = limits.map(|(limit, seconds)| {
        thread::spawn(move || {
            let config = limited(limit, seconds);
            let report = read(&Org::new(config.clone()));
            kept_to_the_share(&report, 50, &format!("{limit} in {seconds} s"));
            assert!(
                report.polling <= requests_for(&config),
                "{} requests",
                report.polling
            );
        })
    });
    for read in reads {
        read.join().unwrap();
    }
}

#[test]
fn trust_13_trap_15_a_clock_that_is_an_hour_wrong_changes_nothing() {
    let reads = [3600, -3600].map(|clock_skew_s| {
        thread::spawn(move || {
            let config = OrgConfig {
                clock_skew_s,
                ..limited(40, 5)
            };
            let report = read(&Org::new(config.clone()));
            kept_to_the_share(&report, 50, &format!("{clock_skew_s} s"));
            // The first question is asked again, by the org's clock.
            assert!(
                report.polling <= requests_for(&config) + 1,
                "{} requests",
                report.polling
            );
        })
    });
    for read in reads {
        read.join().unwrap();
    }
}

#[test]
fn trust_13_a_neighbour_that_takes_half_is_left_its_half() {
    let reads = [20, 60].map(|limit| {
        thread::spawn(move || {
            let config = OrgConfig {
                neighbour_percent: 50.0,
                ..limited(limit, 6)
            };
            let report = read(&Org::new(config));
            kept_to_the_share(&report, 50, &format!("{limit}"));
            assert!(report.windows.iter().any(|window| window.others > 0));
        })
    });
    for read in reads {
        read.join().unwrap();
    }
}

#[test]
fn trust_13_two_sources_of_one_org_share_its_budget_and_the_smaller_share_counts() {
    let org = Org::new(OrgConfig {
        events: 30 * PAGE,
        ..limited(80, 6)
    });
    let house = House::new();
    let source = |name: &str, share: &str| {
        format!(
            "  {name}:\n    plugin: okta\n    config: {{ url: \"{}\", limit: 20 }}\n    budget: {{ share: {share} }}\n    \
             credentials: {{ api_token: \"${{file:token}}\" }}\n",
            org.url
        )
    };
    let text = format!(
        "budget: {{ share: 90% }}\nsources:\n{}{}outputs:\n  archive: {{ type: file, inputs: [one, two], path: out.ndjson }}\n",
        source("one", "80%"),
        source("two", "25%"),
    );
    house.write("logweir.yaml", &text);
    house.run_ok(&["run", "--once"]);
    let counts = counted(house.lines("out.ndjson"));
    assert_eq!(counts.len(), 30 * PAGE);
    assert!(counts.values().all(|times| *times == 2));
    kept_to_the_share(&org.report(), 25, "two sources");
}

#[test]
fn trust_13_a_limit_that_changes_in_mid_read_is_followed() {
    let org = Org::new(OrgConfig {
        events: 200 * PAGE,
        ..limited(20, 3)
    });
    let house = House::new();
    house.configure(
        &[("acme", &org.url)],
        &[("archive", "out.ndjson")],
        SMALL_PAGES,
    );
    let mut running = house.start(&["run", "--once"]);
    let whole = |windows: usize| org.report().windows.len() > windows;
    wait_until("two windows are over", || whole(2));
    org.set_rate_limit(80);
    wait_until("three more are over", || whole(5));
    // What was sent before it was told of still passes: a window had no more than 40 of ours.
    org.set_rate_limit(50);
    assert!(running.wait().success());
    assert_eq!(delivered_once(&house, "out.ndjson", &org), Ok(()));
    let report = org.report();
    assert_eq!((report.throttled, report.violations), (0, Vec::new()));
    let within = |window: &WindowUse| window.used <= window.limit / 2;
    assert!(report.windows.iter().all(within), "{:?}", report.windows);
    let most = report.windows.iter().map(|window| window.used).max();
    assert!(
        most >= Some(30),
        "the higher limit was used: {:?}",
        report.windows
    );
}

#[test]
fn trust_13_an_ample_limit_costs_nothing_and_an_idle_poll_one_request() {
    let org = Org::new(OrgConfig {
        events: 200 * PAGE,
        ..limited(1_000_000, 60)
    });
    let report = read(&org);
    assert_eq!(report.windows.len(), 1, "it never waited for a window");
    let house = House::new();
    house.configure(
        &[("acme", &org.url)],
        &[("archive", "out.ndjson")],
        SMALL_PAGES,
    );
    house.run_ok(&["run", "--once"]);
    let before = org.report();
    house.run_ok(&["run", "--once"]);
    let after = org.report();
    assert_eq!(after.requests - before.requests, 1);
}
