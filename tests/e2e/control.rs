//! What operators ask of a running host, or do without one, and what the log says of it.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixListener;
use std::time::Duration;

use logweir::state::State;
use okta_sim::OrgConfig;
use serde_json::Value;

use crate::audit::take_out;
use crate::cli::{said, with_state};
use crate::house::{House, text};
use crate::org::Org;
use crate::proof::{counted, delivered_once, wait_until};

/// Whom the log should name.
fn uid(house: &House) -> u32 {
    fs::metadata(house.root()).unwrap().uid()
}

fn log(house: &House) -> String {
    fs::read_to_string(house.path("log")).unwrap_or_default()
}

fn settled(house: &House) -> u64 {
    let state = State::open_existing(&house.path(".logweir")).unwrap();
    let stored = state.and_then(|state| state.source("acme").unwrap());
    stored.map_or(0, |stored| stored.settled)
}

/// Ids of the records in a report as JSON, and how many were compared, missing and delivered.
fn findings(house: &House, since: &str, arguments: &[&str], exit: i32) -> (Vec<String>, [u64; 3]) {
    let output = house.run(&[&["audit", "acme", "--since", since, "--json"], arguments].concat());
    assert_eq!(output.status.code(), Some(exit), "{}", text(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let records = report["records"].as_array().unwrap().iter();
    let mut ids: Vec<_> = records
        .map(|record| record["id"].as_str().unwrap().to_owned())
        .collect();
    ids.sort();
    let count = |key: &str| report[key].as_u64().unwrap();
    (ids, ["compared", "missing", "delivered"].map(count))
}

#[test]
fn delivery_14_a_running_host_audits_when_asked_and_finds_what_it_would_alone() {
    let org = Org::with_events(3_000);
    let house = House::with_one_source(&org.url);
    house.run_ok(&["run", "--once"]);
    let missing = take_out(&house, &house.lines("out.ndjson"));
    let since = format!(
        "{:.0}",
        org.now() - jiff::SignedDuration::from_hours(40 * 24)
    );
    let alone = findings(&house, &since, &[], 1);
    assert_eq!(alone.0, missing);

    let mut running = house.start(&["run"]);
    wait_until("it listens", || {
        house.path(".logweir/control.sock").exists()
    });
    assert_eq!(findings(&house, &since, &[], 1), alone);
    org.persist_now(5);
    let fixed = findings(&house, &since, &["--fix"], 0);
    let [_, left, delivered] = fixed.1;
    assert_eq!((fixed.0, left, delivered), (missing.clone(), 0, 137));
    let again = said(&house, &["audit", "acme", "--since", &since]);
    assert!(again.contains("\n  missing    0\n"), "{again}");
    let act = format!(
        "act=audit-fix uid={} by=\"socket\" source=\"acme\"",
        uid(&house)
    );
    wait_until("the act is in the log", || log(&house).contains(&act));
    assert_eq!(log(&house).matches("act=audit-fix").count(), 1);
    running.signal("-TERM");
    assert!(running.wait().success());
    assert_eq!(house.lines("out.ndjson").len(), 3_005 + missing.len());
    assert_eq!(org.report().violations, []);
}

#[test]
fn delivery_14_who_hangs_up_interrupts_an_audit_and_who_asks_again_goes_on_where_it_was() {
    let org = Org::new(OrgConfig {
        events: 12_000,
        latency: Duration::from_millis(400),
        rate_limit: 6_000,
        ..OrgConfig::default()
    });
    let house = House::with_one_source(&org.url);
    let mut running = house.start(&["run"]);
    wait_until("the past is there", || settled(&house) == 12_000);
    let mut asking = house.start(&["audit", "acme", "--since", "58d"]);
    let state = State::open(&house.path(".logweir")).unwrap();
    let audit = || state.audit("acme").unwrap();
    wait_until("some of it is compared", || {
        audit().is_some_and(|audit| audit.read > 0)
    });
    // As Ctrl-C, which whoever runs tests in the background may have turned off.
    asking.signal("-TERM");
    assert!(!asking.wait().success());
    wait_until("the host has seen it", || {
        log(&house).contains("an audit did not come to its end")
    });
    let before = audit().unwrap();
    assert!(
        before.read < 12_000 && before.finished.is_none(),
        "{before:?}"
    );
    org.persist_now(3);
    wait_until("live goes on", || {
        house.lines_so_far("out.ndjson") == 12_003
    });

    let said = said(&house, &["audit", "acme", "--since", "58d"]);
    assert!(
        said.contains("going on with an interrupted audit"),
        "{said}"
    );
    assert!(said.contains("\n  missing    0\n"), "{said}");
    running.signal("-TERM");
    assert!(running.wait().success());
    assert_eq!(delivered_once(&house, "out.ndjson", &org), Ok(()));
}

#[test]
fn trust_21_a_host_of_another_version_that_can_not_audit_is_told_with_what_to_do() {
    let house = with_state();
    let listener = UnixListener::bind(house.path(".logweir/control.sock")).unwrap();
    let older = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut line = String::new();
        BufReader::new(&stream).read_line(&mut line).unwrap();
        let refused = "{\"version\":1,\"answer\":{\"refused\":\"this host does not know the request: unknown variant \
                       `audit`, expected `status`\"}}";
        writeln!(stream, "{refused}").unwrap();
        line
    });
    let said = said(
        &house,
        &["audit", "acme", "--since", "2023-11-01T00:00:00Z"],
    );
    assert!(
        said.contains("the running host is of another version and can't do this: restart it"),
        "{said}"
    );
    assert!(said.ends_with("exit code 1"), "{said}");
    assert!(
        older
            .join()
            .unwrap()
            .contains("\"audit\":{\"source\":\"acme\"")
    );
}

