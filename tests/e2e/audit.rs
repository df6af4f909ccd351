//! What a person sees of ledger, rewind and audit.

use logweir::state::State;

use crate::cli::{configured, said, with_state};
use crate::house::{House, text};
use crate::org::Org;
use crate::proof::counted;

#[test]
fn what_is_stored_of_a_source_is_shown() {
    let shown = said(&with_state(), &["state", "show", "acme"]);
    insta::assert_snapshot!(shown, @r#"
    source acme
      reads       http://127.0.0.1:9 through plugin okta
      settled     1000 records, 2 of them in the dead letter
      updated     2023-11-14T22:13:20Z
      ledger      1000 records in 16000 bytes, complete since 2023-09-18T01:20:00Z
      checkpoint  {"v":1,"who":"\u{9b}2J"}
    exit code 0
    "#);
    insta::assert_snapshot!(said(&with_state(), &["state", "show", "acm"]), @r"
    error: nothing is stored of `acm`; did you mean `acme`?
    exit code 2
    ");
}

#[test]
fn a_rewind_says_what_comes_again_and_is_refused_where_nobody_can_be_asked() {
    let house = with_state();
    let rewind = |more: &[&str]| {
        let arguments = [&["state", "rewind", "acme", "--to"], more].concat();
        said(&house, &arguments)
    };
    let stored = || {
        let state = State::open(&house.path(".logweir")).unwrap();
        state.source("acme").unwrap().unwrap().rewind_to
    };
    insta::assert_snapshot!(rewind(&["2023-11-01T00:00:00Z", "--dry-run"]), @r#"
    source acme
      reads       http://127.0.0.1:9 through plugin okta
      settled     1000 records, 2 of them in the dead letter
      updated     2023-11-14T22:13:20Z
      ledger      1000 records in 16000 bytes, complete since 2023-09-18T01:20:00Z
      checkpoint  {"v":1,"who":"\u{9b}2J"}

    The next run reads from 2023-11-01T00:00:00Z on, whatever was delivered of it: at most 1000 records come again.
    nothing was changed
    exit code 0
    "#);
    let refused = rewind(&["2023-09-01T00:00:00Z"]);
    assert!(
        refused.contains("what was delivered of before 2023-09-18T01:20:00Z comes again too"),
        "{refused}"
    );
    assert!(
        refused
            .ends_with("nothing was changed: say --yes to rewind without being asked\nexit code 2"),
        "{refused}"
    );
    assert_eq!(stored(), None);
    let done = rewind(&["2023-11-01T00:00:00Z", "--yes"]);
    assert!(
        done.ends_with(
            "rewound: the next run of `acme` begins at 2023-11-01T00:00:00Z\nexit code 0"
        ),
        "{done}"
    );
    assert_eq!(stored(), Some(1_698_796_800_000_000_000));
    let shown = said(&house, &["state", "show", "acme"]);
    assert!(
        shown.contains("rewound     its next run begins at 2023-11-01T00:00:00Z"),
        "{shown}"
    );
    for (odd, says) in [
        ("yesterday", "a time is written like"),
        ("2999-01-01T00:00:00Z", "must be in the past"),
    ] {
        let refused = rewind(&[odd]);
        assert!(
            refused.contains(says) && refused.ends_with("exit code 2"),
            "{refused}"
        );
    }
}

#[test]
fn an_audit_that_can_not_be_made_says_why_and_reads_nothing() {
    insta::assert_snapshot!(said(&configured(), &["audit", "acm"]), @r"
    error: there is no source `acm`; did you mean `acme`?
    exit code 2
    ");
    let house = configured();
    insta::assert_snapshot!(said(&house, &["audit", "acme"]), @r"
    error: nothing of acme is in the ledger yet, so nothing can be compared with it: `logweir run` reads it first
    exit code 1
    ");
    assert!(!house.path(".logweir").exists());
    insta::assert_snapshot!(said(&with_state(), &["audit", "acme", "--since", "2023-09-01T00:00:00Z"]), @r"
    error: the ledger of acme knows everything delivered since 2023-09-18T01:20:00Z, and nothing of before; ask for what is later, and set `ledger: { keep: … }` for what is to come
    exit code 1
    ");
}

#[test]
fn who_asks_for_a_report_gets_it_alone_whatever_is_shown_else() {
    let org = Org::with_events(50);
    let house = House::with_one_source(&org.url);
    let text = std::fs::read_to_string(house.path("logweir.yaml")).unwrap();
    let screen = "  screen: { type: console, inputs: [acme] }\n";
    house.write("logweir.yaml", &format!("{text}{screen}"));
    house.run_ok(&["run", "--once"]);
    org.persist_now(1);
    let output = house.run_ok(&["audit", "acme", "--json", "--since", "1d"]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["missing"], 0);
}

#[test]
fn what_was_delivered_is_in_the_ledger_to_the_last_event() {
    let org = Org::with_events(2_500);
    let house = House::with_one_source(&org.url);
    house.run_ok(&["run", "--once"]);
    let state = State::open(&house.path(".logweir")).unwrap();
    let digester = state.digester();
    let mut known = Vec::new();
    state
        .for_each_delivered("acme", |digest| known.push(digest))
        .unwrap();
    assert_eq!(known.len(), 2_500);
    for line in house.lines("out.ndjson") {
        let event: serde_json::Value = serde_json::from_slice(&line).unwrap();
        let digest = digester.digest(event["uuid"].as_str().unwrap(), &line);
        assert!(known.contains(&digest), "{event}");
    }
    assert_eq!(counted(house.lines("out.ndjson")).len(), 2_500);
}
/// Takes every seventh of the last events out of the stored ledger; says which, by id.
pub(crate) fn take_out(house: &House, lines: &[Vec<u8>]) -> Vec<String> {
    let state = State::open(&house.path(".logweir")).unwrap();
    let digester = state.digester();
    let mut taken = Vec::new();
    let mut digests = Vec::new();
    for line in lines.iter().rev().step_by(7).take(137) {
        let event: serde_json::Value = serde_json::from_slice(line).unwrap();
        let id = event["uuid"].as_str().unwrap().to_owned();
        let digest = digester.digest(&id, line);
        digests.push([digest.id.to_le_bytes(), digest.bytes.to_le_bytes()].concat());
        taken.push(id);
    }
    let database = rusqlite::Connection::open(house.path(".logweir/state.db")).unwrap();
    let mut query = database
        .prepare("SELECT sequence, digests FROM ledger")
        .unwrap();
    let rows = query.query_map([], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?))
    });
    for (sequence, blob) in rows.unwrap().map(Result::unwrap).collect::<Vec<_>>() {
        let kept = blob
            .chunks(16)
            .filter(|digest| !digests.iter().any(|out| out == digest));
        let kept: Vec<u8> = kept.flatten().copied().collect();
        let sql = "UPDATE ledger SET digests = ?2 WHERE sequence = ?1";
        database
            .execute(sql, rusqlite::params![sequence, kept])
            .unwrap();
    }
    taken.sort();
    taken
}

#[test]
fn delivery_14_an_audit_of_an_org_names_and_delivers_exactly_what_is_missing() {
    let org = Org::with_events(100_000);
    let house = House::with_one_source(&org.url);
    house.run_ok(&["run", "--once"]);
    let lines = house.lines("out.ndjson");
    let missing = take_out(&house, &lines);
    assert_eq!(missing.len(), 137);
    // They are in the stretch that is audited, and live has yet to come to them: they are late, and not missing.
    for number in 0..50 {
        let published = org.now() - jiff::SignedDuration::from_hours(24 * 30 + number);
        let event = format!(r#"{{"uuid":"late-{number}","published":"{published:.3}"}}"#);
        org.persist(&event, published);
    }
    for (arguments, exit) in [
        (&["audit", "acme", "--since", "59d", "--json"][..], 1),
        (&["audit", "acme", "--since", "59d", "--json", "--fix"], 0),
    ] {
        let output = house.run(arguments);
        assert_eq!(output.status.code(), Some(exit), "{}", text(&output));
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let records = report["records"].as_array().unwrap();
        let mut ids: Vec<_> = records
            .iter()
            .map(|record| record["id"].as_str().unwrap().to_owned())
            .collect();
        ids.sort();
        assert_eq!(ids, missing);
    }
    let counts = counted(house.lines("out.ndjson"));
    assert_eq!(
        counts.values().filter(|count| **count == 2).count(),
        missing.len()
    );
    assert_eq!(counts.len(), 100_050);
    assert_eq!(house.lines("out.ndjson").len(), 100_050 + missing.len());
    assert_eq!(org.report().violations, []);
}
