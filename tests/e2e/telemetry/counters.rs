//! Counters count what they say, and agree with what the org and the file hold.

use std::time::Duration;

use okta_sim::{Fault, FaultKind, OrgConfig};

use super::*;
use crate::proof::delivered_once;

#[test]
fn trap_33_counters_agree_with_the_org_and_the_file_while_a_backfill_runs_and_after_it() {
    let errors = Fault::new(FaultKind::Status).status(500).times(2);
    let org = Org::new(OrgConfig {
        events: 8_000,
        latency: Duration::from_millis(100),
        faults: vec![errors.after(3)],
        ..OrgConfig::default()
    });
    let host = Host::start(served(&org.url, ""));
    let records = "source_records_total{source=\"acme\"}";
    let (mut before, mut seen) = (0, Vec::new());
    while before < 8_000 {
        let now = host.counter(records);
        assert!(now >= before, "a counter went back from {before} to {now}");
        assert!(
            now <= org.report().events_served,
            "read before it was served"
        );
        before = now;
        seen.push(now);
        assert_eq!(host.get("/livez").0, 200);
    }
    assert!(
        seen.iter().any(|now| (1..8_000).contains(now)),
        "none in mid-way: {seen:?}"
    );
    wait_until("everything is settled", || {
        host.counter("source_settled_records_total{source=\"acme\"}") == 8_000
    });
    let bytes: usize = org.persisted().iter().map(Vec::len).sum();
    for (name, expected) in [
        (records, 8_000),
        ("source_bytes_total{source=\"acme\"}", bytes as u64),
        ("source_refused_records_total{source=\"acme\"}", 0),
        ("source_repeated_records_total{source=\"acme\"}", 0),
        ("source_differing_records_total{source=\"acme\"}", 0),
        ("source_dead_letter_records_total{source=\"acme\"}", 0),
        ("output_records_total{output=\"archive\"}", 8_000),
        ("output_bytes_total{output=\"archive\"}", bytes as u64),
        ("output_queue_records{output=\"archive\"}", 0),
        ("source_requests_total{source=\"acme\",status=\"500\"}", 2),
    ] {
        assert_eq!(host.counter(name), expected, "{name}");
    }
    wait_until("requests are what the org counted", || {
        let answered = org.report().by_status["200"];
        host.counter("source_requests_total{source=\"acme\",status=\"200\"}") == answered
            && org.report().by_status["200"] == answered
    });
    let live = "logweir_source_phase{source=\"acme\",phase=\"live\"}";
    wait_until("it is live", || host.metric(live) == Some(1.0));
    assert!(host.metric("logweir_plugin_memory_peak_bytes{source=\"acme\"}") > Some(100_000.0));
    assert!(host.metric("logweir_plugin_busy_seconds_total{source=\"acme\"}") > Some(0.0));
    let house = host.stop();
    assert_eq!(delivered_once(&house, "out.ndjson", &org), Ok(()));
    assert_eq!(org.report().violations, []);
}

#[test]
fn a_source_that_waits_has_no_plugin_in_memory() {
    let org = Org::with_events(50);
    let house = served(&org.url, "");
    let config = fs::read_to_string(house.path("logweir.yaml")).unwrap();
    house.write("logweir.yaml", &config.replace("poll: 200ms", "poll: 1h"));
    let host = Host::start(house);
    wait_until("it reads", || host.source()["settled"] == 50);
    wait_until("it is at rest", || {
        host.source()["plugin"]["instances"] == 0
    });
    let plugin = host.source()["plugin"].clone();
    assert_eq!(plugin["memory_bytes"], 0);
    assert!(
        plugin["memory_peak_bytes"].as_u64() > Some(100_000),
        "{plugin}"
    );
    assert_eq!(host.output()["records"], 50);
    assert_eq!(host.source()["retention"]["keeps_seconds"], 90 * 86_400);
    host.stop();
}