/// The one line of a log in JSON that tells of an act.
fn act_of(said: &str) -> Value {
    let lines = said.lines().filter(|line| line.starts_with('{'));
    let lines = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut acts: Vec<_> = lines.filter(|line| line["act"].is_string()).collect();
    assert_eq!(acts.len(), 1, "{said}");
    acts.remove(0)
}

#[test]
fn trust_21_acts_of_administrators_are_one_line_each_with_who_and_how() {
    let house = with_state();
    let uid = uid(&house);
    let rewind = [
        "state",
        "rewind",
        "acme",
        "--to",
        "2023-11-01T00:00:00Z",
        "--yes",
    ];
    let rewound = said(&house, &rewind);
    let lines: Vec<_> = rewound
        .lines()
        .filter(|line| line.contains("act="))
        .collect();
    assert_eq!(lines.len(), 1, "{rewound}");
    let line = lines[0];
    let named = format!("act=state-rewound uid={uid} by=\"command\" source=\"acme\"");
    assert!(
        line.contains(&named) && line.contains("2023-11-01T00:00:00Z"),
        "{line}"
    );

    let configuration = fs::read_to_string(house.path("logweir.yaml")).unwrap();
    house.write(
        "logweir.yaml",
        &format!("{configuration}log: {{ format: json }}\n"),
    );
    for (arguments, act) in [
        (&rewind[..], "state-rewound"),
        (&["state", "forget", "acme", "--yes"], "state-forgotten"),
    ] {
        let said = said(&house, arguments);
        let line = act_of(&said);
        assert_eq!(line["act"], act);
        assert_eq!(line["uid"], uid);
        assert_eq!(line["by"], "command");
        assert_eq!(line["source"], "acme");
        assert_eq!(line["level"], "WARN");
    }
}

#[test]
fn trust_21_grants_that_are_others_than_in_the_run_before_are_an_act() {
    let org = Org::with_events(5);
    let house = House::with_one_source(&org.url);
    for _ in 0..2 {
        let said = text(&house.run_ok(&["run", "--once"]));
        assert!(!said.contains("grants-changed"), "{said}");
    }
    let elsewhere = org.url.replace("127.0.0.1", "localhost");
    for (format, tells) in [("text", true), ("json", false)] {
        house.configure(&[("acme", &elsewhere)], &[("archive", "out.ndjson")], "");
        let configuration = fs::read_to_string(house.path("logweir.yaml")).unwrap();
        let log = format!("{configuration}log: {{ format: {format} }}\n");
        house.write("logweir.yaml", &log);
        // What belongs to another origin is refused besides.
        let said = text(&house.run(&["run", "--once"]));
        let told = said.contains("grants-changed");
        assert_eq!(told, tells, "once: {said}");
        if tells {
            let named = format!(
                "act=grants-changed uid={} by=\"command\" source=\"acme\"",
                uid(&house)
            );
            assert!(said.contains(&named), "{said}");
            let reach = format!("GET {elsewhere} /api/v1/logs with api_token");
            assert!(
                said.contains(&reach) && said.contains("it may no longer: "),
                "{said}"
            );
        }
    }
    house.configure(&[("acme", &org.url)], &[("archive", "out.ndjson")], "");
    let configuration = fs::read_to_string(house.path("logweir.yaml")).unwrap();
    house.write(
        "logweir.yaml",
        &format!("{configuration}log: {{ format: json }}\n"),
    );
    let said = text(&house.run(&["run", "--once"]));
    let line = act_of(&said);
    assert_eq!(line["act"], "grants-changed");
    assert_eq!(line["by"], "command");
    assert_eq!(line["source"], "acme");
}

/// Whether every event that the org ever had is there, once, in whatever order.
fn everything_once(house: &House, org: &Org) -> bool {
    counted(house.lines("out.ndjson")) == counted(org.persisted())
}

/// How often a line of the log says this.
fn times(said: &str, words: &str) -> usize {
    said.lines().filter(|line| line.contains(words)).count()
}

#[test]
fn delivery_15_a_longer_past_is_read_by_command_alone_and_comes_once() {
    let org = Org::with_events(4_000);
    let house = House::new();
    let configure = |days: u32| {
        let more = format!("      backfill: {days}d\n");
        house.configure(&[("acme", &org.url)], &[("archive", "out.ndjson")], &more);
    };
    configure(20);
    house.run_ok(&["run", "--once"]);
    let first = house.lines("out.ndjson").len();
    assert!(first > 100 && first < 3_000, "{first}");

    // The configuration alone does nothing, and says so.
    configure(60);
    let warned = text(&house.run_ok(&["run", "--once"]));
    let advice = "logweir backfill acme --since 20";
    assert_eq!(times(&warned, advice), 1, "{warned}");
    assert_eq!(house.lines("out.ndjson").len(), first);

    let dry = said(&house, &["backfill", "acme", "--since", "40d", "--dry-run"]);
    assert!(dry.ends_with("nothing was read\nexit code 0"), "{dry}");
    let unasked = said(&house, &["backfill", "acme", "--since", "40d"]);
    assert!(
        unasked.contains("say --yes to read") && unasked.ends_with("exit code 2"),
        "{unasked}"
    );
    assert_eq!(house.lines("out.ndjson").len(), first);

    // By a running host.
    let mut running = house.start(&["run"]);
    wait_until("it listens", || {
        house.path(".logweir/control.sock").exists()
    });
    let output = house.run_ok(&["backfill", "acme", "--since", "40d", "--yes", "--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let second = first + usize::try_from(report["delivered"].as_u64().unwrap()).unwrap();
    assert!(second > first);
    org.persist_now(3);
    wait_until("what is new comes too", || {
        house.lines_so_far("out.ndjson") == second + 3
    });
    let act = format!(
        "act=backfill uid={} by=\"socket\" source=\"acme\"",
        uid(&house)
    );
    assert!(log(&house).contains(&act), "{}", log(&house));
    running.signal("-TERM");
    assert!(running.wait().success());

    // And alone.
    let said_alone = said(&house, &["backfill", "acme", "--since", "60d", "--yes"]);
    assert!(said_alone.contains("acme is read since"), "{said_alone}");
    assert!(everything_once(&house, &org));
    let again = said(&house, &["backfill", "acme", "--since", "50d", "--yes"]);
    assert!(
        again.contains("already: ask for an earlier time"),
        "{again}"
    );
    let silent = text(&house.run_ok(&["run", "--once"]));
    assert_eq!(times(&silent, "logweir backfill"), 0, "{silent}");
    assert!(everything_once(&house, &org));
    assert_eq!(org.report().violations, []);
}

#[test]
fn what_goes_without_saying_is_said_of_a_valid_configuration() {
    let house = House::new();
    let source = |name: &str, more: &str| {
        format!(
            "  {name}:\n    plugin: okta\n    config: {{ domain: {name}.okta.com }}\n    credentials: {{ api_token: \
             \"${{file:token}}\" }}\n{more}"
        )
    };
    let sources = [
        source("one", "    silence: 4h\n    budget: { share: 20% }\n"),
        source("two", ""),
        source("three", ""),
    ];
    house.write(
        "logweir.yaml",
        &format!(
            "sources:\n{}outputs:\n  screen: {{ type: console, inputs: [one, two, three] }}\nlisten: 127.0.0.1:9600\naudit: {{ \
             every: 1d, since: 2d, fix: true }}\nledger: {{ keep: 30d }}\n",
            sources.concat()
        ),
    );
    insta::assert_snapshot!(said(&house, &["validate"]), @r"
    logweir.yaml is valid: 3 sources (one, two, three), 1 output (screen)
      silence   after 4h (one), learnt (two, three)
      budget    20% of each limit (one), 50% of each limit (two, three)
      ledger    remembers 30d
      audits    every 1d, of the last 2d; what is missing is delivered
      listen    127.0.0.1:9600, for health and metrics
    exit code 0
    ");
}

#[test]
fn a_host_whose_configuration_was_broken_shows_what_it_does_and_what_is_wrong() {
    let org = Org::with_events(50);
    let house = House::with_one_source(&org.url);
    let running = house.start(&["run"]);
    wait_until("it can be asked", || {
        house.run(&["status"]).status.success()
    });
    let good = fs::read_to_string(house.path("logweir.yaml")).unwrap();
    house.write("logweir.yaml", &format!("{good}liste: 9600\n"));
    let output = house.run_ok(&["status"]);
    let page = text(&output);
    assert!(page.contains("unknown key `liste`"), "{page}");
    assert!(page.contains("acme"), "{page}");
    wait_until("it has tried to reload", || {
        let shown = text(&house.run(&["status"]));
        let words: Vec<_> = shown.split_whitespace().collect();
        let shown = words.join(" ");
        shown.contains("1 error in logweir.yaml: logweir.yaml:")
    });
    fs::remove_file(house.path("logweir.yaml")).unwrap();
    let page = text(&house.run_ok(&["status", "--json"]));
    assert!(page.contains("\"acme\""), "{page}");
    drop(running);
}
